#include "conf/proofs.h"

#include "conf/certificates.h"
#include "conf/read.h"
#include "conf/text.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::conf {
namespace {

using auth::Method;

// Whether some identity fits both.
bool meet(const auth::IdentityPattern& a, const auth::IdentityPattern& b) {
    if (a.exact()) return b.matches(*a.exact());
    if (b.exact()) return a.matches(*b.exact());
    const std::string x = a.to_string().substr(1); // without the star
    const std::string y = b.to_string().substr(1);
    return x.ends_with(y) || y.ends_with(x);
}

bool allows(const std::vector<Method>& methods, Method method) {
    return methods.empty() || std::ranges::find(methods, method) != methods.end();
}

// One connection, with the places of its identities.
struct Case {
    const ike::Connection& connection;
    const json::Value& entry;
    std::string path;
    const json::Value* local_id;
    const json::Value* remote_id;
};

class Proofs {
  public:
    Proofs(const json::Value& root, const ike::Config& config, bool complete, Report& report)
        : root_(root), credentials_(config.credentials), complete_(complete), report_(report) {}

    void connection(const ike::Connection& connection, const json::Member& member);

  private:
    void ours(const Case& c);
    void theirs(const Case& c);
    void authorities(const Case& c);

    [[nodiscard]] bool has_secret(const ike::Connection& connection) const;
    [[nodiscard]] bool has_certificate(const auth::Identity& local) const;
    [[nodiscard]] bool has_own_public_key(const auth::Identity& local) const;
    [[nodiscard]] bool has_peer_public_key(const auth::IdentityPattern& remote) const;
    [[nodiscard]] std::string secret_hint(const Case& c) const;
    [[nodiscard]] std::string certificate_hint(const Case& c) const;
    void no_secret(const Case& c);

