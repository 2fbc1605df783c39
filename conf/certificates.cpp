#include "conf/certificates.h"

#include "conf/material.h"
#include "conf/read.h"
#include "conf/text.h"
#include "conf/validity.h"

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

using Chain = std::vector<crypto::Certificate>;

class CertificateReader {
  public:
    CertificateReader(const Environment& environment, Report& report)
        : environment_(environment), report_(report) {}

    void certificate(const json::Member& member);
    void authority(const json::Member& member);
    void public_key(const json::Member& member);
    Certificates take() { return std::move(out_); }

  private:
    // Each answers none after a report.
    std::optional<Secret> content(const json::Value& place, const std::string& path, Guard guard,
                                  std::size_t most);
    std::optional<Chain> chain(const json::Value& entry, std::string_view key, const std::string& path);
    std::optional<crypto::PrivateKey> private_key(const json::Value& entry, const std::string& path);
    void revocations(const json::Value& entry, const std::string& path);
    void own_public_key(const json::Value& entry, const auth::IdentityPattern& id, const std::string& path);
    void peer_public_key(const json::Value& entry, const auth::IdentityPattern& id, const std::string& path);
    std::nullopt_t fail(const json::Value& place, std::string message, std::string hint = {});

    const Environment& environment_;
    Report& report_;
    Certificates out_;
};

const json::Value* key_source(const json::Value& entry) {
    const auto* file = child(entry, "key_file", json::Kind::string);
    return file ? file : child(entry, "key_credential", json::Kind::string);
}

std::nullopt_t CertificateReader::fail(const json::Value& place, std::string message, std::string hint) {
    report_.add(place.place, std::move(message), std::move(hint));
    out_.complete = false;
    return std::nullopt;
}

std::optional<Secret> CertificateReader::content(const json::Value& place, const std::string& path,
                                                 Guard guard, std::size_t most) {
    if (check_path(place.string)) { // reported already
        out_.complete = false;
        return std::nullopt;
    }
    auto bytes = guard == Guard::systemd ? read_credential(place.string, environment_, most)
                                         : read_file(beside(report_.source(), place.string), guard, most);
    if (bytes) return std::move(*bytes);
    return fail(place, path + ": " + bytes.error().message, std::move(bytes.error().hint));
}

std::optional<Chain> CertificateReader::chain(const json::Value& entry, std::string_view key,
                                              const std::string& path) {
    const auto* file = child(entry, key, json::Kind::string);
    if (!file) {
        out_.complete = false;
        return std::nullopt;
    }
    const auto bytes = content(*file, path, Guard::none, kMaxCertificateFile);
    if (!bytes) return std::nullopt;
    auto certificates = crypto::Certificate::parse_file(bytes->view());
    const std::string name = beside(report_.source(), file->string);
    if (!certificates)
        return fail(*file, path + ": " + name + ": " + certificates.error(),
                    "it must hold certificates, in PEM or DER");
    if (certificates->empty())
        return fail(*file, path + ": there is no certificate in " + name, "is it the right file?");
    return std::move(*certificates);
}

std::optional<crypto::PrivateKey> CertificateReader::private_key(const json::Value& entry,
                                                                 const std::string& path) {
    const auto* source = key_source(entry);
    if (!source) return std::nullopt;
    const bool is_file = child(entry, "key_file", json::Kind::string) != nullptr;
    const auto bytes = content(*source, path, is_file ? Guard::owner_only : Guard::systemd, kMaxKeyFile);
    if (!bytes) return std::nullopt;
    auto key = crypto::PrivateKey::parse(bytes->view());
    if (key) return std::move(*key);
    return fail(*source, path + ": " + quote(source->string) + ": " + key.error(),
                "it must be a private key in PKCS#8 without a passphrase: openssl pkcs8 -topk8 -nocrypt");
}

void CertificateReader::certificate(const json::Member& member) {
    const std::string path = "certificates." + member.key;
    auto found = chain(member.value, "file", path);
    const auto* source = key_source(member.value);
    auto key = private_key(member.value, path);
    if (!found || (source && !key)) return;
    if (!source) {
        auto& peers = out_.credentials.peer_certificates;
        peers.push_back(found->front());
        auto& between = out_.credentials.intermediates;
        between.insert(between.end(), found->begin() + 1, found->end());
        return;
    }
    if (key->public_key() != found->front().public_key()) {
        fail(*source, path + ": the private key is not that of " + quote(found->front().subject()),
             "the certificate of the key must be the first in \"file\"");
        return;
    }
    out_.credentials.own_keys.push_back(
        {std::make_shared<const crypto::PrivateKey>(std::move(*key)), std::move(*found), std::nullopt});
}

void CertificateReader::revocations(const json::Value& entry, const std::string& path) {
    const auto* list = child(entry, "crls", json::Kind::array);
    if (!list) return;
    for (const auto& item : list->items) {
        if (item.kind != json::Kind::string) continue;
        const auto bytes = content(item, path + ".crls", Guard::none, kMaxRevocationFile);
        if (!bytes) continue;
        auto revoked = crypto::RevocationList::parse(bytes->view());
        if (revoked)
            out_.credentials.revocations.push_back(std::move(*revoked));
        else
            fail(item, path + ".crls: " + beside(report_.source(), item.string) + ": " + revoked.error(),
                 "it must hold one revocation list, in PEM or DER");
    }
}

