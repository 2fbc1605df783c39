#pragma once

#include "lib/child/kernel.h"
#include "netlink/netlink_socket.h"
#include "xfrm/plan.h"
#include "xfrm/shared_book.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// The sockets that requests go to.
struct Sockets {
    netlink::Socket& route;
    netlink::Socket& xfrm;

    [[nodiscard]] netlink::Socket& of(Room room) const { return room == Room::route ? route : xfrm; }
};

// What an intent is about, and what else it may not be under way with another one for.
struct Touched {
    std::set<child::LinkNumber> links;
    SharedBook::Use shared;

    [[nodiscard]] bool clashes(const Touched& other) const;
};

// One intent under way: submits the plan's stages one after the other; after the first stage with a failure,
// submits the undo of all that was, or may have been, carried out, last first.
//
// Its address must not change; it must outlive its requests.
class Transaction {
  public:
    using Finished = std::move_only_function<void(std::optional<std::string> error)>;

    Transaction(Plan plan, Touched touched, Sockets sockets, Finished finished);
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void start();
    [[nodiscard]] const Touched& touched() const { return touched_; }
    [[nodiscard]] bool ended() const { return ended_; }

  private:
    enum class Outcome : std::uint8_t { pending, done, already, failed, unanswered };
    struct Submitted {
        Operation operation;
        Outcome outcome = Outcome::pending;
        netlink::Error error{};
    };

    void next_stage();
    void submit(Operation operation);
    void answered(std::size_t index, const std::expected<void, netlink::Error>& result);
    void stage_done();
    void begin_undo();
    void undo_answered(std::size_t index, const std::expected<void, netlink::Error>& result);
    void end();

    Plan plan_;
    Touched touched_;
    Sockets sockets_;
    Finished finished_;
    std::vector<Submitted> submitted_;
    std::vector<Operation> undos_;
    std::size_t stage_ = 0;
    std::size_t stage_begin_ = 0; // in submitted_
    std::size_t pending_ = 0;
    std::optional<std::string> error_;
    bool ended_ = false;
};

} // namespace sheaf::xfrm
