#include "xfrm/probe.h"

#include "netlink/link.h"
#include "netlink/route.h"
#include "xfrm/expansion.h"
#include "xfrm/hash_thresholds.h"
#include "xfrm/kernel_parts.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace sheaf::xfrm {
namespace {

using crypto::EncrId;
using crypto::IntegId;

// Addresses, a number and a name that nobody uses: loopback, RFC 6666's discard prefix, and the last of our
// range.
constexpr const char* kProbeAddress4 = "127.83.83.83";
constexpr const char* kProbeAddress6 = "100::53";
constexpr const char* kProbeRoute = "127.83.83.84";
constexpr const char* kProbeInterface = "sheaf-probe";
constexpr int kProbeIndex = 0x53fffffe;
constexpr std::uint32_t kProbeSpi = 0x5a1ad000;
constexpr std::chrono::seconds kProbeLifetime{5};
constexpr std::array<std::uint16_t, 3> kAesKeys{256, 192, 128}; // bits
constexpr std::uint8_t kNoDirection = 0;
constexpr std::uint8_t kImpossibleDirection = 77;

std::string module_of(const crypto::EspSuite& suite) {
    switch (suite.encr) {
    case EncrId::aes_gcm_16: return "gcm seqiv aes_generic";
    case EncrId::chacha20_poly1305: return "chacha20poly1305 seqiv";
    case EncrId::aes_cbc: break;
    }
    switch (suite.integ) {
    case IntegId::hmac_sha1_96: return "authenc echainiv cbc aes_generic hmac sha1_generic";
    case IntegId::hmac_sha2_256_128: return "authenc echainiv cbc aes_generic hmac sha256_generic";
    default: return "authenc echainiv cbc aes_generic hmac sha512_generic";
    }
}

std::string name_of(const crypto::EspSuite& suite) {
    std::string out(crypto::to_string(crypto::Encryption{suite.encr, suite.key_bits}));
    if (suite.integ != IntegId::none) out += "-" + std::string(crypto::to_string(suite.integ));
    return out;
}

std::string family_name(Family family) { return family == Family::ipv6 ? "IPv6" : "IPv4"; }

} // namespace

std::vector<crypto::EspSuite> Probe::all_suites() {
    std::vector<crypto::EspSuite> out;
    const auto add = [&](EncrId encr, std::uint16_t bits, IntegId integ) {
        out.push_back({.encr = encr, .key_bits = bits, .integ = integ, .ke = std::nullopt});
    };
    for (const std::uint16_t bits : kAesKeys)
        add(EncrId::aes_gcm_16, bits, IntegId::none);
    add(EncrId::chacha20_poly1305, 0, IntegId::none);
    for (const IntegId integ : {IntegId::hmac_sha2_256_128, IntegId::hmac_sha2_384_192,
                                IntegId::hmac_sha2_512_256, IntegId::hmac_sha1_96}) {
        for (const std::uint16_t bits : kAesKeys)
            add(EncrId::aes_cbc, bits, integ);
    }
    return out;
}

Probe::Probe() {
    const auto suites = all_suites();
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        PerFamily asked;
        asked.family = family;
        for (const auto& suite : suites)
            asked.suites.push_back(ask_state(family, suite, false, kNoDirection));
        asked.encapsulation = ask_state(family, suites.front(), true, kNoDirection);
        // Kernels that do not know the attribute pass over it, whatever it says.
        asked.direction = ask_state(family, suites.front(), false, kImpossibleDirection);
        families_.push_back(std::move(asked));
    }
    ask_links();
}

std::size_t Probe::ask(Room room, netlink::Message message) {
    questions_.push_back({room, std::move(message)});
    return questions_.size() - 1;
}

std::size_t Probe::ask_state(Family family, const crypto::EspSuite& suite, bool encapsulated,
                             std::uint8_t direction) {
    State state;
    const auto address = IpAddress::parse(family == Family::ipv6 ? kProbeAddress6 : kProbeAddress4);
    state.source = address.value_or(IpAddress::any(family));
    state.id = {state.source, kProbeSpi + static_cast<std::uint32_t>(questions_.size())};
    state.link = state.reqid = child::kLastLink;
    state.replay_window = 64;
    state.limits.hard_time = kProbeLifetime;
    state.direction = static_cast<SaDirection>(direction);
    if (encapsulated) state.encapsulation = State::Encapsulation{4500, 4500};
    // Keys of a pattern, since kernels in FIPS mode refuse some that are all zero.
    Bytes encryption(crypto::encr_key_length({suite.encr, suite.key_bits}));
    Bytes integrity(crypto::integ_key_length(suite.integ));
    for (Bytes* key : {&encryption, &integrity})
        std::ranges::generate(*key, [octet = std::uint8_t{0}]() mutable {
            return octet = static_cast<std::uint8_t>(octet + 7);
        });
    put_algorithms(state, suite, encryption, integrity);
    const std::size_t index = ask(Room::xfrm, install_state(state));
    static_cast<void>(ask(Room::xfrm, remove_state(state.id)));
    return index;
}

