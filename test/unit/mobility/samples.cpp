#include "test/unit/mobility/samples.h"

namespace sheaf::test {

using namespace sheaf::mobility;

FlowSelector sample_selector() {
    FlowSelector selector;
    selector.source = {ip("2001:db8:c::"), ip("2001:db8:c::ffff")};
    selector.destination = {ip("2001:db8:a::1"), ip("2001:db8:a::1")};
    selector.spi = {0x100, 0x1ff};
    selector.flow_label = {0xabcde, 0xabcde};
    selector.source_port = {443, 443};
    selector.destination_port = {1024, 65535};
    selector.traffic_class = {0xb8, 0xb8};
    selector.next_header = {6, 17};
    return selector;
}

std::vector<Message> sample_mobility_messages() {
    FlowIdentification known{7, 30};
    FlowIdentification flow{8, 10, FlowStatus::unknown_binding, {1, 2, 3}, sample_selector()};
    FlowSelector ports;
    ports.source_port = {5001, 5001};
    FlowIdentification by_port{9, 20, FlowStatus::accepted, {2}, ports};

    BindingUpdate bulk;
    bulk.sequence = 0xfffe;
    bulk.flags = kAcknowledge | kHomeRegistration | kKeyMobility | kMobileRouter | kOverwrite;
    bulk.lifetime = 105;
    bulk.options.bindings = {{1, Status::accepted, false, 10, ip("2001:db8:1::5")},
                             {2, Status::accepted, true, 20, ip("2001:db8:a::1")},
                             {3, Status::accepted, false, 0, ip("192.0.2.9")},
                             {4, Status::accepted, false, 127, std::nullopt}};
    bulk.options.prefixes = {Prefix(ip("2001:db8:f0::"), 48), Prefix(ip("2001:db8:f1::"), 64)};
    bulk.options.flows = {known, flow, by_port};
    for (std::uint16_t fid = 100; fid < 228; ++fid)
        bulk.options.flow_summary.push_back(fid);

    BindingUpdate plain;
    plain.sequence = 5;
    plain.flags = kAcknowledge | kHomeRegistration | kLinkLocal;
    plain.lifetime = 0xffff;
    plain.options.alternate_care_of = ip("2001:db8:1::5");

    BindingUpdate correspondent;
    correspondent.flags = kAcknowledge;
    correspondent.options.nonce_indices = NonceIndices{3, 0x1234};
    correspondent.options.authorization = Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

    BindingAck ack;
    ack.status = Status::not_complete;
    ack.flags = kAckKeyMobility | kAckMobileRouter;
    ack.sequence = 0xfffe;
    ack.lifetime = 100;
    ack.options.refresh_advice = 90;
    ack.options.bindings = {{1, Status::accepted, false, 10, std::nullopt},
                            {9, Status::unknown_care_of, false, 11, std::nullopt}};
    ack.options.flows = {flow};

    RefreshRequest request;
    request.options.bindings = {{3, Status::accepted, false, 0, std::nullopt}};

    return {request,
            RefreshRequest{},
            RoutabilityTest{MessageType::home_test_init, Bytes{0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
            RoutabilityTest{MessageType::care_of_test, Bytes(18, 7)},
            BindingUpdate{},
            bulk,
            plain,
            correspondent,
            BindingAck{},
            ack,
            BindingError{ErrorStatus::unknown_message, ip("2001:db8:a::1")}};
}

} // namespace sheaf::test
