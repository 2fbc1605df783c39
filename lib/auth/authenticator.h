#pragma once

#include "lib/auth/credentials.h"
#include "lib/auth/identity.h"
#include "lib/auth/terms.h"
#include "lib/auth/verified.h"
#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"
#include "lib/wire/payload.h"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sheaf::auth {

// What an authentication method needs to know of its IKE SA.
struct Session {
    crypto::Backend& backend;
    Random& random;
    crypto::PrfId prf{};
    WallTime now;
    bool initiator = false; // whether we are
    // RFC 7427 4: hash algorithms that the peer announced; empty: it knows only the older methods.
    std::vector<crypto::HashId> peer_hashes;
    // RFC 7296 2.15: what is signed, given the body of the signer's ID payload.
    std::function<Bytes(View id_body)> our_octets;
    std::function<Bytes(View id_body)> peer_octets;
};

// Why an authentication failed: the rule decides what the peer is told, `why` is a sentence for people.
struct Refusal {
    Rule rule{};
    std::string why;
};

// The method needs another round of IKE_AUTH, with these payloads of ours in it.
struct Continue {
    std::vector<wire::Payload> payloads;
};

using Verdict = std::variant<Verified, Continue, Refusal>;

// One IKE SA's authentication, of both sides. Whatever takes part in IKE_AUTH's proof of identity stands
// behind this interface: the engine neither knows keys nor methods.
class Authenticator {
  public:
    virtual ~Authenticator() = default;

    // CERTREQ payloads for the peer (RFC 7296 3.7); SIGNATURE_HASH_ALGORITHMS (RFC 7427 4) of IKE_SA_INIT.
    [[nodiscard]] virtual std::vector<wire::Payload> requests(crypto::Backend& backend) const = 0;
    [[nodiscard]] virtual wire::Notify hash_algorithms() const = 0;

    // Our ID, CERT and AUTH payloads. `peer` is who we speak to, as far as it is known; `received` are the
    // payloads of the peer's last message (for CERTREQ). Errors tell that there is no credential.
    [[nodiscard]] virtual std::expected<std::vector<wire::Payload>, Refusal>
    prove(const Session& session, const Identity& local, const std::optional<Identity>& peer,
          std::span<const wire::Payload> received) = 0;

    // Judges the peer's ID, CERT and AUTH payloads.
    [[nodiscard]] virtual Verdict verify(const Session& session, const wire::Identification& claimed,
                                         std::span<const wire::Payload> received) = 0;
};

// Where an engine gets its authenticators from.
class Methods {
  public:
    Methods() = default;
    Methods(const Methods&) = delete;
    Methods& operator=(const Methods&) = delete;
    virtual ~Methods() = default;

    // The authenticator must not outlive the methods.
    [[nodiscard]] virtual std::unique_ptr<Authenticator> authenticator(const Terms& terms) const = 0;
    // Whether the peer's identity could be checked at all.
    [[nodiscard]] virtual bool knows(const Terms& terms, const Identity& peer) const = 0;
};

// Makes the methods of one configuration's credentials; further methods come in by another maker.
using MethodsMaker = std::function<std::unique_ptr<Methods>(Credentials)>;

// Shared keys, certificates and raw public keys: all credentials of an engine, made ready for use once.
class Authority final : public Methods {
  public:
    explicit Authority(Credentials credentials);
    ~Authority() override;

    [[nodiscard]] std::unique_ptr<Authenticator> authenticator(const Terms& terms) const override;
    [[nodiscard]] bool knows(const Terms& terms, const Identity& peer) const override;

    [[nodiscard]] static std::unique_ptr<Methods> make(Credentials credentials) {
        return std::make_unique<Authority>(std::move(credentials));
    }

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace sheaf::auth
