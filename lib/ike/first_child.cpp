// The Child SA of IKE_AUTH (RFC 7296 1.2), and the virtual link that comes with it.

#include "lib/ike/assignment.h"
#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

namespace {

constexpr std::size_t kLinkIdSize = 16;
constexpr std::size_t kSeedSize = 16;

std::vector<address::Grant> granted(const address::Assigned& answer) {
    std::vector<address::Grant> out;
    for (const auto& grant : answer.grants) {
        if (grant) out.push_back(*grant);
    }
    return out;
}

bool names_domains(const wire::Configuration* reply) {
    return reply && std::ranges::any_of(reply->attributes, [](const wire::CfgAttribute& attribute) {
               return attribute.type == wire::CfgAttributeType::internal_dns_domain &&
                      !attribute.value.empty();
           });
}

// RFC 5739 4.2: whether the gateway has given the link that there is, or, by its Link ID, another one.
bool goes_on(const VirtualLink& link, const wire::Configuration* reply) {
    return reply && std::ranges::any_of(reply->attributes, [&](const wire::CfgAttribute& attribute) {
               const auto end = wire::read_link(attribute);
               return end && link.is_named(end->link_id);
           });
}

} // namespace

// What we ask for in IKE_AUTH; nothing where the IKE SA is to come up without a Child SA (RFC 6023 3).
void Engine::Core::ask_first_child(IkeSa& sa, Authenticating& state, Reply& request) {
    const Connection& connection = *sa.connection;
    const ChildTerms* terms = &connection.child;
    if (connection.role == Role::mobile_node) {
        bindings_->ask_first(state, connection, request);
    } else if (connection.role == Role::peer) {
        if (connection.childless && sa.peer_childless) return;
        const Initiation* initiation = initiation_of(sa);
        const bool wanted = initiation && !initiation->children.empty();
        // For its group a connection begins without being asked for a Child SA.
        if (!wanted && sa.peer_childless && groups_->is_joined_by(connection)) return;
        if (connection.children.empty()) return;
        state.child = wanted ? *initiation->children.begin() : connection.children.front().name;
        const ChildConfig* config = child_config(connection, state.child);
        if (!config) return;
        terms = &config->terms;
        state.transport = config->mode == child::Mode::transport;
        state.local = selectors_of(config->local, sa.path.local.address);
        state.remote = selectors_of(config->remote, sa.path.peer.address);
    } else {
        state.child = connection.name;
        state.local = requested_selectors(connection.request);
        state.remote = child::selectors(connection.networks);
        const wire::Ip6Link end = client_end(sa);
        state.interface_id = end.interface_id;
        request.emplace_back(address_request(connection.request, end));
    }
    state.spi_in = fresh_child_spi();
    if (state.transport) request.emplace_back(notify(NotifyType::use_transport_mode));
    request.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    request.emplace_back(child::offer_esp(terms->esp, state.spi_in, false));
    request.emplace_back(wire::TrafficSelectors{true, state.local});
    request.emplace_back(wire::TrafficSelectors{false, state.remote});
}

// Gateway: asks whoever gives addresses for the client's. What could not come up needs none.
std::expected<AddressPlan, Rule> Engine::Core::ask_addresses(Instant now, IkeSa& sa,
                                                             const auth::Verified& peer, Payloads payloads) {
    const auto offer = Offer::read(payloads);
    if (!offer) return std::unexpected(offer.error());
    const bool mobile = sa.connection->role == Role::home_agent;
    if (offer->transport && !mobile) return std::unexpected(Rule::mode_refused);
    const auto chosen = child::choose_esp(sa.connection->child.esp, *offer->sa, 0, false);
    if (!chosen) return std::unexpected(chosen.error());
    const auto request = single<wire::Configuration>(payloads);
    auto plan = mobile ? bindings_->admit(sa, peer, payloads)
                       : plan_addresses(*sa.connection, config_.pools, request ? *request : nullptr,
                                        offer->ts_i->selectors);
    if (!plan || plan->wants.empty()) return plan;
    sa.link = link_for_client(sa, *plan);
    // RFC 5739 4.2: our identifier stays for as long as the link does, so the client's must not become it.
    if (plan->link && plan->link->interface_id == sa.link->interface_id) {
        drop_link(sa);
        return std::unexpected(Rule::address_failure);
    }
    if (!sa.link->open) sa.link->since = now;
    address::Assign demand{++last_demand_, holder_of(peer.identity()), sa.link->link.number,
                           sa.connection->name, plan->wants};
    demands_.emplace(demand.id, Demanded{sa.our_spi(), demand.holder, demand.link, sa.link});
    out_.demands.emplace_back(std::move(demand));
    return plan;
}

