#include "xfrm/transaction.h"

#include <algorithm>
#include <utility>

namespace sheaf::xfrm {

Transaction::Transaction(Plan plan, std::set<child::LinkNumber> links, Sockets sockets, Finished finished)
    : plan_(std::move(plan)), links_(std::move(links)), sockets_(sockets), finished_(std::move(finished)) {}

void Transaction::start() { next_stage(); }

bool Transaction::touches(const std::set<child::LinkNumber>& links) const {
    return std::ranges::any_of(links, [&](child::LinkNumber link) { return links_.contains(link); });
}

void Transaction::next_stage() {
    while (stage_ < plan_.stages().size()) {
        Stage& stage = plan_.stages()[stage_++];
        stage_begin_ = submitted_.size();
        std::vector<Operation> operations;
        if (stage.prepare) operations = stage.prepare();
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
    std::vector<std::pair<Operation*, netlink::Message>> undos;
    for (auto at = submitted_.rbegin(); at != submitted_.rend(); ++at) {
        Operation& operation = at->operation;
        const bool carried_out = at->outcome == Outcome::done ||
                                 (at->outcome == Outcome::unanswered && operation.undo_if_unanswered);
        if (carried_out && operation.undo) undos.emplace_back(&operation, operation.undo());
    }
    if (undos.empty()) return end();
    pending_ = undos.size();
    for (auto& [operation, message] : undos) {
        sockets_.of(operation->room)
            .request(std::move(message), [this, object = operation->object](const auto& result) {
                undo_answered(object, result);
            });
    }
}

void Transaction::undo_answered(const std::string& object,
                                const std::expected<void, netlink::Error>& result) {
    if (!result) {
        const auto gone = removal(Room::route, {}, {}).tolerated;
        if (std::ranges::find(gone, result.error().code) == gone.end())
            *error_ += "; and it could not be undone: " + object + ": remove: " + result.error().to_string();
    }
    if (--pending_ == 0) end();
}

void Transaction::end() {
    if (error_) plan_.roll_back();
    ended_ = true;
    finished_(std::move(error_));
}

} // namespace sheaf::xfrm
