#include "daemon/mobility_socket.h"
#include "lib/mobility/codec.h"
#include "lib/mobility/prefix_message.h"
#include "test/kernel/mobile_net.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"

#include <algorithm>
#include <netinet/in.h>

namespace sheaf::kernel_test {
namespace {

using child::MobilityRole;
using daemon::MobilityAddresses;
using daemon::MobilityDatagram;
using daemon::MobilitySocket;

const char* const kHome = "2001:db8:1::100";
const char* const kOtherHome = "2001:db8:1::101";
const char* const kAgent = "2001:db8:13::1";
const char* const kCorrespondent = "2001:db8:9::2";
const char* const kBehind = "2001:db8:2:1::1"; // the mobile node in its own network

Bytes encoded(const mobility::Message& message) { return mobility::encode_message(message).value(); }

MobilityDatagram update_over(unsigned bid, const char* home = kHome) {
    mobility::BindingUpdate update;
    update.sequence = static_cast<std::uint16_t>(bid);
    update.flags = mobility::kAcknowledge | mobility::kHomeRegistration;
    update.lifetime = 100;
    return {{ip(home), ip(kAgent), std::nullopt},
            encoded(update),
            bid == 0 ? 0 : child::path_mark(static_cast<std::uint16_t>(bid))};
}

MobilityDatagram ack_over(unsigned bid) {
    mobility::BindingAck ack;
    ack.sequence = static_cast<std::uint16_t>(bid);
    return {{ip(kAgent), ip(kHome), MobileNet::care_of(bid)}, encoded(ack), 0};
}

std::optional<MobilitySocket> socket_in(const World& world,
                                        std::uint8_t protocol = mobility::kMobilityProtocol) {
    world.enter();
    auto opened = MobilitySocket::open(protocol);
    if (!opened) std::printf("# %s\n", opened.error().c_str());
    if (!opened) return std::nullopt;
    return std::move(*opened);
}

// The headers of an IPv6 packet up to ESP, as their numbers.
std::vector<unsigned> headers_of(const Bytes& packet) {
    constexpr std::size_t kFixed = 40, kNextHeader = 6;
    constexpr unsigned kRouting = 43, kOptions = 60;
    std::vector<unsigned> out;
    if (packet.size() < kFixed) return out;
    std::size_t at = kFixed;
    for (unsigned next = packet[kNextHeader];;) {
        out.push_back(next);
        if ((next != kRouting && next != kOptions) || at + 1 >= packet.size()) return out;
        next = packet[at];
        at += (packet[at + 1] + 1U) * 8;
    }
}

bool has(const Bytes& packet, const char* address) {
    const View octets = ip(address).view();
    return std::ranges::search(packet, octets).begin() != packet.end();
}

struct Sockets {
    std::optional<MobilitySocket> agent, mobile;
    explicit Sockets(const MobileNet& net)
        : agent(socket_in(net.agent.world)), mobile(socket_in(net.mobile.world)) {}
    [[nodiscard]] bool open() const { return agent && mobile; }
};

// Which of the payload's SAs of an end have carried more since.
std::vector<std::uint32_t> used_since(MobileNet::End& end,
                                      const std::map<std::uint32_t, std::uint64_t>& before) {
    std::vector<std::uint32_t> out;
    for (const auto& [spi, packets] : MobileNet::carried(end)) {
        const auto was = before.find(spi);
        if (packets > (was == before.end() ? 0 : was->second)) out.push_back(spi);
    }
    return out;
}

// Whether a datagram there and back goes by the SAs of that binding, and of no other.
bool goes_over(MobileNet& net, const UdpHost& mobile, std::uint16_t port, unsigned bid) {
    const auto before = MobileNet::carried(net.agent);
    if (!exchange(net, mobile, port)) return false;
    return used_since(net.agent, before) ==
           std::vector<std::uint32_t>{MobileNet::payload_in(bid), MobileNet::payload_out(bid)};
}

std::string left_over(MobileNet::End& end) {
    const Snapshot now = end.world.look();
    std::string out = now == end.bare ? "" : now.to_string();
    out += output(end.world, "ip xfrm state; ip xfrm policy; nft list ruleset; ip -6 neigh show proxy");
    return out;
}

using Type = mobility::PrefixMessageType;

// Of ICMPv6, for one type of message.
std::optional<MobilitySocket> prefix_socket(const World& world, Type type) {
    auto out = socket_in(world, mobility::kIcmp6Protocol);
    if (out && !out->let_in({type})) out.reset();
    return out;
}

MobilityDatagram question_over(unsigned bid) {
    return {{ip(kHome), ip(kAgent), std::nullopt},
            mobility::encode_prefix_message(mobility::PrefixSolicitation{static_cast<std::uint16_t>(bid)}),
            bid == 0 ? 0 : child::path_mark(static_cast<std::uint16_t>(bid))};
}

MobilityDatagram answer_over(unsigned bid) {
    const mobility::PrefixAdvertisement answer{static_cast<std::uint16_t>(bid),
                                               {{prefix("2001:db8:1::/64")}, {prefix("2001:db8:2::/64")}}};
    return {{ip(kAgent), ip(kHome), MobileNet::care_of(bid)}, mobility::encode_prefix_message(answer), 0};
}

// With the SAs of prefix discovery and its policies, or without either, at both ends.
std::string allow_prefixes(MobileNet& net, bool allow) {
    std::string out;
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto& end = role == MobilityRole::home_agent ? net.agent : net.mobile;
        auto link = MobileNet::registered(MobileNet::picture(role), {1, 2});
        if (allow) link.prefix_discovery = MobileNet::kPrefixes;
        std::vector<child::KernelStep> steps;
        if (allow) steps.emplace_back(MobileNet::prefixes(role));
        if (!allow) steps.emplace_back(child::RemoveSas{MobileNet::prefixes(role).id});
        steps.emplace_back(child::UpdateMobility{link});
        out += end.outcome(std::move(steps));
    }
    return out;
}

bool ping_each_other(const MobileNet& net) {
    return ping(net.mobile.world, "-I 2001:db8:1::100 2001:db8:13::1") &&
           ping(net.agent.world, "-I 2001:db8:13::1 2001:db8:1::100");
}

void check_question(Report& report, const MobileNet& net, MobilitySocket& agent, MobilitySocket& mobile,
                    unsigned bid) {
    const std::string name = "care-of address " + std::to_string(bid);
    const Wire wire(net.agent.world, bid == 1 ? "w0" : "w1");
    report.check(mobile.send(question_over(bid)) == 0, name + ": a solicitation is sent");
    const auto question = next_message(agent);
    report.check(question &&
                     question->addresses == MobilityAddresses{ip(kHome), ip(kAgent), MobileNet::care_of(bid)},
                 name + ": it comes from the home address, and the care-of address is told",
                 output(net.agent.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));
    report.check(question && mobility::parse_prefix_message(question->header), name + ": as it was sent");
    const Bytes there = wire.packet(MobileNet::care_of(bid), ip(kAgent));
    report.check(headers_of(there) == std::vector<unsigned>{60, 50} && has(there, kHome),
                 name + ": on the wire it is ESP behind a home address option");
    report.check(agent.send(answer_over(bid)) == 0, name + ": the advertisement is sent");
    const auto answer = next_message(mobile);
    report.check(answer &&
                     answer->addresses == MobilityAddresses{ip(kAgent), ip(kHome), MobileNet::care_of(bid)},
                 name + ": it comes to the home address",
                 output(net.mobile.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));
    const auto parsed =
        answer ? mobility::parse_prefix_message(answer->header) : std::unexpected(Rule::bad_prefix_message);
    report.check(parsed && std::get<mobility::PrefixAdvertisement>(*parsed).prefixes.size() == 2,
                 name + ": with its prefixes");
    const Bytes back = wire.packet(ip(kAgent), MobileNet::care_of(bid));
    report.check(headers_of(back) == std::vector<unsigned>{43, 50} && has(back, kHome),
                 name + ": on the wire it is ESP behind a type 2 routing header");
}

} // namespace

