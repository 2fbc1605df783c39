#pragma once

#include "lib/child/selector.h"
#include "lib/crypto/backend.h"
#include "lib/ike/assignment.h"
#include "lib/ike/child_match.h"
#include "lib/ike/cookie.h"
#include "lib/ike/demanded.h"
#include "lib/ike/engine.h"
#include "lib/ike/ike_sa.h"
#include "lib/ike/initiation.h"
#include "lib/ike/input.h"
#include "lib/ike/lookups.h"
#include "lib/ike/payload_query.h"
#include "lib/ike/pending.h"
#include "lib/ike/stays.h"
#include "lib/ike/timers.h"
#include "lib/wire/codec.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

// Longer than other headers: one class, whose member functions stand in many sources.
//
// The engine's inside. Its member functions stand in one source per part of the protocol:
//   engine.cpp         the verbs, commands
//   receive.cpp        from a datagram to the payloads of an exchange
//   exchange.cpp       requests, responses, retransmission, windows
//   initiator.cpp      IKE_SA_INIT and IKE_AUTH, our requests
//   responder.cpp      IKE_SA_INIT and IKE_AUTH, the peer's requests
//   first_child.cpp    the Child SA of IKE_AUTH, for each role
//   create_child.cpp   CREATE_CHILD_SA for Child SAs, our requests
//   answer_child.cpp   likewise, the peer's requests
//   rekey_child.cpp    which of two Child SAs stays
//   rekey_ike.cpp      CREATE_CHILD_SA for the IKE SA
//   clone.cpp          likewise, for one more beside it (RFC 7791)
//   informational.cpp  INFORMATIONAL: DELETE and liveness
//   children.cpp       Child SAs in the kernel
//   handover.cpp       from an IKE SA to the one that was authenticated after it
//   links.cpp          virtual links, and who holds them
//   path.cpp           NAT keepalives, a peer that moves
//   mobility.cpp       MOBIKE (RFC 4555)
//   paths.cpp          a client's paths: several IKE SAs, each over its own uplink
//   ways.cpp           likewise in the kernel, and at the gateway: several ways into one link
//   lifecycle.cpp      the end of an IKE SA, timers
//   initiation.cpp     connections that we begin, and begin again; traps
//   reload.cpp         another configuration
//   groups.h           multi-point SAs, gateway and endpoint
//   bindings.h         Mobile IPv6, home agent and mobile node
//   snapshot.cpp       status()
namespace sheaf::ike {

class Engine::Core {
  public:
    Core(Config config, Random& random, Surroundings& host, Instant now, auth::MethodsMaker make_methods);
    ~Core();

    void datagram(Instant now, const Datagram& datagram);
    std::expected<void, std::string> command(Instant now, Command command);
    void kernel_event(Instant now, const child::KernelEvent& event);
    void network_changed(Instant now);
    void addresses(Instant now, const address::Assigned& answer) { on_addresses(now, answer); }
    std::expected<void, std::string> recall_group(Instant now, const std::string& group, View octets);
    void group_stored(Instant now, const std::string& group, std::uint64_t change);
    // After each of these: what has come of it for groups and bindings.
    void settle(Instant now);
    std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    Outputs take();
    Status status() const;
    const Counters& counters() const { return counters_; }
    bool idle() const { return sas_.empty() && intents_.empty(); }
    void trace(bool on) { trace_ = on; }
    void write_keys(bool on) { write_keys_ = on; }
    void mobility_header(Instant now, const MobilityHeader& header);

  private:
    class Groups;
    class Bindings;
    using Payloads = std::span<const wire::Payload>;
    using Reply = std::vector<wire::Payload>;

    // engine.cpp
    std::expected<void, std::string> up(Instant now, const Up& command);
    std::expected<void, std::string> down(Instant now, const std::string& name);
    std::expected<void, std::string> rekey(Instant now, const Rekey& command);
    std::expected<void, std::string> clone(Instant now, const Clone& command);
    std::expected<void, std::string> reauthenticate(Instant now, const Reauthenticate& command);
    std::expected<void, std::string> down_child(Instant now, const DownChild& command);
    void shut_down(Instant now);
    std::vector<wire::Spi> named(const std::string& name) const;

