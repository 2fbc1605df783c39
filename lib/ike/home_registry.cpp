#include "lib/ike/home_registry.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

mobility::HomeAgentPolicy policy_of(const HomeService& service) {
    mobility::HomeAgentPolicy out;
    out.address = service.address;
    for (const Prefix& prefix : service.prefixes)
        out.home_prefixes.push_back({prefix, std::nullopt, std::nullopt});
    out.max_lifetime = service.max_lifetime;
    out.max_bindings = service.max_bindings;
    out.max_homes = service.max_homes;
    out.multiple_care_of = service.multiple_care_of;
    out.bulk = service.bulk;
    out.mobile_routers = service.mobile_routers;
    out.flows = service.flows;
    out.key_mobility = service.key_mobility;
    return out;
}

constexpr std::chrono::seconds kBetweenAdvertisements{1}; // RFC 6275 6.8
// RFC 6275 12: a mobile node sends three in a second (MAX_UPDATE_RATE), and the network may double them.
constexpr unsigned kMaxUpdates = 10;
constexpr std::chrono::seconds kPacePeriod{1};

bool is_home(const HomeService& service, const IpAddress& address) {
    return std::ranges::any_of(service.prefixes,
                               [&](const Prefix& prefix) { return prefix.contains(address); });
}

} // namespace

HomeRegistry::HomeRegistry(std::string connection, const HomeService& service)
    : connection_(std::move(connection)), service_(service), cache_(policy_of(service)) {}

void HomeRegistry::update(const HomeService& service) {
    service_ = service;
    cache_.set_policy(policy_of(service));
}

bool HomeRegistry::is_home(const IpAddress& address) const { return ike::is_home(service_, address); }

std::optional<HomeEntry> HomeRegistry::entry_for(const auth::Identity& identity) const {
    return entry_of(service_, identity);
}

std::optional<HomeEntry> entry_of(const HomeService& service, const auth::Identity& identity) {
    std::optional<HomeEntry> out;
    const auto found = std::ranges::find_if(
        service.entries, [&](const HomeEntry& entry) { return entry.who.matches(identity); });
    if (found != service.entries.end()) out = *found;
    if (identity.type != wire::IdType::ipv6_addr) return out;
    const auto itself = IpAddress::from_bytes(identity.data);
    if (!itself || !is_home(service, *itself)) return out;
    if (!out) out.emplace();
    if (std::ranges::find(out->homes, *itself) == out->homes.end()) out->homes.push_back(*itself);
    return out;
}

std::expected<void, Rule> HomeRegistry::receive(Instant now, const mobility::Arrival& arrival,
                                                const mobility::Message& message, const HomeClaim& claim,
                                                const std::optional<IpAddress>& keys_at) {
    const auto* update = std::get_if<mobility::BindingUpdate>(&message);
    if (!update) return check_source(arrival);
    // What anybody can send takes nothing of the mobile node's share.
    if (arrival.is_protected && arrival.home == claim.home && !keeps_pace(now, claim.home))
        return std::unexpected(Rule::updated_too_often);
    mobility::Authority authority;
    authority.homes = {Prefix::host(claim.home)};
    authority.networks = claim.networks;
    authority.keys_at = keys_at;
    auto outcome = cache_.receive(now, arrival, *update, authority);
    if (outcome.discarded) return std::unexpected(*outcome.discarded);
    effects_.note(connection_, outcome.changes, now);
    if (outcome.reply) effects_.packets.push_back(*std::move(outcome.reply));
    if (!mobility::is_accepted(outcome.status) || outcome.status == mobility::Status::not_complete)
        tell_refused(arrival.home, *update, outcome.status);
    return {};
}

// Each Binding Update may make the kernel's picture anew.
bool HomeRegistry::keeps_pace(Instant now, const IpAddress& home) {
    std::erase_if(paces_, [now](const auto& entry) { return entry.second.since + kPacePeriod <= now; });
    const auto [pace, fresh] = paces_.try_emplace(home, Pace{now});
    return ++pace->second.updates <= kMaxUpdates;
}

// RFC 6275 9.3.1: what is no Binding Update has to come from where its home address is registered.
std::expected<void, Rule> HomeRegistry::check_source(const mobility::Arrival& arrival) {
    if (!arrival.is_protected) return std::unexpected(Rule::unprotected_mobility);
    const auto known = cache_.check_source(arrival.home, arrival.care_of);
    if (!known)
        effects_.packets.push_back(mobility::BindingCache::binding_error(
            mobility::ErrorStatus::unknown_binding, arrival.home, arrival.care_of));
    return known;
}

// Home addresses are given by us, so that nobody is to make one of a prefix by itself.
std::expected<void, Rule> HomeRegistry::receive(Instant now, const mobility::Arrival& arrival,
                                                const mobility::PrefixSolicitation& solicitation) {
    if (auto known = check_source(arrival); !known) return known;
    if (arrival.care_of == arrival.home) return std::unexpected(Rule::missing_home_address_option);
    std::erase_if(advertised_,
                  [now](const auto& entry) { return entry.second + kBetweenAdvertisements <= now; });
    if (!advertised_.emplace(arrival.home, now).second) return std::unexpected(Rule::solicited_too_often);
    mobility::PrefixAdvertisement answer{solicitation.identifier, {}};
    for (const Prefix& prefix : service_.prefixes) {
        if (answer.prefixes.size() == mobility::kMaxHomePrefixes) break;
        answer.prefixes.push_back({.prefix = prefix, .on_link = !service_.home_link.empty()});
    }
    effects_.prefixes.push_back({arrival.home, arrival.care_of, std::move(answer)});
    return {};
}

void HomeRegistry::tell_refused(const IpAddress& home, const mobility::BindingUpdate& update,
                                mobility::Status status) {
    BindingChanged event{connection_, home, BindingChanged::What::refused};
    const auto& named = update.options.bindings;
    if (named.size() == 1) event.bid = named.front().bid;
    event.why = std::string(mobility::name(status)) + ": " + std::string(mobility::sentence(status));
    effects_.events.push_back(std::move(event));
}

void HomeRegistry::set(Instant now, const IpAddress& home, const mobility::Binding& binding) {
    effects_.note(connection_, cache_.set(home, binding), now);
}

void HomeRegistry::remove(Instant now, const IpAddress& home, std::uint16_t bid) {
    effects_.note(connection_, cache_.remove(home, bid), now);
}

void HomeRegistry::remove(Instant now, const IpAddress& home) {
    effects_.note(connection_, cache_.remove(home), now);
}

void HomeRegistry::ask_refresh(const IpAddress& home) {
    if (auto packet = cache_.refresh_request(home, {})) effects_.packets.push_back(*std::move(packet));
}

void HomeRegistry::on_timeout(Instant now) { effects_.note(connection_, cache_.on_timeout(now), now); }

} // namespace sheaf::ike