void test_mobility_signalling(Report& report) {
    report.begin("signalling of Mobile IPv6");
    MobileNet net;
    if (!bring_up(report, net, {})) return;
    Sockets sockets(net);
    if (!report.check(sockets.open(), "both have a socket for Mobility Headers")) return;
    for (const unsigned bid : {1U, 2U}) {
        const std::string name = "care-of address " + std::to_string(bid);
        const Wire wire(net.agent.world, bid == 1 ? "w0" : "w1");
        report.check(sockets.mobile->send(update_over(bid)) == 0, name + ": a Binding Update is sent");
        const auto update = next_message(*sockets.agent);
        report.check(update && update->addresses ==
                                   MobilityAddresses{ip(kHome), ip(kAgent), MobileNet::care_of(bid)},
                     name + ": it comes from the home address, and the care-of address is told");
        report.check(update && mobility::parse_message(update->header), name + ": as it was sent");
        const Bytes there = wire.packet(MobileNet::care_of(bid), ip(kAgent));
        report.check(headers_of(there) == std::vector<unsigned>{60, 50} && has(there, kHome),
                     name + ": on the wire it is ESP behind a home address option");
        report.check(sockets.agent->send(ack_over(bid)) == 0, name + ": the acknowledgement is sent");
        const auto ack = next_message(*sockets.mobile);
        report.check(ack &&
                         ack->addresses == MobilityAddresses{ip(kAgent), ip(kHome), MobileNet::care_of(bid)},
                     name + ": it comes to the home address");
        const Bytes back = wire.packet(ip(kAgent), MobileNet::care_of(bid));
        report.check(headers_of(back) == std::vector<unsigned>{43, 50} && has(back, kHome),
                     name + ": on the wire it is ESP behind a type 2 routing header");
    }
}

