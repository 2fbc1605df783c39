// Begin, events and end of a Kernel's life: probe(), reconcile(), what the kernel tells by itself.
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/expansion.h"
#include "xfrm/kernel.h"
#include "xfrm/links.h"
#include "xfrm/marks.h"

#include <catch2/catch.hpp>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <set>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using kernel_test::prefix;
using test::carried_out;
using test::NetlinkKernel;

constexpr Instant kNow = test::kBenchStart;

std::unique_ptr<Kernel> open(NetlinkKernel& fake) {
    auto opened = Kernel::open(fake.os);
    REQUIRE(opened);
    return std::move(*opened);
}

using Fault = std::optional<NetlinkKernel::Fault>;

bool is_ipv6_state(int protocol, const nlmsghdr& message) {
    xfrm_usersa_info info{};
    return protocol == NETLINK_XFRM && message.nlmsg_type == XFRM_MSG_NEWSA &&
           netlink::read_fixed(message, &info, sizeof info) && info.family == AF_INET6;
}

Bytes bytes_of(const netlink::Message& message) { return {message.view().begin(), message.view().end()}; }

// As the kernel tells events: from the port of whoever caused them.
Bytes event_of(netlink::Builder& builder, std::uint32_t port) {
    Bytes out = bytes_of(builder.finish());
    reinterpret_cast<nlmsghdr*>(&out.at(0))->nlmsg_pid = port;
    return out;
}

Bytes removal_event(const StateId& id, std::uint32_t reqid, std::uint32_t port) {
    netlink::Builder out(XFRM_MSG_DELSA, 0);
    auto& fixed = out.fixed<xfrm_usersa_id>();
    std::ranges::copy(id.destination.view(), reinterpret_cast<std::uint8_t*>(&fixed.daddr));
    fixed.spi = htonl(id.spi);
    fixed.family = AF_INET6;
    fixed.proto = IPPROTO_ESP;
    xfrm_usersa_info info{};
    info.reqid = reqid;
    out.put_struct(XFRMA_SA, info);
    return event_of(out, port);
}

Bytes expiry_event(const StateId& id, std::uint32_t reqid, bool hard) {
    netlink::Builder out(XFRM_MSG_EXPIRE, 0);
    auto& fixed = out.fixed<xfrm_user_expire>();
    std::ranges::copy(id.destination.view(), reinterpret_cast<std::uint8_t*>(&fixed.state.id.daddr));
    fixed.state.id.spi = htonl(id.spi);
    fixed.state.id.proto = IPPROTO_ESP;
    fixed.state.family = AF_INET6;
    fixed.state.reqid = reqid;
    fixed.hard = hard ? 1 : 0;
    return event_of(out, 0);
}

// A state of affairs of other people, near to ours in every respect.
void add_foreign(NetlinkKernel& fake) {
    const auto put = [&](int protocol, const netlink::Message& message) {
        REQUIRE(fake.put(protocol, message) == 0);
    };
    const Client near{.n = 500};
    auto states = states_of(near.sas(), false);
    states->in.reqid = 7; // a foreign reqid with an if_id of our range
    put(NETLINK_XFRM, install_state(states->in));
    states->out.link = 7; // a reqid of our range with a foreign if_id
    put(NETLINK_XFRM, install_state(states->out));
    const auto policies = policies_of(near.policies());
    Policy policy = policies->front();
    policy.link = 7;
    put(NETLINK_XFRM, install_policy(policy));
    policy.link = near.number();
    policy.reqid = 7;
    put(NETLINK_XFRM, install_policy(policy));

    put(NETLINK_ROUTE,
        netlink::create_link({.index = 70, .name = "foreign0", .kind = "xfrm", .alias = {}, .if_id = 7}));
    put(NETLINK_ROUTE,
        netlink::create_link(
            {.index = 71, .name = "foreign1", .kind = "dummy", .alias = {}, .if_id = std::nullopt}));
    netlink::Route route{.destination = prefix("2001:db8:77::/64"),
                         .table = kRouteTable,
                         .protocol = 3,
                         .interface_index = 70,
                         .link = std::nullopt,
                         .preferred_source = std::nullopt};
    put(NETLINK_ROUTE, add_route(route));
    route.protocol = kProtocol;
    route.table = 77;
    put(NETLINK_ROUTE, add_route(route));
    netlink::Rule rule{.family = Family::ipv6,
                       .priority = kRoutePriority,
                       .table = 77,
                       .protocol = 3,
                       .suppress_prefix_length = std::nullopt};
    put(NETLINK_ROUTE, add_rule(rule));
    rule.protocol = kProtocol;
    rule.priority = 77;
    put(NETLINK_ROUTE, add_rule(rule));
}

} // namespace

