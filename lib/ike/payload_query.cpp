// Finding payloads in a message, and the notifies that answer one.

#include "lib/group/put.h"
#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

template <typename T>
std::expected<const T*, Rule> single_of_side(std::span<const wire::Payload> payloads, bool initiator) {
    const T* found = nullptr;
    for (const wire::Payload& payload : payloads) {
        const auto* candidate = std::get_if<T>(&payload);
        if (!candidate || candidate->initiator != initiator) continue;
        if (found) return std::unexpected(Rule::duplicate_payload);
        found = candidate;
    }
    if (!found) return std::unexpected(Rule::missing_payload);
    return found;
}

template <typename Predicate>
const wire::Notify* find_notify_if(std::span<const wire::Payload> payloads, Predicate wanted) {
    for (const wire::Payload& payload : payloads) {
        const auto* candidate = std::get_if<wire::Notify>(&payload);
        if (candidate && wanted(*candidate)) return candidate;
    }
    return nullptr;
}

} // namespace

std::expected<const wire::Identification*, Rule> single_id(std::span<const wire::Payload> payloads,
                                                           bool initiator) {
    return single_of_side<wire::Identification>(payloads, initiator);
}

std::expected<const wire::TrafficSelectors*, Rule> single_ts(std::span<const wire::Payload> payloads,
                                                             bool initiator) {
    return single_of_side<wire::TrafficSelectors>(payloads, initiator);
}

const wire::Notify* find_notify(std::span<const wire::Payload> payloads, wire::NotifyType type) {
    return find_notify_if(payloads, [type](const wire::Notify& n) { return n.type == type; });
}

const wire::Notify* find_error(std::span<const wire::Payload> payloads) {
    return find_notify_if(payloads, [](const wire::Notify& n) { return wire::is_error(n.type); });
}

std::string error_text(const wire::Notify& error) {
    const auto known = wire::name(error.type);
    return "the peer answered " + (known == "unknown"
                                       ? "error " + std::to_string(static_cast<unsigned>(error.type))
                                       : std::string(known));
}

wire::Notify notify(wire::NotifyType type, Bytes data) {
    return {wire::Protocol::none, {}, type, std::move(data)};
}

wire::Notify notify(Rule rule) { return notify(static_cast<wire::NotifyType>(notify_type(rule))); }

std::string describe(const crypto::IkeSuite& suite) {
    std::string out(crypto::to_string(crypto::Encryption{suite.encr, suite.key_bits}));
    if (suite.integ != crypto::IntegId::none) out.append("-").append(crypto::to_string(suite.integ));
    return out.append("-")
        .append(crypto::to_string(suite.prf))
        .append("-")
        .append(crypto::to_string(suite.ke));
}

std::string describe(const crypto::EspSuite& suite) {
    std::string out(crypto::to_string(crypto::Encryption{suite.encr, suite.key_bits}));
    if (suite.integ != crypto::IntegId::none) out.append("-").append(crypto::to_string(suite.integ));
    if (suite.ke) out.append("-").append(crypto::to_string(*suite.ke));
    return out;
}

std::string describe(const group::Suite& suite) {
    std::string out = describe(crypto::EspSuite{suite.encr.id, suite.encr.key_bits, suite.integ, {}});
    return out.append("-").append(crypto::to_string(suite.prf));
}

void wipe_keys(std::span<wire::Payload> payloads) {
    for (wire::Payload& payload : payloads) {
        auto* notify = std::get_if<wire::Notify>(&payload);
        if (notify && notify->type == group::kMpsaPut) wipe(notify->data);
    }
}

} // namespace sheaf::ike
