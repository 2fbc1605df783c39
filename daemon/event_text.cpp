#include "daemon/event_text.h"

#include "daemon/remedy.h"
#include "daemon/status_json.h"

#include <fmt/format.h>

namespace sheaf::daemon {
namespace {

// "clients[00112233445566aa] alice.example.org [2001:db8::1]:500"
std::string subject(const ike::SaName& sa) {
    return fmt::format("{}[{}] {}{}{}", escaped(sa.connection), ike_spi_text(sa.spi), escaped(sa.peer_id),
                       sa.peer_id.empty() ? "" : " ", sa.peer.to_string());
}

// Of what may have no IKE SA: "home gw.example.org", or as above.
std::string subject_of_path(const ike::SaName& sa) {
    if (sa.spi != 0) return subject(sa);
    return escaped(sa.connection) + (sa.peer_id.empty() ? "" : " ") + escaped(sa.peer_id);
}

std::string after_colon(const std::string& detail) {
    return detail.empty() ? std::string() : ": " + escaped(detail);
}

std::string given(const child::Link& link) {
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
    if (link.role == child::LinkRole::gateway)
        for (const auto& prefix : link.routes) {
            // Every link has such an address, and it says nothing about whose the link is.
            if (!prefix.address().is_link_local()) add(prefix.to_string());
        }
    else
        for (const auto& a : link.addresses)
            add(fmt::format("{}/{}", a.address.to_string(), a.prefix_length));
    return out.empty() ? "no address" : out;
}

std::string listed(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words)
        out += (out.empty() ? "" : ", ") + word;
    return out.empty() ? "the outer address" : out;
}

std::string listed(const std::vector<Prefix>& blocks) {
    std::string out;
    for (const auto& block : blocks)
        out += (out.empty() ? "" : ", ") + block.to_string();
    return out;
}

std::string_view word(ike::Leased::What what) {
    switch (what) {
    case ike::Leased::What::assigned: return "assigned";
    case ike::Leased::What::renewed: return "assigned again";
    case ike::Leased::What::released: return "released";
    }
    return "leased";
}

// What a Child SA is for: the client's addresses, or the selectors of both sides.
std::string purpose(const ike::ChildUp& e) {
    const bool addressed = !e.link.routes.empty() || !e.link.addresses.empty();
    if (addressed) return fmt::format("{} on {}", given(e.link), e.link.interface);
    return fmt::format("{} to {}{}{}", listed(e.local_selectors), listed(e.remote_selectors),
                       e.link.interface.empty() ? "" : " on ", e.link.interface);
}

std::string child_name(const std::string& name) { return name.empty() ? "" : " " + escaped(name); }

// A refusal that anyone can cause is no reason to look; one that follows from configuration is.
LogLevel level(RuleKind kind) {
    switch (kind) {
    case RuleKind::unacceptable:
    case RuleKind::limit:
    case RuleKind::local: return LogLevel::warning;
    case RuleKind::malformed:
    case RuleKind::unauthentic:
    case RuleKind::unexpected: break;
    }
    return LogLevel::info;
}

bool is_trouble(ike::DownReason reason) {
    return reason == ike::DownReason::failed || reason == ike::DownReason::kernel ||
           reason == ike::DownReason::peer_silent || reason == ike::DownReason::expired;
}

bool is_trouble(ike::GroupChanged::What what) {
    using What = ike::GroupChanged::What;
    return what == What::member_failed || what == What::refused || what == What::kernel_refused;
}

// "SA 0xf0000001 (generation 3)"
std::string group_sa(const ike::GroupChanged& e) {
    return fmt::format("SA {}{}", child_spi_text(e.spi),
                       e.generation == 0 ? "" : fmt::format(" (generation {})", e.generation));
}

std::string change(const ike::GroupChanged& e) {
    using What = ike::GroupChanged::What;
    switch (e.what) {
    case What::made: return group_sa(e) + " made";
    case What::settled: return group_sa(e) + " is what all members send with";
    case What::retired: return group_sa(e) + " is taken by nobody any more";
    case What::joined: return subject(e.member) + " joined";
    case What::left: return subject(e.member) + " left";
    case What::member_failed:
        return subject(e.member) + (e.spi == 0 ? " is told no SA" : " does not have " + group_sa(e));
    case What::installed: return group_sa(e) + " installed, packets under it are taken";
    case What::sending: return group_sa(e) + " is sent with";
    case What::removed: return group_sa(e) + " removed";
    case What::refused: return group_sa(e) + " refused";
    case What::kernel_refused: return "the kernel refuses what it needs";
    case What::repaired: return "the kernel has what it needs again";
    }
    return group_sa(e) + " changed";
}

// "binding 2 moved to 2001:db8:2::5, was 2001:db8:3::7, 420 s left"
std::string binding_change(const ike::BindingChanged& e) {
    if (e.what == ike::BindingChanged::What::prefix_gone) return "its prefix is gone from the home link";
    if (e.what == ike::BindingChanged::What::at_home) return "at home";
    std::string out = e.bid == 0 ? "binding" : fmt::format("binding {}", e.bid);
    out += fmt::format(" {}", ike::name(e.what));
    if (e.care_of)
        out += fmt::format("{}{}", e.what == ike::BindingChanged::What::moved ? " to " : ", ",
                           e.care_of->to_string());
    if (e.before) out += ", was " + e.before->to_string();
    if (e.lifetime) out += fmt::format(", {:.0f} s left", seconds(*e.lifetime));
    return out;
}

struct Describe {
    EventText operator()(const ike::MessageTraced& e) const {
        const auto& h = e.header;
        // "in IKE_AUTH request 1 [peer]:500 0123456789abcdef_fedcba9876543210 436 octets: IDi AUTH SA"
        return {LogLevel::debug,
                fmt::format("{} {} {} {} {} {}_{}{}{}", e.sent ? "out" : "in", wire::name(h.exchange),
                            h.response ? "response" : "request", h.message_id, e.peer.to_string(),
                            ike_spi_text(h.initiator_spi), ike_spi_text(h.responder_spi),
                            h.length == 0 ? "" : fmt::format(" {} octets", h.length),
                            after_colon(e.payloads))};
    }
    EventText operator()(const ike::Refused& e) const {
        const std::string sa = e.spi == 0 ? "" : fmt::format("[{}]", ike_spi_text(e.spi));
        const std::string peer = e.peer.port == 0 ? "" : " " + e.peer.to_string(); // none: our own kernel
        return {level(kind(e.rule)), fmt::format("refused{}{}: {}: {}{}", sa, peer, sheaf::name(e.rule),
                                                 sentence(e.rule), after_colon(e.detail))};
    }
    EventText operator()(const ike::IkeUp& e) const {
        return {LogLevel::info,
                fmt::format("{}: IKE SA up, {}{}", subject(e.sa), e.suite, e.nat ? ", through a NAT" : "")};
    }
    EventText operator()(const ike::IkeDown& e) const {
        const bool was_up = !e.sa.peer_id.empty(); // known from the peer's AUTH on
        return {is_trouble(e.reason) ? LogLevel::warning : LogLevel::info,
                fmt::format("{}: {}, {}{}{}", subject(e.sa), was_up ? "IKE SA down" : "attempt ended",
                            ike::name(e.reason), after_colon(e.detail),
                            e.retrying ? "; will try again" : "")};
    }
    EventText operator()(const ike::ChildUp& e) const {
        return {LogLevel::info,
                fmt::format("{}: Child SA{} up, in {} out {}, {}, {}", subject(e.sa), child_name(e.child),
                            child_spi_text(e.spi_in), child_spi_text(e.spi_out), e.suite, purpose(e))};
    }
    EventText operator()(const ike::IkeRekeyed& e) const {
        return {LogLevel::info, fmt::format("{}: IKE SA rekeyed, was [{}], {}", subject(e.sa),
                                            ike_spi_text(e.old_spi), e.suite)};
    }
    EventText operator()(const ike::IkeCloned& e) const {
        return {LogLevel::info, fmt::format("{}: IKE SA cloned from [{}], {}", subject(e.sa),
                                            ike_spi_text(e.old_spi), e.suite)};
    }
    EventText operator()(const ike::ChildRekeyed& e) const {
        return {LogLevel::info,
                fmt::format("{}: Child SA{} rekeyed, in {} out {}, in was {}, {}", subject(e.sa),
                            child_name(e.child), child_spi_text(e.spi_in), child_spi_text(e.spi_out),
                            child_spi_text(e.old_spi_in), e.suite)};
    }
    EventText operator()(const ike::Moved& e) const {
        return {LogLevel::info, fmt::format("{}: we have moved to {}, were at {}", subject(e.sa),
                                            e.local.to_string(), e.before.to_string())};
    }
    EventText operator()(const ike::PeerMoved& e) const {
        return {LogLevel::info,
                fmt::format("{}: the peer has moved, was {}", subject(e.sa), e.before.to_string())};
    }
    EventText operator()(const ike::PathChanged& e) const {
        const bool well = e.state == "up" || e.state == "opening";
        return {well ? LogLevel::info : LogLevel::warning,
                fmt::format("{}: path{}{} to {} is {}{}", subject_of_path(e.sa),
                            e.uplink.empty() ? "" : " over ", escaped(e.uplink), e.gateway.to_string(),
                            escaped(e.state), after_colon(e.why))};
    }
    EventText operator()(const ike::GroupChanged& e) const {
        return {is_trouble(e.what) ? LogLevel::warning : LogLevel::info,
                fmt::format("group \"{}\": {}{}", escaped(e.group), change(e), after_colon(e.why))};
    }
    EventText operator()(const ike::ChildDown& e) const {
        return {LogLevel::info,
                fmt::format("{}: Child SA{} down, in {} out {}", subject(e.sa), child_name(e.child),
                            child_spi_text(e.spi_in), child_spi_text(e.spi_out))};
    }
    EventText operator()(const ike::Leased& e) const {
        return {LogLevel::info, fmt::format("{}: {} {}", subject(e.sa), word(e.what), listed(e.blocks))};
    }
    EventText operator()(const ike::BindingChanged& e) const {
        using What = ike::BindingChanged::What;
        const bool trouble = e.what == What::refused || e.what == What::prefix_gone;
        return {trouble ? LogLevel::warning : LogLevel::info,
                fmt::format("{}: home address {}: {}{}", escaped(e.connection), e.home.to_string(),
                            binding_change(e), after_colon(e.why))};
    }
    EventText operator()(const ike::PoolLow& e) const {
        return {LogLevel::warning,
                fmt::format("pool \"{}\" {}; {}", escaped(e.pool), pool_state(e), kPoolRemedy)};
    }
};

} // namespace

EventText describe(const ike::Event& event) { return std::visit(Describe{}, event); }

} // namespace sheaf::daemon
