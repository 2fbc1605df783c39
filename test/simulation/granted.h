#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/ike/mobility_header.h"
#include "lib/mobility/message.h"

#include <cstddef>
#include <cstdint>
#include <map>

namespace sheaf::test {

// Where a home agent may send, as anybody knows who reads its acknowledgements: a second opinion about its binding
// cache, made of nothing but the messages and of what its operator has decided.
class Granted {
  public:
    struct Way {
        IpAddress care_of;
        Instant until;
    };

    // A Mobility Header was sent, by either end.
    void read(Instant now, const ike::MobilityHeader& header);
    void set(std::uint16_t bid, const Way& way);
    void remove(std::uint16_t bid) { ways_.erase(bid); }
    void clear() { ways_.clear(); }
    [[nodiscard]] bool holds(Instant now, std::uint16_t bid, const IpAddress& care_of) const;
    [[nodiscard]] bool holds(Instant now, const IpAddress& care_of) const;
    [[nodiscard]] std::size_t ways(Instant now) const; // how many there are
    [[nodiscard]] bool has_expired(Instant now, std::uint16_t bid) const;

  private:
    void accept(Instant now, const mobility::BindingUpdate& update, const mobility::BindingAck& ack);

    std::map<std::uint16_t, Way> ways_;                        // by binding identifier
    std::map<std::uint16_t, mobility::BindingUpdate> updates_; // that were sent, by sequence number
};

} // namespace sheaf::test