TEST_CASE("a probe finds what is there and leaves nothing", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    auto found = kernel->probe();
    REQUIRE(found);
    CHECK(found->lacks.empty());
    CHECK(found->esp_ipv4);
    CHECK(found->esp_ipv6);
    CHECK(found->udp_encapsulation_ipv4);
    CHECK(found->udp_encapsulation_ipv6);
    CHECK(found->virtual_links);
    CHECK(found->shared_link);
    CHECK_FALSE(found->sa_direction); // the model takes any direction, as kernels do that do not know it
    CHECK(found->suites.size() == 16);
    CHECK(found->supports(kernel_test::kGcm));
    CHECK(fake.objects.empty());
    CHECK(fake.os.sent.size() <= 3);
}

TEST_CASE("a probe names what lacks and the remedy", "[xfrm]") {
    const auto lacks_with = [](std::function<Fault(int, const nlmsghdr&)> fault, auto check) {
        NetlinkKernel fake;
        fake.fault = [fault](std::size_t, int protocol, const nlmsghdr& message) {
            return fault(protocol, message);
        };
        auto kernel = open(fake);
        const auto found = kernel->probe();
        REQUIRE(found);
        check(*found);
        CHECK(fake.objects.empty());
        std::string out;
        for (const auto& lack : found->lacks)
            out += lack + "\n";
        return out;
    };
    CHECK(lacks_with(
              [](int protocol, const nlmsghdr& m) -> Fault {
                  if (is_ipv6_state(protocol, m)) return NetlinkKernel::Fault{.code = EPROTONOSUPPORT};
                  return std::nullopt;
              },
              [](const Abilities& found) {
                  CHECK_FALSE(found.esp_ipv6);
                  CHECK(found.esp_ipv4);
                  CHECK(found.suites.size() == 16);
              }) ==
          "ESP over IPv6 cannot be installed (EPROTONOSUPPORT: Protocol not supported): modprobe esp6, or "
          "take a kernel that has it\n");
    CHECK(lacks_with(
              [](int protocol, const nlmsghdr& m) -> Fault {
                  const auto state = protocol == NETLINK_XFRM ? parse_state(m) : std::nullopt;
                  if (state && state->aead && state->aead->name.starts_with("rfc7539esp"))
                      return NetlinkKernel::Fault{.code = ENOSYS,
                                                  .text = "Requested AEAD algorithm not found"};
                  return std::nullopt;
              },
              [](const Abilities& found) { CHECK(found.suites.size() == 15); }) ==
          "ESP with chacha20poly1305 cannot be installed (ENOSYS: Requested AEAD algorithm not found): "
          "modprobe -a "
          "chacha20poly1305 seqiv\n");
    CHECK(lacks_with(
              [](int protocol, const nlmsghdr& m) -> Fault {
                  if (protocol == NETLINK_ROUTE && m.nlmsg_type == RTM_NEWLINK)
                      return NetlinkKernel::Fault{.code = EOPNOTSUPP, .text = "Unknown device type"};
                  return std::nullopt;
              },
              [](const Abilities& found) { CHECK_FALSE(found.virtual_links); })
              .find("modprobe xfrm_interface") != std::string::npos);
    CHECK(lacks_with(
              [](int protocol, const nlmsghdr& m) -> Fault {
                  if (protocol == NETLINK_ROUTE && m.nlmsg_type == RTM_NEWROUTE)
                      return NetlinkKernel::Fault{.code = EOPNOTSUPP};
                  return std::nullopt;
              },
              [](const Abilities& found) {
                  CHECK(found.virtual_links);
                  CHECK_FALSE(found.shared_link);
              })
              .find("no gateway") != std::string::npos);
    CHECK(lacks_with(
              [](int protocol, const nlmsghdr& m) -> Fault {
                  const auto state = protocol == NETLINK_XFRM ? parse_state(m) : std::nullopt;
                  if (state && state->encapsulation && is_ipv6_state(protocol, m))
                      return NetlinkKernel::Fault{.code = EINVAL};
                  return std::nullopt;
              },
              [](const Abilities& found) { CHECK_FALSE(found.udp_encapsulation_ipv6); })
              .find("behind a NAT") != std::string::npos);
}

