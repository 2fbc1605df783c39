#include "lib/group/breach.h"

#include <array>
#include <cstddef>

namespace sheaf::group {
namespace {

struct Entry {
    std::string_view name;
    wire::NotifyType answer;
    std::string_view sentence;
};

constexpr Entry kEntries[] = {
#define X(name, answer, sentence) {#name, wire::NotifyType::answer, sentence},
    SHEAF_GROUP_BREACHES(X)
#undef X
};

const Entry& entry(Breach breach) { return kEntries[static_cast<std::size_t>(breach)]; }

} // namespace

std::string_view name(Breach breach) { return entry(breach).name; }
std::string_view sentence(Breach breach) { return entry(breach).sentence; }
wire::NotifyType answer(Breach breach) { return entry(breach).answer; }

Rule rule(Breach breach) {
    switch (answer(breach)) {
    case wire::NotifyType::invalid_syntax: return Rule::bad_notify;
    case wire::NotifyType::temporary_failure: return Rule::collision;
    default: return Rule::no_proposal_chosen;
    }
}

} // namespace sheaf::group
