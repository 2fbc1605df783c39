#include "conf/secrets.h"

#include "conf/material.h"
#include "conf/read.h"
#include "conf/text.h"
#include "conf/words.h"
#include "lib/auth/identity.h"
#include "lib/base/secret.h"

#include <algorithm>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sheaf::conf {
namespace {

// Without the newline that editors and echo put at the end.
View without_newline(View bytes) {
    if (bytes.empty() || bytes.back() != '\n') return bytes;
    bytes = bytes.first(bytes.size() - 1);
    if (!bytes.empty() && bytes.back() == '\r') bytes = bytes.first(bytes.size() - 1);
    return bytes;
}

std::expected<Secret, Fault> key_of(std::expected<Secret, Fault> content, const std::string& path) {
    if (!content) return content;
    const View key = without_newline(content->view());
    if (key.empty()) return std::unexpected(Fault{path + " is empty", "write the key into it"});
    return Secret::copy_of(key);
}

Secret take_text(std::string& text) {
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size());
    Secret secret = Secret::copy_of(bytes);
    wipe(bytes);
    return secret;
}

class SecretReader {
  public:
    SecretReader(const Environment& environment, Report& report)
        : environment_(environment), report_(report) {}

    void entry(json::Member& member);
    std::vector<auth::SharedKey> take() { return std::move(keys_); }

  private:
    std::optional<Secret> key(json::Value& entry, const std::string& path);
    bool first_for(const auth::IdentityPattern& peer, const json::Value& id, const std::string& path);

    const Environment& environment_;
    Report& report_;
    std::vector<auth::SharedKey> keys_;
    std::map<std::string, std::string> owners_; // pattern -> the path of its secret
};

std::optional<Secret> SecretReader::key(json::Value& entry, const std::string& path) {
    for (auto& [name, place, value] : entry.members) {
        if (value.kind != json::Kind::string || value.string.empty()) continue;
        if (name == "text") return take_text(value.string);
        std::expected<Secret, Fault> secret;
        if (name == "file" && !check_path(value.string)) {
            const auto path_of_key = beside(report_.source(), value.string);
            secret = key_of(read_file(path_of_key, Guard::owner_only, kMaxSecret), path_of_key);
        } else if (name == "credential" && !check_credential(value.string)) {
            secret = key_of(read_credential(value.string, environment_, kMaxSecret),
                            credential_path(value.string, environment_));
        } else {
            continue;
        }
        if (secret) return std::move(*secret);
        report_.add(value.place, path + ": " + secret.error().message, secret.error().hint);
        return std::nullopt;
    }
    return std::nullopt;
}

bool SecretReader::first_for(const auth::IdentityPattern& peer, const json::Value& id,
                             const std::string& path) {
    const auto [owner, fresh] = owners_.emplace(peer.to_string(), path);
    if (!fresh)
        report_.add(id.place, path + ": " + quote(peer.to_string()) + " has a secret already",
                    "it is " + owner->second + ": remove one");
    return fresh;
}

void SecretReader::entry(json::Member& member) {
    const std::string path = "secrets." + member.key;
    const auto* id = child(member.value, "id", json::Kind::string);
    const auto peer = id ? auth::IdentityPattern::parse(id->string) : std::nullopt;
    auto secret = key(member.value, path);
    if (!peer || !first_for(*peer, *id, path) || !secret) return;
    keys_.push_back({*peer, std::make_shared<const Secret>(std::move(*secret))});
}

// Exact patterns first, then long suffixes before short ones; "*" is the shortest.
bool more_specific(const auth::SharedKey& a, const auth::SharedKey& b) {
    const bool a_exact = a.peer.exact().has_value();
    const bool b_exact = b.peer.exact().has_value();
    if (a_exact || b_exact) return a_exact && !b_exact;
    return a.peer.to_string().size() > b.peer.to_string().size();
}

} // namespace

std::vector<auth::SharedKey> read_secrets(json::Value& root, const Environment& environment, Report& report) {
    auto* secrets = json::find(root, "secrets");
    if (!secrets || secrets->value.kind != json::Kind::object) return {};
    SecretReader reader(environment, report);
    for (auto& member : secrets->value.members)
        if (member.value.kind == json::Kind::object) reader.entry(member);
    auto keys = reader.take();
    std::ranges::sort(keys, more_specific);
    return keys;
}

} // namespace sheaf::conf