    // receive.cpp
    void receive_init(const Input& in, const wire::OuterMessage& outer);
    void receive_for_sa(const Input& in, const wire::OuterMessage& outer);
    void receive_unprotected(const Input& in, IkeSa& sa, const wire::OuterMessage& outer);
    std::optional<Reassembly::Whole> open(const Input& in, IkeSa& sa, const wire::Encrypted& encrypted);
    bool in_window(const IkeSa& sa, std::uint32_t message_id) const;
    void on_request(const Input& in, IkeSa& sa, const Reassembly::Whole& whole);
    void on_response(const Input& in, IkeSa& sa, const Reassembly::Whole& whole);
    void dispatch_request(const Input& in, IkeSa& sa, Payloads payloads);
    void dispatch_response(const Input& in, IkeSa& sa, Outstanding request, Payloads payloads);
    void answer_plain(const Input& in, Rule why);

    // exchange.cpp
    wire::Header header_for(const IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                            bool response) const;
    using AddressPair = std::optional<std::pair<IpAddress, IpAddress>>; // ours, the peer's
    void send_request(Instant now, IkeSa& sa, wire::ExchangeType exchange, Purpose purpose, Reply payloads,
                      const AddressPair& over = std::nullopt);
    Duration first_wait(const IkeSa& sa, const Purpose& purpose);
    static Duration liveness_of(const IkeSa& sa);
    void send_outstanding(Instant now, IkeSa& sa, const Outstanding& request);
    // REQUIRES: the request with this ID was received and is not answered.
    void send_response(Instant now, IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                       Payloads payloads);
    void send_plain(const Endpoint& local, const Endpoint& peer, const wire::Header& header,
                    Payloads payloads);
    void transmit(const Endpoint& local, const Endpoint& peer, Bytes bytes);
    void retransmit(Instant now, IkeSa& sa, Outstanding& request);
    static std::size_t largest_message(const IkeSa& sa);
    void want(Instant now, IkeSa& sa, Want want);
    void want_later(Instant now, IkeSa& sa, Want want);
    // Sends what is wanted as far as the window, and the rules of RFC 7296 2.25, let it.
    void serve(Instant now, IkeSa& sa);
    bool may_start(const IkeSa& sa, const Want& want) const;
    void begin(Instant now, IkeSa& sa, const Want& want);
    template <typename T>
    static const T* under_way(const IkeSa& sa);

    // responder.cpp
    void on_init_request(const Input& in, Payloads payloads);
    bool admit(const Input& in, Payloads payloads, View nonce);
    void answer_init(const Input& in, Payloads payloads, const ConnectionPtr& connection,
                     const child::ChosenIke& chosen, const wire::KeyExchange& ke, const wire::Nonce& nonce);
    std::expected<std::pair<ConnectionPtr, child::ChosenIke>, Rule>
    choose_connection(const Datagram& datagram, const wire::Sa& offer, std::uint16_t group) const;
    bool derive_half_open_keys(IkeSa& sa);
    void on_auth_request(const Input& in, IkeSa& sa, Payloads payloads);
    auth::Verdict judge_initiator(IkeSa& sa, Payloads first, Payloads received);
    void refuse_auth(const Input& in, IkeSa& sa, Payloads payloads, const auth::Refusal& why);
    void accept_initiator(const Input& in, IkeSa& sa, auth::Verified peer, Payloads payloads);
    void establish_without_child(Instant now, IkeSa& sa, auth::Verified peer, Reply reply,
                                 std::uint32_t message_id, Rule why);
    void finish_auth(Instant now, IkeSa& sa, bool installed);
    void establish(Instant now, IkeSa& sa, auth::Verified peer);
    static void forget_auth_keys(IkeSa& sa);
    ConnectionPtr connection_for(const IkeSa& sa, const auth::Identity& peer,
                                 const std::optional<auth::Identity>& wanted) const;
    auth::Session session_of(IkeSa& sa);
    bool is_connected(const auth::Identity& peer, const Connection& connection) const;
    void replace_others(Instant now, IkeSa& sa);
    // It ends soon, whatever happens to it meanwhile.
    void supersede(Instant now, IkeSa& sa, Duration stays);
    static bool withdraws(const IkeSa& old, const IkeSa& newer);

