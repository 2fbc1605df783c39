#include "daemon/ctl_view.h"

#include "daemon/bindings_view.h"
#include "daemon/groups_view.h"
#include "daemon/log.h"
#include "daemon/table.h"
#include "daemon/version.h"
#include "daemon/view_words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;
using Side = Table::Side;
using namespace view;

// Addresses of a link without the link-local ones, which every link has.
std::string joined_global(const Json& array) {
    Json global = Json::array();
    for (const auto& item : array)
        if (item.is_string() && !item.get<std::string>().starts_with("fe80:")) global.push_back(item);
    return joined(global);
}

// "1 IKE SA", "2 IKE SAs"
std::string counted(const std::string& number, std::string_view one) {
    return fmt::format("{} {}{}", number, one, number == "1" ? "" : "s");
}

Tone tone_of(const std::string& state) {
    if (state == "established" || state == "up" || state == "serving") return Tone::good;
    return state == "down" ? Tone::faint : Tone::caution;
}

// What the tunnel is for: a client's prefixes at the gateway, our own addresses at the client.
std::string given(const Json& sa) {
    const Json& link = member(sa, "link");
    const Json& prefixes = list(link, "prefixes");
    return joined_global(prefixes.empty() ? list(link, "addresses") : prefixes);
}

std::string nat(const Json& sa) {
    const Json& sides = member(sa, "nat");
    const bool here = flag(sides, "here");
    const bool there = flag(sides, "there");
    return here && there ? "both" : here ? "here" : there ? "there" : "no";
}

std::string ike_table(const Json& answer, bool colour) {
    Table table({{"CONNECTION"},
                 {"PEER ID"},
                 {"PEER"},
                 {"STATE"},
                 {"FOR", Side::right},
                 {"REKEY IN", Side::right},
                 {"NAT"},
                 {"IKE SUITE"},
                 {"ADDRESSES"}});
    for (const auto& sa : list(answer, "ike_sas")) {
        const std::string state = text(sa, "state");
        table.row({text(sa, "name"),
                   text(sa, "peer_id"),
                   text(sa, "peer"),
                   {state, tone_of(state)},
                   time(sa, "established_s"),
                   time(sa, "rekey_s"),
                   nat(sa),
                   text(sa, "suite"),
                   given(sa)});
    }
    return table.empty() ? "" : "\n" + table.text(colour);
}

std::string child_table(const Json& answer, bool colour) {
    Table table({{"CONNECTION"},
                 {"PEER ID"},
                 {"CHILD"},
                 {"STATE"},
                 {"ESP IN"},
                 {"ESP OUT"},
                 {"ESP SUITE"},
                 {"MODE"},
                 {"REKEY IN", Side::right},
                 {"BYTES IN", Side::right},
                 {"BYTES OUT", Side::right},
                 {"LINK"},
                 {"OURS"},
                 {"PEER'S"}});
    for (const auto& sa : list(answer, "ike_sas")) {
        const Json& link = member(sa, "link");
        for (const auto& child : list(sa, "children"))
            table.row({text(sa, "name"), text(sa, "peer_id"), text(child, "name"), text(child, "state"),
                       text(child, "spi_in"), text(child, "spi_out"), text(child, "suite"),
                       text(child, "mode") + (flag(child, "encap") ? " in UDP" : ""), time(child, "rekey_s"),
                       traffic(child, "bytes_in"), traffic(child, "bytes_out"),
                       fmt::format("{} {}", text(link, "interface"), text(link, "number")),
                       joined(list(child, "local_ts")), joined(list(child, "remote_ts"))});
    }
    return table.empty() ? "" : "\n" + table.text(colour);
}

std::string refused_table(const Json& answer, bool colour) {
    Table table({{"REFUSED", Side::right}, {"RULE"}});
    for (const auto& [rule, count] : member(member(answer, "counters"), "refused").items())
        table.row({count.dump(), rule});
    return table.empty() ? "" : "\n" + table.text(colour);
}

std::string status(const Json& answer, bool colour) {
    const Json& counters = member(answer, "counters");
    return toned("sheafd " + escaped(text(answer, "version")), Tone::strong, colour) +
           fmt::format(", up for {}: {}, {} half-open, {} so far\n", time(answer, "uptime_s"),
                       counted(std::to_string(list(answer, "ike_sas").size()), "IKE SA"),
                       text(answer, "half_open"), counted(text(counters, "handshakes"), "handshake")) +
           ike_table(answer, colour) + child_table(answer, colour) + refused_table(answer, colour);
}

std::string note(const Json& connection) {
    std::string out = text(connection, "last_error");
    if (connection.contains("next_attempt_s"))
        out +=
            fmt::format("{}next attempt in {}", out.empty() ? "" : "; ", time(connection, "next_attempt_s"));
    return out;
}

