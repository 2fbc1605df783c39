#include "test/support/pipe.h"

#include "lib/child/selector.h"

#include <algorithm>

namespace sheaf::test {

using namespace ike;
using wire::ExchangeType;
using wire::Payload;

namespace {

constexpr std::string_view kFirst = "192.0.2.1";
constexpr std::string_view kSecond = "192.0.2.2";

template <typename T>
const T* find(const std::vector<Payload>& payloads) {
    for (const Payload& payload : payloads) {
        if (const T* found = std::get_if<T>(&payload)) return found;
    }
    return nullptr;
}

const wire::Notify* find_notify(const std::vector<Payload>& payloads, bool error) {
    for (const Payload& payload : payloads) {
        const auto* found = std::get_if<wire::Notify>(&payload);
        if (!found) continue;
        const bool is_error = static_cast<unsigned>(found->type) < 16384;
        if (error ? is_error : found->type == wire::NotifyType::rekey_sa) return found;
    }
    return nullptr;
}

std::uint64_t number(View octets) {
    std::uint64_t out = 0;
    for (const std::uint8_t octet : octets)
        out = out << 8 | octet;
    return out;
}

} // namespace

std::string Flight::what() const {
    if (const auto* error = find_notify(payloads, true)) return std::string(wire::name(error->type));
    const auto* del = find<wire::Delete>(payloads);
    const auto* sa = find<wire::Sa>(payloads);
    if (header.exchange == ExchangeType::informational) {
        if (header.response) return del ? "deleted child" : "empty";
        return !del ? "alive?" : del->protocol == wire::Protocol::ike ? "delete ike" : "delete child";
    }
    if (header.exchange != ExchangeType::create_child_sa)
        return std::string(wire::name(header.exchange)) + (header.response ? " answer" : "");
    if (!sa || sa->proposals.empty()) return "nothing known";
    const bool ike = sa->proposals.front().protocol == wire::Protocol::ike;
    if (header.response) return ike ? "ike" : "child";
    if (ike) return "rekey ike";
    return find_notify(payloads, false) ? "rekey child" : "create child";
}

std::uint64_t Flight::spi() const {
    const auto* sa = find<wire::Sa>(payloads);
    return sa && !sa->proposals.empty() ? number(sa->proposals.front().spi) : 0;
}

std::vector<wire::ChildSpi> Flight::deleted() const {
    const auto* del = find<wire::Delete>(payloads);
    return del ? del->spis : std::vector<wire::ChildSpi>();
}

Config peer_config(bool first) {
    const auto secret = [](std::string_view text) {
        return std::make_shared<const Secret>(
            Secret::copy_of(View(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
    };
    Connection c;
    c.name = "tunnel";
    c.role = Role::peer;
    c.local_id = *auth::Identity::parse(first ? "a.example.org" : "b.example.org");
    c.remote_id = *auth::IdentityPattern::parse(first ? "b.example.org" : "a.example.org");
    c.remote = Endpoint{*IpAddress::parse(first ? kSecond : kFirst), 500};
    c.ike = child::default_ike_proposals();
    c.retransmit = {std::chrono::milliseconds(500), 4};
    ChildConfig net;
    net.name = "net";
    const auto left = child::selector(*Prefix::parse("2001:db8:a::/48"));
    const auto right = child::selector(*Prefix::parse("2001:db8:b::/48"));
    net.local = {first ? left : right};
    net.remote = {first ? right : left};
    net.terms.esp = child::default_esp_proposals();
    c.children = {net};
    Config config;
    config.connections = {c};
    config.credentials.shared_keys = {
        {*auth::IdentityPattern::parse(first ? "b.example.org" : "a.example.org"),
         secret("between two peers")}};
    return config;
}

Pipe::Pipe(Config first, Config second, bool established)
    : a_(std::make_unique<Host>(kFirst, std::move(first), 1, now)),
      b_(std::make_unique<Host>(kSecond, std::move(second), 2, now)) {
    a_->engine.write_keys(true);
    b_->engine.write_keys(true);
    if (established) command(*a_, Up{"tunnel"});
    settle();
}

void Pipe::collect() {
    for (Host* host : {a_.get(), b_.get()}) {
        host->pump(now);
        for (KeyRecord& record : std::exchange(host->keys, {})) {
            auto* keys = std::get_if<IkeKeys>(&record);
            if (!keys) continue;
            Protection protection;
            protection.suite = keys->suite;
            protection.keys.ei = std::move(keys->sk_ei);
            protection.keys.er = std::move(keys->sk_er);
            protection.keys.ai = std::move(keys->sk_ai);
            protection.keys.ar = std::move(keys->sk_ar);
            protections_.try_emplace({keys->spi_i, keys->spi_r}, std::move(protection));
        }
    }
    for (Host* host : {a_.get(), b_.get()}) {
        for (Datagram& datagram : std::exchange(host->outbox, {}))
            to(host == a_.get() ? *b_ : *a_).push_back(read(std::move(datagram)));
    }
}

Protection* Pipe::protection_of(const wire::Header& header) {
    const auto found = protections_.find({header.initiator_spi, header.responder_spi});
    return found == protections_.end() ? nullptr : &found->second;
}

Flight Pipe::read(Datagram datagram) {
    Flight flight;
    const auto outer = wire::parse_message(datagram.bytes);
    if (!outer) return flight;
    flight.header = outer->header;
    flight.payloads = outer->payloads;
    const Protection* protection = protection_of(outer->header);
    if (outer->encrypted && protection) {
        const auto clear = open_message(backend_, *protection, outer->header, *outer->encrypted);
        if (clear) {
            const auto inner = wire::parse_payloads(outer->encrypted->first_inner, *clear);
            if (inner) flight.payloads = *inner;
        }
    }
    flight.datagram = std::move(datagram);
    return flight;
}

bool Pipe::command(Host& host, Command command, std::uint8_t nonce) {
    host.random.nonces_begin = nonce;
    const bool accepted = host.engine.command(now, std::move(command)).has_value();
    collect();
    return accepted;
}

bool Pipe::rekey_child(Host& host, std::uint8_t nonce) {
    return command(host, Rekey{"tunnel", Rekey::What::children}, nonce);
}

bool Pipe::rekey_ike(Host& host, std::uint8_t nonce) {
    return command(host, Rekey{"tunnel", Rekey::What::ike}, nonce);
}

void Pipe::kernel_event(Host& host, const child::KernelEvent& event) {
    host.engine.kernel_event(now, event);
    collect();
}

void Pipe::deliver(Host& host, const Flight& flight, std::uint8_t nonce) {
    host.random.nonces_begin = nonce;
    host.engine.datagram(now, {flight.datagram.peer, flight.datagram.local, flight.datagram.bytes});
    collect();
}

Flight Pipe::hold(Host& host) {
    auto& queue = to(host);
    if (queue.empty()) return {};
    Flight flight = std::move(queue.front());
    queue.pop_front();
    return flight;
}

std::string Pipe::pass(Host& host, std::uint8_t nonce) {
    if (to(host).empty()) return "nothing";
    const Flight flight = hold(host);
    deliver(host, flight, nonce);
    return flight.what();
}

Flight Pipe::with_payloads(Flight flight, std::vector<Payload> payloads) {
    Protection* protection = protection_of(flight.header);
    if (!protection) return flight;
    flight.datagram.bytes =
        seal_message(backend_, *protection, random_, flight.header, payloads, false, 65535).front();
    flight.payloads = std::move(payloads);
    return flight;
}

Flight Pipe::forged_answer(const Flight& request, std::vector<Payload> payloads) {
    Flight answer;
    answer.header = request.header;
    answer.header.response = true;
    answer.header.from_initiator = !request.header.from_initiator;
    answer.datagram.local = request.datagram.peer;
    answer.datagram.peer = request.datagram.local;
    return with_payloads(std::move(answer), std::move(payloads));
}

bool Pipe::move_one() {
    for (Host* host : {a_.get(), b_.get()}) {
        if (to(*host).empty()) continue;
        pass(*host);
        return true;
    }
    return false;
}

void Pipe::settle() {
    collect();
    for (int round = 0; round < 1000 && move_one(); ++round) {
    }
}

void Pipe::run(Duration duration) {
    const Instant end = now + duration;
    settle();
    for (int round = 0; round < 100'000; ++round) {
        std::optional<Instant> next;
        for (Host* host : {a_.get(), b_.get()}) {
            const auto at = host->engine.next_timeout();
            if (at && (!next || *at < *next)) next = at;
        }
        if (!next || *next > end) break;
        now = std::max(now, *next);
        for (Host* host : {a_.get(), b_.get()})
            host->engine.on_timeout(now);
        settle();
    }
    now = end;
}

std::string Pipe::wrong_at(Host& host, std::size_t children) {
    const std::string who = &host == a_.get() ? "a: " : "b: ";
    const auto status = host.engine.status();
    const FakeKernel& kernel = host.kernel;
    if (!kernel.breaches.empty()) return who + kernel.breaches.front();
    if (status.ike_sas.size() != 1 || host.established() != 1)
        return who + std::to_string(status.ike_sas.size()) + " IKE SAs, established " +
               std::to_string(host.established());
    if (status.ike_sas.front().children.size() != children)
        return who + std::to_string(status.ike_sas.front().children.size()) + " Child SAs";
    for (const ChildStatus& child : status.ike_sas.front().children) {
        if (child.state != "live") return who + "a Child SA is " + child.state;
    }
    if (kernel.sas.size() != children || kernel.pairs() != children)
        return who + std::to_string(kernel.sas.size()) + " SAs in the kernel, in both directions " +
               std::to_string(kernel.pairs());
    if (kernel.policies.size() != children)
        return who + std::to_string(kernel.policies.size()) + " policies in the kernel";
    return {};
}

std::string Pipe::wrong(std::size_t children) {
    for (Host* host : {a_.get(), b_.get()}) {
        if (!to(*host).empty()) return "on its way: " + to(*host).front().what();
        if (auto text = wrong_at(*host, children); !text.empty()) return text;
    }
    const auto at_a = a_->engine.status().ike_sas.front(), at_b = b_->engine.status().ike_sas.front();
    if (at_a.spi_i != at_b.spi_i || at_a.spi_r != at_b.spi_r || at_a.initiator == at_b.initiator)
        return "the IKE SAs differ";
    for (const auto& [spi, ours] : a_->kernel.sas) {
        const auto theirs = b_->kernel.sas.find(ours.id.spi_out);
        if (theirs == b_->kernel.sas.end()) return "the Child SAs differ";
        const bool same = equal(theirs->second.in.encryption.view(), ours.out.encryption.view()) &&
                          equal(theirs->second.out.encryption.view(), ours.in.encryption.view());
        if (!same) return "the keys of the Child SAs differ";
    }
    return {};
}

std::string Pipe::unusable() {
    for (Host* host : {a_.get(), b_.get()}) {
        const std::string who = host == a_.get() ? "a " : "b ";
        const auto child = child_spi(*host);
        if (!rekey_child(*host)) return who + "cannot rekey the Child SA";
        run(std::chrono::seconds(6));
        if (auto text = wrong(); !text.empty()) return who + "rekeyed the Child SA: " + text;
        if (child_spi(*host) == child) return who + "has not rekeyed the Child SA";
        const auto ike = ike_spi(*host);
        if (!rekey_ike(*host)) return who + "cannot rekey the IKE SA";
        run(std::chrono::seconds(6));
        if (auto text = wrong(); !text.empty()) return who + "rekeyed the IKE SA: " + text;
        if (ike_spi(*host) == ike) return who + "has not rekeyed the IKE SA";
    }
    run(std::chrono::minutes(3));
    if (auto text = wrong(); !text.empty()) return "later: " + text;
    if (!command(*b_, Down{"tunnel"})) return "it cannot be taken down";
    run(std::chrono::minutes(2));
    for (Host* host : {a_.get(), b_.get()}) {
        if (!host->engine.idle() || !host->kernel.empty() || !host->kernel.breaches.empty())
            return "something is left after the end";
    }
    return {};
}

wire::Spi Pipe::ike_spi(Host& host) {
    const auto sas = host.engine.status().ike_sas;
    if (sas.empty()) return 0;
    return sas.front().initiator ? sas.front().spi_i : sas.front().spi_r;
}

wire::ChildSpi Pipe::child_spi(Host& host) {
    for (const auto& sa : host.engine.status().ike_sas) {
        for (const auto& child : sa.children)
            return child.spi_in;
    }
    return 0;
}

} // namespace sheaf::test