    // initiator.cpp
    void start(Instant now, Initiation& initiation);
    void send_init(Instant now, IkeSa& sa);
    void on_init_response(const Input& in, IkeSa& sa, Payloads payloads);
    bool restart_init(const Input& in, IkeSa& sa, Payloads payloads);
    void begin_auth(const Input& in, IkeSa& sa, Connecting connecting, View nonce_r);
    void on_auth_response(const Input& in, IkeSa& sa, Payloads payloads);
    auth::Verdict judge_responder(IkeSa& sa, Payloads payloads);
    void accept_responder(const Input& in, IkeSa& sa, auth::Verified peer, Payloads payloads);

    // first_child.cpp
    void ask_first_child(IkeSa& sa, Authenticating& state, Reply& request);
    // The request, and the nonces that the keys come from.
    struct FirstOffer {
        Payloads payloads;
        crypto::Nonces nonces;
        const AddressPlan* plan = nullptr; // gateway
    };
    std::expected<void, Rule> answer_first_child(Instant now, IkeSa& sa, const FirstOffer& first,
                                                 const address::Assigned* granted, Reply& reply);
    std::expected<void, Rule> accept_first_child(Instant now, IkeSa& sa, Payloads payloads);
    std::expected<AddressPlan, Rule> ask_addresses(Instant now, IkeSa& sa, const auth::Verified& peer,
                                                   Payloads payloads);
    void on_addresses(Instant now, const address::Assigned& answer);
    bool is_expected(address::LinkId link) const;
    void give_back(const Demanded& whose, std::vector<address::Grant> grants);
    void finish_assigning(Instant now, IkeSa& sa, const address::Assigned& answer);
    Bytes link_id_for(const IkeSa& sa, const AddressPlan& plan);
    std::expected<Opening, Rule> take_link(IkeSa& sa, Payloads payloads, const child::Narrowed& narrowed);
    void drop_link(IkeSa& sa);

    // create_child.cpp
    // What a request is to ask for; none where that is there, or not to be had any more.
    const ChildTerms* ask_successor(IkeSa& sa, const ChildSa* old, CreatingChild& request);
    const ChildTerms* ask_new(IkeSa& sa, CreatingChild& request);
    const ChildTerms* ask_for_link(IkeSa& sa, CreatingChild& request);
    void create_child(Instant now, IkeSa& sa, const Want& want);
    void on_child_response(const Input& in, IkeSa& sa, CreatingChild request, Payloads payloads);
    std::expected<void, Rule> accept_child(Instant now, IkeSa& sa, CreatingChild& request, Payloads payloads);
    void on_child_refused(const Input& in, IkeSa& sa, const CreatingChild& request,
                          const wire::Notify& error);

    // answer_child.cpp
    void on_create_child_request(const Input& in, IkeSa& sa, Payloads payloads);
    void on_child_request(const Input& in, IkeSa& sa, Payloads payloads);
    static bool names_link(const IkeSa& sa, const Offer& offer, bool on_link);
    static std::expected<ChildMatch, Rule> match_link(const IkeSa& sa, const Offer& offer);
    std::expected<ChildMatch, Rule> match(const IkeSa& sa, const Offer& offer) const;
    std::expected<void, ChildRefused> answer_child(const Input& in, IkeSa& sa, ChildSa* old,
                                                   const Offer& offer);

    // rekey_child.cpp
    void decide(Instant now, IkeSa& sa, ChildSa& old);
    void child_lost(Instant now, IkeSa& sa, ChildSa& child, const std::string& why);
    void rekey_child(Instant now, IkeSa& sa, ChildSa& child);
    void rekeying_failed(Instant now, IkeSa& sa, ChildSa& child);