std::string listing(const Json& answer, bool colour) {
    Table connections({{"CONNECTION"}, {"ROLE"}, {"STATE"}, {"IKE SAS", Side::right}, {"NOTE"}});
    for (const auto& connection : list(answer, "connections")) {
        const std::string state = text(connection, "state");
        connections.row({text(connection, "name"),
                         text(connection, "role"),
                         {state, tone_of(state)},
                         text(connection, "ike_sas"),
                         note(connection)});
    }
    Table pools({{"POOL"}, {"PREFIX"}, {"EACH", Side::right}, {"USED", Side::right}, {"OF", Side::right}});
    for (const auto& pool : list(answer, "pools"))
        pools.row({text(pool, "name"), text(pool, "prefix"), "/" + text(pool, "delegate"), text(pool, "used"),
                   text(pool, "size")});
    return connections.text(colour) + (pools.empty() ? "" : "\n" + pools.text(colour));
}

// By what paths a client comes: "192.0.2.7:4500 (in UDP, NAT there)".
std::string paths(const Json& client) {
    std::string out;
    for (const auto& path : list(client, "paths")) {
        const std::string side = nat(path);
        std::string how = flag(path, "encap") ? "in UDP" : "";
        if (side != "no") how += fmt::format("{}NAT {}", how.empty() ? "" : ", ", side);
        out += fmt::format("{}{}{}", out.empty() ? "" : ", ", text(path, "peer"),
                           how.empty() ? "" : fmt::format(" ({})", how));
    }
    return out;
}

std::string clients(const Request& request, const Json& answer, bool colour) {
    Table table({{"CONNECTION"},
                 {"CLIENT"},
                 {"PREFIXES AND ADDRESSES"},
                 {"FOR", Side::right},
                 {"BYTES IN", Side::right},
                 {"BYTES OUT", Side::right},
                 {"LINK"},
                 {"PATH"}});
    for (const auto& client : list(answer, "clients"))
        table.row({text(client, "name"), text(client, "peer_id"), joined(list(client, "prefixes")),
                   time(client, "link_s"), traffic(client, "bytes_in"), traffic(client, "bytes_out"),
                   text(client, "link"), paths(client)});
    if (!table.empty()) return table.text(colour);
    return request.name.empty()
               ? "no client is connected\n"
               : fmt::format("no client of that name or address is connected: {}\n", escaped(request.name));
}

Tone tone_of_pool(const std::string& state) {
    return state == "ok" ? Tone::good : state == "full" ? Tone::bad : Tone::caution;
}

std::string pools(const Json& answer, bool colour) {
    Table table({{"POOL"},
                 {"PREFIX"},
                 {"EACH", Side::right},
                 {"SIZE", Side::right},
                 {"USED", Side::right},
                 {"KEPT", Side::right},
                 {"STATE"},
                 {"NEXT FREE IN", Side::right},
                 {"USED UP IN", Side::right}});
    for (const auto& pool : list(answer, "pools")) {
        const std::string state = text(pool, "state");
        table.row({text(pool, "name"),
                   text(pool, "prefix"),
                   "/" + text(pool, "delegate"),
                   text(pool, "size"),
                   text(pool, "used"),
                   text(pool, "kept"),
                   {state, tone_of_pool(state)},
                   time(pool, "next_free_s"),
                   time(pool, "exhausted_s")});
    }
    return table.empty() ? "no pool is configured\n" : table.text(colour);
}

// "0.4 ms", "13 ms"
std::string round_trip(const Json& path) {
    const auto found = path.find("round_trip_s");
    if (found == path.end() || !found->is_number()) return "-";
    const double milliseconds = found->get<double>() * 1000;
    return fmt::format("{:.{}f} ms", milliseconds, milliseconds < 10 ? 1 : 0);
}

std::string loss(const Json& path) {
    const auto sent = path.value("probes", Json());
    const auto lost = path.value("unanswered", Json());
    if (!sent.is_number_unsigned() || !lost.is_number_unsigned() || sent == 0U) return "-";
    return fmt::format("{:.1f} %", 100 * lost.get<double>() / sent.get<double>());
}

std::string path_table(const Request& request, const Json& answer, bool colour) {
    Table table({{"CONNECTION"},
                 {"PEER ID"},
                 {"UPLINK"},
                 {"GATEWAY"},
                 {"STATE"},
                 {"FOR", Side::right},
                 {"USED"},
                 {"LOCAL"},
                 {"PEER"},
                 {"NAT"},
                 {"ROUND TRIP", Side::right},
                 {"LOSS", Side::right},
                 {"BYTES IN", Side::right},
                 {"BYTES OUT", Side::right}});
    for (const auto& path : list(answer, "paths")) {
        const std::string state = text(path, "state");
        table.row({text(path, "name"),
                   text(path, "peer_id"),
                   text(path, "uplink"),
                   text(path, "gateway"),
                   {state, tone_of(state)},
                   time(path, "since_s"),
                   flag(path, "carries") ? "yes" : "no",
                   text(path, "local"),
                   text(path, "peer"),
                   path.contains("nat") ? nat(path) : "-",
                   round_trip(path),
                   loss(path),
                   traffic(path, "bytes_in"),
                   traffic(path, "bytes_out")});
    }
    if (!table.empty()) return table.text(colour);
    return request.name.empty()
               ? "there is no path: no connection has \"uplinks\", and no client several paths\n"
               : fmt::format("no path is of that name or address: {}\n", escaped(request.name));
}

