#include "daemon/kernel_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace sheaf::daemon {
namespace {

bool has_role(const ike::Config& config, ike::Role role) {
    return std::ranges::any_of(config.connections, [&](const auto& c) { return c.role == role; });
}

std::string sentences(const std::vector<std::string>& list) {
    std::string out;
    for (const auto& sentence : list)
        out += "; " + sentence;
    return out;
}

// Who needs an interface of its own; empty if nobody does.
std::string_view with_interface(const ike::Config& config) {
    if (has_role(config, ike::Role::client)) return "a client";
    if (has_role(config, ike::Role::mobile_node)) return "a mobile node";
    if (!config.group_memberships.empty()) return "an endpoint of a group";
    const bool peer = std::ranges::any_of(
        config.connections, [](const auto& c) { return c.role == ike::Role::peer && !c.interface.empty(); });
    return peer ? "a peer with \"interface\"" : std::string_view();
}

// What is missing altogether, without which there is no point in starting.
std::expected<void, std::string> essential(const ike::Config& config, const xfrm::Abilities& abilities) {
    std::string missing;
    if (!abilities.esp_ipv4 && !abilities.esp_ipv6)
        missing = "ESP";
    else if (has_role(config, ike::Role::gateway) && !abilities.shared_link)
        missing = "xfrm interfaces in collect-metadata mode, which a gateway needs";
    else if (has_role(config, ike::Role::home_agent) && !abilities.shared_link)
        missing = "xfrm interfaces in collect-metadata mode, which a home agent needs";
    else if (const auto who = with_interface(config); !who.empty() && !abilities.virtual_links)
        missing = fmt::format("xfrm interfaces, which {} needs", who);
    if (missing.empty()) return {};
    return std::unexpected(fmt::format("this kernel lacks {}{}", missing, sentences(abilities.lacks)));
}

bool carried(const xfrm::Abilities& abilities, const crypto::Encryption& encryption,
             crypto::IntegId integrity) {
    crypto::EspSuite suite;
    suite.encr = encryption.id;
    suite.key_bits = encryption.key_bits;
    suite.integ = integrity;
    return abilities.supports(suite);
}

void restrict_to(child::EspProposal& proposal, const xfrm::Abilities& abilities) {
    const auto lone = proposal.integrity.empty() ? std::vector{crypto::IntegId::none} : proposal.integrity;
    std::erase_if(proposal.encryption, [&](const crypto::Encryption& encryption) {
        return std::ranges::none_of(lone, [&](auto integ) { return carried(abilities, encryption, integ); });
    });
    std::erase_if(proposal.integrity, [&](crypto::IntegId integ) {
        return std::ranges::none_of(proposal.encryption, [&](const auto& encryption) {
            return carried(abilities, encryption, integ);
        });
    });
}

std::expected<void, std::string> fit_proposals(std::vector<child::EspProposal>& esp, const std::string& path,
                                               const xfrm::Abilities& abilities,
                                               std::vector<std::string>& changes) {
    const auto wanted = esp;
    for (auto& proposal : esp)
        restrict_to(proposal, abilities);
    std::erase_if(esp, [](const child::EspProposal& p) { return p.encryption.empty(); });
    if (esp.empty())
        return std::unexpected(fmt::format("{}: this kernel carries none of the ESP algorithms of \"esp\"{}",
                                           path, sentences(abilities.lacks)));
    if (esp != wanted)
        changes.push_back(
            fmt::format("{}: ESP algorithms that this kernel does not carry are not offered", path));
    return {};
}

} // namespace

std::expected<std::vector<std::string>, std::string> fit(ike::Config& config,
                                                         const xfrm::Abilities& abilities) {
    if (auto ok = essential(config, abilities); !ok) return std::unexpected(std::move(ok.error()));
    std::vector<std::string> changes;
    for (auto& connection : config.connections) {
        const std::string path = "connections." + connection.name;
        if (connection.role != ike::Role::peer)
            if (auto ok = fit_proposals(connection.child.esp, path, abilities, changes); !ok)
                return std::unexpected(ok.error());
        for (auto& child : connection.children)
            if (auto ok =
                    fit_proposals(child.terms.esp, path + ".children." + child.name, abilities, changes);
                !ok)
                return std::unexpected(ok.error());
    }
    return changes;
}

} // namespace sheaf::daemon
