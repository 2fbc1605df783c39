// A group of many members (draft-yamaya-ipsecme-mpsa-00): what a join and a rekeying cost its gateway, and what an
// endpoint has in its kernel, beside a full mesh of Child SAs.
//
// bench-group [PLOT [MEMBERS...]]: one engine as gateway, and one for each member, in memory. All figures of time are
// of the gateway's thread. The kernel's objects are counted in a simulated kernel.

#include "lib/crypto/system_random.h"
#include "test/bench/group_objects.h"
#include "test/bench/plot.h"
#include "test/bench/simulated_client.h"
#include "test/support/seeded_random.h"
#include "test/support/wire_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

using namespace sheaf;
using namespace sheaf::bench;

namespace {

using std::chrono::milliseconds;

constexpr const char* kGroup = "office";
constexpr std::size_t kMaxMembers = 60'000;
constexpr std::size_t kMinSample = 20, kMaxSample = 200; // joins for a median, in turns with plain handshakes
constexpr Duration kOneWay = milliseconds(25);
constexpr std::uint64_t kLossPercent = 1;
constexpr Duration kPatience =
    std::chrono::minutes(1); // of a rekeying; then an IKE SA would have been given up

struct Figures {
    std::size_t members = 0;
    double join_us = 0;       // median, when the others are there
    double handshake_us = 0;  // likewise of clients that know nothing of groups
    double last_to_first = 0; // joins, when all others were there and when few were
    std::size_t messages = 0;
    double rekey_cpu_s = 0;
    double rekey_s = 0;      // simulated
    double octets = 0;       // of the heap, for a member
    std::size_t ike_sas = 0; // of an endpoint
    KernelObjects group, rolling_group, mesh, rolling_mesh;
};

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "group: %s\n", why.c_str());
    std::exit(1);
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

std::size_t sample_of(std::size_t members) { return std::clamp(members / 10, kMinSample, kMaxSample); }

double heap() { return static_cast<double>(mallinfo2().uordblks); }

ike::Config gateway_for(std::size_t clients) {
    auto config = test::gateway_config(clients);
    config.pools[0] = {.name = "v6", .prefix = *Prefix::parse("2001:db8::/40"), .delegate = 64};
    config.limits.ike_sas = clients + 1;
    config.group_services.push_back({kGroup, {}});
    config.connections[0].group = kGroup;
    return config;
}

class Office {
  public:
    explicit Office(std::size_t members)
        : gateway_(gateway_for(members + 2 * sample_of(members)), random_, now_) {
        figures_.members = members;
        members_.reserve(members);
        (void)gateway_.work(now_, [&] { gateway_.engine().on_timeout(now_); }); // founds the group
    }
    Figures run();

