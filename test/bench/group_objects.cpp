#include "test/bench/group_objects.h"

#include "lib/child/selector.h"
#include "lib/group/shared_sa.h"
#include "test/unit/xfrm/fake_kernel.h"
#include "xfrm/kernel.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::bench {
namespace {

using std::chrono::seconds;

constexpr Instant kNow{seconds(1000)};
constexpr seconds kLife{3600};
constexpr wire::ChildSpi kOldSpi = group::kFirstGroupSpi + 1, kNewSpi = group::kFirstGroupSpi + 2;
constexpr crypto::EspSuite kSuite{crypto::EncrId::aes_cbc, 256, crypto::IntegId::hmac_sha2_256_128, {}};
const IpAddress kLocal = *IpAddress::parse("2001:db8:1::");

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "group: %s\n", why.c_str());
    std::exit(1);
}

struct CountedMarks final : xfrm::PacketMarks {
    explicit CountedMarks(std::size_t& number) : count(number) {}
    std::expected<void, std::string> change(const std::vector<xfrm::PacketMark>& added,
                                            const std::vector<xfrm::PacketMark>& removed) override {
        count += added.size();
        count -= removed.size();
        return {};
    }
    void clear() override { count = 0; }
    std::size_t& count;
};

// The n-th other member: its outer address, and what is behind it.
IpAddress endpoint(std::size_t n) {
    const View base = kLocal.view();
    Bytes octets(base.begin(), base.end());
    octets[14] = static_cast<std::uint8_t>((n + 1) >> 8);
    octets[15] = static_cast<std::uint8_t>(n + 1);
    return *IpAddress::from_bytes(octets);
}

Prefix network(std::size_t n) {
    return *Prefix::parse("10." + std::to_string((n + 1) >> 8) + "." + std::to_string((n + 1) & 255) +
                          ".0/24");
}

Secret key() { return Secret::copy_of(Bytes(32, 7)); }

class CountingKernel {
  public:
    CountingKernel() {
        auto opened = xfrm::Kernel::open(
            fake_.os, {}, {std::make_unique<CountedMarks>(marks_), xfrm::nft_path_marks(fake_.os)});
        if (!opened) give_up(opened.error());
        kernel_ = std::move(*opened);
        before_ = count();
    }

    void apply(std::vector<child::KernelStep> steps) {
        kernel_->apply({++last_, std::move(steps)}, kNow);
        for (;;) {
            kernel_->flush(kNow);
            kernel_->on_readable(kNow);
            for (const auto& event : kernel_->take_events()) {
                const auto* done = std::get_if<child::IntentDone>(&event);
                if (!done || done->id != last_) continue;
                if (done->error) give_up(*done->error);
                return;
            }
        }
    }

    // That came with the intents.
    [[nodiscard]] KernelObjects added() const {
        const auto now = count();
        return {now.states - before_.states, now.policies - before_.policies, now.routes - before_.routes,
                now.marks - before_.marks, now.interfaces - before_.interfaces};
    }

  private:
    [[nodiscard]] KernelObjects count() const {
        KernelObjects out;
        out.marks = marks_;
        for (const auto& [object, octets] : fake_.objects) {
            const std::string_view kind = std::string_view(object).substr(0, object.find(' '));
            if (kind == "sa") ++out.states;
            if (kind == "policy") ++out.policies;
            if (kind == "route") ++out.routes;
            if (kind == "link") ++out.interfaces;
        }
        return out;
    }

    test::NetlinkKernel fake_;
    std::size_t marks_ = 0;
    std::unique_ptr<xfrm::Kernel> kernel_;
    KernelObjects before_;
    child::IntentId last_ = 0;
};

child::InstallGroupSa group_sa(wire::ChildSpi spi) {
    return {child::kFirstLink, spi, kSuite, key(), key(), kNow + kLife};
}

std::vector<child::KernelStep> child_sa(std::size_t n, wire::ChildSpi spi) {
    child::InstallSas sas;
    sas.id = {child::kFirstLink + static_cast<child::LinkNumber>(n),
              {kLocal, 500},
              {endpoint(n), 500},
              spi + static_cast<wire::ChildSpi>(n),
              spi + static_cast<wire::ChildSpi>(n)};
    sas.on_interface = false;
    sas.suite = kSuite;
    sas.in = {key(), key()};
    sas.out = {key(), key()};
    const child::PolicySet policies{.link = sas.id.link,
                                    .on_interface = false,
                                    .local = kLocal,
                                    .peer = endpoint(n),
                                    .local_selectors = {child::selector(network(0xfffe))},
                                    .remote_selectors = {child::selector(network(n))}};
    std::vector<child::KernelStep> steps;
    steps.emplace_back(std::move(sas));
    steps.emplace_back(child::InstallPolicies{policies});
    return steps;
}

} // namespace

KernelObjects group_objects(std::size_t members, bool rolling) {
    CountingKernel kernel;
    child::GroupLink link{child::kFirstLink, "group0", {kLocal}, {}};
    for (std::size_t n = 0; n + 1 < members; ++n)
        link.sites.push_back({endpoint(n), {network(n)}});
    const auto step = [&](child::KernelStep one) {
        std::vector<child::KernelStep> steps;
        steps.push_back(std::move(one));
        kernel.apply(std::move(steps));
    };
    step(child::OpenGroup{link});
    step(group_sa(kOldSpi));
    step(child::SendWithGroupSa{child::kFirstLink, kOldSpi});
    if (rolling) {
        step(group_sa(kNewSpi));
        step(child::SendWithGroupSa{child::kFirstLink, kNewSpi});
    }
    return kernel.added();
}

KernelObjects mesh_objects(std::size_t members, bool rolling) {
    CountingKernel kernel;
    for (std::size_t n = 0; n + 1 < members; ++n)
        kernel.apply(child_sa(n, 0x10000000));
    for (std::size_t n = 0; rolling && n + 1 < members; ++n)
        kernel.apply(child_sa(n, 0x20000000));
    return kernel.added();
}

} // namespace sheaf::bench
