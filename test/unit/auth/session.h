#pragma once

#include "lib/auth/authenticator.h"
#include "test/support/seeded_random.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::test {

// 1 July 2026, noon, in seconds since 1970: when test/vectors/certificates are meant to be read.
inline constexpr WallTime kJuly2026{std::chrono::seconds(1782907200)};

// One end that proves itself, another that judges. What goes wrong on the way is set in between.
class TwoEnds {
  public:
    TwoEnds(const auth::Authority& prover, const auth::Authority& verifier)
        : prover_(prover), verifier_(verifier) {}

    auth::Terms prover_terms, verifier_terms;
    std::vector<crypto::HashId> prover_hears; // hashes that the verifier announced
    std::vector<crypto::HashId> verifier_hears;
    std::vector<wire::Payload> requests;          // what the prover received
    std::string transcript_seen = "the exchange"; // by the verifier; the prover's is as here
    std::function<void(std::vector<wire::Payload>&)> tamper;
    WallTime now = kJuly2026;
    std::vector<wire::Payload> sent; // by the last attempt

    auth::Verdict try_to_prove(bool prover_initiates, const auth::Identity& local,
                               const std::optional<auth::Identity>& peer) {
        auto payloads = prover_.authenticator(prover_terms)
                            ->prove(session(prover_initiates, prover_hears), local, peer, requests);
        if (!payloads) return std::move(payloads).error();
        sent = *std::move(payloads);
        if (tamper) tamper(sent);
        return verifier_.authenticator(verifier_terms)
            ->verify(session(!prover_initiates, verifier_hears), std::get<wire::Identification>(sent.at(0)),
                     sent);
    }

  private:
    static Bytes octets(std::string_view transcript, View id_body) {
        Bytes out(transcript.begin(), transcript.end());
        append(out, id_body);
        return out;
    }
    auth::Session session(bool initiator, std::vector<crypto::HashId> hears) {
        return {.backend = backend_,
                .random = random_,
                .prf = crypto::PrfId::hmac_sha2_256,
                .now = now,
                .initiator = initiator,
                .peer_hashes = std::move(hears),
                .our_octets = [](View id_body) { return octets("the exchange", id_body); },
                .peer_octets = [this](View id_body) { return octets(transcript_seen, id_body); }};
    }

    const auth::Authority& prover_;
    const auth::Authority& verifier_;
    crypto::Backend backend_;
    SeededRandom random_{7};
};

// What a failed attempt says; ends the test where it did not fail.
inline auth::Refusal refusal_of(const auth::Verdict& verdict) { return std::get<auth::Refusal>(verdict); }

} // namespace sheaf::test
