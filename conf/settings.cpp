#include "conf/settings.h"

#include "conf/certificates.h"
#include "conf/connections.h"
#include "conf/file.h"
#include "conf/groups.h"
#include "conf/json.h"
#include "conf/material.h"
#include "conf/pools.h"
#include "conf/proofs.h"
#include "conf/read.h"
#include "conf/reservations.h"
#include "conf/secrets.h"
#include "conf/shape.h"
#include "conf/spec.h"

#include <cerrno>
#include <utility>

namespace sheaf::conf {
namespace {

void mask_strings(const json::Value& value, Source& source) {
    if (value.kind == json::Kind::string) source.mask({value.place.begin + 1, value.place.end - 1});
    for (const auto& item : value.items)
        mask_strings(item, source);
    for (const auto& member : value.members)
        mask_strings(member.value, source);
}

// Whatever stands in "secrets" may be one, under a misspelt key as well, unless its key says what else it is.
void mask_secrets(const json::Value& root, Source& source) {
    const auto* secrets = json::find(root, "secrets");
    if (!secrets) return;
    if (secrets->value.kind != json::Kind::object) return mask_strings(secrets->value, source);
    for (const auto& entry : secrets->value.members) {
        if (entry.value.kind != json::Kind::object) mask_strings(entry.value, source);
        for (const auto& member : entry.value.members)
            if (member.key != "id" && member.key != "file" && member.key != "credential")
                mask_strings(member.value, source);
    }
}

void read_listen(const json::Value& root, Settings& settings, Report& report) {
    if (const auto* listen = child(root, "listen", json::Kind::object)) {
        auto& engine = settings.engine;
        engine.port = port_at(*listen, "port", engine.port);
        engine.nat_port = port_at(*listen, "nat_port", engine.nat_port);
        settings.listen_addresses = list_at(*listen, "addresses", IpAddress::parse);
        const auto* port = child(*listen, engine.nat_port == 4500 ? "port" : "nat_port", json::Kind::integer);
        if (engine.port == engine.nat_port && port)
            report.add(port->place, "listen: \"port\" and \"nat_port\" are the same",
                       "IKE has a marker before it on \"nat_port\" only (RFC 7296 2.23): use two ports");
    }
    if (settings.listen_addresses.empty())
        settings.listen_addresses = {IpAddress::any(Family::ipv6), IpAddress::any(Family::ipv4)};
}

ike::Limits read_limits(const json::Value& root, Report& report) {
    ike::Limits out;
    const auto* limits = child(root, "limits", json::Kind::object);
    if (!limits) return out;
    out.half_open_for_cookies = count_at(*limits, "cookies_from", out.half_open_for_cookies);
    out.half_open_per_source = count_at(*limits, "cookies_from_per_source", out.half_open_per_source);
    out.half_open = count_at(*limits, "half_open", out.half_open);
    out.ike_sas = count_at(*limits, "ike_sas", out.ike_sas);
    out.ike_sas_per_identity = count_at(*limits, "ike_sas_per_identity", out.ike_sas_per_identity);
    out.children_per_ike_sa = count_at(*limits, "children", out.children_per_ike_sa);
    out.half_open_timeout = duration_at(*limits, "half_open_timeout", out.half_open_timeout);
    if (out.half_open_for_cookies > out.half_open) {
        const auto* from = child(*limits, "cookies_from", json::Kind::integer);
        const auto* most = child(*limits, "half_open", json::Kind::integer);
        report.add((from ? from : most)->place,
                   "limits: no cookie would be asked for before \"half_open\" is reached",
                   "make \"cookies_from\" smaller than \"half_open\"");
    }
    const auto* timeout = child(*limits, "half_open_timeout", json::Kind::string);
    if (timeout && out.half_open_timeout == Duration::zero())
        report.add(timeout->place, "limits.half_open_timeout: no peer could prove its identity in no time",
                   "write \"30s\", or leave it out");
    return out;
}

Diagnostic whole_file(const std::string& path, std::string message, std::string hint) {
    Diagnostic out;
    out.file = path;
    out.message = std::move(message);
    out.hint = std::move(hint);
    return out;
}

Loaded unreadable(const std::string& path, int error) {
    return std::unexpected(
        std::vector{whole_file(path, "cannot read the configuration: " + error_text(error),
                               error == ENOENT ? "create it, or name another with --config" : "")});
}

} // namespace

Loaded parse(const std::string& name, std::string text, const Environment& environment) {
    Source source(name, std::move(text));
    Report report(source);
    auto root = json::parse(source, report);
    if (!root) return std::unexpected(report.diagnostics());
    mask_secrets(*root, source);
    check_shape(*root, model(), report);

    Settings settings;
    auto& engine = settings.engine;
    read_listen(*root, settings, report);
    engine.gateway_interface = string_at(*root, "interface", engine.gateway_interface);
    engine.pools = read_pools(*root, report);
    settings.lease_file = beside(source, string_at(*root, "lease_file", "/var/lib/sheaf/leases.db"));
    settings.group_file = beside(source, string_at(*root, "group_file", "/var/lib/sheaf/groups.db"));
    engine.limits = read_limits(*root, report);
    auto certificates = read_certificates(*root, environment, report);
    engine.credentials = std::move(certificates.credentials);
    engine.credentials.shared_keys = read_secrets(*root, environment, report);
    engine.connections = read_connections(*root, certificates.authorities);
    read_groups(*root, engine);
    check_connections(*root, engine, settings.listen_addresses, report);
    check_groups(*root, engine, report);
    check_reservations(*root, engine, report);
    check_proofs(*root, engine, certificates.complete, report);
    if (!report.empty()) return std::unexpected(report.diagnostics());
    settings.notes = connection_notes(*root);
    for (auto& note : group_notes(*root))
        settings.notes.push_back(std::move(note));
    if (environment.now)
        for (auto& note : certificate_notes(engine.credentials, *environment.now))
            settings.notes.push_back(std::move(note));
    return settings;
}

Loaded load(const std::string& path, const Environment& environment) {
    auto file = File::open(path);
    if (!file) return unreadable(path, file.error());
    std::string text;
    constexpr std::size_t kChunk = 64 * 1024;
    for (std::size_t size = 0; text.size() <= json::kMaxText;
         size = text.size()) { // one chunk beyond is enough to refuse
        text.resize(size + kChunk);
        const auto got = file->read({reinterpret_cast<std::uint8_t*>(text.data()) + size, kChunk});
        if (!got) return unreadable(path, got.error());
        text.resize(size + *got);
        if (*got < kChunk) break;
    }
    return parse(path, std::move(text), environment);
}

} // namespace sheaf::conf