void Engine::Core::on_addresses(Instant now, const address::Assigned& answer) {
    const auto demanded = demands_.extract(answer.id);
    if (demanded.empty()) return;
    IkeSa* sa = find(demanded.mapped().spi);
    const auto* waiting = sa ? sa->in<Assigning>() : nullptr;
    if (waiting && waiting->demand == answer.id) return finish_assigning(now, *sa, answer);
    give_back(demanded.mapped(), granted(answer)); // nobody waits for it any more
}

bool Engine::Core::is_expected(address::LinkId link) const {
    return std::ranges::any_of(demands_, [link](const auto& entry) { return entry.second.number == link; });
}

// What an IKE SA does not use, or not any more. It is released unless another one on the same link does; and
// while more is being asked for the link, which may be given the same again, only when that was answered.
void Engine::Core::give_back(const Demanded& whose, std::vector<address::Grant> grants) {
    auto& left = left_[whose.number];
    for (auto& grant : grants) {
        if (std::ranges::find(left, grant) == left.end()) left.push_back(std::move(grant));
    }
    if (is_expected(whose.number)) return;
    address::Release unused{whose.holder, whose.number, std::move(left)};
    left_.erase(whose.number);
    if (const auto link = whose.link.lock()) {
        for (const auto& share : link->living())
            std::erase_if(unused.grants, [&](const address::Grant& grant) {
                return std::ranges::find(share->grants, grant) != share->grants.end();
            });
    }
    if (!unused.grants.empty()) out_.demands.emplace_back(std::move(unused));
}

void Engine::Core::finish_assigning(Instant now, IkeSa& sa, const address::Assigned& answer) {
    Assigning waiting = std::move(sa.as<Assigning>());
    Reply reply = waiting.reply;
    const Demanded whose{sa.our_spi(), holder_of(waiting.peer.identity()), sa.link->link.number, sa.link};
    const auto child = answer_first_child(
        now, sa, {waiting.request, {waiting.nonce_i, waiting.nonce_r}, &waiting.plan}, &answer, reply);
    if (!child) {
        const std::string detail = answer.error;
        give_back(whose, granted(answer));
        drop_link(sa);
        refuse(sa.path.peer, child.error(), sa.our_spi(),
               "no Child SA for " + waiting.peer.identity().to_string() +
                   (detail.empty() ? std::string() : ": " + detail));
        return establish_without_child(now, sa, std::move(waiting.peer), std::move(waiting.reply),
                                       waiting.message_id, child.error());
    }
    give_back(whose, {}); // what was left meanwhile, and not given again
    waiting.reply.emplace_back(notify(Rule::kernel_refused));
    set_state(sa, Installing{std::move(waiting.peer), waiting.message_id, std::move(reply),
                             std::move(waiting.reply)});
    arm(sa);
}

