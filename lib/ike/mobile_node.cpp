#include "lib/ike/mobile_node.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

std::string_view word(mobility::AbilityMissing::Ability ability) {
    using Ability = mobility::AbilityMissing::Ability;
    switch (ability) {
    case Ability::multiple_care_of: return "several care-of addresses";
    case Ability::bulk: return "several bindings in one message";
    case Ability::home_and_foreign: return "bindings at home and away at the same time";
    case Ability::flows: return "flow bindings";
    case Ability::mobile_router: return "mobile networks";
    }
    return "what was asked for";
}

} // namespace

MobileNode::MobileNode(std::string connection, MobilePlan plan)
    : connection_(std::move(connection)), plan_(std::move(plan)) {}

std::uint8_t MobileNode::priority_of(std::uint16_t bid) const {
    const auto link = std::ranges::find(plan_.access, bid, &AccessLink::bid);
    return link == plan_.access.end() ? std::uint8_t{1} : link->priority;
}

mobility::CareOf MobileNode::care_of(std::uint16_t bid) const {
    return {bid, priority_of(bid), places_.at(bid)};
}

void MobileNode::move_home(Instant now, const std::optional<HomePlace>& before) {
    // Another address beside is no other link.
    const bool same = before && home_place_ && before->interface == home_place_->interface &&
                      before->home == home_place_->home;
    if (same) return;
    home_known_ = false;
    if (!list_) return;
    if (home_place_)
        arrive_home(now);
    else if (before)
        carry_out(list_->leave_home(now), now);
}

void MobileNode::arrive_home(Instant now) {
    carry_out(list_->arrive_home(now, home_place_->bid, priority_of(home_place_->bid)), now);
}

// What is new comes first, so that there is always a way for what is sent. Who comes home says so before the addresses
// that it had are gone, and who leaves knows first where to.
void MobileNode::set_places(Instant now, std::map<std::uint16_t, IpAddress> places,
                            const std::optional<HomePlace>& home) {
    if (places == places_ && home == home_place_) return;
    const auto before = std::exchange(places_, std::move(places));
    const auto home_before = std::exchange(home_place_, home);
    if (home_place_) move_home(now, home_before);
    const auto leave = [&] {
        if (!home_place_) move_home(now, home_before);
    };
    if (!list_) return leave();
    for (const auto& [bid, address] : places_) {
        const auto old = before.find(bid);
        if (old == before.end() || old->second != address)
            carry_out(list_->set_care_of(now, care_of(bid)), now);
    }
    for (const auto& [bid, address] : before) {
        if (!places_.contains(bid)) carry_out(list_->withdraw(now, bid), now);
    }
    leave();
}

bool MobileNode::has(const IpAddress& address) const {
    if (home_place_ && (address == home_place_->address || address == home_place_->home)) return true;
    return std::ranges::any_of(places_, [&](const auto& entry) { return entry.second == address; });
}

std::optional<IpAddress> MobileNode::source() const {
    if (home_place_) return home_place_->address;
    const auto known = list_ ? list_->held().key_endpoint : std::nullopt;
    for (const AccessLink& link : plan_.access) {
        const auto place = places_.find(link.bid);
        if (place != places_.end() && place->second == known) return known;
    }
    for (const AccessLink& link : plan_.access) {
        const auto place = places_.find(link.bid);
        if (place != places_.end()) return place->second;
    }
    return std::nullopt;
}

void MobileNode::signalling_up(Instant now, const HomeClaim& claim, const IpAddress& keys_at,
                               Random& random) {
    if (!list_ || claim_ != claim) return begin(now, claim, keys_at, random);
    list_->set_key_endpoint(keys_at);
    carry_out(list_->begin_again(now), now);
}

void MobileNode::begin(Instant now, const HomeClaim& claim, const IpAddress& keys_at, Random& random) {
    if (claim_ != claim) forget_prefixes();
    claim_ = claim;
    mobility::MobileNodeSettings settings;
    settings.home = claim.home;
    settings.lifetime = plan_.lifetime;
    settings.multiple_care_of = plan_.multiple_care_of;
    settings.bulk = plan_.bulk;
    settings.key_mobility = plan_.key_mobility;
    settings.mobile_router = plan_.router;
    settings.networks = claim.networks;
    list_.emplace(std::move(settings), static_cast<std::uint16_t>(random.u32()));
    list_->set_key_endpoint(keys_at);
    // While it is stopped nothing is sent, so that one message says all.
    carry_out(list_->stop(now), now);
    for (const auto& flow : plan_.flows)
        carry_out(list_->set_flow(now, flow), now);
    for (const auto& [bid, address] : places_)
        carry_out(list_->set_care_of(now, care_of(bid)), now);
    if (home_place_ && home_place_->home == claim.home) arrive_home(now);
    carry_out(list_->start(now), now);
}

void MobileNode::signalling_lost(Instant now) {
    if (!list_) return;
    const auto left = list_->usable();
    effects_.note(connection_, mobility::difference(left, mobility::Registration{left.home}), now);
    list_.reset();
    claim_.reset();
    forget_prefixes();
}

void MobileNode::forget_prefixes() {
    seeker_ = {};
    prefix_gone_ = false;
}