void test_mobility_refusals(Report& report) {
    report.begin("what a home agent of Mobile IPv6 refuses");
    MobileNet net;
    if (!bring_up(report, net, {1})) return;
    Sockets sockets(net);
    auto stranger = socket_in(net.correspondent);
    if (!report.check(sockets.open() && stranger, "all have a socket for Mobility Headers")) return;
    const auto refused = [&](const char* name, const std::string& what, auto send) {
        const auto before = counter(net.agent.world, name);
        send();
        report.check(!next_message(*sockets.agent, 300) && counter(net.agent.world, name) > before,
                     what + " (" + name + ")",
                     output(net.agent.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));
    };
    refused("XfrmInPolBlock", "a Binding Update in the clear from elsewhere is dropped", [&] {
        auto update = update_over(0);
        update.addresses.source = ip(kCorrespondent);
        static_cast<void>(stranger->send(update));
    });
    net.correspondent.enter();
    shell("ip -6 addr add 2001:db8:1::100/128 dev lo nodad");
    refused("XfrmInTmplMismatch", "and so is one in the clear from the home address",
            [&] { static_cast<void>(stranger->send(update_over(0))); });

    // By the SAs of the payload.
    const auto carried = MobileNet::carried(net.agent);
    refused("XfrmInPolBlock", "a Binding Update in the tunnel is dropped", [&] {
        auto update = update_over(0);
        update.addresses.source = ip(kBehind);
        update.mark = 1; // none that keeps it out
        static_cast<void>(sockets.mobile->send(update));
    });
    report.check(used_since(net.agent, carried) == std::vector<std::uint32_t>{MobileNet::payload_in(1)},
                 "where it has come to the end of the tunnel");
    net.correspondent.enter();
    shell("ip -6 addr del 2001:db8:1::100/128 dev lo; ip -6 addr add 2001:db8:13::1/128 dev lo nodad");
    auto ack = ack_over(0);
    ack.addresses.care_of.reset();
    const auto acknowledged = [&](const World& where) {
        const auto before = counter(where, "XfrmInPolBlock");
        static_cast<void>(stranger->send(ack));
        const bool received = next_message(*sockets.mobile, 300).has_value();
        return received || counter(where, "XfrmInPolBlock") == before;
    };
    report.check(!acknowledged(net.agent.world),
                 "the home agent passes on no acknowledgement that somebody sends in its name");
    net.agent.world.enter(); // another one would
    for (const char* direction : {"fwd", "out"})
        shell(std::string(
                  "ip xfrm policy delete src 2001:db8:13::1/128 dst 2001:db8:1::100/128 proto 135 dir ") +
              direction);
    report.check(!acknowledged(net.mobile.world), "and the mobile node takes none from the tunnel",
                 output(net.mobile.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));

    // Another mobile node's home address, of which the home agent knows as well, under this node's SA.
    auto other = MobileNet::picture(MobilityRole::home_agent);
    other.number += 10;
    other.signalling += 10;
    other.home = ip(kOtherHome);
    other.networks.clear();
    report.check(net.agent.outcome(child::OpenMobility{other}).empty(), "there is another home address");
    net.mobile.world.enter();
    static_cast<void>(net.mobile.kernel->reconcile());
    shell("ip -6 addr add 2001:db8:1::101/128 dev lo nodad");
    const auto forged = [&](child::MobilityLink link) {
        link.home = ip(kOtherHome);
        std::vector<child::KernelStep> steps;
        auto sas = MobileNet::signalling(MobilityRole::mobile_node);
        sas.id.local.address = ip(kOtherHome);
        steps.emplace_back(child::OpenMobility{std::move(link)});
        steps.emplace_back(std::move(sas));
        for (const unsigned bid : {1U, 2U})
            steps.emplace_back(MobileNet::payload(MobilityRole::mobile_node, bid));
        return net.mobile.outcome(std::move(steps));
    };
    const std::string forging =
        forged(MobileNet::registered(MobileNet::picture(MobilityRole::mobile_node), {1}));
    report.check(forging.empty(), "a mobile node takes it for its own", forging);
    refused("XfrmInStateMismatch", "a Binding Update of it under the first one's SA is dropped",
            [&] { static_cast<void>(sockets.mobile->send(update_over(1, kOtherHome))); });
    refused("XfrmInNoPols", "and so is its payload", [&] {
        const UdpHost sender(net.mobile.world, ip(kOtherHome), 7000);
        for (int i = 0; i < 2; ++i) // the SAs are made anew, and the first number was used above
            sender.send({ip(kCorrespondent), 5001});
    });
}