// The responder's side. What was agreed on goes out when the kernel has answered (finish_auth). On failure
// the caller lets go of the link.
std::expected<void, Rule> Engine::Core::answer_first_child(Instant now, IkeSa& sa, const FirstOffer& first,
                                                           const address::Assigned* granted, Reply& reply) {
    const auto offer = Offer::read(first.payloads);
    if (!offer) return std::unexpected(offer.error());
    const bool gateway = sa.connection->role == Role::gateway;
    if (sa.connection->role == Role::home_agent) {
        const auto home = bindings_->give_home(sa, first.payloads, granted, reply);
        if (!home) return std::unexpected(home.error());
    }
    const wire::ChildSpi spi_in = fresh_child_spi();
    std::optional<Assignment> assigned;
    std::optional<ChildMatch> matched;
    if (gateway) {
        auto given = assign(*sa.connection, *first.plan, *granted,
                            {sa.link->interface_id, link_id_for(sa, *first.plan)});
        if (!given) return std::unexpected(given.error());
        auto narrowed =
            child::Narrowed::narrow(offer->ts_i->selectors, given->share.clients, offer->ts_r->selectors,
                                    child::selectors(sa.connection->networks));
        if (!narrowed) return std::unexpected(narrowed.error());
        assigned = *std::move(given);
        matched.emplace(ChildMatch{sa.connection->name, &sa.connection->child, child::Mode::tunnel,
                                   *std::move(narrowed), true});
    } else {
        auto found = match(sa, *offer);
        if (!found) return std::unexpected(found.error());
        matched.emplace(*std::move(found));
    }
    const auto chosen = child::choose_esp(matched->terms->esp, *offer->sa, spi_in, false);
    if (!chosen) return std::unexpected(chosen.error());
    Opening opening;
    if (assigned) {
        opening = join_link(sa, std::move(assigned->share));
        reply.emplace_back(std::move(assigned->reply));
    }
    ChildSa made = child_of(sa, *matched);
    made.id.spi_in = spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = matched->narrowed.responder();
    made.remote = matched->narrowed.initiator();
    if (offer->transport) reply.emplace_back(notify(NotifyType::use_transport_mode));
    reply.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    reply.emplace_back(wire::Sa{{chosen->answer}});
    reply.emplace_back(wire::TrafficSelectors{true, matched->narrowed.initiator()});
    reply.emplace_back(wire::TrafficSelectors{false, matched->narrowed.responder()});
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, first.nonces, {});
    if (!gateway) opening = opening_for(sa, made);
    install(now, sa, std::move(keys), std::move(made), opening);
    return {};
}

// RFC 5739 4.2: the link that the client named keeps its name; every other one gets a name that nobody can
// guess, and that no link had before.
Bytes Engine::Core::link_id_for(const IkeSa& sa, const AddressPlan& plan) {
    if (plan.link && !plan.link->link_id.empty() && sa.link->is_named(plan.link->link_id))
        return plan.link->link_id;
    Bytes out(kLinkIdSize);
    random_->fill(out);
    return out;
}