void Probe::ask_links() {
    netlink::LinkObject link{.index = kProbeIndex,
                             .name = kProbeInterface,
                             .kind = kLinkKind,
                             .alias = {},
                             .if_id = child::kLastLink};
    own_link_ = ask(Room::route, create_link(link));
    static_cast<void>(ask(Room::route, netlink::remove_link(kProbeIndex)));
    link.if_id.reset();
    link.collect_metadata = true;
    shared_link_ = ask(Room::route, create_link(link));
    static_cast<void>(ask(Room::route, netlink::raise_link(kProbeIndex)));
    const auto host = IpAddress::parse(kProbeRoute).value_or(IpAddress{});
    link_route_ = ask(Room::route, netlink::add_route({.destination = Prefix::host(host),
                                                       .table = kRouteTable,
                                                       .protocol = kProtocol,
                                                       .interface_index = kProbeIndex,
                                                       .link = child::kLastLink,
                                                       .preferred_source = std::nullopt}));
    static_cast<void>(ask(Room::route, netlink::remove_link(kProbeIndex)));
}

void Probe::read_esp(const Answers& answers, Family family, Abilities& to) const {
    const auto asked = std::ranges::find(families_, family, &PerFamily::family);
    const bool esp =
        std::ranges::any_of(asked->suites, [&](std::size_t i) { return answers[i].has_value(); });
    const bool v6 = family == Family::ipv6;
    (v6 ? to.esp_ipv6 : to.esp_ipv4) = esp;
    if (!esp) {
        to.lacks.push_back("ESP over " + family_name(family) + " cannot be installed (" +
                           answers[asked->suites.front()].error().to_string() + "): modprobe " +
                           (v6 ? "esp6" : "esp4") + ", or take a kernel that has it");
        return;
    }
    const auto& encapsulation = answers[asked->encapsulation];
    (v6 ? to.udp_encapsulation_ipv6 : to.udp_encapsulation_ipv4) = encapsulation.has_value();
    if (!encapsulation)
        to.lacks.push_back("ESP in UDP over " + family_name(family) + " cannot be installed (" +
                           encapsulation.error().to_string() +
                           "), so peers behind a NAT get no tunnel over " + family_name(family) +
                           ": take a kernel that has it (IPv6: Linux 5.8)");
    to.sa_direction |= answers[asked->suites.front()].has_value() && !answers[asked->direction].has_value();
}

void Probe::read_suites(const Answers& answers, Abilities& to) const {
    const auto suites = all_suites();
    const auto asked =
        std::ranges::find(families_, to.esp_ipv6 ? Family::ipv6 : Family::ipv4, &PerFamily::family);
    for (std::size_t i = 0; i < suites.size(); ++i) {
        const auto& answer = answers[asked->suites[i]];
        if (answer) {
            to.suites.push_back(suites[i]);
        } else {
            to.lacks.push_back("ESP with " + name_of(suites[i]) + " cannot be installed (" +
                               answer.error().to_string() + "): modprobe -a " + module_of(suites[i]));
        }
    }
}

void Probe::read_links(const Answers& answers, Abilities& to) const {
    // EEXIST: somebody has one, so it can be done.
    const auto works = [&](std::size_t i) { return answers[i] || answers[i].error().code == EEXIST; };
    to.virtual_links = works(own_link_);
    if (!to.virtual_links) {
        to.lacks.push_back("xfrm interfaces cannot be made (" + answers[own_link_].error().to_string() +
                           "), so there are no virtual links: modprobe xfrm_interface");
        return;
    }
    const bool made = answers[shared_link_].has_value();
    to.shared_link = works(shared_link_) && (!made || answers[link_route_].has_value());
    if (to.shared_link) return;
    const netlink::Error& error = answers[made ? link_route_ : shared_link_].error();
    to.lacks.push_back(
        "an xfrm interface for many links cannot be made (" + error.to_string() +
        "), so this host can be a client but no gateway: it takes Linux 6.1 with CONFIG_LWTUNNEL");
}

Abilities Probe::read(const Answers& answers) const {
    Abilities out;
    read_esp(answers, Family::ipv6, out);
    read_esp(answers, Family::ipv4, out);
    if (out.esp_ipv6 || out.esp_ipv4) read_suites(answers, out);
    read_links(answers, out);
    return out;
}

std::expected<Abilities, std::string> Kernel::Parts::probe_once() {
    Probe probe;
    Probe::Answers answers(probe.questions().size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
        auto& question = probe.questions()[i];
        sockets().of(question.room).request(std::move(question.message), [&answers, i](const auto& result) {
            answers[i] = result;
        });
    }
    if (auto settled = settle(); !settled) return std::unexpected(settled.error());
    for (const auto& answer : answers) {
        if (!answer && answer.error().code == EPERM)
            return std::unexpected(
                "the kernel refuses to be asked (EPERM): sheafd needs the capability CAP_NET_ADMIN");
        if (!answer && answer.error().unanswered)
            return std::unexpected("the kernel did not answer: " + answer.error().to_string());
    }
    return probe.read(answers);
}

std::expected<Abilities, std::string> Kernel::probe() {
    if (auto settled = parts_->settle(); !settled) return std::unexpected(settled.error());
    auto found = parts_->probe_once();
    // Under load the first attempt may fail while the kernel still loads the modules that it asks for.
    if (found && !found->lacks.empty()) found = parts_->probe_once();
    if (!found) return found;
    parts_->abilities = *found;
    // XFRMA_SA_DIR is a little older than the SPD that needs no help; no release with long support lies between.
    bool untouched = false;
    parts_->xfrm->request(
        query_thresholds(), [](const auto&) {},
        [&untouched](const nlmsghdr& message) { untouched = parse_thresholds(message) == kUntouched; });
    if (auto settled = parts_->settle(); !settled) return std::unexpected(settled.error());
    parts_->books.links.set_up_spd(untouched && !found->sa_direction);
    return found;
}

} // namespace sheaf::xfrm