    // rekey_ike.cpp
    void rekey_ike(Instant now, IkeSa& sa, const Want& want);
    void on_ike_rekey_request(const Input& in, IkeSa& sa, Payloads payloads);
    void on_ike_rekey_response(const Input& in, IkeSa& sa, RekeyingIke request, Payloads payloads);
    std::expected<void, Rule> accept_ike_rekey(const Input& in, IkeSa& sa, RekeyingIke& request,
                                               Payloads payloads);
    RekeyingIke ask_for_ike(IkeSa& sa, crypto::KeId asked, Reply& to);
    std::expected<MadeIke, Rule> accept_ike(Instant now, IkeSa& sa, RekeyingIke& request, Payloads payloads);
    std::expected<MadeIke, wire::Notify> answer_ike(const Input& in, IkeSa& sa, Payloads payloads,
                                                    Reply& reply);
    // Established as the old one is, or, if that is ending, to be deleted.
    IkeSa& successor_of(Instant now, IkeSa& old, wire::Spi ours, wire::Spi theirs, bool initiator,
                        Protection protection);
    void inherit(Instant now, IkeSa& old, IkeSa& heir);
    void end_doomed(Instant now, IkeSa& sa, ChildSa& child);
    bool after_loss(Instant now, IkeSa& sa, const std::vector<std::string>& lost);
    IkeSa* replaced_by(const IkeSa& made);
    void decided_by_peer(Instant now, IkeSa& made);
    void retire(Instant now, IkeSa& sa);
    void set_ike_lifetimes(Instant now, IkeSa& sa);

    // clone.cpp
    void offer_cloning(const IkeSa& sa, Reply& to) const;
    void accept_cloning(IkeSa& sa, Payloads payloads);
    std::vector<IkeSa*> family_of(const IkeSa& sa);
    std::size_t children_of_family(const IkeSa& sa);
    std::size_t other_logins(const IkeSa& sa);
    void clone_ike(Instant now, IkeSa& sa, const Want& want);
    std::optional<Rule> refuses_clone(const IkeSa& sa);
    void add_to_family(Instant now, IkeSa& sa, IkeSa& made);
    void on_clone_response(const Input& in, IkeSa& sa, CloningIke request, Payloads payloads);
    void on_clone_refused(const Input& in, IkeSa& sa, const CloningIke& request, const wire::Notify& error);

    // informational.cpp
    void on_informational_request(const Input& in, IkeSa& sa, Payloads payloads);
    void on_ike_deleted(const Input& in, IkeSa& sa);
    bool on_children_deleted(const Input& in, IkeSa& sa, const std::vector<wire::ChildSpi>& theirs,
                             Reply& reply);
    bool has_twin(const IkeSa& sa, const ChildSa& child) const;

    // children.cpp
    // A Child SA on this IKE SA as far as configuration and path decide it.
    ChildSa child_of(IkeSa& sa, const ChildMatch& match);
    ChildSa child_of(IkeSa& sa, const std::string& name, const ChildTerms& terms, child::Mode mode,
                     bool on_link);
    ChildSa successor_to(const IkeSa& sa, const ChildSa& old) const;
    ChildSa* find_child(IkeSa& sa, wire::ChildSpi spi_in);
    ChildSa* find_child_by_peer(IkeSa& sa, wire::ChildSpi spi_out);
    std::pair<IkeSa*, ChildSa*> find_child(wire::ChildSpi spi_in);
    // Adds it to the IKE SA and asks the kernel, for its link first.
    void install(Instant now, IkeSa& sa, crypto::ChildKeys keys, ChildSa child, const Opening& opening = {});
    child::InstallSas without_keys(const IkeSa& sa, const ChildSa& child) const;
    child::SaLimits limits_of(const ChildSa& child) const;
    void set_lifetimes(Instant now, ChildSa& child);
    void on_intent_done(Instant now, const child::IntentDone& done);
    void on_child_installed(Instant now, IkeSa& sa, ChildSa& child);
    void on_child_refused_by_kernel(Instant now, IkeSa& sa, ChildSa& child, const std::string& error);
    void answer_deferred(Instant now, IkeSa& sa, wire::ChildSpi child, bool installed);
    void delete_child(Instant now, IkeSa& sa, const Want& want);
    void on_delete_answered(Instant now, IkeSa& sa, wire::ChildSpi spi);
    static void shed_outbound(ChildSa& child, std::vector<child::KernelStep>& steps);
    void activate_outbound(ChildSa& child);
    void take_out(ChildSa& child, std::vector<child::KernelStep>& steps);
    // The child is gone afterwards, but for its inbound entry if it drains.
    void remove_child(Instant now, IkeSa& sa, wire::ChildSpi spi_in, bool drain);
    static void drain(Instant now, ChildSa& child, std::vector<child::KernelStep>& steps);
    void leave_kernel(Instant now, IkeSa& sa);
    std::tuple<IkeSa*, ChildSa*, bool> find_entry(const IpAddress& destination, wire::ChildSpi spi);
    void forget(IkeSa& sa, wire::ChildSpi spi_in);
    void lose_sa(Instant now, const IpAddress& destination, wire::ChildSpi spi, const std::string& why);
    void sa_worn(Instant now, const IpAddress& destination, wire::ChildSpi spi);
    void tell_child_up(const IkeSa& sa, const ChildSa& child);
    void record_keys(const IkeSa& sa);
    void record_keys(const child::InstallSas& sas);

