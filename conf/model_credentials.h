#pragma once

#include "conf/model_words.h"

// The tables of what proves identities, in the configuration: secrets, certificates and keys.
namespace sheaf::conf::credentials {

using namespace words;

inline constexpr std::array kSecretFields = {
    Field{.key = "id", .type = &kPattern, .doc = "The peer that the key is shared with.", .required = true},
    Field{.key = "file",
          .type = &kPath,
          .doc = "A file that holds the key and that only its owner may read; from the configuration's "
                 "folder if the path is relative. A newline at its end is not part of the key."},
    Field{.key = "credential",
          .type = &kCredential,
          .doc = "The name of a systemd credential that holds the key."},
    Field{.key = "text",
          .type = &kSecret,
          .doc = "The key itself; then the configuration is as secret as the key."},
};
inline constexpr std::array<std::string_view, 3> kSecretSources = {"file", "credential", "text"};
inline constexpr Object kSecretEntry{.fields = kSecretFields, .alternatives = kSecretSources};

inline constexpr Field kKeyFile{
    .key = "key_file",
    .type = &kPath,
    .doc = "A file with our private key (PKCS#8, or the older PEM forms) that only its owner may read."};
inline constexpr Field kKeyCredential{.key = "key_credential",
                                      .type = &kCredential,
                                      .doc = "The name of a systemd credential that holds our private key."};

inline constexpr std::array kCertificateFields = {
    Field{.key = "file",
          .type = &kPath,
          .doc = "The certificate, PEM or DER; in PEM its intermediates follow it.",
          .required = true},
    kKeyFile,
    kKeyCredential,
};
inline constexpr std::array<std::string_view, 2> kKeySources = {"key_file", "key_credential"};
inline constexpr Object kCertificate{
    .fields = kCertificateFields, .alternatives = kKeySources, .one_needed = false};

inline constexpr std::array kAuthorityFields = {
    Field{.key = "file",
          .type = &kPath,
          .doc = "The authority's own certificate, PEM or DER.",
          .required = true},
    Field{.key = "intermediates",
          .type = &kPath,
          .doc = "A PEM file with certificates between this authority and peers that do not send them."},
    Field{.key = "crls",
          .type = &kPaths,
          .doc = "Files with the revocation lists of the authority and its intermediates, one in each."},
};
inline constexpr Object kAuthority{.fields = kAuthorityFields};

inline constexpr std::array kPublicKeyFields = {
    Field{.key = "id",
          .type = &kPattern,
          .doc = "Whose key it is: the peer's identity with \"file\", our own with \"key_file\".",
          .required = true},
    Field{.key = "file", .type = &kPath, .doc = "The peer's public key, PEM or DER (SubjectPublicKeyInfo)."},
    kKeyFile,
    kKeyCredential,
};
inline constexpr std::array<std::string_view, 3> kPublicKeySources = {"file", "key_file", "key_credential"};
inline constexpr Object kPublicKey{.fields = kPublicKeyFields, .alternatives = kPublicKeySources};

} // namespace sheaf::conf::credentials
