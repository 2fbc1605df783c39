#include "daemon/remedy.h"

#include <fmt/format.h>

namespace sheaf::daemon {

std::string pool_state(const ike::PoolLow& pool) {
    return fmt::format("is {}: {} of {}{}", pool.exhausted ? "used up" : "nearly used up", pool.used,
                       pool.size, pool.exhausted ? ", and a client was sent away" : "");
}

std::string_view path_sentence(std::string_view state) {
    if (state == "up") return "stands by: it takes over when those before it are gone, or what has its mark";
    if (state == "away") return "goes over another uplink than its own";
    if (state == "opening") return "is being made";
    if (state == "refused") return "is not made, for the gateway has refused it";
    return "is down";
}

std::string_view path_remedy(std::string_view state) {
    if (state == "away")
        return "see what its own uplink lacks: ip address, ip route; the path goes back by itself";
    if (state == "down")
        return "see whether the uplink has a carrier, an address and a route to the gateway, and whether UDP "
               "port 4500 is open on the way";
    if (state == "refused")
        return "see whether the gateway's connection has \"mobike\" and how many paths its "
               "\"paths\".\"most\" grants; with a "
               "gateway that takes one alone, the other uplinks are its reserve";
    return {};
}

std::optional<Trouble> trouble(const ike::GroupStatus& group) {
    if (group.serves || (group.connected && !group.sas.empty())) return std::nullopt;
    if (!group.sas.empty())
        return Trouble{"goes on with the SA that it has until that expires, for its gateway is away",
                       "see sheafctl explain of its connection"};
    if (!group.connected)
        return Trouble{"has no SA and carries nothing, for its gateway is away",
                       "see sheafctl explain of its connection"};
    return Trouble{
        "has no SA and carries nothing, for its gateway has told none",
        "see whether the gateway's connection for us names a group that it serves, and whether a NAT is on "
        "the way, through which no group is told"};
}

std::optional<Trouble> trouble(ike::GroupChanged::What what) {
    if (what == ike::GroupChanged::What::member_failed)
        return Trouble{"a member is not told the SA, or does not take it",
                       "what the detail says; if the member has refused it, its own log says why"};
    if (what == ike::GroupChanged::What::refused)
        return Trouble{
            "the SA that the gateway told was refused",
            "compare the gateway's \"suite\" with \"allow_sha1\" of the group here; AES-CBC with HMAC is all "
            "that a group can have"};
    if (what == ike::GroupChanged::What::kernel_refused)
        return Trouble{"the kernel refuses something that the group needs, so some of it carries nothing",
                       "what the detail says; it is tried again each second"};
    return std::nullopt;
}

std::string_view sentence(ike::DownReason reason) {
    switch (reason) {
    case ike::DownReason::command: return "an operator asked for it";
    case ike::DownReason::deleted_by_peer: return "the peer deleted it";
    case ike::DownReason::peer_silent: return "the peer did not answer";
    case ike::DownReason::replaced: return "another one took its place";
    case ike::DownReason::failed: return "it failed";
    case ike::DownReason::shutdown: return "sheafd ended";
    case ike::DownReason::kernel: return "the kernel refused or lost what it needs";
    case ike::DownReason::expired: return "its keys were not replaced in time";
    case ike::DownReason::moved: return "the mobile node has moved, without the K bit";
    }
    return "it ended";
}

std::string_view remedy(Rule rule) {
    switch (rule) {
    case Rule::no_proposal_chosen: return "compare \"ike\" and \"esp\" on both sides";
    case Rule::no_connection:
        return "see whether a connection serves this address: \"role\", \"local.address\"";
    case Rule::unknown_identity:
        return "compare \"remote.id\" and the ids of \"secrets\" with who the peer says it is";
    case Rule::authentication_failed: return "compare the secrets, or the keys, of both sides";
    case Rule::unsupported_auth_method:
        return "compare \"remote.auth\" with how the peer proves its identity";
    case Rule::ts_unacceptable:
    case Rule::ts_not_narrowed:
        return "compare the selectors of both sides: \"children\", or \"networks\" and \"request\"";
    case Rule::address_failure:
        return "see sheafctl pools for room, and compare \"request\" with the families of \"pools\"";
    case Rule::already_connected:
        return "give each client an identity of its own, or see \"unique\" of the connection";
    case Rule::foreign_link:
        return "nothing if we were restarted, for the peer gets a new link when it authenticates anew; else "
               "it "
               "names a link that is another's";
    case Rule::configuration_required:
        return "let the peer ask for an address, or serve it with the role \"peer\"";
    case Rule::too_many_half_open:
        return "if so many peers of yours begin at once, raise \"limits\".\"half_open\"; from one address 32 "
               "may";
    case Rule::too_many_of_identity:
        return "if one peer is to have so many, raise \"limits\".\"ike_sas_per_identity\"";
    case Rule::too_many_ike_sas: return "if these are peers of yours, raise \"limits\"";
    case Rule::peer_silent:
        return "see whether UDP ports 500 and 4500 are open on the way, and whether the peer runs";
    case Rule::unknown_ike_spi:
        return "a peer that we have forgotten, after a restart for instance: it will notice";
    case Rule::kernel_refused:
        return "the detail has the kernel's words; see also sheafd's log from its start";
    default: return {};
    }
}

std::string_view remedy(ike::DownReason reason) {
    switch (reason) {
    case ike::DownReason::peer_silent: return remedy(Rule::peer_silent);
    case ike::DownReason::deleted_by_peer: return "the peer's log says why";
    case ike::DownReason::expired: return "see the refusals of this peer for why rekeying did not work";
    case ike::DownReason::moved:
        return "nothing, a new one is made; with \"move_ike\" at both ends it would have followed";
    default: return {};
    }
}

} // namespace sheaf::daemon
