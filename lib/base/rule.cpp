#include "lib/base/rule.h"

#include <array>
#include <cstddef>

namespace sheaf {
namespace {

struct Entry {
    std::string_view name;
    RuleKind kind;
    std::uint16_t notify;
    std::string_view sentence;
};

constexpr std::array<Entry, kRuleCount> kEntries{{
#define X(name, kind, notify, sentence) {#name, RuleKind::kind, notify, sentence},
    SHEAF_RULES(X)
#undef X
}};

const Entry& entry(Rule rule) { return kEntries.at(static_cast<std::size_t>(rule)); }

} // namespace

std::string_view name(Rule rule) { return entry(rule).name; }
std::string_view sentence(Rule rule) { return entry(rule).sentence; }
RuleKind kind(Rule rule) { return entry(rule).kind; }
std::uint16_t notify_type(Rule rule) { return entry(rule).notify; }

} // namespace sheaf
