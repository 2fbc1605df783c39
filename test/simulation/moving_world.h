#pragma once

#include "test/support/wire_net.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

// A client with two uplinks, each behind a NAT or not, and a gateway with two addresses, in a network that loses
// and delays, in which uplinks come and go, fall silent, get other addresses and other mappings of their NATs.
// One uplink works at every moment.
namespace sheaf::test {

class MovingWorld {
  public:
    explicit MovingWorld(std::uint64_t seed);

    // The whole of it: comes up, is disturbed, is left in peace, goes down. Empty, or what was wrong.
    [[nodiscard]] std::string run();

  private:
    struct Uplink {
        std::string name;
        IpAddress inside;       // the client's address there
        IpAddress outside;      // what the NAT makes of it; the same: there is none
        bool up = true;         // the client has it
        bool silent = false;    // and nothing comes through
        std::uint16_t port = 0; // of its NAT's mapping; 0: there is none yet
        unsigned addresses = 0; // it has had
    };

    bool on_wire(ike::Datagram& datagram);
    bool from_client(ike::Datagram& datagram);
    bool to_client(ike::Datagram& datagram);
    void deliver_late();
    void disturb();
    void cut_or_mend(Uplink& uplink);
    void readdress(Uplink& uplink);
    void rekey();
    void show_uplinks();
    void run_for(Duration duration);
    // What must hold at every moment. Empty, or what does not.
    [[nodiscard]] std::string check() const;
    [[nodiscard]] std::string check_at_peace() const;

    WireNet net_;
    SeededRandom chance_;
    Host* gateway_ = nullptr;
    Host* client_ = nullptr;
    std::vector<Uplink> uplinks_;
    std::uint16_t next_port_ = 20000;
    bool bad_ = true;      // the network loses and delays
    bool spoofed_ = false; // somebody on the way puts another source on what the client sends, now and then
    std::set<IpAddress> reached_; // the gateway's datagrams have come to the client when sent there
    struct Late {
        Instant at;
        ike::Datagram datagram;
    };
    std::vector<Late> late_;
    std::string wrong_;
};

} // namespace sheaf::test
