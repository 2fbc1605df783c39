#include "test/unit/xfrm/home_samples.h"

#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <cerrno>

namespace sheaf::xfrm {
namespace {

// Marks that the kernel cannot be given until the third try.
class MissingPaths final : public test::FakePaths {
  public:
    MissingPaths(Held& held, std::string& error, int& tries) : FakePaths(held, error), tries_(tries) {}
    bool is_missing() const override { return tries_ < 3; }
    void make_again() override { ++tries_; }

  private:
    int& tries_;
};

} // namespace

TEST_CASE("marks that the kernel could not be given are tried again every five seconds", "[xfrm]") {
    Bench bench;
    int tries = 0;
    bench.kernel.reset();
    auto opened = Kernel::open(bench.fake.os, {},
                               {std::make_unique<test::FakeMarks>(bench.marks, bench.marks_error),
                                std::make_unique<MissingPaths>(bench.paths, bench.paths_error, tries)});
    REQUIRE(opened);
    bench.kernel = *std::move(opened);
    const Instant begun = bench.at;
    CHECK(bench.run().empty());
    CHECK(tries == 3);
    CHECK(bench.at == begun + std::chrono::seconds(15));
}

TEST_CASE("a home address comes up as a whole or not at all", "[xfrm]") {
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        for (const int protocol : {NETLINK_XFRM, NETLINK_ROUTE}) {
            for (std::size_t nth = 0; nth < 60; ++nth) {
                Bench bench;
                std::size_t seen = 0;
                bench.fake.fault = [&](std::size_t, int of,
                                       const nlmsghdr&) -> std::optional<test::NetlinkKernel::Fault> {
                    if (of != protocol || seen++ != nth) return std::nullopt;
                    return test::NetlinkKernel::Fault{.code = ENOMEM};
                };
                const bool failed = !bench.outcome(up(picture(role))).empty();
                if (!failed) {
                    CHECK(seen <= nth);
                    break;
                }
                INFO("message " << nth << " of protocol " << protocol);
                bench.fake.reset_faults();
                CHECK(bench.fake.objects.empty());
                CHECK(bench.paths.empty());
                CHECK(bench.outcome(up(picture(role))).empty()); // and can come up then
            }
        }
    }
}

TEST_CASE("a failed change of a home address leaves what was", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up(picture(MobilityRole::home_agent))).empty());
    const auto before = bench.fake.objects;
    const auto marks = bench.paths;
    auto changed = picture(MobilityRole::home_agent);
    changed.care_of.push_back({3, ip("2001:db8:c::5"), true});
    bench.paths_error = "no";
    CHECK(bench.outcome(only(child::UpdateMobility{changed})) == "no");
    CHECK(bench.fake.keys().size() == before.size());
    CHECK(bench.paths == marks);
    bench.paths_error.clear();
    CHECK(bench.outcome(only(child::UpdateMobility{changed})).empty());
    CHECK(way(bench, child::path_mark(3))->destination == ip("2001:db8:c::5"));
}

TEST_CASE("a care-of address that is taken away stays away, though the rest of the change fails", "[xfrm]") {
    Bench bench;
    const auto link = picture(MobilityRole::home_agent);
    REQUIRE(bench.outcome(up(link)).empty());
    const HomeMarks all = bench.paths.at(kNumber);
    auto changed = link;
    changed.care_of[1].registered = false;
    changed.networks.push_back(prefix("2001:db8:2:2::/64"));
    const auto admitted_from = [&](const char* source) {
        return std::ranges::any_of(bench.paths.at(kNumber).admitted,
                                   [&](const EspFlow& flow) { return flow.source == ip(source); });
    };
    bench.fake.fault = [](std::size_t, int, const nlmsghdr& message) {
        return message.nlmsg_type == RTM_NEWROUTE ? std::optional(test::NetlinkKernel::Fault{.code = ENOMEM})
                                                  : std::nullopt;
    };
    CHECK_FALSE(bench.outcome(only(child::UpdateMobility{changed})).empty());
    bench.fake.reset_faults();
    CHECK(admitted_from(kFirst));
    CHECK_FALSE(admitted_from(kSecond));
    CHECK(bench.paths.at(kNumber).rules == all.rules);
    // It is there again as soon as somebody says so, even if that is what the book has kept.
    REQUIRE(bench.outcome(only(child::UpdateMobility{link})).empty());
    CHECK(bench.paths.at(kNumber) == all);
    REQUIRE(bench.outcome(only(child::UpdateMobility{changed})).empty());
    CHECK_FALSE(admitted_from(kSecond));
}

TEST_CASE("entries of another mobility stack are named", "[xfrm]") {
    Bench bench;
    const auto link = picture(MobilityRole::mobile_node);
    REQUIRE(bench.fake.put(NETLINK_XFRM, install_state(care_of_states(link).front())) == 0);
    CHECK(bench.outcome(only(child::OpenMobility{link})).find("another mobility stack") != std::string::npos);
    CHECK(bench.fake.keys().size() == 1);
}

TEST_CASE("SAs and home addresses go though nftables refuses", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up(picture(MobilityRole::home_agent))).empty());
    bench.paths_error = "no";
    CHECK(bench.outcome(only(child::RemoveSas{sas(child::Mode::tunnel).id})).empty());
    CHECK(parsed(bench, "sa ", parse_state).size() == 2); // those of signalling
    CHECK(bench.paths.at(kNumber).guarded.empty());
    std::vector<child::KernelStep> down;
    down.emplace_back(child::CloseMobility{kNumber});
    down.emplace_back(child::RemoveSas{sas(child::Mode::transport).id});
    CHECK(bench.outcome(std::move(down)).empty());
    CHECK(bench.fake.keys() == std::vector<std::string>{});
    CHECK(bench.paths.empty());
}

TEST_CASE("what somebody else has removed of the entries for care-of addresses is made again", "[xfrm]") {
    const auto flushed = [] { return netlink::Builder(XFRM_MSG_FLUSHSA, 0).finish(); };
    const auto removed = [](std::uint32_t reqid) {
        netlink::Builder out(XFRM_MSG_DELSA, 0);
        auto& id = out.fixed<xfrm_usersa_id>();
        id.proto = static_cast<std::uint8_t>(RouteOptimization::home_address);
        id.family = AF_INET6;
        xfrm_usersa_info info{};
        info.reqid = reqid;
        out.put_struct(XFRMA_SA, info);
        return out.finish();
    };
    const auto restored = [](const netlink::Message& event) {
        Bench bench;
        REQUIRE(bench.outcome(only(child::OpenMobility{picture(MobilityRole::mobile_node)})).empty());
        const auto before = bench.fake.keys();
        std::erase_if(bench.fake.objects,
                      [](const auto& entry) { return entry.first.starts_with("sa protocol 60"); });
        CHECK(care_of_entries(bench).size() == 1);
        bench.fake.os.deliver(bench.fake.os.fd_of(NETLINK_XFRM, 1),
                              Bytes(event.view().begin(), event.view().end()));
        bench.kernel->on_readable(bench.at);
        bench.run();
        return bench.fake.keys() == before;
    };
    CHECK(restored(flushed()));
    CHECK(restored(removed(kSignalling)));
    CHECK_FALSE(restored(removed(77))); // of somebody else's
}

} // namespace sheaf::xfrm