  private:
    struct Arrival {
        Instant when;
        std::uint64_t order = 0;
        bool at_gateway = false;
        std::size_t member = 0;
        ike::Datagram datagram;
        friend bool operator>(const Arrival& a, const Arrival& b) {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    [[nodiscard]] double join(SimulatedClient& client);
    void join_all();
    void rekey();
    void send(std::vector<ike::Datagram> datagrams, bool to_gateway, std::size_t from);
    void deliver(const Arrival& arrival);
    void require_generation(std::uint64_t generation);
    void measure_joins();

    crypto::SystemRandom random_;
    test::SeededRandom chance_{1};
    Instant now_{std::chrono::seconds(1)};
    SimulatedGateway gateway_;
    std::vector<std::unique_ptr<SimulatedClient>> members_;
    std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> wire_;
    std::uint64_t order_ = 0;
    std::vector<char> answered_;
    std::size_t open_ = 0; // members whose answer the gateway does not have
    Microseconds worked_{};
    Figures figures_;
};

// All that a client and its gateway have to say to one another, at once; what it cost the gateway.
double Office::join(SimulatedClient& client) {
    Microseconds spent{};
    client.engine->on_timeout(now_);
    auto from_client = client.take(now_);
    while (!from_client.empty()) {
        const auto requests = std::exchange(from_client, {});
        for (const auto& request : requests) {
            auto worked = gateway_.datagram(now_, {request.peer, request.local, request.bytes});
            spent += worked.time;
            for (const auto& reply : worked.datagrams)
                for (auto& each : client.datagram(now_, {reply.peer, reply.local, reply.bytes}))
                    from_client.push_back(std::move(each));
        }
    }
    return spent.count();
}

void Office::join_all() {
    std::vector<double> joins;
    for (std::size_t i = 0; i < figures_.members; ++i) {
        members_.push_back(std::make_unique<SimulatedClient>(i, random_, now_, kGroup));
        joins.push_back(join(*members_.back()));
    }
    require_generation(1);
    const auto sample = static_cast<std::ptrdiff_t>(std::min(sample_of(joins.size()), joins.size() / 2));
    figures_.last_to_first =
        median({joins.end() - sample, joins.end()}) / median({joins.begin(), joins.begin() + sample});
    figures_.ike_sas = members_.front()->engine->status().ike_sas.size();
}

// Every member has acknowledged that one, and none is missing.
void Office::require_generation(std::uint64_t generation) {
    const auto status = gateway_.engine().status();
    if (status.groups.size() != 1) give_up("the gateway has no group");
    const auto& standing = status.groups.front().standing;
    if (standing.generation == generation && standing.members == figures_.members && standing.behind == 0)
        return;
    give_up(fmt::format("of {} members {} have not acknowledged generation {}, and {} is wanted",
                        standing.members, standing.behind, standing.generation, generation));
}

void Office::send(std::vector<ike::Datagram> datagrams, bool to_gateway, std::size_t from) {
    for (auto& datagram : datagrams) {
        ++figures_.messages;
        if (chance_.below(100) < kLossPercent) continue;
        std::size_t member = from;
        if (!to_gateway) {
            const View octets = datagram.peer.address.view();
            member = (static_cast<std::size_t>(octets[13]) << 16) +
                     (static_cast<std::size_t>(octets[14]) << 8) + octets[15];
        }
        wire_.push({now_ + kOneWay,
                    ++order_,
                    to_gateway,
                    member,
                    {datagram.peer, datagram.local, std::move(datagram.bytes)}});
    }
}

void Office::deliver(const Arrival& arrival) {
    if (!arrival.at_gateway) {
        if (arrival.member >= members_.size()) give_up("a datagram to nobody");
        send(members_[arrival.member]->datagram(now_, arrival.datagram), true, arrival.member);
        return;
    }
    auto worked = gateway_.datagram(now_, arrival.datagram);
    worked_ += worked.time;
    if (!std::exchange(answered_[arrival.member], 1)) --open_;
    send(std::move(worked.datagrams), false, 0);
}

// Until the gateway has the answer of every member.
void Office::rekey() {
    answered_.assign(members_.size(), 0);
    open_ = members_.size();
    const Instant begin = now_;
    const auto work = [&](const std::function<void()>& verb) {
        auto worked = gateway_.work(now_, verb);
        worked_ += worked.time;
        send(std::move(worked.datagrams), false, 0);
    };
    work([&] {
        if (const auto done = gateway_.engine().command(now_, ike::RekeyGroup{kGroup}); !done)
            give_up(done.error());
    });
    while (open_ > 0) {
        const auto timer = gateway_.engine().next_timeout();
        if (!wire_.empty() && (!timer || wire_.top().when <= *timer)) {
            const Arrival arrival = wire_.top();
            wire_.pop();
            now_ = std::max(now_, arrival.when);
            deliver(arrival);
        } else {
            if (!timer || *timer > begin + kPatience) give_up("a rekeying does not end");
            now_ = std::max(now_, *timer);
            work([&] { gateway_.engine().on_timeout(now_); });
        }
    }
    require_generation(2);
    figures_.rekey_cpu_s = worked_.count() / 1e6;
    figures_.rekey_s = std::chrono::duration<double>(now_ - begin).count();
}

// Some more, in turns with clients that know nothing of groups.
void Office::measure_joins() {
    std::vector<double> joins, handshakes;
    for (std::size_t i = 0; i < sample_of(figures_.members); ++i) {
        const std::size_t index = figures_.members + 2 * i;
        SimulatedClient member(index, random_, now_, kGroup), client(index + 1, random_, now_);
        joins.push_back(join(member));
        handshakes.push_back(join(client));
    }
    figures_.join_us = median(joins);
    figures_.handshake_us = median(handshakes);
}

Figures Office::run() {
    const double before = heap();
    join_all();
    rekey();
    members_.clear();
    answered_ = {};
    wire_ = {};
    // What stays on the heap is the gateway's.
    figures_.octets = (heap() - before) / static_cast<double>(figures_.members);
    measure_joins();
    figures_.group = group_objects(figures_.members, false);
    figures_.rolling_group = group_objects(figures_.members, true);
    figures_.mesh = mesh_objects(figures_.members, false);
    figures_.rolling_mesh = mesh_objects(figures_.members, true);
    return figures_;
}

void print(const std::vector<Figures>& all) {
    fmt::print("The gateway ({} ms round trip, {} % of the datagrams lost):\n\n",
               kOneWay / milliseconds(1) * 2, kLossPercent);
    fmt::print("| members | a join, CPU | against a plain handshake | the last joins against the first | "
               "rekeying: messages | CPU | simulated | "
               "memory for a "
               "member |\n|---|---|---|---|---|---|---|---|\n");
    for (const auto& f : all)
        fmt::print("| {} | {:.0f} us | {:.2f} | {:.2f} | {} | {:.1f} ms | {:.2f} s | {:.0f} octets |\n",
                   f.members, f.join_us, f.join_us / f.handshake_us, f.last_to_first, f.messages,
                   f.rekey_cpu_s * 1000, f.rekey_s, f.octets);
    fmt::print("\nAn endpoint (in brackets: while a new SA takes over, or all Child SAs are rekeyed):\n\n");
    fmt::print("| members | group: IKE SAs | SAD | SPD | routes | marks | mesh: IKE SAs | SAD | SPD |\n"
               "|---|---|---|---|---|---|---|---|---|\n");
    for (const auto& f : all)
        fmt::print("| {} | {} | {} ({}) | {} | {} | {} | {} | {} ({}) | {} |\n", f.members, f.ike_sas,
                   f.group.states, f.rolling_group.states, f.group.policies, f.group.routes, f.group.marks,
                   f.members - 1, f.mesh.states, f.rolling_mesh.states, f.mesh.policies);
    const auto& most = all.back();
    fmt::print("\nrekeying of {} members: {:.2f} s of CPU (aim: 10,000 members in less than 10)\n",
               most.members, most.rekey_cpu_s);
}

Series series(const std::vector<Figures>& all, std::string name, std::string colour, auto&& value) {
    Series out{std::move(name), std::move(colour), {}};
    for (const auto& f : all)
        out.points.emplace_back(static_cast<double>(f.members), static_cast<double>(value(f)));
    return out;
}

void plot(const std::vector<Figures>& all, const std::string& path) {
    Panel cost{"Gateway: CPU time", "members", "milliseconds", {}};
    cost.series.push_back(
        series(all, "rekeying, all members", "#b03a2e", [](auto& f) { return f.rekey_cpu_s * 1000; }));
    cost.series.push_back(series(all, "one join", "#1f618d", [](auto& f) { return f.join_us / 1000; }));
    Panel objects{"Each endpoint: group and mesh", "members", "objects", {}};
    objects.series.push_back(series(all, "mesh: IKE SAs", "#b03a2e", [](auto& f) { return f.members - 1; }));
    objects.series.push_back(
        series(all, "mesh: in the kernel", "#ca6f1e", [](auto& f) { return f.mesh.total(); }));
    objects.series.push_back(
        series(all, "group: in the kernel", "#1f618d", [](auto& f) { return f.group.total(); }));
    objects.series.push_back(series(all, "group: IKE SAs", "#117a65", [](auto& f) { return f.ike_sas; }));
    std::ofstream(path) << svg({cost, objects});
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    for (int i = 2; i < argc; ++i)
        sizes.push_back(std::strtoul(argv[i], nullptr, 10));
    if (sizes.empty()) sizes = {10, 100, 1000, 10'000};
    if (std::ranges::any_of(sizes, [](std::size_t n) { return n < 2 || n > kMaxMembers; })) {
        std::fprintf(stderr, "usage: group [PLOT [MEMBERS, 2 to %zu ...]]\n", kMaxMembers);
        return 2;
    }
    std::vector<Figures> all;
    for (const std::size_t members : sizes)
        all.push_back(Office(members).run());
    print(all);
    if (argc > 1) plot(all, argv[1]);
    return 0;
}
