#pragma once

#include "lib/base/time.h"
#include "lib/ike/event.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace sheaf::daemon {

// What went wrong lately, for `sheafctl explain`: refusals, IKE SAs that ended, pools that ran low, paths that went down, and
// group SAs that were not taken.
//
// The same again is one entry that counts. What anyone can cause who can send a datagram has a place of its
// own, so that a flood of it cannot push out what a person looks for.
class History {
  public:
    static constexpr std::size_t kMostOfStrangers = 64; // malformed and unexpected datagrams
    static constexpr std::size_t kMostOfPeers = 256;    // all else

    enum class What : std::uint8_t { refused, down, pool_low, path, group };

    void note(const ike::Event& event, Instant now);

    // Newest first: of a connection, a pool, a group, a peer's identity or its address (with a port or without); all if
    // `name` is empty. The form is that of the answer to "explain".
    [[nodiscard]] nlohmann::ordered_json explain(std::string_view name, Instant now) const;

  private:
    struct Entry {
        What what = What::refused;
        Rule rule{};
        ike::DownReason reason{};
        std::string detail;
        Endpoint peer;
        wire::Spi spi = 0;
        std::string connection; // empty where it is not known
        std::string peer_id;
        bool retrying = false;
        ike::PoolLow pool;  // pool_low
        std::string uplink; // path
        IpAddress gateway;  // path
        std::string state;  // path
        std::string group;
        ike::GroupChanged::What change{}; // group
        Instant first;
        Instant last;
        std::uint64_t count = 1;
    };

    void note_refused(const ike::Refused& refused, Instant now);
    void note_down(const ike::IkeDown& down, Instant now);
    void note_pool(const ike::PoolLow& pool, Instant now);
    void note_group(const ike::GroupChanged& change, Instant now);
    void note_path(const ike::PathChanged& path, Instant now);
    static void put(std::deque<Entry>& entries, Entry entry, std::size_t most);
    static bool same(const Entry& a, const Entry& b);
    static bool concerns(const Entry& entry, std::string_view name);
    static std::string_view remedy_of(const Entry& entry);
    static nlohmann::ordered_json to_json(const Entry& entry, Instant now);

    std::deque<Entry> strangers_; // newest first
    std::deque<Entry> peers_;
};

} // namespace sheaf::daemon
