#include "test/kernel/samples.h"

#include <array>
#include <cstdio>
#include <string>

namespace sheaf::kernel_test {
namespace {

Secret pattern(std::size_t size, unsigned seed) {
    Secret out(size);
    for (auto& octet : out.span())
        octet = static_cast<std::uint8_t>(seed = seed * 31 + 7);
    return out;
}

template <typename... Numbers>
std::string text(const char* format, Numbers... numbers) {
    std::array<char, 64> out{};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    std::snprintf(out.data(), out.size(), format, numbers...);
#pragma GCC diagnostic pop
    return out.data();
}

} // namespace

IpAddress ip(std::string_view address) { return IpAddress::parse(address).value(); }
Prefix prefix(std::string_view block) { return Prefix::parse(block).value(); }

wire::TrafficSelector selector(std::string_view block) {
    wire::TrafficSelector out;
    out.start = prefix(block).address();
    out.end = prefix(block).last();
    return out;
}

child::EspKeys keys(const crypto::EspSuite& suite, std::uint8_t seed) {
    return {pattern(crypto::encr_key_length({suite.encr, suite.key_bits}), seed),
            pattern(crypto::integ_key_length(suite.integ), seed + 100U)};
}

Prefix Client::prefix6() const { return prefix(text("2001:db8:100:%x::/64", n)); }
IpAddress Client::address4() const { return ip(text("10.77.%u.%u", n / 256, n % 256)); }

child::SaPairId Client::pair() const {
    Endpoint gateway{ipv4_outside ? ip("203.0.113.2") : ip("2001:db8:13::2"), 4500};
    Endpoint client{ipv4_outside ? ip(text("198.51.%u.%u", n / 256, n % 256)) : ip(text("2001:db8:7::%x", n)),
                    4500};
    child::SaPairId out{
        .link = number(), .local = gateway, .peer = client, .spi_in = 0x10000 + n, .spi_out = 0x20000 + n};
    if (role == child::LinkRole::client) {
        std::swap(out.local, out.peer);
        std::swap(out.spi_in, out.spi_out);
    }
    return out;
}

child::InstallSas Client::sas() const {
    const bool client = role == child::LinkRole::client;
    return {.id = pair(),
            .mode = mode,
            .on_interface = on_interface,
            .udp_encapsulation = udp_encapsulation,
            .role = role,
            .suite = suite,
            .in = keys(suite, client ? 2 : 1),
            .out = keys(suite, client ? 1 : 2),
            .replay_window = replay_window,
            .limits = limits,
            .outer = outer};
}

child::Link Client::link() const {
    child::Link out{.number = number(), .role = role, .interface = interface, .addresses = {}, .routes = {}};
    if (role == child::LinkRole::gateway) {
        out.routes = {prefix6(), Prefix::host(address4())};
    } else {
        const IpAddress own = ip(text("2001:db8:100:%x::1", n));
        out.addresses = {{ip("fe80::2"), 64}, {own, 64}, {address4(), 32}};
        out.routes = {prefix("::/0"), prefix("0.0.0.0/0"), prefix("2001:db8:9::/64")};
    }
    return out;
}

child::PolicySet Client::policies() const {
    const child::SaPairId id = pair();
    child::PolicySet out{
        .link = number(),
        .mode = mode,
        .on_interface = on_interface,
        .local = id.local.address,
        .peer = id.peer.address,
        .local_selectors = {selector("::/0"), selector("0.0.0.0/0")},
        .remote_selectors = {selector(prefix6().to_string()), selector(address4().to_string())}};
    if (role == child::LinkRole::client) std::swap(out.local_selectors, out.remote_selectors);
    return out;
}

std::vector<child::KernelStep> Client::up() const {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenLink{link()});
    out.emplace_back(sas());
    out.emplace_back(child::InstallPolicies{policies()});
    return out;
}

std::vector<child::KernelStep> Client::down() const {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::RemovePolicies{policies()});
    out.emplace_back(child::RemoveSas{pair()});
    out.emplace_back(child::CloseLink{link()});
    return out;
}

} // namespace sheaf::kernel_test