std::string up(const Request& request, const Json& answer) {
    const Json& sa = member(answer, "ike_sa");
    const std::string addresses = given(sa);
    std::string out = fmt::format("{} is up: {} at {}", escaped(request.name), escaped(text(sa, "peer_id")),
                                  escaped(text(sa, "peer")));
    if (!addresses.empty())
        out += fmt::format(", {} has {}", escaped(text(member(sa, "link"), "interface")), escaped(addresses));
    return out + "\n";
}

// "alice.example.org at 192.0.2.1:500"
std::string who(const Json& entry) {
    const std::string id = escaped(text(entry, "peer_id"));
    const std::string peer = escaped(text(entry, "peer"));
    return id + (id.empty() || peer.empty() ? "" : " at ") + peer;
}

// "home: the path over wwan0 to 192.0.2.1"
std::string path_name(const Json& entry) {
    const std::string name = escaped(text(entry, "name"));
    const std::string uplink = escaped(text(entry, "uplink"));
    return fmt::format("{}{}he path{} to {}", name, name.empty() ? "T" : ": t",
                       uplink.empty() ? "" : " over " + uplink, escaped(text(entry, "gateway")));
}

std::string to_do(const Json& entry, bool colour) {
    const std::string remedy = escaped(text(entry, "remedy"));
    return remedy.empty() ? "" : "  " + toned("To do: ", Tone::strong, colour) + remedy + ".\n";
}

// One path that traffic does not take at this moment.
std::string unused(const Json& path, bool colour) {
    const std::string why = escaped(text(path, "why"));
    return toned("now", Tone::faint, colour) + "\n  " + path_name(path) + " " +
           escaped(text(path, "sentence")) + (why.empty() ? "" : ": " + why) + ".\n" + to_do(path, colour);
}

// One entry of an explanation in sentences.
std::string explained(const Json& entry, bool colour) {
    const std::string event = text(entry, "event");
    const std::string name = escaped(text(entry, "name"));
    const std::string peer = who(entry);
    const std::string of = name.empty() ? "" : fmt::format(" of \"{}\"", name);
    std::string head = time(entry, "age_s") + " ago";
    if (const auto count = text(entry, "count"); !count.empty() && count != "1")
        head += fmt::format(", {} times since {} ago", escaped(count), time(entry, "first_s"));
    std::string out = toned(head, Tone::faint, colour) + "\n  ";
    if (event == "pool_low")
        out +=
            fmt::format("The pool \"{}\" {}", escaped(text(entry, "pool")), escaped(text(entry, "sentence")));
    else if (event == "path_changed")
        out += fmt::format("{} was {}", path_name(entry), escaped(text(entry, "state")));
    else if (event == "group_changed")
        out += fmt::format("The group \"{}\": {}{}{}", escaped(text(entry, "group")),
                           escaped(text(entry, "sentence")), peer.empty() ? "" : ", ", peer);
    else if (event == "ike_down")
        out += fmt::format("The IKE SA{}{}{} ended because {}", of, peer.empty() ? "" : " with ", peer,
                           escaped(text(entry, "sentence")));
    else
        out += fmt::format("{}{} was refused: {} ({})", peer.empty() ? "Something" : peer, of,
                           escaped(text(entry, "sentence")), escaped(text(entry, "rule")));
    const std::string detail = escaped(text(entry, "detail"));
    out += (detail.empty() ? "" : ": " + detail) + (flag(entry, "retrying") ? "; sheafd tries again" : "") +
           ".\n";
    return out + to_do(entry, colour);
}

std::string explanation(const Request& request, const Json& answer, bool colour) {
    std::string out;
    if (const Json& connection = member(answer, "connection"); !connection.empty()) {
        const std::string said = note(connection);
        out = fmt::format("{} is {}{}\n", escaped(request.name), escaped(text(connection, "state")),
                          said.empty() ? "" : ": " + escaped(said));
    }
    for (const auto& path : list(answer, "paths"))
        out += unused(path, colour);
    for (const auto& group : list(answer, "groups"))
        out += toned("now", Tone::faint, colour) +
               fmt::format("\n  The group \"{}\" {}.\n", escaped(text(group, "group")),
                           escaped(text(group, "sentence"))) +
               to_do(group, colour);
    for (const auto& entry : list(answer, "entries"))
        out += explained(entry, colour);
    if (list(answer, "entries").empty())
        out += request.name.empty()
                   ? "nothing was refused, and no IKE SA has ended\n"
                   : fmt::format("nothing of {} was refused, and none of its IKE SAs has ended\n",
                                 escaped(request.name));
    return out;
}

