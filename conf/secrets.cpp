#include "conf/secrets.h"

#include "conf/file.h"
#include "conf/read.h"
#include "conf/text.h"
#include "conf/words.h"
#include "lib/auth/identity.h"
#include "lib/base/secret.h"

#include <algorithm>
#include <cerrno>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sheaf::conf {
namespace {

enum class Guard : std::uint8_t { mode, systemd };

Fault system_fault(const std::string& path, int error) {
    std::string hint;
    if (error == ENOENT) hint = "create the file, or correct the path";
    if (error == EACCES)
        hint = "the daemon's user must be its owner, or let systemd pass it as a \"credential\"";
    return {"cannot read " + path + ": " + error_text(error), std::move(hint)};
}

std::optional<Fault> check_file(const struct stat& info, const std::string& path, Guard guard) {
    if (!S_ISREG(info.st_mode)) return Fault{path + " is no regular file", {}};
    if (guard == Guard::mode && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return Fault{path + " is open to others than its owner", "chmod 600 " + path};
    if (std::cmp_greater(info.st_size, kMaxSecret))
        return Fault{path + " is longer than " + std::to_string(kMaxSecret) + " octets",
                     "is it the right file?"};
    return std::nullopt;
}

// Without the newline that editors and echo put at the end.
View without_newline(View bytes) {
    if (bytes.empty() || bytes.back() != '\n') return bytes;
    bytes = bytes.first(bytes.size() - 1);
    if (!bytes.empty() && bytes.back() == '\r') bytes = bytes.first(bytes.size() - 1);
    return bytes;
}

std::expected<Secret, Fault> read_file(const std::string& path, Guard guard) {
    auto file = File::open(path);
    if (!file) return std::unexpected(system_fault(path, file.error()));
    if (auto fault = check_file(file->info(), path, guard)) return std::unexpected(std::move(*fault));
    Secret buffer(kMaxSecret);
    const auto size = file->read(buffer.span());
    if (!size) return std::unexpected(system_fault(path, size.error()));
    const View content = without_newline(buffer.view().first(*size));
    if (content.empty()) return std::unexpected(Fault{path + " is empty", "write the key into it"});
    return Secret::copy_of(content);
}

std::expected<Secret, Fault> read_credential(std::string_view name, const Environment& environment) {
    if (environment.credentials_directory.empty())
        return std::unexpected(
            Fault{"the credential " + quote(name) + " is not at hand: $CREDENTIALS_DIRECTORY is not set",
                  "systemd sets it for LoadCredential=" + std::string(name) +
                      ":/path in the unit; elsewhere use \"file\""});
    const auto path = std::filesystem::path(environment.credentials_directory) / name;
    auto secret = read_file(path.string(), Guard::systemd);
    if (!secret && !std::filesystem::exists(std::filesystem::status(path)))
        return std::unexpected(Fault{"there is no credential " + quote(name),
                                     "add LoadCredential=" + std::string(name) + ":/path to the unit"});
    return secret;
}

Secret take_text(std::string& text) {
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size());
    Secret secret = Secret::copy_of(bytes);
    wipe(bytes);
    return secret;
}

class Reader {
  public:
    Reader(const Environment& environment, Report& report) : environment_(environment), report_(report) {}

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

std::optional<Secret> Reader::key(json::Value& entry, const std::string& path) {
    for (auto& [name, place, value] : entry.members) {
        if (value.kind != json::Kind::string || value.string.empty()) continue;
        if (name == "text") return take_text(value.string);
        std::expected<Secret, Fault> secret;
        if (name == "file" && !check_path(value.string)) {
            const auto folder = std::filesystem::path(report_.source().name()).parent_path();
            secret = read_file((folder / value.string).string(), Guard::mode);
        } else if (name == "credential" && !check_credential(value.string)) {
            secret = read_credential(value.string, environment_);
        } else {
            continue;
        }
        if (secret) return std::move(*secret);
        report_.add(value.place, path + ": " + secret.error().message, secret.error().hint);
        return std::nullopt;
    }
    return std::nullopt;
}

bool Reader::first_for(const auth::IdentityPattern& peer, const json::Value& id, const std::string& path) {
    const auto [owner, fresh] = owners_.emplace(peer.to_string(), path);
    if (!fresh)
        report_.add(id.place, path + ": " + quote(peer.to_string()) + " has a secret already",
                    "it is " + owner->second + ": remove one");
    return fresh;
}

void Reader::entry(json::Member& member) {
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
    Reader reader(environment, report);
    for (auto& member : secrets->value.members)
        if (member.value.kind == json::Kind::object) reader.entry(member);
    auto keys = reader.take();
    std::ranges::sort(keys, more_specific);
    return keys;
}

} // namespace sheaf::conf