std::expected<void, Rule> MobileNode::receive(Instant now, const mobility::Arrival& arrival,
                                              const mobility::Message& message) {
    if (!list_ || !claim_ || arrival.home != claim_->home) return std::unexpected(Rule::foreign_home_address);
    // RFC 6275 9.3.3: a Binding Error cannot be protected, and costs us no more than a refresh of what is registered.
    if (const auto* error = std::get_if<mobility::BindingError>(&message)) {
        carry_out(list_->receive(now, *error), now);
        return {};
    }
    if (!arrival.is_protected) return std::unexpected(Rule::unprotected_mobility);
    mobility::Actions actions;
    if (const auto* ack = std::get_if<mobility::BindingAck>(&message))
        actions = list_->receive(now, *ack);
    else if (const auto* request = std::get_if<mobility::RefreshRequest>(&message))
        actions = list_->receive(now, *request);
    const auto discarded = actions.discarded;
    carry_out(std::move(actions), now);
    if (discarded) return std::unexpected(*discarded);
    return {};
}

std::expected<void, Rule> MobileNode::receive(Instant now, const mobility::Arrival& arrival,
                                              const mobility::PrefixAdvertisement& advertisement) {
    if (!claim_ || arrival.home != claim_->home) return std::unexpected(Rule::foreign_home_address);
    if (!arrival.is_protected) return std::unexpected(Rule::unprotected_mobility);
    if (arrival.care_of == arrival.home) return std::unexpected(Rule::bad_routing_header);
    if (auto taken = seeker_.receive(now, advertisement); !taken) return taken;
    check_home();
    return {};
}

void MobileNode::check_home() {
    const auto& known = seeker_.known();
    const bool gone =
        std::ranges::none_of(known, [&](const auto& home) { return home.prefix.contains(claim_->home); });
    if (!std::exchange(prefix_gone_, gone) && gone) {
        BindingChanged event{connection_, claim_->home, BindingChanged::What::prefix_gone};
        for (const mobility::HomePrefix& home : known)
            event.why += (event.why.empty() ? "the home agent has " : ", ") + home.prefix.to_string();
        if (known.empty()) event.why = "the home agent withdraws all";
        effects_.events.push_back(std::move(event));
    }
}

// RFC 6275 6.7: a mobile node asks while it is away.
void MobileNode::seek_prefixes(Instant now, bool open, Random& random) {
    if (!plan_.prefix_discovery) return;
    const mobility::Registration known = usable();
    const mobility::Binding* way = mobility::default_path(known);
    const bool away = claim_ && way && !way->at_home;
    const auto question = seeker_.step(now, open && away, random);
    if (question) effects_.prefixes.push_back({claim_->home, way->care_of, *question});
}

mobility::Registration MobileNode::usable() const {
    return list_ ? list_->usable() : mobility::Registration{};
}

std::optional<Instant> MobileNode::next_timeout() const {
    const auto registration = list_ ? list_->next_timeout() : std::nullopt;
    const auto question = seeker_.next_timeout();
    return registration && question ? std::min(registration, question)
           : registration           ? registration
                                    : question;
}

// Questions are asked by seek_prefixes().
void MobileNode::on_timeout(Instant now) {
    const auto due = list_ ? list_->next_timeout() : std::nullopt;
    if (due && *due <= now) carry_out(list_->on_timeout(now), now);
}

void MobileNode::carry_out(mobility::Actions actions, Instant now) {
    effects_.note(connection_, actions.changes, now);
    keep_keys_at_home();
    if (actions.send) effects_.packets.push_back(*std::move(actions.send));
    for (const mobility::Notice& notice : actions.notices) {
        if (std::holds_alternative<mobility::PrefixDiscoveryNeeded>(notice)) seeker_.ask(now);
        if (std::holds_alternative<mobility::HomeLinkUsable>(notice)) know_home();
        tell(notice);
    }
}

// RFC 6275 11.7.3: an IKE SA that is on the home link already works there, and is left with the link.
void MobileNode::keep_keys_at_home() {
    if (!home_place_ || !list_) return;
    std::erase_if(effects_.keys, [this](const mobility::KeyEndpointChange& change) {
        const bool here = change.address == home_place_->address || change.address == home_place_->home;
        if (change.move || !here) return false;
        list_->set_key_endpoint(change.address);
        return true;
    });
}

void MobileNode::know_home() {
    if (!home_place_ || std::exchange(home_known_, true)) return;
    BindingChanged event{connection_, home_place_->home, BindingChanged::What::at_home};
    event.why = home_place_->interface;
    effects_.events.push_back(std::move(event));
}

void MobileNode::tell(const mobility::Notice& notice) {
    BindingChanged event{connection_, claim_->home, BindingChanged::What::refused};
    if (const auto* binding = std::get_if<mobility::BindingRefused>(&notice)) {
        event.bid = binding->bid;
        event.why = std::string(mobility::name(binding->status)) + ": " +
                    std::string(mobility::sentence(binding->status)) +
                    (binding->is_final ? "" : "; it is asked for again");
    } else if (const auto* flow = std::get_if<mobility::FlowRefused>(&notice)) {
        event.why = "flow " + std::to_string(flow->fid) + ": " + std::string(mobility::name(flow->status));
    } else if (const auto* lacks = std::get_if<mobility::AbilityMissing>(&notice)) {
        event.why = "the home agent does not take " + std::string(word(lacks->ability));
    } else {
        return;
    }
    effects_.events.push_back(std::move(event));
}

} // namespace sheaf::ike
