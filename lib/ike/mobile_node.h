#pragma once

#include "lib/base/ip.h"
#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/ike/binding_effects.h"
#include "lib/ike/mobile_plan.h"
#include "lib/ike/mobile_use.h"
#include "lib/mobility/binding_list.h"
#include "lib/mobility/home_agent.h"
#include "lib/mobility/prefix_seeker.h"

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::ike {

// RFC 6275 11.5.5: the home prefix is on-link at one of our links.
struct HomePlace {
    std::string interface;
    std::uint16_t bid = 0;
    IpAddress address; // that we have there beside the home address
    IpAddress home;
    friend bool operator==(const HomePlace&, const HomePlace&) = default;
};

// Mobile node: what is registered at the home agent of one connection, and what is to be.
//
// It lives over the IKE SAs by which it is registered. Without an SA for signalling nothing that it sends gets
// anywhere; when there is one, it is told so by signalling_up().
class MobileNode {
  public:
    MobileNode(std::string connection, MobilePlan plan);
    [[nodiscard]] const MobilePlan& plan() const { return plan_; }

    // The addresses that our links have now, by binding identifier; and the link that is the home link, which is none
    // of those. At home nothing is registered.
    void set_places(Instant now, std::map<std::uint16_t, IpAddress> places,
                    const std::optional<HomePlace>& home = {});
    [[nodiscard]] const std::map<std::uint16_t, IpAddress>& places() const { return places_; }
    [[nodiscard]] bool has(const IpAddress& address) const; // on one of the links
    [[nodiscard]] const std::optional<HomePlace>& home_place() const { return home_place_; }
    // At home, and the home agent has said that it takes our packets no longer. Nothing but its word, under IPsec, tells
    // our home link from one that only has its prefix.
    [[nodiscard]] bool is_home() const { return home_place_ && home_known_; }
    // Where IKE is to begin from: on the home link, or where the home agent knows it to be, or the first of the plan that
    // is there.
    [[nodiscard]] std::optional<IpAddress> source() const;

    // There is a new IKE SA with an SA for signalling, which speaks for this home address and is at `keys_at`.
    void signalling_up(Instant now, const HomeClaim& claim, const IpAddress& keys_at, Random& random);
    // The last of them is gone, and with it what was registered.
    void signalling_lost(Instant now);

    // Error: it is dropped, nothing has changed.
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const mobility::Arrival& arrival,
                                                    const mobility::Message& message);

    // RFC 6275 11.4.3. REQUIRES: it came from our home agent.
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const mobility::Arrival& arrival,
                                                    const mobility::PrefixAdvertisement& advertisement);
    // Asks for the prefixes of the home link when it is time to, if the plan says so. `open`: there is an SA pair that
    // the question goes by.
    void seek_prefixes(Instant now, bool open, Random& random);
    [[nodiscard]] const std::vector<mobility::HomePrefix>& home_prefixes() const { return seeker_.known(); }

    [[nodiscard]] mobility::Registration usable() const;
    [[nodiscard]] bool is_settled() const { return list_ && list_->is_settled(); }
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    [[nodiscard]] BindingEffects take() { return std::exchange(effects_, {}); }

  private:
    void begin(Instant now, const HomeClaim& claim, const IpAddress& keys_at, Random& random);
    void carry_out(mobility::Actions actions, Instant now);
    void arrive_home(Instant now);
    void know_home(); // the home agent does
    void keep_keys_at_home();
    void move_home(Instant now, const std::optional<HomePlace>& before);
    void tell(const mobility::Notice& notice);
    void check_home(); // whether it is of a home prefix
    void forget_prefixes();
    [[nodiscard]] std::uint8_t priority_of(std::uint16_t bid) const;
    [[nodiscard]] mobility::CareOf care_of(std::uint16_t bid) const;

    std::string connection_;
    MobilePlan plan_;
    std::map<std::uint16_t, IpAddress> places_;
    std::optional<HomePlace> home_place_;
    bool home_known_ = false; // to the home agent
    std::optional<HomeClaim> claim_;
    std::optional<mobility::BindingList> list_; // while there is something registered, or to be
    mobility::PrefixSeeker seeker_;
    bool prefix_gone_ = false; // and it was told
    BindingEffects effects_;
};

} // namespace sheaf::ike
