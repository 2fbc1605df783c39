#pragma once

#include "lib/auth/identity.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/ike/binding_effects.h"
#include "lib/ike/mobile_plan.h"
#include "lib/ike/mobile_use.h"
#include "lib/mobility/binding_cache.h"
#include "lib/mobility/prefix_message.h"

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::ike {

// What an identity may register by configuration; none: nothing is said about it.
[[nodiscard]] std::optional<HomeEntry> entry_of(const HomeService& service, const auth::Identity& identity);

// Home agent: the bindings that mobile nodes have registered by one connection. Of IKE it knows no more than whose
// home address is whose.
class HomeRegistry {
  public:
    HomeRegistry(std::string connection, const HomeService& service);
    void update(const HomeService& service);
    [[nodiscard]] const HomeService& service() const { return service_; }

    // RFC 4877 4.2: what an identity may speak for by our configuration; none: nothing is said about it.
    [[nodiscard]] std::optional<HomeEntry> entry_for(const auth::Identity& identity) const;
    [[nodiscard]] bool is_home(const IpAddress& address) const; // of one of our prefixes

    // A message from the mobile node of this claim, whose end of the IKE SA is at `keys_at`. Error: it is dropped,
    // nothing has changed.
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const mobility::Arrival& arrival,
                                                    const mobility::Message& message, const HomeClaim& claim,
                                                    const std::optional<IpAddress>& keys_at);

    // RFC 6275 10.6: answered with our home prefixes. Error: it is dropped.
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const mobility::Arrival& arrival,
                                                    const mobility::PrefixSolicitation& solicitation);

    // Somebody else's decision (mobility::BindingCache).
    void set(Instant now, const IpAddress& home, const mobility::Binding& binding);
    void remove(Instant now, const IpAddress& home, std::uint16_t bid);
    void remove(Instant now, const IpAddress& home);
    // Asks the mobile node to register anew.
    void ask_refresh(const IpAddress& home);

    [[nodiscard]] const mobility::Registration* find(const IpAddress& home) const {
        return cache_.find(home);
    }
    [[nodiscard]] std::vector<mobility::Registration> registrations() const { return cache_.registrations(); }
    [[nodiscard]] std::optional<Instant> next_timeout() const { return cache_.next_timeout(); }
    void on_timeout(Instant now);
    [[nodiscard]] BindingEffects take() { return std::exchange(effects_, {}); }

  private:
    struct Pace {
        Instant since;
        unsigned updates = 0;
    };

    [[nodiscard]] bool keeps_pace(Instant now, const IpAddress& home);
    [[nodiscard]] std::expected<void, Rule> check_source(const mobility::Arrival& arrival);
    void tell_refused(const IpAddress& home, const mobility::BindingUpdate& update, mobility::Status status);

    std::string connection_;
    HomeService service_;
    mobility::BindingCache cache_;
    std::map<IpAddress, Pace> paces_;         // of home addresses, within the last second
    std::map<IpAddress, Instant> advertised_; // to home addresses, within the last second
    BindingEffects effects_;
};

} // namespace sheaf::ike