void test_mobility_flows(Report& report) {
    report.begin("payload of Mobile IPv6 over two care-of addresses");
    MobileNet net;
    if (!bring_up(report, net, {1, 2})) return;
    const UdpHost mobile(net.mobile.world, ip(kHome), 7000), behind(net.mobile.world, ip(kBehind), 7001);
    const auto both_ways = [&](const UdpHost& host, std::uint16_t port, unsigned bid,
                               const std::string& what) {
        report.check(goes_over(net, host, port, bid), what,
                     output(net.agent.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));
    };
    both_ways(mobile, 5001, 1, "one flow takes the first, there and back");
    both_ways(mobile, 5002, 2, "another takes the second, there and back");
    both_ways(mobile, 5003, 1, "what is of no flow takes the default");
    both_ways(behind, 5001, 1, "the mobile network is reached over the first");
    both_ways(behind, 5002, 2, "and over the second");
    report.check(ping(net.correspondent, kHome), "the home address answers");

    report.check(net.update({1}), "the second is gone");
    both_ways(mobile, 5002, 1, "its flow takes the first");
    both_ways(behind, 5002, 1, "and so does that of the mobile network");
    report.check(net.update({2}), "the second is there again, and the first is gone");
    both_ways(mobile, 5001, 2, "the flow of the first takes the second");
    both_ways(mobile, 5003, 2, "and so does what is of no flow");
    report.check(net.update({1, 2}), "both are there again");
    both_ways(mobile, 5001, 1, "the flows go back: to the first");
    both_ways(mobile, 5002, 2, "and to the second");

    // Where only the home agent knows that it is gone.
    report.check(net.agent
                     .outcome(child::UpdateMobility{
                         MobileNet::registered(MobileNet::picture(MobilityRole::home_agent), {1})})
                     .empty(),
                 "the home agent alone takes the second away");
    report.check(!exchange(net, mobile, 5002, 1000), "payload from there is dropped");
    const std::string table = output(net.agent.world, "nft list table inet sheaf-mobility");
    report.check(table.find("counter packets 1 ") != std::string::npos, "and the kernel counts it", table);
    report.check(exchange(net, mobile, 5001), "that of the first goes on");
}