TEST_CASE("a kernel that knows the direction of SAs is told it", "[xfrm]") {
    NetlinkKernel fake;
    fake.fault = [](std::size_t, int protocol, const nlmsghdr& m) -> Fault {
        const auto state = protocol == NETLINK_XFRM ? parse_state(m) : std::nullopt;
        if (state && state->direction > SaDirection::out) return NetlinkKernel::Fault{.code = EINVAL};
        return std::nullopt;
    };
    auto kernel = open(fake);
    CHECK(kernel->probe()->sa_direction);
    REQUIRE(carried_out(*kernel, Client{.n = 1}.up()));
    std::set<SaDirection> seen;
    for (const auto& [key, object] : fake.objects) {
        if (const auto state = parse_state(test::header_of(object))) seen.insert(state->direction);
    }
    CHECK(seen == std::set{SaDirection::in, SaDirection::out});
}

TEST_CASE("what may hinder one attempt to load a module is asked twice", "[xfrm]") {
    NetlinkKernel fake;
    fake.fault = [](std::size_t nth, int, const nlmsghdr&) -> Fault {
        if (nth == 6) return NetlinkKernel::Fault{.code = ENOSYS};
        return std::nullopt;
    };
    CHECK(open(fake)->probe()->lacks.empty());
}

TEST_CASE("without the right to ask there is no answer but that", "[xfrm]") {
    NetlinkKernel fake;
    fake.fault = [](std::size_t, int, const nlmsghdr&) -> Fault {
        return NetlinkKernel::Fault{.code = EPERM};
    };
    CHECK(open(fake)->probe().error().find("CAP_NET_ADMIN") != std::string::npos);
    fake.fault = [](std::size_t, int, const nlmsghdr&) -> Fault {
        return NetlinkKernel::Fault{.silent = true};
    };
    CHECK(open(fake)->probe().error().find("did not answer") != std::string::npos);
    CHECK(open(fake)->reconcile()); // listings answer
}

TEST_CASE("the next life finds what is ours, removes it in few calls, and nothing else", "[xfrm]") {
    NetlinkKernel fake;
    add_foreign(fake);
    const auto foreign = fake.objects;
    {
        auto kernel = open(fake);
        for (unsigned n = 1; n <= 100; ++n)
            REQUIRE(carried_out(*kernel, Client{.n = n}.up()));
    }
    CHECK(fake.objects.size() == foreign.size() + 100 * 10 + 3);
    // The model keeps no alias, which the kernel has had from us.
    auto link = netlink::parse_link(test::header_of(fake.objects.at("link sheaf0")));
    link->if_id = child::kFirstLink;
    link->collect_metadata = false;
    fake.objects["link sheaf0"] = bytes_of(netlink::create_link(*link));

    auto kernel = open(fake);
    fake.os.sent.clear();
    const auto removed = kernel->reconcile();
    REQUIRE(removed);
    CHECK(*removed == Removed{.states = 200, .policies = 600, .routes = 200, .rules = 2, .links = 1});
    CHECK(removed->total() == 1003);
    CHECK(fake.objects == foreign);
    CHECK(fake.os.sent.size() <= 25);
    CHECK(kernel->reconcile()->total() == 0);
    CHECK(carried_out(*kernel, Client{.n = 1}.up()));
}

TEST_CASE("a removal that fails is told with what it was", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    REQUIRE(carried_out(*kernel, Client{.n = 1}.up()));
    fake.reset_faults();
    fake.fault = [](std::size_t, int protocol, const nlmsghdr& message) -> Fault {
        if (protocol == NETLINK_XFRM && message.nlmsg_type == XFRM_MSG_DELSA)
            return NetlinkKernel::Fault{.code = EBUSY};
        if (protocol == NETLINK_ROUTE && message.nlmsg_type == RTM_DELROUTE)
            return NetlinkKernel::Fault{.code = ESRCH}; // gone meanwhile
        return std::nullopt;
    };
    const auto removed = kernel->reconcile();
    REQUIRE_FALSE(removed);
    CHECK(removed.error().starts_with("SA "));
    CHECK(removed.error().find("remove: EBUSY") != std::string::npos);
    CHECK(removed.error().ends_with("and 1 more failures"));
}

