#include "lib/wire/payload.h"

namespace sheaf::wire {
namespace {

struct TypeOf {
    PayloadType operator()(const Sa&) const { return PayloadType::sa; }
    PayloadType operator()(const KeyExchange&) const { return PayloadType::ke; }
    PayloadType operator()(const Identification& id) const {
        return id.initiator ? PayloadType::id_i : PayloadType::id_r;
    }
    PayloadType operator()(const Certificate&) const { return PayloadType::cert; }
    PayloadType operator()(const CertificateRequest&) const { return PayloadType::certreq; }
    PayloadType operator()(const Authentication&) const { return PayloadType::auth; }
    PayloadType operator()(const Nonce&) const { return PayloadType::nonce; }
    PayloadType operator()(const Notify&) const { return PayloadType::notify; }
    PayloadType operator()(const Delete&) const { return PayloadType::del; }
    PayloadType operator()(const VendorId&) const { return PayloadType::vendor_id; }
    PayloadType operator()(const TrafficSelectors& ts) const {
        return ts.initiator ? PayloadType::ts_i : PayloadType::ts_r;
    }
    PayloadType operator()(const Configuration&) const { return PayloadType::cp; }
    PayloadType operator()(const Eap&) const { return PayloadType::eap; }
    PayloadType operator()(const UnknownPayload& unknown) const { return unknown.type; }
};

} // namespace

PayloadType type_of(const Payload& payload) { return std::visit(TypeOf{}, payload); }

} // namespace sheaf::wire
