#include "lib/group/endpoint_sas.h"
#include "lib/group/terms.h"
#include "test/support/seeded_random.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::group;
using namespace sheaf::test;
using std::chrono::seconds;

namespace {

Instant at(std::int64_t s) { return Instant(seconds(s)); }

const std::string kWhy[] = {"rolled-over", "expired", "deleted", "refused"};

std::string text(wire::ChildSpi spi) { return std::to_string(spi - kFirstGroupSpi); }

struct Site {
    crypto::Backend backend;
    SeededRandom random{5};
    std::vector<SharedSa> sas;
    EndpointSas endpoint;

    Site() {
        for (wire::ChildSpi n = 0; n < 6; ++n)
            sas.push_back(draw_sa(random, Suite{}, kFirstGroupSpi + n));
    }
    std::string put(std::size_t n, std::int64_t now, std::int64_t life, std::int64_t roll1 = 0,
                    std::int64_t roll2 = 0, bool in_use = false) {
        const auto taken = endpoint.put({sas[n].copy(), seconds(life), seconds(roll1), seconds(roll2)},
                                        at(now), backend, in_use);
        return taken ? steps() : std::string(name(taken.error()));
    }
    std::string time(std::int64_t now) {
        endpoint.on_timeout(at(now));
        const auto next = endpoint.next_timeout();
        REQUIRE((!next || *next > at(now)));
        return steps();
    }
    std::string steps() {
        std::string out;
        for (const Step& step : endpoint.take_steps()) {
            if (!out.empty()) out += ' ';
            if (const auto* install = std::get_if<InstallSa>(&step)) {
                out += '+' + text(install->spi);
                REQUIRE(install->keys.encr.size() == 32);
                REQUIRE(install->keys.integ.size() == 32);
            } else if (const auto* send = std::get_if<SendWith>(&step)) {
                out += '>' + text(send->spi);
            } else if (const auto* refresh = std::get_if<RefreshSa>(&step)) {
                out += '=' + text(refresh->spi);
            } else if (const auto* remove = std::get_if<RemoveSa>(&step)) {
                out += '-' + text(remove->spi) + ':' + kWhy[static_cast<std::size_t>(remove->why)];
            }
        }
        return out;
    }
};

} // namespace

TEST_CASE("endpoint: the first SA is used at once, whatever its delays") {
    Site site;
    CHECK_FALSE(site.endpoint.next_timeout().has_value());
    CHECK(site.put(0, 0, 100, 30, 60) == "+0 >0");
    CHECK(site.endpoint.next_timeout() == at(100));
    CHECK(site.time(99) == "");
    CHECK(site.time(100) == "-0:expired");
    CHECK_FALSE(site.endpoint.sending().has_value()); // from here on packets are dropped
    CHECK_FALSE(site.endpoint.next_timeout().has_value());
}

TEST_CASE("endpoint: rollover by the two delays, counted from receipt") {
    Site site;
    site.put(0, 0, 1000);
    CHECK(site.put(1, 700, 1000, 60, 120) == "+1");
    CHECK(site.endpoint.next_timeout() == at(760));
    CHECK(site.time(759) == "");
    CHECK(site.time(760) == ">1");
    CHECK(site.endpoint.next_timeout() == at(820));
    CHECK(site.time(820) == "-0:rolled-over");
    CHECK(site.endpoint.next_timeout() == at(1700));
    REQUIRE(site.endpoint.held().size() == 1);
    CHECK(site.endpoint.held()[0].sending);
    CHECK(site.endpoint.held()[0].received == at(700));
}

TEST_CASE("endpoint: a rollover is bounded by the old SA's end, and by sense") {
    Site site;
    site.put(0, 0, 1000);
    SECTION("the old one ends before the first delay does") {
        CHECK(site.put(1, 970, 1000, 60, 120) == "+1");
        CHECK(site.time(1000) == ">1 -0:expired");
    }
    SECTION("the second delay is shorter than the first") {
        CHECK(site.put(1, 500, 1000, 60, 10) == "+1");
        CHECK(site.time(510) == "");
        CHECK(site.time(560) == ">1 -0:rolled-over");
    }
    SECTION("no delays at all") { CHECK(site.put(1, 500, 1000) == "+1 >1 -0:rolled-over"); }
    SECTION("a timer that comes late does all in order") {
        CHECK(site.put(1, 500, 1000, 60, 120) == "+1");
        CHECK(site.time(900) == ">1 -0:rolled-over");
    }
}