std::string reloaded(const Json& answer) {
    std::string out = "reloaded\n";
    for (const auto& sentence : list(answer, "notes"))
        if (sentence.is_string()) out += "note: " + escaped(sentence.get<std::string>()) + "\n";
    return out;
}

std::string_view rekeyed(Rekeyed what) {
    switch (what) {
    case Rekeyed::ike: return "keys of the IKE SAs are";
    case Rekeyed::group: return "the SA of the group is";
    case Rekeyed::children: break;
    }
    return "keys of the Child SAs are";
}

Tone tone_of_event(const Json& event) {
    const std::string name = text(event, "event");
    const std::string reason = text(event, "reason");
    const std::string state = text(event, "state");
    const std::string what = text(event, "what");
    if (name == "path_changed") return tone_of(state);
    if (name == "group_changed")
        return what == "refused" || what == "member_failed" ? Tone::bad
               : what == "left" || what == "removed"        ? Tone::plain
                                                            : Tone::good;
    if (name == "ike_up" || name == "ike_cloned" || name == "child_up" || name == "ike_rekeyed" ||
        name == "child_rekeyed")
        return Tone::good;
    if (name == "refused" || name == "refused_held_back" || name == "pool_low") return Tone::caution;
    if (name == "lease_assigned" || name == "lease_renewed") return Tone::good;
    const bool wanted = reason.empty() || reason == "command" || reason == "shutdown";
    return name == "ike_down" && !wanted ? Tone::bad : Tone::plain;
}

} // namespace

std::string render(const Request& request, const Json& answer, bool colour) {
    switch (request.verb) {
    case Verb::status: return status(answer, colour);
    case Verb::list: return listing(answer, colour);
    case Verb::clients: return clients(request, answer, colour);
    case Verb::pools: return pools(answer, colour);
    case Verb::paths: return path_table(request, answer, colour);
    case Verb::groups: return render_groups(request, answer, colour);
    case Verb::bindings: return render_bindings(request, answer, colour);
    case Verb::binding:
        return fmt::format("{}: {}\n", escaped(request.binding.home),
                           request.binding.add ? "bound" : "no longer bound");
    case Verb::up: return up(request, answer);
    case Verb::down:
        return fmt::format("{}{}{} is down\n", escaped(request.name), request.child.empty() ? "" : " ",
                           escaped(request.child));
    case Verb::rekey:
        return fmt::format("{}: {} being replaced\n", escaped(request.name), rekeyed(request.what));
    case Verb::reauth: return escaped(request.name) + ": authenticating anew\n";
    case Verb::clone: return escaped(request.name) + ": an IKE SA is being cloned\n";
    case Verb::explain: return explanation(request, answer, colour);
    case Verb::reload: return reloaded(answer);
    case Verb::watch: return {};
    case Verb::version:
        return fmt::format("sheafctl {}\nsheafd {}\n", kVersion, escaped(text(answer, "version")));
    }
    return {};
}

std::string render_event(const Json& event, bool colour) {
    const std::string name = text(event, "event");
    std::string out = toned(escaped(text(event, "time")), Tone::faint, colour) + "  " +
                      toned(fmt::format("{:<10}", escaped(name)), tone_of_event(event), colour);
    for (const auto& [key, value] : event.items()) {
        if (key == "schema" || key == "time" || key == "event") continue;
        std::string shown = value.is_object()  ? joined(list(value, "prefixes"))
                            : value.is_array() ? joined(value)
                                               : text(event, key.c_str());
        if (value.is_object() && shown.empty()) shown = joined(list(value, "addresses"));
        if (!shown.empty())
            out += fmt::format(" {} {}", toned(escaped(key), Tone::faint, colour), escaped(shown));
    }
    return out + "\n";
}

std::string render_failure(const Json& answer) {
    std::string out = "sheafctl: " + escaped(text(answer, "error")) + "\n";
    for (const auto& mistake : list(answer, "diagnostics")) {
        // The excerpt is several lines, which conf/ has freed of control characters.
        std::string whole = text(mistake, "text");
        std::string lines;
        for (std::size_t at = 0; at < whole.size();) {
            const std::size_t end = std::min(whole.find('\n', at), whole.size());
            lines += escaped(whole.substr(at, end - at)) + "\n";
            at = end + 1;
        }
        out += lines;
    }
    return out;
}

} // namespace sheaf::daemon