void CertificateReader::authority(const json::Member& member) {
    const std::string path = "authorities." + member.key;
    revocations(member.value, path);
    if (json::find(member.value, "intermediates"))
        if (auto between = chain(member.value, "intermediates", path + ".intermediates"))
            for (auto& certificate : *between)
                out_.credentials.intermediates.push_back(std::move(certificate));
    const auto* file = child(member.value, "file", json::Kind::string);
    auto found = chain(member.value, "file", path);
    if (!found) return;
    if (found->size() > 1) {
        fail(*file,
             path + ": " + quote(file->string) + " holds " + std::to_string(found->size()) + " certificates",
             "give each authority an entry of its own, and put what stands below it into \"intermediates\"");
        return;
    }
    if (!found->front().is_authority()) {
        fail(*file,
             path + ": " + quote(found->front().subject()) +
                 " is no authority: its basic constraints deny it",
             "name the certificate of who issued it");
        return;
    }
    out_.authorities.emplace(member.key, found->front().subject());
    out_.credentials.authorities.push_back(std::move(found->front()));
}

void CertificateReader::own_public_key(const json::Value& entry, const auth::IdentityPattern& id,
                                       const std::string& path) {
    auto key = private_key(entry, path);
    if (!key) return;
    const bool any = id == auth::IdentityPattern();
    if (!any && !id.exact()) {
        const auto* word = child(entry, "id", json::Kind::string);
        fail(*word, path + ": " + quote(word->string) + " is a pattern",
             "a key of ours is for one identity, or \"*\" for all of ours");
        return;
    }
    out_.credentials.own_keys.push_back(
        {std::make_shared<const crypto::PrivateKey>(std::move(*key)), {}, any ? std::nullopt : id.exact()});
}

void CertificateReader::peer_public_key(const json::Value& entry, const auth::IdentityPattern& id,
                                        const std::string& path) {
    const auto* file = child(entry, "file", json::Kind::string);
    if (!file) return;
    const auto bytes = content(*file, path, Guard::none, kMaxKeyFile);
    if (!bytes) return;
    auto key = crypto::PublicKey::parse(bytes->view());
    if (key)
        out_.credentials.raw_keys.push_back({id, std::move(*key)});
    else
        fail(*file, path + ": " + beside(report_.source(), file->string) + ": " + key.error(),
             "it must be a public key, as openssl pkey -pubout writes it");
}

void CertificateReader::public_key(const json::Member& member) {
    const std::string path = "public_keys." + member.key;
    const auto id = auth::IdentityPattern::parse(string_at(member.value, "id"));
    if (!id) {
        out_.complete = false;
        return;
    }
    const bool both = key_source(member.value) && json::find(member.value, "file");
    if (both) // reported by the shape
        out_.complete = false;
    else if (key_source(member.value))
        own_public_key(member.value, *id, path);
    else
        peer_public_key(member.value, *id, path);
}

template <class Read>
void each_entry(const json::Value& root, std::string_view key, Read read) {
    if (const auto* entries = child(root, key, json::Kind::object))
        for (const auto& member : entries->members)
            if (member.value.kind == json::Kind::object) read(member);
}

} // namespace

Certificates read_certificates(const json::Value& root, const Environment& environment, Report& report) {
    CertificateReader reader(environment, report);
    each_entry(root, "certificates", [&](const auto& member) { reader.certificate(member); });
    each_entry(root, "authorities", [&](const auto& member) { reader.authority(member); });
    each_entry(root, "public_keys", [&](const auto& member) { reader.public_key(member); });
    return reader.take();
}

std::vector<std::string> certificate_notes(const auth::Credentials& credentials, WallTime now) {
    std::vector<std::string> out;
    const auto look = [&](const crypto::Certificate& certificate, std::string_view whose) {
        const Validity validity{certificate.not_before(), certificate.not_after()};
        auto note = validity_note(std::string(whose) + " " + quote(certificate.subject()), validity, now);
        if (note) out.push_back(std::move(*note));
    };
    for (const auto& own : credentials.own_keys)
        for (const auto& certificate : own.chain)
            look(certificate, "our certificate");
    for (const auto& authority : credentials.authorities)
        look(authority, "the authority");
    return out;
}

bool vouches(const crypto::Certificate& certificate, const auth::Identity& identity) {
    const auto& names = certificate.names();
    const auto is_one = [&](const std::string& name) { return auth::Identity::parse(name) == identity; };
    switch (identity.type) {
    case wire::IdType::fqdn: return std::ranges::any_of(names.dns, is_one);
    case wire::IdType::rfc822_addr: return std::ranges::any_of(names.mail, is_one);
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr:
        return std::ranges::find(names.addresses, IpAddress::from_bytes(identity.data)) !=
               names.addresses.end();
    case wire::IdType::der_asn1_dn: return names.subject == identity.data;
    default: return false;
    }
}

} // namespace sheaf::conf
