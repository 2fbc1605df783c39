#pragma once

#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/wire/payload.h"

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Traffic selectors as sets of packets (RFC 7296 2.9).
namespace sheaf::child {

using wire::TrafficSelector;

// All protocols and ports of a prefix.
[[nodiscard]] TrafficSelector selector(const Prefix& prefix);
[[nodiscard]] std::vector<TrafficSelector> selectors(std::span<const Prefix> prefixes);

// What both let through; none if that is nothing.
[[nodiscard]] std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b);
[[nodiscard]] bool contains(const TrafficSelector& outer, const TrafficSelector& inner);

// The fewest prefixes that are exactly the selector's address range, or none if more than `most` were needed.
[[nodiscard]] std::optional<std::vector<Prefix>> prefixes_of(const TrafficSelector& selector,
                                                             std::size_t most);

[[nodiscard]] std::string
to_string(const TrafficSelector& selector); // "2001:db8::/64", "10.0.0.1-10.0.0.9 tcp/22"
[[nodiscard]] std::vector<std::string> texts(std::span<const TrafficSelector> selectors);

// The selectors of a Child SA that were found to lie within our policy. Only the checks below can make one.
class Narrowed {
  public:
    [[nodiscard]] const std::vector<TrafficSelector>& initiator() const { return initiator_; }
    [[nodiscard]] const std::vector<TrafficSelector>& responder() const { return responder_; }

    // RFC 7296 2.9: the responder answers what is in the offer and in its policy; each side must keep
    // something of every address family that it keeps on the other, else nothing could flow. Error:
    // ts_unacceptable.
    [[nodiscard]] static std::expected<Narrowed, Rule> narrow(std::span<const TrafficSelector> offered_i,
                                                              std::span<const TrafficSelector> policy_i,
                                                              std::span<const TrafficSelector> offered_r,
                                                              std::span<const TrafficSelector> policy_r);

    // The initiator's check: the answer is a subset of what it offered, on both sides.
    // Error: ts_not_narrowed.
    [[nodiscard]] static std::expected<Narrowed, Rule> accept(std::span<const TrafficSelector> answered_i,
                                                              std::span<const TrafficSelector> offered_i,
                                                              std::span<const TrafficSelector> answered_r,
                                                              std::span<const TrafficSelector> offered_r);

  private:
    Narrowed(std::vector<TrafficSelector> i, std::vector<TrafficSelector> r)
        : initiator_(std::move(i)), responder_(std::move(r)) {}
    std::vector<TrafficSelector> initiator_;
    std::vector<TrafficSelector> responder_;
};

} // namespace sheaf::child
