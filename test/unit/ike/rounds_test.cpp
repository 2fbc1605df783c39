// A method of authentication that needs several rounds of IKE_AUTH, as EAP does, behind the interface of
// lib/auth: the engine carries its payloads and does not know it.

#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr std::size_t kRounds = 3;
const wire::NotifyType kQuestion{40999};

wire::Payload question(std::uint8_t round) {
    return wire::Notify{wire::Protocol::none, {}, kQuestion, {round}};
}

bool asks(std::span<const wire::Payload> payloads, std::size_t round) {
    return std::ranges::any_of(payloads, [round](const wire::Payload& payload) {
        const auto* n = std::get_if<wire::Notify>(&payload);
        return n && n->type == kQuestion && n->data == Bytes{static_cast<std::uint8_t>(round)};
    });
}

// Asks and answers questions before it does what the usual methods do with the AUTH payload of the first
// round.
class Asking final : public auth::Authenticator {
  public:
    explicit Asking(std::unique_ptr<auth::Authenticator> usual) : usual_(std::move(usual)) {}

    std::vector<wire::Payload> requests(crypto::Backend& backend) const override {
        return usual_->requests(backend);
    }
    wire::Notify hash_algorithms() const override { return usual_->hash_algorithms(); }
    std::expected<std::vector<wire::Payload>, auth::Refusal>
    prove(const auth::Session& session, const auth::Identity& local,
          const std::optional<auth::Identity>& peer, std::span<const wire::Payload> received) override {
        return usual_->prove(session, local, peer, received);
    }
    auth::Verdict verify(const auth::Session& session, const wire::Identification& claimed,
                         std::span<const wire::Payload> received) override {
        const bool mine = std::ranges::any_of(
            received, [](const wire::Payload& p) { return std::holds_alternative<wire::Authentication>(p); });
        if (mine) proof_.assign(received.begin(), received.end());
        if (session.initiator) {
            // The responder proves itself in the last answer.
            if (mine) return usual_->verify(session, claimed, proof_);
            if (!asks(received, round_)) return auth::Refusal{Rule::authentication_failed, "no question"};
            return auth::Continue{{question(static_cast<std::uint8_t>(round_++))}};
        }
        if (round_ > 0 && !asks(received, round_ - 1))
            return auth::Refusal{Rule::authentication_failed, "the question was not answered"};
        if (round_ == kRounds) return usual_->verify(session, claimed, proof_);
        auto id = session.initiator ? std::vector<wire::Payload>{} : first_answer();
        id.push_back(question(static_cast<std::uint8_t>(round_++)));
        return auth::Continue{std::move(id)};
    }

  private:
    // The first answer says who the responder is, as EAP's does (RFC 7296 2.16).
    std::vector<wire::Payload> first_answer() const {
        if (round_ != 0) return {};
        return {auth::Identity::parse("gw.example.org")->payload(false)};
    }
    std::unique_ptr<auth::Authenticator> usual_;
    std::vector<wire::Payload> proof_;
    std::size_t round_ = 0;
};

class AskingMethods final : public auth::Methods {
  public:
    explicit AskingMethods(auth::Credentials credentials) : usual_(std::move(credentials)) {}
    std::unique_ptr<auth::Authenticator> authenticator(const auth::Terms& terms) const override {
        return std::make_unique<Asking>(usual_.authenticator(terms));
    }
    bool knows(const auth::Terms& terms, const auth::Identity& peer) const override {
        return usual_.knows(terms, peer);
    }

  private:
    auth::Authority usual_;
};

std::unique_ptr<auth::Methods> asking(auth::Credentials credentials) {
    return std::make_unique<AskingMethods>(std::move(credentials));
}

struct Pair {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Pair(ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, gateway_config())), client(net.add("198.51.100.2", c)) {
        gateway.engine = ike::Engine(gateway_config(), gateway.random, gateway, net.now, asking);
        client.engine = ike::Engine(std::move(c), client.random, client, net.now, asking);
    }
};

} // namespace

TEST_CASE("an authentication may take several rounds of IKE_AUTH") {
    Pair pair;
    pair.net.run_for(1s);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.established() == 1);
    CHECK(pair.client.kernel.pairs() == 1);
    CHECK(pair.net.log.size() == 2 + 2 * (1 + kRounds));
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Rekey{"home"}));
    pair.net.run_for(6s);
    CHECK(pair.client.kernel.pairs() == 1);
}

TEST_CASE("rounds that are lost are sent again, and nobody is let in before the last") {
    Pair pair;
    std::size_t seen = 0;
    pair.net.on_wire = [&](ike::Datagram&) {
        CHECK(pair.gateway.established() + pair.client.established() <= 1);
        return ++seen % 3 != 0;
    };
    pair.net.run_for(30s);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.established() == 1);
    CHECK(pair.gateway.count<ike::IkeUp>() == 1);
}

TEST_CASE("a wrong key is refused after all rounds, too") {
    auto config = client_config(kGateway);
    config.credentials.shared_keys[0].key = std::make_shared<const Secret>(Secret::copy_of(Bytes{'n', 'o'}));
    Pair pair(config);
    pair.net.run_for(1s);
    CHECK(pair.gateway.established() == 0);
    CHECK(pair.gateway.refused(Rule::authentication_failed) >= 1);
    CHECK(pair.gateway.kernel.empty());
}