TEST_CASE("a Kernel forgets its links when all is removed", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    REQUIRE(carried_out(*kernel, Client{.n = 1}.up()));
    fake.objects.clear();
    REQUIRE(kernel->reconcile());
    CHECK(carried_out(*kernel, Client{.n = 1}.up()));
}

TEST_CASE("intents under way end before a reconciliation", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    for (unsigned n = 1; n <= 5; ++n) {
        child::KernelIntent intent;
        intent.id = n;
        intent.steps = Client{.n = n}.up();
        kernel->apply(std::move(intent), kNow);
    }
    const auto removed = kernel->reconcile();
    REQUIRE(removed);
    CHECK(removed->states == 10);
    CHECK(kernel->take_events().size() == 5);
}

TEST_CASE("what others do to our SAs is told, what we do is not", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    const int events = fake.os.fd_of(NETLINK_XFRM, 1);
    const auto own_port = static_cast<std::uint32_t>(fake.os.fd_of(NETLINK_XFRM, 0)) + 5000;
    const StateId id{ip("2001:db8::1"), 0x77};
    fake.os.deliver(events, removal_event(id, child::kFirstLink + 1, own_port));
    fake.os.deliver(events, removal_event(id, 7, 4711)); // not of our range
    fake.os.deliver(events, expiry_event(id, 7, true));
    kernel->on_readable(kNow);
    CHECK(kernel->take_events().empty());
    fake.os.deliver(events, removal_event(id, child::kFirstLink + 1, 4711));
    fake.os.deliver(events, expiry_event(id, child::kLastLink, true));
    fake.os.deliver(events, expiry_event(id, child::kLastLink, false));
    kernel->on_readable(kNow);
    const auto told = kernel->take_events();
    REQUIRE(told.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& gone = std::get<child::SaGone>(told[i]);
        CHECK(gone.destination == id.destination);
        CHECK(gone.spi == id.spi);
        CHECK(gone.hard == (i < 2));
    }
}

TEST_CASE("a packet for which there is no SA is told by its addresses and ports", "[xfrm]") {
    const auto told = [](std::uint32_t reqid, std::uint8_t protocol, std::uint16_t sport,
                         std::uint16_t dport) {
        netlink::Builder out(XFRM_MSG_ACQUIRE, 0);
        auto& wanted = out.fixed<xfrm_user_acquire>();
        wanted.id.proto = IPPROTO_ESP;
        wanted.sel.family = AF_INET;
        wanted.sel.saddr.a4 = htonl(0x0a000001);
        wanted.sel.daddr.a4 = htonl(0x0a000002);
        wanted.sel.proto = protocol;
        wanted.sel.sport = htons(sport);
        wanted.sel.dport = htons(dport);
        xfrm_user_tmpl wish{};
        wish.reqid = reqid;
        out.put_struct(XFRMA_TMPL, wish);
        NetlinkKernel fake;
        auto kernel = open(fake);
        fake.os.deliver(fake.os.fd_of(NETLINK_XFRM, 1), event_of(out, 0));
        kernel->on_readable(kNow);
        return kernel->take_events();
    };
    CHECK(told(7, 17, 1000, 53).empty());
    const auto events = told(child::kFirstLink + 5, 17, 1000, 53);
    REQUIRE(events.size() == 1);
    const auto& acquire = std::get<child::Acquire>(events[0]);
    CHECK(acquire.reqid == child::kFirstLink + 5);
    CHECK(acquire.local == wire::TrafficSelector{17, 1000, 1000, ip("10.0.0.1"), ip("10.0.0.1")});
    CHECK(acquire.remote == wire::TrafficSelector{17, 53, 53, ip("10.0.0.2"), ip("10.0.0.2")});
    for (const std::uint8_t protocol : std::array<std::uint8_t, 4>{1, 58, 135, 47}) {
        INFO("protocol " << int{protocol});
        const bool types = protocol != 47;
        const auto some = told(child::kFirstLink, protocol, types ? 8 : 0, 0);
        REQUIRE(some.size() == 1);
        CHECK(std::get<child::Acquire>(some[0]).local ==
              wire::TrafficSelector{protocol, 0, 65535, ip("10.0.0.1"), ip("10.0.0.1")});
    }
}

