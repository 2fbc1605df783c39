#pragma once

#include "conf/paths.h"
#include "conf/spec.h"

#include <array>
#include <cstdint>
#include <limits>

// What stands in single values of the configuration: the leaves of the tables in model.cpp.
namespace sheaf::conf::words {

using json::Kind;

inline constexpr Format kDurationFormat{
    .noun = "a duration such as \"30s\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_duration};
inline constexpr Format kLifetimeFormat{
    .noun = "a duration such as \"4h\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_lifetime};
inline constexpr Format kLeaseFormat{
    .noun = "a duration such as \"24h\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_lease};
inline constexpr Format kWaitFormat{
    .noun = "a duration such as \"500ms\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_wait};
inline constexpr Format kSecondsFormat{
    .noun = "a duration such as \"1h\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_seconds};
inline constexpr Format kProbeFormat{
    .noun = "a duration such as \"500ms\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_probe};
inline constexpr Format kAddressFormat{
    .noun = "an IP address", .pattern = "^[0-9A-Fa-f:.]+$", .check = check_address};
inline constexpr Format kPrefixFormat{.noun = "a prefix such as \"2001:db8::/48\"",
                                      .pattern = "^[0-9A-Fa-f:.]+(/[0-9]+)?$",
                                      .check = check_prefix};
inline constexpr Format kSelectorFormat{
    .noun = "a selector such as \"10.1.0.0/16\" or \"2001:db8::/64 tcp/443\"",
    .pattern = "^[0-9A-Fa-f:.]+(/[0-9]+|-[0-9A-Fa-f:.]+)?( [a-z0-9/-]+)?$",
    .check = check_selector};
inline constexpr Format kInterfaceFormat{
    .noun = "an interface name", .pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$", .check = check_interface};
inline constexpr Format kInterfaceIdFormat{
    .noun = "\"stable\", \"random\" or an interface identifier such as \"::a:b:c:d\"",
    .pattern = "^(stable|random|[0-9A-Fa-f:.]+)$",
    .check = check_interface_id};
inline constexpr Format kDomainFormat{.noun = "a domain such as \"corp.example.org\"",
                                      .pattern = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$",
                                      .check = check_domain};
inline constexpr Format kNameFormat{
    .noun = "a name", .pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", .check = check_name};
inline constexpr Format kIdentityFormat{
    .noun = "an identity such as \"gw.example.org\"", .pattern = "^[^*]+$", .check = check_identity};
inline constexpr Format kPatternFormat{.noun = "an identity or a pattern such as \"*.example.org\"",
                                       .pattern = "^([^*]+|\\*|\\*\\.[^* ]+)$",
                                       .check = check_identity_pattern};
inline constexpr Format kPathFormat{.noun = "a path", .pattern = "^.+$", .check = check_path};
inline constexpr Format kCredentialFormat{
    .noun = "a credential's name", .pattern = "^[^/:. ][^/: ]*$", .check = check_credential};
inline constexpr Format kSecretFormat{
    .noun = "a secret in quotation marks", .pattern = "^.+$", .check = check_secret};
inline constexpr Format kIkeProposalFormat{.noun = "a proposal such as \"aes256gcm16-prfsha256-x25519\"",
                                           .pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
                                           .check = check_ike_proposal};
inline constexpr Format kEspProposalFormat{.noun = "a proposal such as \"aes256gcm16\"",
                                           .pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
                                           .check = check_esp_proposal};
inline constexpr Format kGroupSuiteFormat{.noun = "a suite such as \"aes256-sha256-prfsha256\"",
                                          .pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
                                          .check = check_group_suite};

inline constexpr std::array<std::string_view, 5> kRoleWords = {"gateway", "client", "peer", "home-agent",
                                                               "mobile-node"};
inline constexpr std::array<std::string_view, 4> kRequestWords = {"prefix", "ipv6", "ipv4", "dns"};
inline constexpr std::array<std::string_view, 3> kMethodWords = {"psk", "certificate", "public-key"};
inline constexpr std::array<std::string_view, 2> kEncapsulationWords = {"auto", "always"};
inline constexpr std::array<std::string_view, 4> kUniqueWords = {"replace", "keep", "many", "share"};
inline constexpr std::array<std::string_view, 2> kModeWords = {"tunnel", "transport"};
inline constexpr std::array<std::string_view, 3> kStartWords = {"manual", "trap", "now"};
inline constexpr std::array<std::string_view, 2> kWithoutSaWords = {"drop", "clear"};
inline constexpr std::array<std::string_view, 4> kDscpWords = {"out", "both", "in", "none"};
inline constexpr std::array<std::string_view, 2> kDfWords = {"copy", "clear"};

inline constexpr std::array<std::string_view, 3> kPathSetWords = {"uplinks", "gateways", "pairs"};
inline constexpr std::array<std::string_view, 3> kPathUseWords = {"primary", "balance", "mark"};

// What one IKE SA's or kernel's table bears, and no more than the engine counts with.
inline constexpr std::int64_t kMostIkeSas = 10'000'000;
inline constexpr std::int64_t kMostChildren = 1'024;
inline constexpr std::int64_t kMostReplayWindow = 4'096; // packets; XFRMA_REPLAY_ESN_MAX of Linux
inline constexpr std::int64_t kMostWeight = 256;         // of a next hop, in the kernel's routes

inline constexpr Type kText{.kind = Kind::string};
inline constexpr Type kBoolean{.kind = Kind::boolean};
inline constexpr Type kPort{.kind = Kind::integer, .least = 1, .most = 65535};
inline constexpr Type kTries{.kind = Kind::integer, .least = 1, .most = 20};
inline constexpr Type kDelegate{.kind = Kind::integer, .least = 1, .most = 128};
inline constexpr Type kPercent{.kind = Kind::integer, .least = 0, .most = 100};
inline constexpr Type kSubnet{
    .kind = Kind::integer, .least = 1, .most = std::numeric_limits<std::uint32_t>::max()};
inline constexpr Type kAmount{.kind = Kind::integer, .least = 0};
inline constexpr Type kReplayWindow{.kind = Kind::integer, .least = 0, .most = kMostReplayWindow};
inline constexpr Type kIkeSaCount{.kind = Kind::integer, .least = 1, .most = kMostIkeSas};
inline constexpr Type kChildCount{.kind = Kind::integer, .least = 1, .most = kMostChildren};
inline constexpr Type kWeight{.kind = Kind::integer, .least = 1, .most = kMostWeight};
inline constexpr Type kFirewallMark{
    .kind = Kind::integer, .least = 1, .most = std::numeric_limits<std::uint32_t>::max()};
inline constexpr Type kPathCount{.kind = Kind::integer, .least = 1, .most = kMostPaths};
inline constexpr Type kProbe{.format = &kProbeFormat};
inline constexpr Type kPathSet{.words = kPathSetWords};
inline constexpr Type kPathUse{.words = kPathUseWords};
inline constexpr Type kDuration{.format = &kDurationFormat};
inline constexpr Type kLifetime{.format = &kLifetimeFormat};
inline constexpr Type kLease{.format = &kLeaseFormat};
inline constexpr Type kSeconds{.format = &kSecondsFormat};
inline constexpr Type kWait{.format = &kWaitFormat};
inline constexpr Type kAddress{.format = &kAddressFormat};
inline constexpr Type kPrefix{.format = &kPrefixFormat};
inline constexpr Type kSelector{.format = &kSelectorFormat};
inline constexpr Type kInterface{.format = &kInterfaceFormat};
inline constexpr Type kInterfaceId{.format = &kInterfaceIdFormat};
inline constexpr Type kDomain{.format = &kDomainFormat};
inline constexpr Type kName{.format = &kNameFormat};
inline constexpr Type kIdentity{.format = &kIdentityFormat};
inline constexpr Type kPattern{.format = &kPatternFormat};
inline constexpr Type kPath{.format = &kPathFormat};
inline constexpr Type kCredential{.format = &kCredentialFormat};
inline constexpr Type kSecret{.format = &kSecretFormat, .secret = true};
inline constexpr Type kIkeProposal{.format = &kIkeProposalFormat};
inline constexpr Type kEspProposal{.format = &kEspProposalFormat};
inline constexpr Type kGroupSuite{.format = &kGroupSuiteFormat};
inline constexpr Type kRole{.words = kRoleWords};
inline constexpr Type kRequest{.words = kRequestWords};
inline constexpr Type kMethod{.words = kMethodWords};
inline constexpr Type kEncapsulation{.words = kEncapsulationWords};
inline constexpr Type kUnique{.words = kUniqueWords};
inline constexpr Type kMode{.words = kModeWords};
inline constexpr Type kStart{.words = kStartWords};
inline constexpr Type kWithoutSa{.words = kWithoutSaWords};
inline constexpr Type kDscp{.words = kDscpWords};
inline constexpr Type kDf{.words = kDfWords};

inline constexpr Type kAddresses{.kind = Kind::array, .item = &kAddress};
inline constexpr Type kServers{.kind = Kind::array, .item = &kAddress, .may_be_empty = true};
inline constexpr Type kPrefixes{.kind = Kind::array, .item = &kPrefix};
inline constexpr Type kSelectors{.kind = Kind::array, .item = &kSelector};
inline constexpr Type kNames{.kind = Kind::array, .item = &kName};
inline constexpr Type kWant{.format = &kNameFormat, .other = &kNames}; // one name, or alternatives
inline constexpr Type kWants{.kind = Kind::array, .item = &kWant, .may_repeat = true};
inline constexpr Type kDomains{.kind = Kind::array, .item = &kDomain, .may_be_empty = true};
inline constexpr Type kInterfaceIds{.kind = Kind::array, .item = &kInterfaceId};
inline constexpr Type kReserved{.kind = Kind::object, .item = &kPrefix, .names = &kIdentityFormat};
inline constexpr Type kPaths{.kind = Kind::array, .item = &kPath};
inline constexpr Type kRequests{.kind = Kind::array, .item = &kRequest};
inline constexpr Type kMethods{.kind = Kind::array, .item = &kMethod};
inline constexpr Type kIkeProposals{.kind = Kind::array, .item = &kIkeProposal};
inline constexpr Type kEspProposals{.kind = Kind::array, .item = &kEspProposal};

} // namespace sheaf::conf::words