    // handover.cpp
    std::pair<IkeSa*, ChildSa*> counterpart(const IkeSa& sa, const ChildSa& child);
    bool waits_for_peer(const IkeSa& sa, const ChildSa& child);
    void await_handover(Instant now, IkeSa& sa, ChildSa& child);
    void hand_over(Instant now, IkeSa& old, std::vector<child::KernelStep>& steps);

    // links.cpp
    std::shared_ptr<VirtualLink> new_link();
    std::shared_ptr<VirtualLink> link_for_client(IkeSa& sa, const AddressPlan& plan);
    wire::InterfaceId own_interface_id(const wire::InterfaceId& not_this);
    wire::Ip6Link client_end(const IkeSa& sa);
    Opening join_link(IkeSa& sa, LinkShare share);
    void leave_link(IkeSa& sa);
    void tell_name_servers(VirtualLink& link);
    void tell_leases(const IkeSa& sa);
    static bool is_on_link(const IkeSa& sa, const ChildSa& child);
    Initiation* initiation_for(const IkeSa& sa);
    std::shared_ptr<VirtualLink> link_of_peer(const Connection& connection, Initiation* initiation);
    std::vector<child::KernelStep> open_link(const Opening& opening, Pending& pending);
    void release_link(std::shared_ptr<VirtualLink>& holder, std::vector<child::KernelStep>& steps);
    void release_link(IkeSa& sa, std::vector<child::KernelStep>& steps);
    void settle_link(Initiation& initiation, std::vector<child::KernelStep>& steps);
    void settle_link(Initiation& initiation);
    void on_link_answered(Instant now, Pending& pending, bool refused);
    void close_link(const VirtualLink& link, std::vector<child::KernelStep>& steps);

    // path.cpp
    void follow_peer(IkeSa& sa, const Endpoint& local, const Endpoint& peer);
    void on_peer_moved(const child::PeerMoved& moved);
    void keep_mapping(Instant now, IkeSa& sa);
    // The Child SAs go where the IKE SA is.
    void move_children(IkeSa& sa);
    void on_move_refused(Instant now, const Pending::Move& move, const std::string& why);

    // ways.cpp
    std::vector<IkeSa*> users_of(const std::shared_ptr<VirtualLink>& link, const IkeSa& any);
    child::LinkNumber way_of(IkeSa& sa);
    static bool carries(const IkeSa& sa);
    void forget_way(IkeSa& sa);
    static Opening opening_for(const IkeSa& sa, const ChildSa& child);
    std::vector<WayUse> uses_of(const VirtualLink& link, const IkeSa& any, const std::vector<IkeSa*>& users);
    void settle_ways(const IkeSa& sa, const IkeSa* leaving = nullptr);
    void share_out(const std::shared_ptr<VirtualLink>& shared, const IkeSa& any, const IkeSa* leaving);

