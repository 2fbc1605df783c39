#include "conf/model_credentials.h"
#include "conf/model_groups.h"
#include "conf/model_mobile.h"
#include "conf/model_roles.h"
#include "conf/model_words.h"

namespace sheaf::conf {
namespace {

using namespace credentials;
using namespace roles;
using namespace words;

constexpr std::array kListenFields = {
    Field{.key = "port", .type = &kPort, .doc = "The UDP port of IKE.", .standard = "500"},
    Field{.key = "nat_port",
          .type = &kPort,
          .doc = "The UDP port of IKE and ESP behind a NAT.",
          .standard = "4500"},
    Field{.key = "addresses",
          .type = &kAddresses,
          .doc = "The local addresses to receive IKE at.",
          .standard = R"(["::", "0.0.0.0"])"},
};
constexpr Object kListen{.fields = kListenFields};

constexpr std::array kPoolFields = {
    Field{.key = "prefix", .type = &kPrefix, .doc = "What is given away.", .required = true},
    Field{.key = "delegate",
          .type = &kDelegate,
          .doc = "The length of the prefix that each client gets: 64 (or 128 for a single address) with "
                 "IPv6, 32 with IPv4."},
    Field{.key = "lease",
          .type = &kLease,
          .doc = "How long a client that is away finds its block kept for it; \"0s\" for not at all.",
          .standard = "\"24h\""},
    Field{.key = "warn_at",
          .type = &kPercent,
          .doc = "A warning is told when so many percent are given away or kept; 0 for none.",
          .standard = "90"},
    Field{.key = "reserved",
          .type = &kReserved,
          .doc = "Blocks that one identity alone gets: for each identity its prefix, as long as \"delegate\" "
                 "says."},
};
constexpr Object kPool{.fields = kPoolFields};

constexpr std::array kLimitFields = {
    Field{.key = "cookies_from",
          .type = &kIkeSaCount,
          .doc = "From this many half-open IKE SAs on, initiators must return a cookie first.",
          .standard = "64"},
    Field{.key = "cookies_from_per_source",
          .type = &kIkeSaCount,
          .doc = "Likewise for those from one IPv4 address or IPv6 /64; twice as many are the most.",
          .standard = "16"},
    Field{.key = "half_open",
          .type = &kIkeSaCount,
          .doc = "How many IKE SAs may wait for their peer's proof of identity.",
          .standard = "4096"},
    Field{.key = "half_open_timeout",
          .type = &kDuration,
          .doc = "How long a peer has to prove its identity.",
          .standard = "\"30s\""},
    Field{.key = "ike_sas",
          .type = &kIkeSaCount,
          .doc = "How many IKE SAs there may be.",
          .standard = "100000"},
    Field{.key = "ike_sas_per_identity",
          .type = &kIkeSaCount,
          .doc = "How many IKE SAs one identity may have, those that are being replaced among them; those of "
                 "several paths count as one.",
          .standard = "32"},
    Field{.key = "children",
          .type = &kChildCount,
          .doc = "How many Child SAs an IKE SA may have.",
          .standard = "64"},
};
constexpr Object kLimits{.fields = kLimitFields};

constexpr std::array kLocalFields = {
    Field{.key = "id", .type = &kIdentity, .doc = "Who we say we are.", .required = true},
    Field{.key = "address", .type = &kAddress, .doc = "The address that we speak from."},
    Field{.key = "other_addresses",
          .type = &kAddresses,
          .doc = "Where else we are; clients are told, and may move there.",
          .roles = kGateway},
    Field{.key = "auth",
          .type = &kMethods,
          .doc = "How we prove who we are, best first. If missing: by the certificate or public key that we "
                 "have for our identity, else by the secret that we share with the peer."},
};
constexpr Object kLocal{.fields = kLocalFields};

constexpr std::array kRemoteFields = {
    Field{.key = "id",
          .type = &kPattern,
          .doc =
              "Who the peer must be: an identity, \"*.example.org\" for all names below a domain, or \"*\".",
          .required = true},
    Field{.key = "address",
          .type = &kAddress,
          .doc = "Where the gateway, peer or home agent is; a peer connection without it only answers.",
          .required = true,
          .roles = kBeginning,
          .required_by = kClientOrNode},
    Field{.key = "port",
          .type = &kPort,
          .doc = "The UDP port of the gateway or peer.",
          .standard = "500",
          .roles = kBeginning},
    Field{.key = "other_addresses",
          .type = &kAddresses,
          .doc = "Where else the gateway is, besides what it tells us itself.",
          .roles = kClient},
    Field{.key = "auth",
          .type = &kMethods,
          .doc = "Which proofs of the peer we accept. If missing: any that we have the means to check."},
    Field{.key = "authorities",
          .type = &kNames,
          .doc = "In which of the \"authorities\" the peer's certificate must end; any if missing."},
    Field{.key = "require_crl",
          .type = &kBoolean,
          .doc = "Whether certificates are refused whose authority's revocation list we do not have.",
          .standard = "false"},
    Field{.key = "allow_sha1",
          .type = &kBoolean,
          .doc = "Whether an RSA signature with SHA-1 is accepted of a peer that knows nothing better. Weak.",
          .standard = "false"},
};
constexpr Object kRemote{.fields = kRemoteFields};

constexpr std::array kRetransmitFields = {
    Field{.key = "first",
          .type = &kWait,
          .doc = "How long the first answer is waited for; each further wait is twice as long.",
          .standard = "\"500ms\""},
    Field{.key = "tries", .type = &kTries, .doc = "How often a request is sent in all.", .standard = "6"},
};
constexpr Object kRetransmit{.fields = kRetransmitFields};

constexpr std::array kRekeyFields = {
    Field{
        .key = "time", .type = &kLifetime, .doc = "After how long; \"0s\" for never.", .standard = "\"1h\""},
    Field{.key = "bytes",
          .type = &kAmount,
          .doc = "After how many octets in one direction; 0 for any number.",
          .standard = "0"},
    Field{.key = "packets",
          .type = &kAmount,
          .doc = "After how many packets in one direction; 0 for any number.",
          .standard = "0"},
};
constexpr Object kRekey{.fields = kRekeyFields};
constexpr Type kRekeyObject{.kind = Kind::object, .object = &kRekey};

// What a connection of a gateway or client says of its one Child SA, and each child of a peer of itself.
constexpr Field child_field(Field field, Roles roles) {
    field.roles = roles;
    return field;
}
constexpr Field kEsp{.key = "esp",
                     .type = &kEspProposals,
                     .doc = "Algorithms of the Child SAs, best first; strong ones if missing."};
constexpr Field kChildReplayWindow{.key = "replay_window",
                                   .type = &kReplayWindow,
                                   .doc = "How many packets behind the newest are still taken; 0 takes all, "
                                          "replayed ones as well.",
                                   .standard = "64"};
constexpr Field kChildDscp{.key = "dscp",
                           .type = &kDscp,
                           .doc = "Tunnel mode: whether DSCP is copied \"out\" to the outer header, \"in\" "
                                  "from it, \"both\" or \"none\".",
                           .standard = "\"out\""};
constexpr Field kChildEcn{.key = "ecn",
                          .type = &kBoolean,
                          .doc = "Tunnel mode: whether congestion marks are carried over.",
                          .standard = "true"};
constexpr Field kChildDf{.key = "df",
                         .type = &kDf,
                         .doc =
                             "Tunnel mode, IPv4: \"copy\" of the inner DF bit, or \"clear\" in all packets.",
                         .standard = "\"copy\""};
constexpr std::string_view kRekeyDoc = "When the keys of a Child SA are replaced: what comes first.";

constexpr std::array kChildFields = {
    Field{.key = "mode", .type = &kMode, .doc = "Tunnel or transport mode.", .standard = "\"tunnel\""},
    Field{.key = "local",
          .type = &kSelectors,
          .doc = "Our side of the traffic. Transport mode: the outer address if missing."},
    Field{.key = "remote",
          .type = &kSelectors,
          .doc = "The peer's side of the traffic. Transport mode: the outer address if missing."},
    Field{.key = "start",
          .type = &kStart,
          .doc = "When we begin: only on command, with the first packet, or at once and after each loss.",
          .standard = "\"manual\""},
    Field{.key = "without_sa",
          .type = &kWithoutSa,
          .doc = "What becomes of packets while there is no SA, with start \"trap\" and \"now\".",
          .standard = "\"drop\""},
    kEsp,
    Field{.key = "rekey", .type = &kRekeyObject, .doc = kRekeyDoc},
    kChildReplayWindow,
    kChildDscp,
    kChildEcn,
    kChildDf,
};
constexpr Object kChild{.fields = kChildFields};
constexpr Type kChildObject{.kind = Kind::object, .object = &kChild};
constexpr Type kChildren{.kind = Kind::object, .item = &kChildObject, .names = &kNameFormat};

constexpr std::array kLanFields = {
    Field{.key = "interface",
          .type = &kInterface,
          .doc = "The interface of the network behind us.",
          .required = true},
    Field{.key = "subnet",
          .type = &kSubnet,
          .doc = "Which /64 of each prefix the network gets; the one numbered 0 has our own addresses.",
          .required = true},
};
constexpr Object kLan{.fields = kLanFields};
constexpr Type kLanObject{.kind = Kind::object, .object = &kLan};
constexpr Type kLans{.kind = Kind::array, .item = &kLanObject};

constexpr std::array kUplinkFields = {
    Field{.key = "interface", .type = &kInterface, .doc = "The interface that leads out.", .required = true},
    Field{.key = "weight",
          .type = &kWeight,
          .doc = "With paths.use \"balance\": its share of what is sent.",
          .standard = "1"},
    Field{.key = "mark",
          .type = &kFirewallMark,
          .doc = "With paths.use \"mark\": the firewall mark of the packets that take its path."},
};
constexpr Object kUplink{.fields = kUplinkFields};
constexpr Type kUplinkObject{.kind = Kind::object, .object = &kUplink};
constexpr Type kUplinkEntry{.format = &kInterfaceFormat, .other = &kUplinkObject};
constexpr Type kUplinks{.kind = Kind::array, .item = &kUplinkEntry};

constexpr std::array kPathFields = {
    Field{.key = "set",
          .type = &kPathSet,
          .doc =
              "Which paths there are: one for each of the uplinks, for each of the gateway's addresses, or "
              "for each pair of them.",
          .standard = "\"uplinks\"",
          .roles = kClient},
    Field{.key = "use",
          .type = &kPathUse,
          .doc =
              "What we send takes the first path that is there, all of them by weight, or, on a client, the "
              "one for its firewall mark.",
          .standard = "\"primary\""},
    Field{.key = "probe",
          .type = &kProbe,
          .doc = "A path from which nothing has answered for this long is not used; if missing, \"liveness\" "
                 "and \"retransmit\" tell.",
          .roles = kClient},
    Field{.key = "most",
          .type = &kPathCount,
          .doc =
              "How many paths one authentication may carry; if missing, 8 for a gateway and as many as the "
              "uplinks ask for on a client."},
};
constexpr Object kPathPlan{.fields = kPathFields};
constexpr Type kPathObject{.kind = Kind::object, .object = &kPathPlan};

constexpr Type kListenObject{.kind = Kind::object, .object = &kListen};
constexpr Type kLimitsObject{.kind = Kind::object, .object = &kLimits};
constexpr Type kLocalObject{.kind = Kind::object, .object = &kLocal};
constexpr Type kRemoteObject{.kind = Kind::object, .object = &kRemote};
constexpr Type kRetransmitObject{.kind = Kind::object, .object = &kRetransmit};

constexpr std::array kConnectionFields = {
    Field{.key = "role", .type = &kRole, .doc = "What we are to the peer.", .required = true},
    Field{.key = "local", .type = &kLocalObject, .doc = "Our side.", .required = true},
    Field{.key = "remote", .type = &kRemoteObject, .doc = "The peer's side.", .required = true},
    Field{.key = "networks",
          .type = &kPrefixes,
          .doc = "What lies behind the gateway, or beyond the home agent, and may be reached through it.",
          .standard = R"(["::/0", "0.0.0.0/0"])",
          .roles = kWithNetworks},
    Field{.key = "children",
          .type = &kChildren,
          .doc = "The Child SAs, by name; of a gateway or client those beside the virtual link, between the "
                 "interfaces that IKE itself runs over.",
          .required = true,
          .roles = kNotMobile,
          .required_by = kPeer,
          .unless = "group"},
    Field{.key = "group",
          .type = &kName,
          .doc = "The one of the \"groups\" that the connection is for: peers of it are members, or its peer "
                 "is the gateway "
                 "of ours.",
          .roles = kNotMobile},
    Field{.key = "home_agent",
          .type = &mobile::kAgentObject,
          .doc = "Mobile IPv6: what mobile nodes may register here.",
          .required = true,
          .roles = kHomeAgent},
    Field{.key = "mobile",
          .type = &mobile::kMobileObject,
          .doc = "Mobile IPv6: our home address and care-of addresses.",
          .required = true,
          .roles = kMobileNode},
    Field{.key = "ike",
          .type = &kIkeProposals,
          .doc = "Algorithms of the IKE SA, best first; strong ones if missing."},
    child_field(kEsp, kNotPeer),
    Field{.key = "liveness",
          .type = &kDuration,
          .doc = "The silence after which the peer is asked whether it lives; \"0s\" for never.",
          .standard = "\"30s\""},
    Field{.key = "retransmit", .type = &kRetransmitObject, .doc = "When requests are sent again."},
    Field{.key = "rekey",
          .type = &kLifetime,
          .doc = "When the keys of the IKE SA are replaced; \"0s\" for never.",
          .standard = "\"4h\""},
    Field{.key = "child_rekey", .type = &kRekeyObject, .doc = kRekeyDoc, .roles = kNotPeer},
    Field{.key = "reauth",
          .type = &kLifetime,
          .doc = "When a new IKE SA is made with authentication instead; \"0s\" for never. A gateway has its "
                 "clients do it (RFC 4478), and ends the IKE SA of one that does not.",
          .standard = "\"0s\"",
          .roles = kReauthenticating},
    child_field(kChildReplayWindow, kNotPeer),
    child_field(kChildDscp, kNotPeer),
    child_field(kChildEcn, kNotPeer),
    child_field(kChildDf, kNotPeer),
    Field{.key = "nat_keepalive",
          .type = &kDuration,
          .doc = "Behind a NAT: the silence after which it is reminded of us; \"0s\" for never.",
          .standard = "\"20s\""},
    Field{.key = "encapsulation",
          .type = &kEncapsulation,
          .doc = "ESP in UDP where there is a NAT, or always.",
          .standard = "\"auto\""},
    Field{
        .key = "mobike",
        .type = &kBoolean,
        .doc =
            "Whether the IKE SA moves with the client to other addresses (RFC 4555); false if remote.port is "
            "not 500. A client then speaks from nat_port as soon as it authenticates.",
        .standard = "true",
        .roles = kGatewayOrClient},
    Field{.key = "route_proof",
          .type = &kBoolean,
          .doc = "Whether a client that has moved shows that answers reach it before ESP is sent there.",
          .standard = "true",
          .roles = kGateway},
    Field{.key = "allow_nat",
          .type = &kBoolean,
          .doc = "Whether a NAT between us and the gateway is put up with (RFC 4555 3.9).",
          .standard = "true",
          .roles = kClient},
    Field{.key = "uplinks",
          .type = &kUplinks,
          .doc =
              "Our interfaces to the outside, best first: their names, or objects. If missing, one path as "
              "the routes of the host go.",
          .roles = kClient},
    Field{.key = "paths",
          .type = &kPathObject,
          .doc = "The paths between client and gateway, and what takes them.",
          .roles = kGatewayOrClient},
    Field{.key = "childless",
          .type = &kBoolean,
          .doc = "Whether we begin with an IKE SA alone where the peer knows RFC 6023.",
          .standard = "false",
          .roles = kPeer},
    Field{.key = "unique",
          .type = &kUnique,
          .doc =
              "When a peer comes a second time: the new IKE SA takes over, is refused, or stands beside "
              "the old one, with addresses of its own (\"many\"; not at a home agent) or, on a gateway, the "
              "same (\"share\").",
          .standard = "\"replace\"",
          .roles = kAnswering},
    Field{.key = "pools",
          .type = &kWants,
          .doc =
              "What a client gets: a block of each entry, which is a pool, or a list of pools of which the "
              "first that has a block serves. Of IPv4 it is one, and without RFC 5739 of IPv6, too.",
          .required = true,
          .roles = kWithPools,
          .required_by = kGateway},
    Field{.key = "block_with_address",
          .type = &kBoolean,
          .doc =
              "Whether a client that asks for one IPv6 address may use the whole block that it is of; some "
              "(libreswan) refuse more than they asked for.",
          .standard = "true",
          .roles = kGateway},
    Field{.key = "dns",
          .type = &kServers,
          .doc = "The name servers that clients are told.",
          .standard = "[]",
          .roles = kGateway},
    Field{.key = "dns_domains",
          .type = &kDomains,
          .doc = "The domains for which clients are to ask these servers (RFC 8598); all if missing.",
          .standard = "[]",
          .roles = kGateway},
    Field{.key = "request",
          .type = &kRequests,
          .doc = "What to ask for: \"prefix\" is a link with prefixes (RFC 5739), \"ipv6\" and \"ipv4\" are "
                 "one address each, \"dns\" is name servers and their domains.",
          .standard = R"(["prefix", "ipv4", "dns"])",
          .roles = kClient},
    Field{.key = "interface_ids",
          .type = &kInterfaceIds,
          .doc = "Our addresses in each prefix: \"stable\" is the same whenever the prefix is (RFC 7217), "
                 "\"random\" another with each link, \"::a:b:c:d\" one with this identifier.",
          .standard = R"(["stable"])",
          .roles = kClient},
    Field{.key = "lan",
          .type = &kLans,
          .doc = "Networks behind us that get a /64 each of a prefix that is shorter than that.",
          .roles = kClient},
    Field{
        .key = "interface",
        .type = &kInterface,
        .doc =
            "The virtual interface of the connection; if missing, \"sheaf0\" for a client or mobile node and "
            "none for a peer.",
        .roles = kBeginning},
    Field{.key = "start",
          .type = &kBoolean,
          .doc =
              "Whether to connect at start and again after a loss; of a peer only for a group that we join.",
          .standard = "false",
          .roles = kBeginning},
};
constexpr Object kConnection{.fields = kConnectionFields};

constexpr Type kPoolObject{.kind = Kind::object, .object = &kPool};
constexpr Type kSecretObject{.kind = Kind::object, .object = &kSecretEntry};
constexpr Type kCertificateObject{.kind = Kind::object, .object = &kCertificate};
constexpr Type kAuthorityObject{.kind = Kind::object, .object = &kAuthority};
constexpr Type kPublicKeyObject{.kind = Kind::object, .object = &kPublicKey};
constexpr Type kConnectionObject{.kind = Kind::object, .object = &kConnection};
constexpr Type kPools{.kind = Kind::object, .item = &kPoolObject, .names = &kNameFormat};
constexpr Type kSecrets{.kind = Kind::object, .item = &kSecretObject, .names = &kNameFormat};
constexpr Type kCertificates{.kind = Kind::object, .item = &kCertificateObject, .names = &kNameFormat};
constexpr Type kAuthorities{.kind = Kind::object, .item = &kAuthorityObject, .names = &kNameFormat};
constexpr Type kPublicKeys{.kind = Kind::object, .item = &kPublicKeyObject, .names = &kNameFormat};
constexpr Type kConnections{.kind = Kind::object, .item = &kConnectionObject, .names = &kNameFormat};

constexpr std::array kRootFields = {
    Field{.key = "$schema", .type = &kText, .doc = "For editors: where the schema of this file is."},
    Field{.key = "listen", .type = &kListenObject, .doc = "Where IKE is received."},
    Field{.key = "interface",
          .type = &kInterface,
          .doc = "The gateway's virtual interface.",
          .standard = "\"sheaf0\""},
    Field{.key = "limits", .type = &kLimitsObject, .doc = "Bounds on what peers can make us keep."},
    Field{.key = "pools", .type = &kPools, .doc = "Address blocks for clients, by name."},
    Field{.key = "lease_file",
          .type = &kPath,
          .doc =
              "Where sheafd records who has which block of the pools; from the configuration's folder if the "
              "path is relative. Opened if there are pools.",
          .standard = "\"/var/lib/sheaf/leases.db\""},
    Field{.key = "groups",
          .type = &groups::kGroups,
          .doc = "Groups whose endpoints share one SA (multi-point SAs), by name."},
    Field{.key = "group_file",
          .type = &kPath,
          .doc =
              "Where sheafd keeps the SAs of groups that it serves, keys and all, through restarts; from the "
              "configuration's folder if the path is relative. Opened if a group is served.",
          .standard = "\"/var/lib/sheaf/groups.db\""},
    Field{.key = "secrets", .type = &kSecrets, .doc = "Pre-shared keys, by a name of yours."},
    Field{.key = "certificates",
          .type = &kCertificates,
          .doc =
              "Certificates with our private keys, and those of peers that send none, by a name of yours."},
    Field{.key = "authorities",
          .type = &kAuthorities,
          .doc = "Who issues the certificates that we trust, by a name of yours."},
    Field{.key = "public_keys",
          .type = &kPublicKeys,
          .doc =
              "Raw public keys of peers and private ones of ours, without certificates, by a name of yours."},
    Field{.key = "connections",
          .type = &kConnections,
          .doc = "With whom to make SAs, by name.",
          .required = true},
};
constexpr Object kRoot{.fields = kRootFields};

} // namespace

const Object& model() { return kRoot; }

} // namespace sheaf::conf
