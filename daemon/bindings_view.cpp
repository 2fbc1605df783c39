#include "daemon/bindings_view.h"

#include "daemon/log.h"
#include "daemon/table.h"
#include "daemon/view_words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sheaf::daemon {
namespace {

using namespace view;
using Side = Table::Side;

std::string owner(const Json& home) {
    const std::string peer = text(home, "peer_id");
    return peer.empty() ? "-" : peer;
}

Table::Cell state_of_binding(const Json& binding) {
    if (!flag(binding, "paired") && !flag(binding, "at_home")) return {"no SA", Tone::caution};
    return flag(binding, "default") ? Table::Cell{"default", Tone::good}
                                    : Table::Cell{"registered", Tone::good};
}

// Of a home address without bindings.
Table::Cell state_of_none(const Json& home) {
    if (flag(home, "at_home")) return {"at home", Tone::good};
    if (!text(home, "home_link").empty()) return {"coming home", Tone::caution};
    return {"nothing registered", Tone::bad};
}

std::string home_table(const Json& answer, bool colour) {
    Table out({{"HOME ADDRESS"}, {"ROLE"}, {"CONNECTION"}, {"PEER ID"}, {"IKE SA TO"}, {"NETWORKS"}});
    for (const auto& home : list(answer, "homes")) {
        const std::string networks = joined(list(home, "networks"));
        const bool connected = flag(home, "connected");
        out.row({text(home, "home"), text(home, "role"), text(home, "name"), owner(home),
                 connected ? Table::Cell{text(home, "peer")} : Table::Cell{"none", Tone::bad},
                 networks.empty() ? "-" : networks});
    }
    return out.empty() ? "" : out.text(colour);
}

std::string binding_table(const Json& answer, bool colour) {
    Table out({{"HOME ADDRESS"},
               {"BID", Side::right},
               {"CARE-OF ADDRESS"},
               {"STATE"},
               {"PRIORITY", Side::right},
               {"EXPIRES IN", Side::right},
               {"BYTES IN", Side::right},
               {"BYTES OUT", Side::right}});
    for (const auto& home : list(answer, "homes")) {
        for (const auto& binding : list(home, "bindings"))
            out.row({text(home, "home"), text(binding, "bid"), text(binding, "care_of"),
                     state_of_binding(binding), number(binding, "priority"), time(binding, "expires_s"),
                     traffic(binding, "bytes_in"), traffic(binding, "bytes_out")});
        if (list(home, "bindings").empty())
            out.row({text(home, "home"), "-", "-", state_of_none(home), "-", "-", "-", "-"});
    }
    return out.empty() ? "" : "\n" + out.text(colour);
}

std::string flow_table(const Json& answer, bool colour) {
    Table out({{"HOME ADDRESS"}, {"FLOW", Side::right}, {"PACKETS TO THE MOBILE NODE"}, {"BIDS"}, {"NOW"}});
    for (const auto& home : list(answer, "homes"))
        for (const auto& flow : list(home, "flows")) {
            std::string bids;
            for (const auto& bid : list(flow, "bids"))
                bids += (bids.empty() ? "" : ", ") + bid.dump();
            const std::string now = number(flow, "bid");
            out.row({text(home, "home"),
                     text(flow, "fid"),
                     text(flow, "packets"),
                     bids,
                     {now, now == "-" ? Tone::caution : Tone::good}});
        }
    return out.empty() ? "" : "\n" + out.text(colour);
}

std::string prefix_table(const Json& answer, bool colour) {
    Table out({{"HOME ADDRESS"},
               {"PREFIX OF THE HOME LINK"},
               {"VALID FOR", Side::right},
               {"PREFERRED FOR", Side::right}});
    const auto lifetime = [](const Json& prefix, const char* key) {
        return prefix.contains(key) ? time(prefix, key) : "ever";
    };
    for (const auto& home : list(answer, "homes"))
        for (const auto& prefix : list(home, "home_prefixes"))
            out.row({text(home, "home"), text(prefix, "prefix"), lifetime(prefix, "valid_s"),
                     lifetime(prefix, "preferred_s")});
    return out.empty() ? "" : "\n" + out.text(colour);
}

} // namespace

std::string render_bindings(const Request& request, const Json& answer, bool colour) {
    if (!list(answer, "homes").empty())
        return home_table(answer, colour) + binding_table(answer, colour) + flow_table(answer, colour) +
               prefix_table(answer, colour);
    return request.name.empty() ? "no home address is served or had\n"
                                : fmt::format("no home address, binding or connection is of that name: {}\n",
                                              escaped(request.name));
}

} // namespace sheaf::daemon
