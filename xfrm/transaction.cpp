#include "xfrm/transaction.h"

#include <algorithm>
#include <utility>

namespace sheaf::xfrm {

bool Touched::clashes(const Touched& other) const {
    const auto common = [&](child::LinkNumber link) { return other.links.contains(link); };
    return std::ranges::any_of(links, common) || SharedBook::clash(shared, other.shared);
}

Transaction::Transaction(Plan plan, Touched touched, Sockets sockets, Finished finished)
    : plan_(std::move(plan)), touched_(std::move(touched)), sockets_(sockets),
      finished_(std::move(finished)) {}

void Transaction::start() { next_stage(); }

void Transaction::next_stage() {
    while (stage_ < plan_.stages().size()) {
        Stage& stage = plan_.stages()[stage_++];
        stage_begin_ = submitted_.size();
        for (auto& begin : stage.on_begin)
            begin();
        std::vector<Operation> operations;
        if (stage.prepare) {
            auto prepared = stage.prepare();
            if (!prepared) {
                error_ = std::move(prepared.error());
                return begin_undo();
            }
            operations = std::move(*prepared);
        }
        std::ranges::move(stage.operations, std::back_inserter(operations));
        if (operations.empty()) continue;
        pending_ = operations.size();
        for (Operation& operation : operations)
            submit(std::move(operation));
        return;
    }
    end();
}

void Transaction::submit(Operation operation) {
    const std::size_t index = submitted_.size();
    netlink::Socket& socket = sockets_.of(operation.room);
    netlink::Message message = std::move(operation.message);
    auto on_object = std::move(operation.on_object);
    submitted_.push_back({.operation = std::move(operation)});
    socket.request(
        std::move(message), [this, index](const auto& result) { answered(index, result); },
        std::move(on_object));
}

void Transaction::answered(std::size_t index, const std::expected<void, netlink::Error>& result) {
    Submitted& submitted = submitted_[index];
    if (result) {
        submitted.outcome = Outcome::done;
    } else if (std::ranges::find(submitted.operation.tolerated, result.error().code) !=
               submitted.operation.tolerated.end()) {
        submitted.outcome = Outcome::already;
    } else {
        submitted.outcome = result.error().unanswered ? Outcome::unanswered : Outcome::failed;
        submitted.error = result.error();
    }
    const bool so = submitted.outcome == Outcome::done || submitted.outcome == Outcome::already;
    if (so && submitted.operation.on_success) submitted.operation.on_success();
    if (submitted.outcome == Outcome::failed && submitted.operation.on_refused)
        submitted.operation.on_refused();
    if (--pending_ == 0) stage_done();
}

void Transaction::stage_done() {
    const auto refused = std::find_if(
        submitted_.begin() + static_cast<std::ptrdiff_t>(stage_begin_), submitted_.end(),
        [](const Submitted& s) { return s.outcome == Outcome::failed || s.outcome == Outcome::unanswered; });
    if (refused == submitted_.end()) return next_stage();
    Operation& operation = refused->operation;
    error_ = operation.object + ": " + std::string(operation.verb) + ": " + refused->error.to_string();
    if (operation.hint) *error_ += operation.hint(refused->error);
    begin_undo();
}

void Transaction::begin_undo() {
    undos_ = plan_.restorations();
    for (auto at = submitted_.rbegin(); at != submitted_.rend(); ++at) {
        Operation& operation = at->operation;
        const bool carried_out = at->outcome == Outcome::done ||
                                 (at->outcome == Outcome::unanswered && operation.undo_if_unanswered);
        if (!carried_out || !operation.undo) continue;
        undos_.push_back({.room = operation.room, .message = operation.undo(), .object = operation.object});
    }
    if (undos_.empty()) return end();
    pending_ = undos_.size();
    for (std::size_t i = 0; i < undos_.size(); ++i)
        sockets_.of(undos_[i].room).request(std::move(undos_[i].message), [this, i](const auto& result) {
            undo_answered(i, result);
        });
}

void Transaction::undo_answered(std::size_t index, const std::expected<void, netlink::Error>& result) {
    Operation& undo = undos_[index];
    const auto gone = removal(Room::route, {}, {}).tolerated;
    if (result || std::ranges::find(gone, result.error().code) != gone.end()) {
        if (undo.on_success) undo.on_success();
    } else {
        *error_ += "; and it could not be undone: " + undo.object + ": remove: " + result.error().to_string();
    }
    if (--pending_ == 0) end();
}

void Transaction::end() {
    if (error_) plan_.roll_back();
    ended_ = true;
    finished_(std::move(error_));
}

} // namespace sheaf::xfrm
