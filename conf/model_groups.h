#pragma once

#include "conf/model_words.h"

// The tables of groups, in the configuration: what a gateway serves, and what an endpoint joins.
namespace sheaf::conf::groups {

using namespace words;

inline constexpr std::array kRolloverFields = {
    Field{
        .key = "send_after",
        .type = &kSeconds,
        .doc =
            "How long after a new SA was made members send with it: longer than the slowest takes to get it.",
        .standard = "\"60s\""},
    Field{.key = "refuse_after",
          .type = &kSeconds,
          .doc = "How long after a new SA was made members refuse the one before.",
          .standard = "\"120s\""},
};
inline constexpr Object kRollover{.fields = kRolloverFields};
inline constexpr Type kRolloverObject{.kind = Kind::object, .object = &kRollover};

inline constexpr std::array kServeFields = {
    Field{.key = "suite",
          .type = &kGroupSuite,
          .doc = "What protects the SA: AES-CBC, an HMAC, and the PRF that makes the keys.",
          .standard = "\"aes256-sha256-prfsha256\""},
    Field{.key = "lifetime",
          .type = &kSeconds,
          .doc = "How long an SA lasts; it is replaced in time. 4095s are the most.",
          .standard = "\"1h\""},
    Field{.key = "rollover", .type = &kRolloverObject, .doc = "When a new SA takes over."},
    Field{.key = "rekey_on_leave",
          .type = &kBoolean,
          .doc = "Whether a member that leaves makes the others change to a new SA.",
          .standard = "true"},
    Field{.key = "rekey_on_join",
          .type = &kBoolean,
          .doc = "Whether a member that joins does, so that it cannot read what was sent before.",
          .standard = "false"},
};
inline constexpr Object kServe{.fields = kServeFields};
inline constexpr Type kServeObject{.kind = Kind::object, .object = &kServe};

inline constexpr Type kSites{.kind = Kind::object, .item = &kPrefixes, .names = &kAddressFormat};
inline constexpr std::array kJoinFields = {
    Field{.key = "interface",
          .type = &kInterface,
          .doc = "The virtual interface of the group.",
          .required = true},
    Field{.key = "addresses",
          .type = &kAddresses,
          .doc = "Our addresses that other endpoints send to, one of a family; if missing, the one that IKE "
                 "uses."},
    Field{
        .key = "sites",
        .type = &kSites,
        .doc =
            "What is behind other endpoints: for each outer address its prefixes. Routes into the interface "
            "whose gateway is an endpoint say so, too."},
    Field{.key = "allow_sha1",
          .type = &kBoolean,
          .doc = "Whether the gateway may choose SHA-1 for the group. Weak.",
          .standard = "false"},
};
inline constexpr Object kJoin{.fields = kJoinFields};
inline constexpr Type kJoinObject{.kind = Kind::object, .object = &kJoin};

inline constexpr std::array kGroupFields = {
    Field{.key = "serve", .type = &kServeObject, .doc = "We make the SA, and tell it to who authenticates."},
    Field{.key = "join", .type = &kJoinObject, .doc = "We are told the SA, and talk to the others under it."},
};
inline constexpr std::array<std::string_view, 2> kGroupParts = {"serve", "join"};
inline constexpr Object kGroup{.fields = kGroupFields, .alternatives = kGroupParts};
inline constexpr Type kGroupObject{.kind = Kind::object, .object = &kGroup};
inline constexpr Type kGroups{.kind = Kind::object, .item = &kGroupObject, .names = &kNameFormat};

} // namespace sheaf::conf::groups
