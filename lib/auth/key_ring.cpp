#include "lib/auth/key_ring.h"

namespace sheaf::auth {

KeyRing::KeyRing(const std::vector<SharedKey>& keys) {
    for (const SharedKey& key : keys) {
        // Distinguished names have several encodings, so they are compared and not looked up.
        if (key.peer.exact() && key.peer.exact()->type != wire::IdType::der_asn1_dn) {
            exact_.emplace(*key.peer.exact(), key.key);
        } else {
            patterns_.push_back(key);
        }
    }
}

const Secret* KeyRing::find(const Identity& peer) const {
    const auto exact = exact_.find(peer);
    if (exact != exact_.end()) return exact->second.get();
    for (const SharedKey& key : patterns_) {
        if (key.peer.matches(peer)) return key.key.get();
    }
    return nullptr;
}

} // namespace sheaf::auth