TEST_CASE("endpoint: an announcement that comes twice refreshes, with other keys it is refused") {
    Site site;
    site.put(0, 0, 100);
    CHECK(site.put(0, 10, 95, 30, 60) == "=0");
    CHECK(site.endpoint.next_timeout() == at(105));
    site.sas[3].spi = kFirstGroupSpi;
    CHECK(site.put(3, 20, 500) == "other_keys");
    CHECK(site.endpoint.next_timeout() == at(105));
    site.sas[0].suite.encr.key_bits = 128;
    CHECK(site.put(0, 20, 500) == "other_keys");
}

TEST_CASE("endpoint: announcements in the wrong order") {
    Site site;
    SECTION("a joiner gets the new SA before the old one") {
        CHECK(site.put(1, 0, 1000, 60, 120) == "+1 >1");
        CHECK(site.put(0, 1, 200) == "+0 >0"); // others still send with it, and read it
        CHECK(site.time(60) == ">1");
        CHECK(site.time(120) == "-0:rolled-over");
    }
    SECTION("an old one comes again after the rollover") {
        site.put(0, 0, 1000);
        site.put(1, 500, 1000, 60, 120);
        site.time(560);
        site.time(620);
        CHECK(site.put(0, 630, 370) == "");
        CHECK(site.endpoint.sending() == kFirstGroupSpi + 1);
        site.sas[3].spi = kFirstGroupSpi;
        CHECK(site.put(3, 640, 370) == "other_keys");
        site.time(1000);                                         // forgotten with its end
        CHECK(site.put(3, 1000, 370) == "+0 >0 -1:rolled-over"); // another SA of that SPI
    }
}

TEST_CASE("endpoint: a third generation during a rollover") {
    Site site;
    site.put(0, 0, 1000);
    site.put(1, 500, 1000, 60, 120);
    CHECK(site.put(2, 530, 1000, 60, 120) == "+2");
    CHECK(site.time(560) == ">1");
    CHECK(site.time(590) == ">2");
    CHECK(site.time(620) == "-0:rolled-over");
    CHECK(site.time(650) == "-1:rolled-over");
    // A gateway that does not stop at that: the oldest goes.
    site.put(3, 700, 1000, 60, 120);
    site.put(4, 701, 1000, 60, 120);
    CHECK(site.put(5, 702, 1000, 60, 120) == "+5 >3 -2:rolled-over");
}

TEST_CASE("endpoint: DELETE, a refusing kernel, a foreign SPI") {
    Site site;
    CHECK(site.put(0, 0, 1000, 0, 0, true) == "spi_in_use");
    CHECK(site.endpoint.held().empty());
    site.put(0, 0, 1000);
    SECTION("the one in use") {
        site.endpoint.deleted(kFirstGroupSpi, at(5));
        CHECK(site.steps() == "-0:deleted");
        CHECK_FALSE(site.endpoint.sending().has_value());
        CHECK(site.put(0, 6, 994) == "+0 >0"); // who comes back is told it again
    }
    SECTION("the old one of a rollover") {
        site.put(1, 500, 1000, 60, 120);
        site.endpoint.deleted(kFirstGroupSpi, at(510));
        CHECK(site.steps() == ">1 -0:deleted");
        site.endpoint.deleted(kFirstGroupSpi + 3, at(510));
        CHECK(site.steps() == "");
    }
    SECTION("the new one of a rollover cannot be installed: the old one stays to its end") {
        site.put(1, 500, 1000, 60, 120);
        site.endpoint.not_installed(kFirstGroupSpi + 1, at(500));
        CHECK(site.steps() == "-1:refused");
        CHECK(site.time(620) == "");
        CHECK(site.endpoint.next_timeout() == at(1000));
        CHECK(site.put(1, 630, 870, 0, 0) == "+1 >1 -0:rolled-over");
    }
    SECTION("with the IKE SA") {
        site.put(1, 500, 1000, 60, 120);
        site.endpoint.gateway_deleted();
        CHECK(site.steps() == "-1:deleted -0:deleted");
        CHECK_FALSE(site.endpoint.sending().has_value());
        CHECK_FALSE(site.endpoint.next_timeout().has_value());
    }
}

TEST_CASE("a sender that restarts counts on from above what it had sent") {
    CHECK(first_sequence(kMaxLifetime) == 0);
    CHECK(first_sequence(seconds(0xffffffff)) == 0);
    CHECK(first_sequence(seconds(4094)) == 1U << 20);
    CHECK(first_sequence(seconds(1)) == 0xfff00000 - (1U << 20));
    for (std::int64_t life = 2; life < 4095; ++life)
        REQUIRE(first_sequence(seconds(life - 1)) - first_sequence(seconds(life)) == 1U << 20);
}
