#pragma once

#include "netlink/error.h"
#include "netlink/message.h"

#include <linux/netlink.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::xfrm {

enum class Room : std::uint8_t { route, xfrm }; // which socket

// One message of an intent.
struct Operation {
    Room room{};
    netlink::Message message;
    std::string object{};         // "policy in ::/0 -> 2001:db8::/64 (link 0x53000001)"
    std::string_view verb{};      // "install"
    std::vector<int> tolerated{}; // errno values that mean that it is so already

    // What takes it back; empty when nothing need be. Called at most once, only after the operation was
    // carried out, or may have been.
    std::move_only_function<netlink::Message()> undo{};
    bool undo_if_unanswered = true; // false where the undo could hit what is not ours
    // Adds what helps the operator to the kernel's words; called when all of the stage is answered.
    std::move_only_function<std::string(const netlink::Error&)> hint{};
    std::move_only_function<void(const nlmsghdr&)> on_object{};
    std::move_only_function<void()> on_success{}; // also when it is so already
    std::move_only_function<void()> on_refused{}; // the kernel answered, and said no
};

// Operations that may be under way together. The kernel carries out those of one room in their order.
struct Stage {
    // Operations, or why there can be none: then the intent fails.
    using Prepared = std::expected<std::vector<Operation>, std::string>;
    // Called when all earlier stages have succeeded: operations that need an answer of theirs. They come
    // first.
    std::move_only_function<Prepared()> prepare{};
    std::vector<Operation> operations{};
    bool installs = false; // whether something in it would have to be undone
    // Called before anything of the stage is sent; what they tell is true even if the stage fails then.
    std::vector<std::move_only_function<void()>> on_begin{};
};

// How an intent is carried out: stage by stage.
class Plan {
  public:
    // Adds to the current stage.
    void add(Operation operation);
    // Removals are not undone, so all that was installed before must have succeeded before they are sent.
    void add_removal(Operation operation);
    // Begins a stage whose first operations are known only when the earlier stages have succeeded.
    void add_later(std::move_only_function<Stage::Prepared()> prepare);

    // The stages that add() and add_removal() add to.
    [[nodiscard]] Stage& current();
    [[nodiscard]] Stage& removals();

    // Called when the plan fails while it is carried out: what takes back more than the operations' own undos
    // do. It is sent before them.
    void on_undo(std::move_only_function<std::vector<Operation>()> restore) {
        restorations_.push_back(std::move(restore));
    }
    [[nodiscard]] std::vector<Operation> restorations();

    // Takes back what planning changed in our own books; called in reverse order when the intent fails.
    void on_failure(std::move_only_function<void()> rollback) { rollbacks_.push_back(std::move(rollback)); }
    void roll_back();

    [[nodiscard]] std::vector<Stage>& stages() { return stages_; }

  private:
    std::vector<Stage> stages_;
    std::vector<std::move_only_function<std::vector<Operation>()>> restorations_;
    std::vector<std::move_only_function<void()>> rollbacks_;
};

// An operation that removes something; that it is gone already is success.
[[nodiscard]] Operation removal(Room room, netlink::Message message, std::string object);

} // namespace sheaf::xfrm