    // paths.cpp
    static bool has_uplinks(const IkeSa& sa);
    IkeSa* login_of(const Initiation& initiation);
    void plan_paths(Initiation& initiation);
    std::vector<std::pair<UplinkPair, IpAddress>> usable_pairs(const Initiation& initiation) const;
    std::optional<std::pair<IpAddress, IpAddress>> first_pair(Initiation& initiation);
    std::optional<PlacedPath> place_of(const Initiation& initiation, const ClientPath& path);
    const IkeSa* proved_at(const IkeSa& sa, const IpAddress& local, const IpAddress& peer);
    void set_path(Instant now, const Initiation& initiation, ClientPath& path, PathState state,
                  std::string why);
    std::string why_down(const Initiation& initiation, const ClientPath& path) const;
    void wake_paths(Instant now, const IkeSa& sa);
    void settle_paths(Instant now, Initiation& initiation);
    static void remind(Instant now, ClientPaths& paths, const ClientPath& path);
    void share_out_family(Instant now, Initiation& initiation, IkeSa& first);
    void open_path(Instant now, Initiation& initiation, ClientPath& path);
    void keep_path(Instant now, Initiation& initiation, ClientPath& path);
    AddressPair pair_to_try(Instant now, const IkeSa& sa);
    void note_silence(Instant now, const IkeSa& sa, Instant since);
    void note_refusal(Instant now, const IkeSa& sa);
    void note_answer_from(Instant now, const IkeSa& sa, const IpAddress& local, const IpAddress& peer);
    void note_round_trip(const IkeSa& sa, const Outstanding& request, Instant now);
    void note_probe(const IkeSa& sa, bool unanswered);
    Duration round_trip(const IkeSa& sa);
    void forget_round_trip(const IkeSa& sa);
    void settle_paths_of(Instant now, const IkeSa& sa);
    void refuse_path(Instant now, Initiation& initiation, ClientPath& path, const std::string& why);
    void path_refused(Instant now, const IkeSa& sa, const std::string& why);
    void clone_refused(Instant now, const IkeSa& sa, const std::string& why);
    void tell_paths(Status& out) const;

    // mobility.cpp
    void send_question(Instant now, IkeSa& sa, const AddressPair& over = std::nullopt);
    void reconsider_path(Instant now, IkeSa& sa);
    std::vector<std::pair<IpAddress, IpAddress>> other_paths(const IkeSa& sa) const;
    std::vector<std::pair<IpAddress, IpAddress>> other_pairs(const IkeSa& sa) const;
    void move_to(Instant now, IkeSa& sa, const IpAddress& local, const IpAddress& peer);
    void send_again(Instant now, IkeSa& sa);
    void tell_moved(const IkeSa& sa, const Path& before); // either end, or both
    void catch_up(Instant now, const IkeSa& from, IkeSa& sa);
    void send_update(Instant now, IkeSa& sa);
    void send_route_proof(Instant now, IkeSa& sa);
    void on_update_answered(const Input& in, IkeSa& sa, const Moving& moving, Payloads payloads);
    void on_route_proved(const Input& in, IkeSa& sa, const ProvingRoute& proving, Payloads payloads);
    void on_liveness_answered(const Input& in, IkeSa& sa, Payloads payloads);
    void on_addresses_told(const Input& in, IkeSa& sa, Payloads payloads, Reply& reply);
    void on_update(const Input& in, IkeSa& sa, Payloads payloads, Reply& reply);
    void add_nat_detection(const IkeSa& sa, const Endpoint& local, const Endpoint& peer, Reply& to);
    void offer_mobike(const IkeSa& sa, Reply& to) const;
    void accept_mobike(IkeSa& sa, Payloads payloads);