void test_mobility_prefixes(Report& report) {
    report.begin("prefix discovery of Mobile IPv6");
    MobileNet net;
    if (!bring_up(report, net, {1, 2})) return;
    auto agent = prefix_socket(net.agent.world, Type::solicitation);
    auto mobile = prefix_socket(net.mobile.world, Type::advertisement);
    auto stranger = prefix_socket(net.correspondent, Type::advertisement);
    if (!report.check(agent && mobile && stranger, "all have a socket for prefix discovery")) return;
    report.check(ping_each_other(net), "home address and home agent reach each other by ping");
    report.check(!next_message(*agent, 300) && !next_message(*mobile, 300),
                 "of which the sockets see nothing");

    const std::string error = allow_prefixes(net, true);
    report.check(error.empty(), "SAs and policies for prefix discovery are installed at both ends", error);
    for (const unsigned bid : {1U, 2U})
        check_question(report, net, *agent, *mobile, bid);
    const auto before = MobileNet::carried(net.agent);
    report.check(ping_each_other(net), "ping goes on",
                 output(net.agent.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat") +
                     output(net.mobile.world, "grep -v ' 0$' /proc/thread-self/net/xfrm_stat"));
    const auto used = used_since(net.agent, before);
    report.check(!used.empty() && std::ranges::none_of(used,
                                                       [](std::uint32_t spi) {
                                                           return spi == MobileNet::kPrefixesIn ||
                                                                  spi == MobileNet::kPrefixesOut;
                                                       }),
                 "by the SAs of the payload");
    net.correspondent.enter();
    shell("ip -6 addr add 2001:db8:1::100/128 dev lo nodad");
    const auto dropped = counter(net.agent.world, "XfrmInTmplMismatch");
    static_cast<void>(stranger->send(question_over(0)));
    report.check(!next_message(*agent, 300) && counter(net.agent.world, "XfrmInTmplMismatch") > dropped,
                 "a solicitation in the clear from the home address is dropped");
    net.correspondent.enter();
    shell("ip -6 addr del 2001:db8:1::100/128 dev lo");

    const std::string end = allow_prefixes(net, false);
    report.check(end.empty(), "they are removed", end);
    for (auto* host : {&net.agent, &net.mobile})
        report.check(output(host->world, "ip xfrm policy | grep -E 'proto (58|ipv6-icmp)'").empty(),
                     "no policy speaks of ICMPv6 between the two any more",
                     output(host->world, "ip xfrm policy"));
    report.check(ping_each_other(net), "and ping goes on");
}

void test_mobility_source(Report& report) {
    report.begin("which source the packets of a mobile node have");
    MobileNet net;
    std::string why;
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto& end = role == MobilityRole::home_agent ? net.agent : net.mobile;
        auto link = MobileNet::registered(MobileNet::picture(role), {1});
        link.correspondents = {prefix("2001:db8:9::/64")};
        why += end.outcome(MobileNet::up(std::move(link)));
    }
    if (!report.check(why.empty(), "a home address with one correspondent network is there", why)) return;
    const UdpHost mobile(net.mobile.world, ip("::"), 7000);
    const UdpHost correspondent(net.correspondent, ip(kCorrespondent), 5003);
    const UdpHost other(net.agent.world, ip("2001:db8:a::1"), 5003);
    mobile.send({ip(kCorrespondent), 5003});
    const auto tunnelled = correspondent.receive();
    report.check(tunnelled && tunnelled->address == ip(kHome), "the home address in the tunnel",
                 tunnelled ? tunnelled->to_string() : "no datagram");
    mobile.send({ip("2001:db8:a::1"), 5003});
    const auto direct = other.receive();
    report.check(direct && direct->address == MobileNet::care_of(1), "the care-of address beside it",
                 direct ? direct->to_string() : "no datagram");
}