// Client: what the gateway has given. A link that is still open from before goes on with its number; what it
// had before, and has not any more, goes with the IKE SA that brought it.
std::expected<Opening, Rule> Engine::Core::take_link(IkeSa& sa, Payloads payloads,
                                                     const child::Narrowed& narrowed) {
    const Connection& connection = *sa.connection;
    Initiation* initiation = initiation_for(sa);
    auto link = initiation && initiation->link ? initiation->link : new_link();
    const auto& state = sa.as<Authenticating>();
    const auto configuration = single<wire::Configuration>(payloads);
    const wire::Configuration* reply = configuration ? *configuration : nullptr;
    // The link may have stayed open without any IKE SA; to the gateway what it gives then is another one.
    if (link->seed.empty() || !goes_on(*link, reply)) {
        link->seed.resize(kSeedSize);
        random_->fill(link->seed);
    }
    const MakeId make_id = [&](const Prefix& prefix, const InterfaceIdChoice& choice) {
        if (const auto* fixed = std::get_if<wire::InterfaceId>(&choice)) return *fixed;
        const bool random = std::holds_alternative<RandomId>(choice);
        return stable_interface_id(backend_, random ? View(link->seed) : host_->stable_secret(), prefix,
                                   connection.interface, connection.name);
    };
    auto share = read_reply(connection.request, state.interface_id, reply, narrowed.initiator(), make_id);
    sa.link = std::move(link);
    if (!share) return std::unexpected(share.error());
    bool everything = false;
    for (const wire::TrafficSelector& selector : narrowed.responder()) {
        const auto prefixes = child::prefixes_of(selector, wire::kMaxSelectors);
        if (!prefixes) return std::unexpected(Rule::ts_not_narrowed);
        for (const Prefix& prefix : *prefixes) {
            const bool usable =
                std::ranges::any_of(share->part.addresses, [&](const child::InterfaceAddress& a) {
                    return a.address.family() == prefix.family() && !a.address.is_link_local();
                });
            // What is our own whole is not behind the gateway.
            const auto& own = share->part.delegated;
            if (usable && std::ranges::find(own, prefix) == own.end()) share->part.routes.push_back(prefix);
            everything = everything || prefix.length() == 0;
        }
    }
    // RFC 8598 2: who sends everything here asks these servers for everything.
    if (everything) share->domains.clear();
    // Without domains that can be read they would be asked for everything as well, which they are not for.
    if (!everything && share->domains.empty() && !share->dns.empty() && names_domains(reply)) {
        share->dns.clear();
        refuse(
            sa.path.peer, Rule::bad_configuration, sa.our_spi(),
            "the gateway names domains for its name servers, and none of them can be read: its servers are "
            "not used");
    }
    if (initiation) initiation->link = sa.link;
    if (!sa.link->open) sa.link->since = sa.last_heard;
    sa.link->interface_id = state.interface_id;
    return join_link(sa, *std::move(share));
}

std::expected<void, Rule> Engine::Core::accept_first_child(Instant now, IkeSa& sa, Payloads payloads) {
    const auto& state = sa.as<Authenticating>();
    const Connection& connection = *sa.connection;
    const auto offer = Offer::read(payloads);
    if (!offer) return std::unexpected(offer.error());
    const ChildConfig* config = child_config(connection, state.child);
    if (connection.role == Role::peer && !config) return std::unexpected(Rule::unknown_child);
    const ChildTerms& terms = config ? config->terms : connection.child;
    const auto chosen = child::accept_esp(terms.esp, *offer->sa, false);
    if (!chosen) return std::unexpected(chosen.error());
    const auto narrowed =
        child::Narrowed::accept(offer->ts_i->selectors, state.local, offer->ts_r->selectors, state.remote);
    if (!narrowed) return std::unexpected(narrowed.error());
    if (offer->transport != state.transport) return std::unexpected(Rule::mode_refused);
    if (offer->transport && sa.path.nat()) return std::unexpected(Rule::mode_refused);
    Opening opening;
    if (connection.role == Role::mobile_node) {
        const auto home = bindings_->take_home(sa, payloads, *narrowed);
        if (!home) return std::unexpected(home.error());
    }
    if (connection.role == Role::client) {
        auto link = take_link(sa, payloads, *narrowed);
        if (!link) {
            drop_link(sa);
            return std::unexpected(link.error());
        }
        opening = *std::move(link);
    }
    const child::Mode mode = state.transport ? child::Mode::transport : child::Mode::tunnel;
    ChildSa made = connection.role == Role::mobile_node
                       ? bindings_->child_of(sa, {MobileTraffic::signalling, 0}, terms)
                       : child_of(sa, state.child, terms, mode, connection.role == Role::client);
    made.id.spi_in = state.spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = narrowed->initiator();
    made.remote = narrowed->responder();
    made.initiator = true;
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, {state.nonce_i, state.nonce_r}, {});
    if (connection.role == Role::peer) opening = opening_for(sa, made);
    install(now, sa, std::move(keys), std::move(made), opening);
    return {};
}

void Engine::Core::drop_link(IkeSa& sa) {
    std::vector<child::KernelStep> steps;
    if (sa.share && sa.connection->role == Role::home_agent) bindings_->disclaim(sa);
    release_link(sa, steps);
    if (!steps.empty()) submit(std::move(steps));
}

} // namespace sheaf::ike