TEST_CASE("that a NAT has changed its mind is told of SAs of ours", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    for (const std::uint32_t reqid : {child::kFirstLink + 1, std::uint32_t{7}}) {
        netlink::Builder out(XFRM_MSG_MAPPING, 0);
        auto& moved = out.fixed<xfrm_user_mapping>();
        moved.id.family = AF_INET;
        moved.id.proto = IPPROTO_ESP;
        moved.id.daddr.a4 = htonl(0xc0000201);
        moved.id.spi = htonl(0x77);
        moved.reqid = reqid;
        moved.new_saddr.a4 = htonl(0xc6336405);
        moved.new_sport = htons(1234);
        fake.os.deliver(fake.os.fd_of(NETLINK_XFRM, 1), event_of(out, 0));
    }
    kernel->on_readable(kNow);
    const auto events = kernel->take_events();
    REQUIRE(events.size() == 1);
    const auto& moved = std::get<child::PeerMoved>(events[0]);
    CHECK(moved.destination == ip("192.0.2.1"));
    CHECK(moved.spi == 0x77);
    CHECK(moved.peer == Endpoint{ip("198.51.100.5"), 1234});
}

TEST_CASE("the place of an SA that the kernel has asked for is no SA", "[xfrm]") {
    const StateId place{ip("2001:db8::1"), 0};
    NetlinkKernel fake;
    auto kernel = open(fake);
    fake.os.deliver(fake.os.fd_of(NETLINK_XFRM, 1), expiry_event(place, child::kFirstLink, true));
    fake.os.deliver(fake.os.fd_of(NETLINK_XFRM, 1), removal_event(place, child::kFirstLink, 4711));
    kernel->on_readable(kNow);
    CHECK(kernel->take_events().empty());
    auto states = states_of(Client{.n = 1}.sas(), false);
    states->out.id.spi = 0;
    CHECK_FALSE(parse_state(install_state(states->out).header()));
}

TEST_CASE("after lost events all SAs are told, after the intents under way and before the next", "[xfrm]") {
    NetlinkKernel fake;
    auto kernel = open(fake);
    REQUIRE(carried_out(*kernel, Client{.n = 1}.up()));
    add_foreign(fake);
    static_cast<void>(
        fake.put(NETLINK_XFRM, remove_state(outbound_id(Client{.n = 500}.pair())))); // has our reqid
    const int events = fake.os.fd_of(NETLINK_XFRM, 1);
    const auto intent = [&](child::IntentId id, unsigned n) {
        child::KernelIntent out;
        out.id = id;
        out.steps = Client{.n = n}.up();
        return out;
    };
    // The first is under way when the loss is noticed, the second is not.
    fake.reset_faults();
    bool silent = true;
    fake.fault = [&](std::size_t nth, int, const nlmsghdr&) -> Fault {
        if (nth == 0 && silent) return NetlinkKernel::Fault{.silent = true, .carried_out = true};
        return std::nullopt;
    };
    kernel->apply(intent(2, 2), kNow);
    kernel->flush(kNow);
    silent = false;
    fake.os.overrun(events);
    kernel->apply(intent(3, 3), kNow);
    kernel->on_readable(kNow);
    kernel->on_timeout(kNow + std::chrono::seconds(20));
    std::vector<child::KernelEvent> told;
    for (int i = 0; i < 20; ++i) {
        kernel->flush(kNow + std::chrono::seconds(20));
        kernel->on_readable(kNow + std::chrono::seconds(20));
        std::ranges::move(kernel->take_events(), std::back_inserter(told));
    }
    REQUIRE(told.size() == 3);
    CHECK(std::get<child::IntentDone>(told[0]).id == 2);
    const auto& present = std::get<child::SasPresent>(told[1]);
    const auto pair = Client{.n = 1}.pair();
    std::vector<child::SasPresent::Sa> wanted{{pair.local.address, pair.spi_in},
                                              {pair.peer.address, pair.spi_out}};
    auto seen = present.sas;
    std::ranges::sort(seen);
    std::ranges::sort(wanted);
    CHECK(seen == wanted);
    CHECK(std::get<child::IntentDone>(told[2]).id == 3);
}

} // namespace sheaf::xfrm