    // lifecycle.cpp
    void arm(IkeSa& sa);
    Instant due(const IkeSa& sa) const;
    Instant keepalive_due(const IkeSa& sa) const;
    void look_at(Instant now, IkeSa& sa);
    bool look_at_children(Instant now, IkeSa& sa);
    void renew(Instant now, IkeSa& sa);
    void expire(Instant now, IkeSa& sa);
    // RFC 4478: the peer tells, or is told, until when its authentication holds.
    void note_lifetime(Instant now, IkeSa& sa, Payloads payloads);
    void limit_authentication(Instant now, IkeSa& sa, Duration lifetime);
    void set_unproved(IkeSa& sa, bool unproved);
    void set_state(IkeSa& sa, State next);
    // Tells the peer, takes the SA out of the kernel and forgets it when the peer has answered or is silent.
    void close(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    // Forgets it at once. The reference is dead afterwards.
    void drop(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    IkeSa* other_of_login(const IkeSa& sa);
    void report_down(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    void erase(IkeSa& sa);
    std::vector<wire::Spi> others_of_peer(const IkeSa& sa) const;
    void drop_others_of_peer(Instant now, const IkeSa& sa);
    Duration jittered(Duration most);

    // initiation.cpp
    Initiation* initiation_of(const IkeSa& sa);
    void on_up(Instant now, Initiation& initiation, IkeSa& sa);
    void adopt(Instant now, IkeSa& sa);
    // Authenticates anew while the present IKE SA goes on.
    void begin_again(Instant now, Initiation& initiation, IkeSa& sa);
    void retry(Instant now, Initiation& initiation, DownReason reason, const std::string& detail);
    void set_traps(Instant now, Initiation& initiation);
    void lift_traps(Initiation& initiation);
    bool is_trap(const IkeSa& sa, child::LinkNumber number) const;
    void on_traps_refused(Instant now, const Pending& pending);
    void on_acquire(Instant now, const child::Acquire& acquire);
    // Whichever side began it.
    IkeSa* established_of(const Initiation& initiation);
    void make_children(Instant now, Initiation& initiation);

    // reload.cpp
    void reload(Instant now, Config config);
    void forget_methods();
    std::vector<wire::Spi> take_new_addresses(const ConnectionPtr& next);
    bool has_old_blocks(const IkeSa& sa) const;
    void renumber(Instant now, IkeSa& sa);

    // shared
    IkeSa& create_sa(Instant now, const ConnectionPtr& connection, const Path& path, State state,
                     bool initiator);
    IkeSa* find(wire::Spi our_spi);
    child::IntentId submit(std::vector<child::KernelStep> steps, Pending pending = {});
    void submit(child::KernelStep step);
    wire::ChildSpi fresh_child_spi();
    wire::Spi fresh_spi();
    child::LinkNumber fresh_number();
    void refuse(const Endpoint& peer, Rule rule, wire::Spi spi = 0, std::string detail = {});
    void tell(Event event) { out_.events.push_back(std::move(event)); }
    void trace_message(bool sent, const wire::Header& header, const Endpoint& local, const Endpoint& peer,
                       Payloads payloads);
    Bytes nonce();

    Config config_;
    std::vector<ConnectionPtr> connections_;
    std::map<std::string, Initiation> initiations_;
    auth::MethodsMaker make_methods_;
    std::unique_ptr<auth::Methods> methods_;
    std::vector<std::unique_ptr<auth::Methods>> retired_methods_; // of configurations before this one
    Random* random_;
    Surroundings* host_;
    crypto::Backend backend_;
    CookieJar cookies_;
    Timers timers_;
    Outputs out_;
    Counters counters_;
    bool trace_ = false;
    bool write_keys_ = false;
    bool shutting_down_ = false;
    std::size_t half_open_ = 0;
    std::map<Prefix, std::size_t> half_open_from_; // by source: an IPv4 address or an IPv6 /64
    Instant plain_answers_since_;
    unsigned plain_answers_ = 0;

    std::unordered_map<wire::Spi, std::unique_ptr<IkeSa>> sas_;   // by our SPI
    std::map<std::pair<wire::Spi, Endpoint>, wire::Spi> by_init_; // responder: initiator's SPI and address
    std::unordered_multimap<std::uint64_t, wire::Spi> by_peer_;   // authenticated identity (its hash)
    std::unordered_map<wire::ChildSpi, wire::Spi> by_child_spi_;  // inbound SPIs to our IKE SPI
    std::unordered_multimap<wire::ChildSpi, wire::ChildSpi> by_peer_spi_; // outbound SPIs to inbound ones
    std::unordered_map<child::IntentId, Pending> intents_;                // unanswered
    std::map<address::DemandId, Demanded> demands_;
    address::DemandId last_demand_ = 0;
    // What nobody on a link uses any more, while more is being asked for it.
    std::map<address::LinkId, std::vector<address::Grant>> left_;
    std::vector<wire::InterfaceId> interface_ids_; // of our ends of clients' links
    std::set<child::LinkNumber> numbers_;          // of links and requests, in use
    child::IntentId last_intent_ = 0;
    child::LinkNumber last_number_ = child::kLastLink;
    std::unique_ptr<Groups> groups_;
    std::unique_ptr<Bindings> bindings_;
};

} // namespace sheaf::ike
