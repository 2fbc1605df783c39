// Hostile datagrams at every stage of a conversation: nothing crashes, no established SA changes, and each is
// counted by the rule that it broke.

#include "lib/wire/codec.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <numeric>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kClient = "198.51.100.2";

std::uint64_t refusals(const Host& host) {
    const auto& refused = host.engine.counters().refused;
    return std::accumulate(refused.begin(), refused.end(), std::uint64_t{0});
}

// A conversation whose datagrams have been recorded: IKE_SA_INIT, IKE_AUTH, liveness, DELETE.
struct Conversation {
    WireNet net;
    Host& gateway;
    Host& client;
    Conversation()
        : gateway(net.add(kGateway, gateway_config())), client(net.add(kClient, client_config(kGateway))) {}
};

std::vector<ike::Datagram> recorded() {
    Conversation talk;
    talk.net.run_for(40s);
    REQUIRE(talk.client.engine.command(talk.net.now, ike::Down{"home"}));
    talk.net.run_for(5s);
    return talk.net.log;
}

// Runs the same conversation again (the seeds are fixed) up to just before its datagram number `stage`, then
// gives `bad` to whom the real one was meant for.
template <typename Check>
void at_stage(std::size_t stage, const std::vector<Bytes>& bad, Check check) {
    Conversation talk;
    std::size_t seen = 0;
    bool done = false;
    talk.net.on_wire = [&](ike::Datagram& datagram) {
        if (seen++ != stage || done) return true;
        done = true;
        Host& victim = datagram.peer.address == talk.gateway.address ? talk.gateway : talk.client;
        for (const Bytes& bytes : bad) {
            const auto before = refusals(victim);
            victim.engine.datagram(talk.net.now, {datagram.peer, datagram.local, bytes});
            check(victim, bytes, refusals(victim) - before);
        }
        victim.pump(talk.net.now);
        victim.outbox.clear();
        return true;
    };
    talk.net.run_for(40s);
    REQUIRE(done);
}

} // namespace

TEST_CASE("truncated datagrams are refused at every stage") {
    const auto log = recorded();
    REQUIRE(log.size() >= 6);
    for (std::size_t stage = 0; stage < 6; ++stage) {
        std::vector<Bytes> bad;
        const auto& whole = log[stage].bytes;
        for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16)
            bad.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        at_stage(stage, bad, [](const Host&, const Bytes&, std::uint64_t refused) { CHECK(refused == 1); });
    }
}

TEST_CASE("oversized datagrams are refused at every stage") {
    const auto log = recorded();
    for (std::size_t stage = 0; stage < 6; ++stage) {
        std::vector<Bytes> bad;
        for (const std::size_t more : {1U, 4U, 1000U, 60000U}) {
            bad.push_back(log[stage].bytes);
            bad.back().resize(bad.back().size() + more);
        }
        at_stage(stage, bad, [](const Host& victim, const Bytes&, std::uint64_t refused) {
            CHECK(refused == 1);
            CHECK(victim.refused(Rule::length_mismatch) > 0);
        });
    }
}

TEST_CASE("a flipped bit in a protected datagram fails its integrity check or does not even reach it") {
    const auto log = recorded();
    for (std::size_t stage = 2; stage < 6; ++stage) {
        std::vector<Bytes> bad;
        for (std::size_t bit = 0; bit < log[stage].bytes.size() * 8; bit += 7) {
            bad.push_back(log[stage].bytes);
            auto& octet = bad.back().at(bit / 8);
            octet = static_cast<std::uint8_t>(octet ^ (1U << bit % 8));
        }
        std::uint64_t forged = 0;
        at_stage(stage, bad, [&](const Host& victim, const Bytes& bytes, std::uint64_t refused) {
            INFO("stage " << stage << ", " << bytes.size() << " octets");
            CHECK(refused >= 1);
            forged = victim.refused(Rule::integrity_check);
        });
        CHECK(forged > bad.size() / 2);
    }
}

TEST_CASE("flipped bits in IKE_SA_INIT never stop the conversation that follows") {
    const auto log = recorded();
    for (std::size_t stage = 0; stage < 2; ++stage) {
        for (std::size_t bit = 0; bit < log[stage].bytes.size() * 8; bit += 29) {
            Conversation talk;
            std::size_t seen = 0;
            talk.net.on_wire = [&](ike::Datagram& datagram) {
                if (seen++ != stage) return true;
                auto bytes = datagram.bytes;
                bytes.at(bit / 8) = static_cast<std::uint8_t>(bytes.at(bit / 8) ^ (1U << bit % 8));
                Host& victim = datagram.peer.address == talk.gateway.address ? talk.gateway : talk.client;
                // From elsewhere: who can change the datagrams of this path can stop every conversation.
                victim.engine.datagram(talk.net.now, {datagram.peer, {datagram.local.address, 666}, bytes});
                victim.pump(talk.net.now);
                return true;
            };
            talk.net.run_for(60s);
            CHECK(talk.gateway.established() == 1);
            CHECK(talk.client.established() == 1);
            CHECK(talk.gateway.kernel.sas.size() == 1);
        }
    }
}

