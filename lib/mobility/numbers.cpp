#include "lib/mobility/numbers.h"

namespace sheaf::mobility {

std::string_view name(Status status) {
    switch (status) {
#define X(name, number, sentence)                                                                            \
    case Status::name: return #name;
        SHEAF_BINDING_STATUS(X)
#undef X
    }
    return "unknown";
}

std::string_view sentence(Status status) {
    switch (status) {
#define X(name, number, sentence)                                                                            \
    case Status::name: return sentence;
        SHEAF_BINDING_STATUS(X)
#undef X
    }
    return "unknown";
}

std::string_view name(FlowStatus status) {
    switch (status) {
    case FlowStatus::accepted: return "accepted";
    case FlowStatus::prohibited: return "prohibited";
    case FlowStatus::unspecified: return "unspecified";
    case FlowStatus::malformed: return "malformed";
    case FlowStatus::unknown_binding: return "unknown_binding";
    case FlowStatus::unknown_flow: return "unknown_flow";
    case FlowStatus::unsupported_selector: return "unsupported_selector";
    }
    return "unknown";
}

} // namespace sheaf::mobility