    const json::Value& root_;
    const auth::Credentials& credentials_;
    bool complete_;
    Report& report_;
};

const json::Value* list_of(const json::Value& entry, std::string_view side, std::string_view key) {
    const auto* object = child(entry, side, json::Kind::object);
    return object ? child(*object, key, json::Kind::array) : nullptr;
}

const json::Value* id_of(const json::Value& entry, std::string_view side) {
    const auto* object = child(entry, side, json::Kind::object);
    return object ? child(*object, "id", json::Kind::string) : nullptr;
}

// The place of a word in a list.
const json::Value& item_of(const json::Value& list, std::string_view word) {
    const auto found = std::ranges::find(list.items, word, &json::Value::string);
    return found == list.items.end() ? list : *found;
}

bool Proofs::has_secret(const ike::Connection& connection) const {
    const auto* secrets = child(root_, "secrets", json::Kind::object);
    if (!secrets) return false;
    // A secret whose own mistake is reported already might be the one that is missing here.
    return std::ranges::any_of(secrets->members, [&](const json::Member& member) {
        const auto peer = auth::IdentityPattern::parse(string_at(member.value, "id"));
        return !peer || meet(*peer, connection.remote_id);
    });
}

bool Proofs::has_certificate(const auth::Identity& local) const {
    return !complete_ || std::ranges::any_of(credentials_.own_keys, [&](const auth::OwnKey& own) {
        return !own.chain.empty() && vouches(own.chain.front(), local);
    });
}

bool Proofs::has_own_public_key(const auth::Identity& local) const {
    return !complete_ || std::ranges::any_of(credentials_.own_keys, [&](const auth::OwnKey& own) {
        return own.chain.empty() && (!own.identity || *own.identity == local);
    });
}

bool Proofs::has_peer_public_key(const auth::IdentityPattern& remote) const {
    return !complete_ || std::ranges::any_of(credentials_.raw_keys,
                                             [&](const auth::RawKey& raw) { return meet(raw.peer, remote); });
}

std::string Proofs::secret_hint(const Case& c) const {
    std::vector<std::string_view> ids;
    if (const auto* secrets = child(root_, "secrets", json::Kind::object))
        for (const auto& member : secrets->members)
            ids.push_back(string_at(member.value, "id"));
    const auto ours = c.connection.local_id.to_string();
    if (std::ranges::find(ids, ours) != ids.end())
        return "secrets are found by the peer's identity, and " + quote(ours) + " is our own";
    const auto near = nearest(c.remote_id->string, ids);
    if (!near.empty()) return "did you mean " + quote(near) + "?";
    return "add one to \"secrets\" at the top level";
}

// Why no certificate serves: one without a key, one for other names, or none at all.
std::string Proofs::certificate_hint(const Case& c) const {
    for (const auto& peer : credentials_.peer_certificates)
        if (vouches(peer, c.connection.local_id))
            return "that of " + quote(peer.subject()) + " has no \"key_file\"";
    for (const auto& own : credentials_.own_keys)
        if (!own.chain.empty())
            return "that of " + quote(own.chain.front().subject()) +
                   " is for other names: correct local.id, or have one issued with this name in "
                   "subjectAltName";
    return "add one with its key to \"certificates\" at the top level";
}

void Proofs::no_secret(const Case& c) {
    report_.add(c.remote_id->place, c.path + ": no secret is for " + quote(c.remote_id->string),
                secret_hint(c));
}

void Proofs::ours(const Case& c) {
    const auto& methods = c.connection.auth.ours;
    const auto& id = c.connection.local_id;
    if (methods.empty()) {
        if (has_certificate(id) || has_own_public_key(id) || has_secret(c.connection)) return;
        if (credentials_.own_keys.empty() && credentials_.authorities.empty() &&
            credentials_.raw_keys.empty())
            return; // told once, of the peer
        report_.add(c.local_id->place, c.path + ": nothing proves that we are " + quote(c.local_id->string),
                    certificate_hint(c) + "; or share a secret with " + quote(c.remote_id->string));
        return;
    }
    const auto& list = *list_of(c.entry, "local", "auth");
    if (allows(methods, Method::certificate) && !has_certificate(id))
        report_.add(item_of(list, "certificate").place,
                    c.path + ": there is no certificate for " + quote(c.local_id->string),
                    certificate_hint(c));
    if (allows(methods, Method::raw_public_key) && !has_own_public_key(id))
        report_.add(item_of(list, "public-key").place,
                    c.path + ": there is no public key for " + quote(c.local_id->string),
                    "add one with \"key_file\" to \"public_keys\" at the top level");
    if (allows(methods, Method::shared_key) && !has_secret(c.connection)) no_secret(c);
}

void Proofs::theirs(const Case& c) {
    const auto& methods = c.connection.auth.theirs;
    const auto& id = c.connection.remote_id;
    const bool trusts = !complete_ || !credentials_.authorities.empty();
    if (methods.empty()) {
        if (!trusts && !has_peer_public_key(id) && !has_secret(c.connection)) no_secret(c);
        return;
    }
    const auto& list = *list_of(c.entry, "remote", "auth");
    if (allows(methods, Method::certificate) && !trusts)
        report_.add(item_of(list, "certificate").place, c.path + ": no authority could vouch for the peer",
                    "add the issuer of its certificate to \"authorities\" at the top level");
    if (allows(methods, Method::raw_public_key) && !has_peer_public_key(id))
        report_.add(item_of(list, "public-key").place,
                    c.path + ": there is no public key of " + quote(c.remote_id->string),
                    "add one with \"file\" to \"public_keys\" at the top level");
    const bool told = !c.connection.auth.ours.empty() && allows(c.connection.auth.ours, Method::shared_key);
    if (allows(methods, Method::shared_key) && !told && !has_secret(c.connection)) no_secret(c);
}

void Proofs::authorities(const Case& c) {
    const auto* list = list_of(c.entry, "remote", "authorities");
    if (!list) return;
    std::vector<std::string_view> names;
    if (const auto* all = child(root_, "authorities", json::Kind::object))
        for (const auto& member : all->members)
            names.emplace_back(member.key);
    for (const auto& item : list->items) {
        if (item.kind != json::Kind::string ||
            std::ranges::find(names, std::string_view(item.string)) != names.end())
            continue;
        report_.add(item.place, c.path + ".remote.authorities: there is no authority " + quote(item.string),
                    names.empty() ? "add it to \"authorities\" at the top level"
                                  : suggestion(item.string, names));
    }
}

void Proofs::connection(const ike::Connection& connection, const json::Member& member) {
    const Case c{connection, member.value, "connections." + member.key, id_of(member.value, "local"),
                 id_of(member.value, "remote")};
    authorities(c);
    if (c.remote_id && auth::IdentityPattern::parse(c.remote_id->string)) {
        theirs(c);
        if (c.local_id && auth::Identity::parse(c.local_id->string)) ours(c);
    }
}

} // namespace

void check_proofs(const json::Value& root, const ike::Config& config, bool complete, Report& report) {
    const auto* connections = child(root, "connections", json::Kind::object);
    if (!connections) return;
    Proofs proofs(root, config, complete, report);
    auto next = config.connections.begin(); // of those that are objects, as read_connections() read them
    for (const auto& member : connections->members)
        if (member.value.kind == json::Kind::object) proofs.connection(*next++, member);
}

} // namespace sheaf::conf
