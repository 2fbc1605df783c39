#include "test/leases/life.h"

#include "daemon/pool_source.h"

#include <algorithm>
#include <map>
#include <random>
#include <unistd.h>
#include <utility>
#include <variant>

namespace sheaf::leases_test {
namespace {

class Life {
  public:
    Life(const World& world, unsigned seed, int pipe) : world_(world), random_(seed), pipe_(pipe) {}

    [[noreturn]] void run() {
        tell({Report::Kind::began, world_.now()});
        auto opened = daemon::PoolSource::open(world_.path, world_.pools, [this] { return world_.now(); });
        if (!opened) fail(opened.error());
        auto& source = **opened;
        for (;; *world_.seconds += pick(8)) {
            for (unsigned n = pick(4); n > 0 && !links_.empty(); --n)
                release(source);
            for (unsigned n = pick(5); n > 0; --n)
                ask(source);
            hear(source.take(Instant{}));
        }
    }

  private:
    using Link = std::pair<unsigned, address::LinkId>; // of a holder

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    void tell(const Report& report) {
        const auto line = encode(report);
        if (::write(pipe_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
    }
    [[noreturn]] void fail(const std::string& why) {
        tell({Report::Kind::failed, world_.now(), 0, 0, {}, false, why});
        ::_exit(1);
    }

    void ask(daemon::AddressSource& source) {
        const Link link{pick(world_.holders), 1 + pick(3)};
        asked_[++last_id_] = link;
        address::Assign demand{last_id_, holder(link.first), link.second, "clients", {{{"v6"}}}};
        if (pick(2) == 0) demand.wants.push_back({{"v4"}});
        if (pick(4) == 0) demand.wants.push_back({{"v6", "v4"}});
        source.ask(std::move(demand), Instant{});
    }

    void release(daemon::AddressSource& source) {
        const auto at = std::next(links_.begin(), pick(static_cast<unsigned>(links_.size())));
        const auto& [link, grants] = *at;
        for (const auto& grant : grants)
            tell({Report::Kind::released, world_.now(), link.first, link.second, grant.block});
        source.ask(address::Release{holder(link.first), link.second, grants}, Instant{});
        links_.erase(at);
    }

    void hear(const daemon::AddressSource::Supplied& supplied) {
        for (const auto& remark : supplied.remarks)
            if (remark.level == daemon::LogLevel::error) fail(remark.text);
        for (const auto& answer : supplied.answers) {
            const auto asked = asked_.find(answer.id);
            if (asked == asked_.end()) fail("an answer that nobody has asked for");
            const Link link = asked->second;
            asked_.erase(asked);
            for (const auto& grant : answer.grants) {
                if (!grant) {
                    tell({Report::Kind::refused, world_.now(), link.first, link.second});
                    continue;
                }
                tell({Report::Kind::granted, world_.now(), link.first, link.second, grant->block,
                      grant->renewed});
                auto& grants = links_[link];
                if (std::ranges::find(grants, *grant) == grants.end()) grants.push_back(*grant);
            }
        }
    }

    const World& world_;
    std::mt19937 random_;
    int pipe_;
    address::DemandId last_id_ = 0;
    std::map<address::DemandId, Link> asked_;
    std::map<Link, std::vector<address::Grant>> links_;
};

} // namespace

void live(const World& world, unsigned seed, int pipe) { Life(world, seed, pipe).run(); }

} // namespace sheaf::leases_test
