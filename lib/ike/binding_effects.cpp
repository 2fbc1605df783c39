#include "lib/ike/binding_effects.h"

namespace sheaf::ike {
namespace {

using What = BindingChanged::What;

What what_of(const mobility::BindingChange& change) {
    using mobility::ChangeKind;
    switch (change.kind) {
    case ChangeKind::added: return What::registered;
    case ChangeKind::refreshed: return What::refreshed;
    case ChangeKind::removed: return What::ended;
    case ChangeKind::changed: break;
    }
    // Another priority is no move.
    const bool moved = change.before && change.before->care_of != change.binding.care_of;
    return moved ? What::moved : What::refreshed;
}

} // namespace

std::string_view name(BindingChanged::What what) {
    switch (what) {
    case What::registered: return "registered";
    case What::refreshed: return "refreshed";
    case What::moved: return "moved";
    case What::ended: return "ended";
    case What::refused: return "refused";
    case What::prefix_gone: return "prefix_gone";
    case What::at_home: return "at_home";
    }
    return "unknown";
}

void BindingEffects::note(const std::string& connection, std::span<const mobility::Change> changes,
                          Instant now) {
    for (const mobility::Change& change : changes) {
        if (const auto* key = std::get_if<mobility::KeyEndpointChange>(&change)) keys.push_back(*key);
        const auto* binding = std::get_if<mobility::BindingChange>(&change);
        if (!binding) continue;
        BindingChanged event{connection, binding->home, what_of(*binding), binding->binding.bid,
                             binding->binding.care_of};
        if (event.what == What::moved) event.before = binding->before->care_of;
        if (event.what != What::ended) event.lifetime = binding->binding.expires - now;
        events.push_back(std::move(event));
    }
}

} // namespace sheaf::ike
