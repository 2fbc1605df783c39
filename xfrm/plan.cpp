#include "xfrm/plan.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <ranges>
#include <utility>

namespace sheaf::xfrm {

Stage& Plan::current() {
    if (stages_.empty()) stages_.emplace_back();
    return stages_.back();
}

void Plan::add(Operation operation) {
    Stage& stage = current();
    stage.installs |= static_cast<bool>(operation.undo);
    stage.operations.push_back(std::move(operation));
}

Stage& Plan::removals() {
    if (current().installs) stages_.emplace_back();
    return current();
}

void Plan::add_removal(Operation operation) { removals().operations.push_back(std::move(operation)); }

void Plan::add_later(std::move_only_function<Stage::Prepared()> prepare) {
    stages_.push_back({.prepare = std::move(prepare), .installs = true});
}

std::vector<Operation> Plan::restorations() {
    std::vector<Operation> out;
    for (auto& restore : restorations_ | std::views::reverse)
        std::ranges::move(restore(), std::back_inserter(out));
    return out;
}

void Plan::roll_back() {
    for (auto& rollback : rollbacks_ | std::views::reverse)
        rollback();
    rollbacks_.clear();
}

Operation removal(Room room, netlink::Message message, std::string object) {
    return {.room = room,
            .message = std::move(message),
            .object = std::move(object),
            .verb = "remove",
            // States and rules: ESRCH, ENOENT; routes: ESRCH; what hung on an interface that went: ENODEV;
            // addresses: EADDRNOTAVAIL; a family that is switched off: EAFNOSUPPORT.
            .tolerated = {ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL, EAFNOSUPPORT}};
}

} // namespace sheaf::xfrm
