#include "conf/spec.h"

#include <array>

namespace sheaf::conf {
namespace {

using json::Kind;

constexpr Format kDuration{
    .noun = "a duration such as \"30s\"", .pattern = "^[0-9]+(ms|s|m|h)$", .check = check_duration};
constexpr Format kWait{
    .noun = "a duration such as \"500ms\"", .pattern = "^[0-9]+(ms|s|m|h)$", .check = check_wait};
constexpr Format kAddress{.noun = "an IP address", .pattern = "^[0-9A-Fa-f:.]+$", .check = check_address};
constexpr Format kPrefix{.noun = "a prefix such as \"2001:db8::/48\"",
                         .pattern = "^[0-9A-Fa-f:.]+(/[0-9]+)?$",
                         .check = check_prefix};
constexpr Format kInterface{
    .noun = "an interface name", .pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$", .check = check_interface};
constexpr Format kName{.noun = "a name", .pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", .check = check_name};
constexpr Format kIdentity{
    .noun = "an identity such as \"gw.example.org\"", .pattern = "^[^* ]+$", .check = check_identity};
constexpr Format kPattern{.noun = "an identity or a pattern such as \"*.example.org\"",
                          .pattern = "^([^* ]+|\\*|\\*\\.[^* ]+)$",
                          .check = check_identity_pattern};
constexpr Format kPath{.noun = "a path", .pattern = "^.+$", .check = check_path};
constexpr Format kCredential{
    .noun = "a credential's name", .pattern = "^[^/:. ][^/: ]*$", .check = check_credential};
constexpr Format kSecret{.noun = "a secret in quotation marks", .pattern = "^.+$", .check = check_secret};
constexpr Format kIkeProposal{.noun = "a proposal such as \"aes256gcm16-prfsha256-x25519\"",
                              .pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
                              .check = check_ike_proposal};
constexpr Format kEspProposal{.noun = "a proposal such as \"aes256gcm16\"",
                              .pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
                              .check = check_esp_proposal};

constexpr std::array<std::string_view, 2> kRoleWords = {"gateway", "client"};
constexpr std::array<std::string_view, 3> kRequestWords = {"prefix", "ipv6", "ipv4"};

constexpr Type kText{.kind = Kind::string};
constexpr Type kBoolean{.kind = Kind::boolean};
constexpr Type kPort{.kind = Kind::integer, .least = 1, .most = 65535};
constexpr Type kTries{.kind = Kind::integer, .least = 1, .most = 20};
constexpr Type kDelegate{.kind = Kind::integer, .least = 1, .most = 128};
constexpr Type kDurationWord{.format = &kDuration};
constexpr Type kWaitWord{.format = &kWait};
constexpr Type kAddressWord{.format = &kAddress};
constexpr Type kPrefixWord{.format = &kPrefix};
constexpr Type kInterfaceWord{.format = &kInterface};
constexpr Type kNameWord{.format = &kName};
constexpr Type kIdentityWord{.format = &kIdentity};
constexpr Type kPatternWord{.format = &kPattern};
constexpr Type kPathWord{.format = &kPath};
constexpr Type kCredentialWord{.format = &kCredential};
constexpr Type kSecretWord{.format = &kSecret, .secret = true};
constexpr Type kIkeProposalWord{.format = &kIkeProposal};
constexpr Type kEspProposalWord{.format = &kEspProposal};
constexpr Type kRole{.words = kRoleWords};
constexpr Type kRequest{.words = kRequestWords};

constexpr Type kAddresses{.kind = Kind::array, .item = &kAddressWord};
constexpr Type kServers{.kind = Kind::array, .item = &kAddressWord, .may_be_empty = true};
constexpr Type kPrefixes{.kind = Kind::array, .item = &kPrefixWord};
constexpr Type kNames{.kind = Kind::array, .item = &kNameWord};
constexpr Type kRequests{.kind = Kind::array, .item = &kRequest};
constexpr Type kIkeProposals{.kind = Kind::array, .item = &kIkeProposalWord};
constexpr Type kEspProposals{.kind = Kind::array, .item = &kEspProposalWord};

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
    Field{.key = "prefix", .type = &kPrefixWord, .doc = "What is given away.", .required = true},
    Field{.key = "delegate",
          .type = &kDelegate,
          .doc = "The length of the prefix that each client gets: 64 (or 128 for a single address) with "
                 "IPv6, 32 with IPv4."},
};
constexpr Object kPool{.fields = kPoolFields};

constexpr std::array kSecretFields = {
    Field{
        .key = "id", .type = &kPatternWord, .doc = "The peer that the key is shared with.", .required = true},
    Field{.key = "file",
          .type = &kPathWord,
          .doc = "A file that holds the key and that only its owner may read; from the configuration's "
                 "folder if the path is relative. A newline at its end is not part of the key."},
    Field{.key = "credential",
          .type = &kCredentialWord,
          .doc = "The name of a systemd credential that holds the key."},
    Field{.key = "text",
          .type = &kSecretWord,
          .doc = "The key itself; then the configuration is as secret as the key."},
};
constexpr std::array<std::string_view, 3> kSecretSources = {"file", "credential", "text"};
constexpr Object kSecretEntry{.fields = kSecretFields, .exactly_one = kSecretSources};

constexpr std::array kLocalFields = {
    Field{.key = "id", .type = &kIdentityWord, .doc = "Who we say we are.", .required = true},
    Field{.key = "address", .type = &kAddressWord, .doc = "The address that we speak from."},
};
constexpr Object kLocal{.fields = kLocalFields};

constexpr std::array kRemoteFields = {
    Field{.key = "id",
          .type = &kPatternWord,
          .doc =
              "Who the peer must be: an identity, \"*.example.org\" for all names below a domain, or \"*\".",
          .required = true},
    Field{.key = "address",
          .type = &kAddressWord,
          .doc = "Where the gateway is.",
          .required = true,
          .role = "client"},
    Field{
        .key = "port", .type = &kPort, .doc = "The gateway's UDP port.", .standard = "500", .role = "client"},
};
constexpr Object kRemote{.fields = kRemoteFields};

constexpr std::array kRetransmitFields = {
    Field{.key = "first",
          .type = &kWaitWord,
          .doc = "How long the first answer is waited for; each further wait is twice as long.",
          .standard = "\"500ms\""},
    Field{.key = "tries", .type = &kTries, .doc = "How often a request is sent in all.", .standard = "6"},
};
constexpr Object kRetransmit{.fields = kRetransmitFields};

constexpr Type kListenObject{.kind = Kind::object, .object = &kListen};
constexpr Type kLocalObject{.kind = Kind::object, .object = &kLocal};
constexpr Type kRemoteObject{.kind = Kind::object, .object = &kRemote};
constexpr Type kRetransmitObject{.kind = Kind::object, .object = &kRetransmit};

constexpr std::array kConnectionFields = {
    Field{.key = "role", .type = &kRole, .doc = "What we are to the peer.", .required = true},
    Field{.key = "local", .type = &kLocalObject, .doc = "Our side.", .required = true},
    Field{.key = "remote", .type = &kRemoteObject, .doc = "The peer's side.", .required = true},
    Field{.key = "networks",
          .type = &kPrefixes,
          .doc = "What lies behind the gateway and may be reached through it.",
          .standard = R"(["::/0", "0.0.0.0/0"])"},
    Field{.key = "ike",
          .type = &kIkeProposals,
          .doc = "Algorithms of the IKE SA, best first; strong ones if missing."},
    Field{.key = "esp",
          .type = &kEspProposals,
          .doc = "Algorithms of the Child SAs, best first; strong ones if missing."},
    Field{.key = "liveness",
          .type = &kDurationWord,
          .doc = "The silence after which the peer is asked whether it lives; \"0s\" for never.",
          .standard = "\"30s\""},
    Field{.key = "retransmit", .type = &kRetransmitObject, .doc = "When requests are sent again."},
    Field{.key = "pools",
          .type = &kNames,
          .doc = "The pools that clients are given addresses from, best first.",
          .required = true,
          .role = "gateway"},
    Field{.key = "dns",
          .type = &kServers,
          .doc = "The name servers that clients are told.",
          .standard = "[]",
          .role = "gateway"},
    Field{.key = "request",
          .type = &kRequests,
          .doc =
              "What to ask for: \"prefix\" is a /64 of RFC 5739, \"ipv6\" and \"ipv4\" are one address each.",
          .standard = R"(["prefix", "ipv4"])",
          .role = "client"},
    Field{.key = "interface",
          .type = &kInterfaceWord,
          .doc = "The virtual interface of the connection.",
          .standard = "\"sheaf0\"",
          .role = "client"},
    Field{.key = "start",
          .type = &kBoolean,
          .doc = "Whether to connect at start and again after a loss.",
          .standard = "false",
          .role = "client"},
};
constexpr Object kConnection{.fields = kConnectionFields};

constexpr Type kPoolObject{.kind = Kind::object, .object = &kPool};
constexpr Type kSecretObject{.kind = Kind::object, .object = &kSecretEntry};
constexpr Type kConnectionObject{.kind = Kind::object, .object = &kConnection};
constexpr Type kPools{.kind = Kind::object, .item = &kPoolObject, .names = &kName};
constexpr Type kSecrets{.kind = Kind::object, .item = &kSecretObject, .names = &kName};
constexpr Type kConnections{.kind = Kind::object, .item = &kConnectionObject, .names = &kName};

constexpr std::array kRootFields = {
    Field{.key = "$schema", .type = &kText, .doc = "For editors: where the schema of this file is."},
    Field{.key = "listen", .type = &kListenObject, .doc = "Where IKE is received."},
    Field{.key = "interface",
          .type = &kInterfaceWord,
          .doc = "The gateway's virtual interface.",
          .standard = "\"sheaf0\""},
    Field{.key = "pools", .type = &kPools, .doc = "Address blocks for clients, by name."},
    Field{.key = "secrets", .type = &kSecrets, .doc = "Pre-shared keys, by a name of yours."},
    Field{.key = "connections",
          .type = &kConnections,
          .doc = "With whom to make SAs, by name.",
          .required = true},
};
constexpr Object kRoot{.fields = kRootFields};

} // namespace

const Object& model() { return kRoot; }

} // namespace sheaf::conf
