#include "test/bench/udp_client.h"

#include "conf/settings.h"
#include "lib/wire/header.h"
#include "test/bench/gateway_process.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sheaf::bench {
namespace {

// 127.0.0.1 is the gateway's.
daemon::UdpSocket open_socket(unsigned number) {
    const auto address = IpAddress::parse(fmt::format("127.0.0.{}", 2 + number % 250));
    auto socket = daemon::UdpSocket::open({{*address, 0}, false, std::nullopt, false});
    if (socket) return std::move(*socket);
    std::fprintf(stderr, "bench: %s\n", socket.error().text.c_str());
    std::exit(1);
}

ike::Config configuration(const Endpoint& gateway, unsigned number, Duration liveness, std::uint16_t port) {
    const std::string text = fmt::format(
        R"({{
  "secrets": {{ "gw": {{ "id": "gw.example.org", "text": "{}" }} }},
  "connections": {{
    "home": {{
      "role": "client",
      "local": {{ "id": "client{}.example.org" }},
      "remote": {{ "id": "gw.example.org", "address": "{}", "port": {} }}
    }}
  }}
}})",
        kSharedSecret, number, gateway.address.to_string(), gateway.port);
    auto settings = conf::parse("client.json", text, {});
    if (!settings) {
        std::fputs(conf::to_string(settings.error()).c_str(), stderr);
        std::exit(1);
    }
    settings->engine.port = port;
    settings->engine.connections[0].liveness = liveness;
    return std::move(settings->engine);
}

bool is_informational(const wire::Header& header, bool response) {
    return header.exchange == wire::ExchangeType::informational && header.response == response;
}

} // namespace

UdpClient::UdpClient(const Endpoint& gateway, unsigned number, Duration liveness, Random& random, Instant now)
    : socket_(open_socket(number)),
      engine_(configuration(gateway, number, liveness, socket_.bound().port), random, *this, now) {}

void UdpClient::start(Instant now) {
    started_ = now;
    if (!engine_.command(now, ike::Up{"home"})) std::abort();
    carry_out(now);
}

Bytes UdpClient::first_request(Instant now) {
    if (!engine_.command(now, ike::Up{"home"})) std::abort();
    return engine_.take().datagrams.at(0).bytes;
}

void UdpClient::on_readable(Instant now) {
    for (;;) {
        const auto received = socket_.receive();
        if (std::holds_alternative<daemon::UdpSocket::Empty>(received)) break;
        const auto* datagram = std::get_if<ike::Datagram>(&received);
        if (!datagram) continue;
        note_received(*datagram);
        engine_.datagram(now, *datagram);
    }
    carry_out(now);
}

void UdpClient::on_timeout(Instant now) {
    engine_.on_timeout(now);
    carry_out(now);
}

void UdpClient::carry_out(Instant now) {
    for (auto out = engine_.take(); !out.datagrams.empty() || !out.intents.empty() || !out.events.empty();
         out = engine_.take()) {
        for (const auto& datagram : out.datagrams) {
            note_sent(datagram);
            (void)socket_.send(datagram);
        }
        for (const auto& event : out.events) {
            if (std::holds_alternative<ike::ChildUp>(event) && !took_) took_ = now - started_;
            if (std::holds_alternative<ike::IkeDown>(event)) ++losses_;
        }
        for (const auto& intent : out.intents)
            engine_.kernel_event(now, child::IntentDone{intent.id, std::nullopt});
    }
}

void UdpClient::note_sent(const ike::Datagram& datagram) {
    if (equal(datagram.bytes, last_sent_)) ++sent_again_;
    last_sent_ = datagram.bytes;
    const auto header = wire::parse_header(datagram.bytes);
    if (header && is_informational(*header, false)) asked_.insert(header->message_id);
}

void UdpClient::note_received(const ike::Datagram& datagram) {
    const auto header = wire::parse_header(datagram.bytes);
    if (header && is_informational(*header, true)) answered_.insert(header->message_id);
}

UdpClient::Liveness UdpClient::liveness_since(std::uint32_t message_id) const {
    Liveness out;
    for (auto id = asked_.lower_bound(message_id); id != asked_.end(); ++id) {
        ++out.asked;
        out.answered += answered_.count(*id);
    }
    return out;
}

} // namespace sheaf::bench
