#include "test/leases/report.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <new>
#include <sstream>
#include <sys/mman.h>
#include <utility>

namespace sheaf::leases_test {

World make_world(std::string path) {
    World world{std::move(path), nullptr, {}, 40};
    void* shared =
        ::mmap(nullptr, sizeof(*world.seconds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) std::abort();
    world.seconds = new (shared) std::atomic<std::int64_t>(0);
    // Together fewer blocks than links, so that many clients are sent away and blocks change hands.
    world.pools = {{"v6", *Prefix::parse("2001:db8::/59"), 64}, {"v4", *Prefix::parse("10.0.0.0/27"), 32}};
    for (auto& pool : world.pools)
        pool.lease = std::chrono::seconds(150);
    world.pools[0].reserved = {{holder(3), *Prefix::parse("2001:db8:0:7::/64")}};
    return world;
}

address::Holder holder(unsigned number) {
    const std::string name = fmt::format("client{}.example.org", number);
    return {2, Bytes(name.begin(), name.end()), name};
}

unsigned number_of(const address::Holder& holder) {
    unsigned number = 0;
    const auto digits = std::string_view(holder.text).substr(std::string_view("client").size());
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

std::string encode(const Report& r) {
    return fmt::format("{} {} {} {} {} {} {}\n", static_cast<char>(r.kind), r.at.time_since_epoch().count(),
                       r.holder, r.link, r.block.to_string(), r.renewed ? 1 : 0, r.text);
}

std::optional<Report> decode(std::string_view line) {
    std::istringstream in{std::string(line)};
    char kind = 0;
    std::int64_t at = 0;
    std::string block;
    Report r;
    in >> kind >> at >> r.holder >> r.link >> block >> r.renewed;
    const auto prefix = Prefix::parse(block);
    if (!in || !prefix) return std::nullopt;
    std::getline(in, r.text);
    r.kind = static_cast<Report::Kind>(kind);
    r.at = WallTime(std::chrono::seconds(at));
    r.block = *prefix;
    return r;
}

} // namespace sheaf::leases_test