TEST_CASE("an established IKE SA survives everything that was ever sent, changed and sent again") {
    Conversation talk;
    talk.net.run_for(1s);
    REQUIRE(talk.gateway.established() == 1);
    const auto spi = talk.gateway.engine.status().ike_sas.at(0).spi_r;
    const auto log = talk.net.log;
    SeededRandom random(7);
    for (int round = 0; round < 4000; ++round) {
        auto datagram = log.at(random.below(log.size()));
        for (std::uint64_t n = random.below(4); n > 0 && !datagram.bytes.empty(); --n)
            datagram.bytes.at(random.below(datagram.bytes.size())) =
                static_cast<std::uint8_t>(random.below(256));
        if (random.below(4) == 0) datagram.bytes.resize(random.below(datagram.bytes.size() + 1));
        if (random.below(4) == 0) datagram.local.port = static_cast<std::uint16_t>(random.below(65536));
        Host& victim = datagram.peer.address == talk.gateway.address ? talk.gateway : talk.client;
        victim.engine.datagram(talk.net.now, {datagram.peer, datagram.local, datagram.bytes});
        victim.pump(talk.net.now);
        victim.outbox.clear();
    }
    talk.net.run_for(120s);
    REQUIRE(talk.gateway.established() == 1);
    CHECK(talk.gateway.engine.status().ike_sas.at(0).spi_r == spi);
    CHECK(talk.gateway.engine.counters().handshakes == 1);
    CHECK(talk.client.kernel.sas.size() == 1);
    CHECK(talk.gateway.engine.status().half_open == 0);
}

TEST_CASE("each breach is counted under its own name") {
    Conversation talk;
    talk.net.run_for(1s);
    const auto log = talk.net.log;
    const auto give = [&](Bytes bytes) {
        talk.gateway.engine.datagram(talk.net.now, {log[2].peer, log[2].local, std::move(bytes)});
        talk.gateway.pump(talk.net.now);
        talk.gateway.outbox.clear();
    };
    give({});
    CHECK(talk.gateway.refused(Rule::datagram_too_short) == 1);
    auto version = log[2].bytes;
    version[17] = 0x30;
    give(version);
    CHECK(talk.gateway.refused(Rule::major_version) == 1);
    auto zero = log[2].bytes;
    std::fill_n(zero.begin(), 8, std::uint8_t{0});
    give(zero);
    CHECK(talk.gateway.refused(Rule::zero_spi) == 1);
    auto unknown = log[2].bytes;
    unknown[15] ^= 1;
    give(unknown);
    CHECK(talk.gateway.refused(Rule::unknown_ike_spi) == 1);
    auto forged = log[2].bytes;
    forged.back() ^= 1;
    give(forged);
    CHECK(talk.gateway.refused(Rule::integrity_check) == 1);
    auto flags = log[0].bytes;
    flags[19] = 0x28; // the initiator's response: there is none
    give(flags);
    CHECK(talk.gateway.refused(Rule::bad_flags) == 1);
}

TEST_CASE("a stranger's message to an unknown IKE SA is answered sparingly") {
    Conversation talk;
    talk.net.run_for(1s);
    auto stranger = talk.net.log[2];
    stranger.bytes[15] ^= 1;
    for (int i = 0; i < 100; ++i)
        talk.gateway.engine.datagram(talk.net.now, {stranger.peer, stranger.local, stranger.bytes});
    talk.gateway.pump(talk.net.now);
    CHECK(talk.gateway.outbox.size() == 20);
    for (const auto& answer : talk.gateway.outbox)
        CHECK(answer.bytes.size() < stranger.bytes.size());
}

TEST_CASE("a request of a higher major version is answered sparingly with ours (RFC 7296 2.5)") {
    Conversation talk;
    talk.net.run_for(1s);
    const auto of_version = [&](std::uint8_t version, bool response) {
        auto stranger = talk.net.log[2];
        stranger.bytes[17] = version;
        if (response) stranger.bytes[19] |= 0x20;
        talk.gateway.engine.datagram(talk.net.now, {stranger.peer, stranger.local, stranger.bytes});
        talk.gateway.pump(talk.net.now);
        return std::exchange(talk.gateway.outbox, {});
    };
    const auto answers = of_version(0x31, false);
    REQUIRE(answers.size() == 1);
    const auto answer = wire::parse_header(answers[0].bytes);
    const auto original = wire::parse_header(talk.net.log[2].bytes);
    REQUIRE(answer);
    CHECK(answer->response);
    CHECK(answer->from_initiator != original->from_initiator);
    CHECK(answer->minor == 0);
    CHECK(answer->exchange == original->exchange);
    CHECK(answer->message_id == original->message_id);
    CHECK(answer->initiator_spi == original->initiator_spi);
    CHECK(answer->responder_spi == original->responder_spi);
    const auto payloads = wire::parse_message(answers[0].bytes);
    REQUIRE(payloads);
    REQUIRE(payloads->payloads.size() == 1);
    CHECK(std::get<wire::Notify>(payloads->payloads[0]).type == wire::NotifyType::invalid_major_version);

    CHECK(of_version(0x10, false).empty()); // IKEv1 knows no such answer
    CHECK(of_version(0x30, true).empty());
    std::size_t more = 0;
    for (int i = 0; i < 100; ++i)
        more += of_version(0x30, false).size();
    CHECK(more == 19);
}

TEST_CASE("a forged refusal of IKE_SA_INIT does not keep a client out") {
    Conversation talk;
    talk.client.engine.on_timeout(talk.net.now);
    talk.client.pump(talk.net.now);
    REQUIRE(talk.client.outbox.size() == 1);
    const ike::Datagram request = talk.client.outbox.front();
    wire::Header header = *wire::parse_header(request.bytes);
    header.response = true;
    header.from_initiator = false;
    const wire::Notify refusal{wire::Protocol::none, {}, wire::NotifyType::no_proposal_chosen, {}};
    const Bytes forged = wire::encode_message(header, std::vector<wire::Payload>{refusal});
    talk.client.engine.datagram(talk.net.now, {request.local, request.peer, forged});
    talk.net.run_for(2s);
    CHECK(talk.client.established() == 1);
    CHECK(talk.client.count<ike::IkeDown>() == 0);
}
