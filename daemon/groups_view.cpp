#include "daemon/groups_view.h"

#include "daemon/log.h"
#include "daemon/table.h"
#include "daemon/view_words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sheaf::daemon {
namespace {

using namespace view;
using Side = Table::Side;

// "current" of a member, "up" of a group that we are in.
Tone tone_of_group(const std::string& state) {
    if (state == "settled" || state == "up" || state == "current") return Tone::good;
    return state == "refused" || state == "down" ? Tone::bad : Tone::caution;
}

std::string service_tables(const Json& answer, bool colour) {
    Table services({{"GROUP"},
                    {"SPI"},
                    {"GENERATION", Side::right},
                    {"STATE"},
                    {"AGE", Side::right},
                    {"EXPIRES IN", Side::right},
                    {"OLD SPI"},
                    {"SWITCH IN", Side::right},
                    {"MEMBERS", Side::right},
                    {"BEHIND", Side::right},
                    {"SUITE"}});
    Table members({{"GROUP"}, {"MEMBER"}, {"PEER"}, {"CONNECTION"}, {"STATE"}, {"GENERATION", Side::right}});
    for (const auto& group : list(answer, "groups")) {
        if (!flag(group, "serves")) continue;
        const std::string state = text(group, "state");
        services.row({text(group, "group"),
                      text(group, "spi"),
                      text(group, "generation"),
                      {state, tone_of_group(state)},
                      time(group, "age_s"),
                      time(group, "expires_s"),
                      group.contains("old_spi") ? text(group, "old_spi") : "-",
                      time(group, "switch_s"),
                      std::to_string(list(group, "members").size()),
                      text(group, "behind"),
                      text(group, "suite")});
        for (const auto& member : list(group, "members")) {
            const std::string has = text(member, "state");
            members.row({text(group, "group"),
                         text(member, "peer_id"),
                         text(member, "peer"),
                         text(member, "name"),
                         {has, tone_of_group(has)},
                         text(member, "generation")});
        }
    }
    return (services.empty() ? "" : services.text(colour)) +
           (members.empty() ? "" : "\n" + members.text(colour));
}

// "10.2.0.0/16, 10.3.0.0/16"; `from` says where they are known from.
std::string networks(const Json& site, std::string_view from) {
    Json out = Json::array();
    for (const auto& network : list(site, "networks"))
        if (text(network, "from") == from) out.push_back(text(network, "prefix"));
    return out.empty() ? "-" : joined(out);
}

std::string membership_tables(const Json& answer, bool colour) {
    Table sas({{"GROUP"},
               {"INTERFACE"},
               {"CONNECTION"},
               {"GATEWAY"},
               {"SPI"},
               {"USE"},
               {"AGE", Side::right},
               {"EXPIRES IN", Side::right},
               {"SUITE"}});
    Table sites({{"GROUP"},
                 {"ENDPOINT"},
                 {"CONFIGURED"},
                 {"ROUTED"},
                 {"BYTES IN", Side::right},
                 {"BYTES OUT", Side::right},
                 {"PACKETS IN", Side::right},
                 {"PACKETS OUT", Side::right},
                 {"REPLAYED", Side::right},
                 {"FORGED", Side::right}});
    for (const auto& group : list(answer, "groups")) {
        if (flag(group, "serves")) continue;
        const std::string gateway = flag(group, "connected") ? "connected" : "away";
        const auto row = [&](const Table::Cell& spi, const Table::Cell& use, const Json& sa) {
            sas.row({text(group, "group"), text(group, "interface"), text(group, "name"), gateway, spi, use,
                     time(sa, "age_s"), time(sa, "expires_s"), text(sa, "suite")});
        };
        for (const auto& sa : list(group, "sas")) {
            const bool sending = flag(sa, "sending");
            row(text(sa, "spi"), {sending ? "both ways" : "receiving", sending ? Tone::good : Tone::caution},
                sa);
        }
        if (list(group, "sas").empty()) row("-", {"no SA", Tone::bad}, Json::object());
        for (const auto& site : list(group, "sites"))
            sites.row({text(group, "group"), text(site, "endpoint"), networks(site, "configuration"),
                       networks(site, "route"), traffic(site, "bytes_in"), traffic(site, "bytes_out"),
                       number(site, "packets_in"), number(site, "packets_out"), number(site, "replayed"),
                       number(site, "forged")});
    }
    return (sas.empty() ? "" : sas.text(colour)) + (sites.empty() ? "" : "\n" + sites.text(colour));
}

} // namespace

std::string render_groups(const Request& request, const Json& answer, bool colour) {
    const std::string served = service_tables(answer, colour);
    const std::string joined = membership_tables(answer, colour);
    if (!served.empty() || !joined.empty())
        return served + (served.empty() || joined.empty() ? "" : "\n") + joined;
    return request.name.empty()
               ? "no group is configured\n"
               : fmt::format("no group or member is of that name: {}\n", escaped(request.name));
}

} // namespace sheaf::daemon