void test_mobility_flush(Report& report) {
    report.begin("entries for care-of addresses that somebody else removes");
    MobileNet net;
    if (!bring_up(report, net, {1})) return;
    Sockets sockets(net);
    if (!report.check(sockets.open(), "both have a socket for Mobility Headers")) return;
    const auto passes = [&] {
        if (sockets.mobile->send(update_over(1)) != 0 || !next_message(*sockets.agent)) return false;
        return sockets.agent->send(ack_over(1)) == 0 && next_message(*sockets.mobile).has_value();
    };
    report.check(passes(), "signalling passes there and back");
    for (const char* how : {"deleteall", "flush"}) {
        for (auto* end : {&net.agent, &net.mobile}) {
            end->world.enter();
            for (const char* kind : {"hao", "route2"})
                shell(std::string("ip xfrm state ") + how + " proto " + kind);
            static_cast<void>(sockets.mobile->send(update_over(1))); // meanwhile
            static_cast<void>(events_within(*end->kernel, std::chrono::milliseconds(300)));
        }
        while (next_message(*sockets.agent, 100))
            continue;
        report.check(passes(), std::string("and so it does after ip xfrm state ") + how,
                     output(net.agent.world, "ip xfrm state") + output(net.mobile.world, "ip xfrm state"));
    }
}

void test_mobility_end(Report& report) {
    report.begin("the end of a home address");
    MobileNet net;
    if (!bring_up(report, net, {1, 2})) return;
    auto with_proxy = MobileNet::registered(MobileNet::picture(MobilityRole::home_agent), {1, 2});
    with_proxy.home_interface = "lan0";
    const std::string error = net.agent.outcome(child::UpdateMobility{with_proxy});
    report.check(error.empty() &&
                     output(net.agent.world, "ip -6 neigh show proxy").find(kHome) != std::string::npos,
                 "the home agent answers for it on the home link", error);
    const auto answers = [&] { return output(net.agent.world, "ip -6 neigh show proxy"); };
    net.agent.world.enter();
    shell("ip -6 neigh add proxy 2001:db8:1::100 dev w0");
    with_proxy.home_interface = "w0";
    report.check(net.agent.outcome(child::UpdateMobility{with_proxy}).empty() &&
                     answers().find("lan0") == std::string::npos,
                 "it moves to another interface, where an operator has it already", answers());
    with_proxy.home_interface.clear();
    report.check(net.agent.outcome(child::UpdateMobility{with_proxy}).empty() &&
                     answers().find("w0") != std::string::npos,
                 "and the operator's stays", answers());
    net.agent.world.enter();
    shell("ip -6 neigh del proxy 2001:db8:1::100 dev w0");
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto& end = role == MobilityRole::home_agent ? net.agent : net.mobile;
        const std::string name = role == MobilityRole::home_agent ? "the home agent" : "the mobile node";
        const std::string why = end.outcome(MobileNet::down(role));
        report.check(why.empty() && left_over(end).empty(), "nothing is left at " + name,
                     why + left_over(end));
        const std::string again =
            end.outcome(MobileNet::up(MobileNet::registered(MobileNet::picture(role), {1})));
        report.check(again.empty(), name + " has it again", again);
        end.kernel.reset(); // as a daemon that ends at once
        end.kernel = end.world.kernel();
        const auto removed = end.kernel->reconcile();
        report.check(removed && removed->total() > 0 && left_over(end).empty(),
                     "and what a restart finds there is removed", left_over(end));
    }
}

} // namespace sheaf::kernel_test
