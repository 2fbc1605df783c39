// Virtual links: who holds them, and what the kernel has of them.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

std::shared_ptr<VirtualLink> Engine::Core::new_link() {
    auto out = std::make_shared<VirtualLink>();
    out->link.number = fresh_number();
    return out;
}

// The configured connection that an IKE SA is of, if we may begin it.
Initiation* Engine::Core::initiation_for(const IkeSa& sa) {
    const auto found = initiations_.find(sa.connection->name);
    const bool same = found != initiations_.end() && found->second.connection == sa.connection;
    return same ? &found->second : nullptr;
}

// The link of a peer connection with an interface; all of its IKE SAs and its traps share it.
std::shared_ptr<VirtualLink> Engine::Core::link_of_peer(const Connection& connection,
                                                        Initiation* initiation) {
    if (initiation && initiation->link) return initiation->link;
    auto out = new_link();
    if (initiation) initiation->link = out;
    out->link.role = child::LinkRole::client;
    out->link.interface = connection.interface;
    for (const ChildConfig& config : connection.children) {
        for (const auto& selector : config.remote) {
            const auto prefixes = child::prefixes_of(selector, wire::kMaxSelectors);
            if (prefixes) out->link.routes.insert(out->link.routes.end(), prefixes->begin(), prefixes->end());
        }
    }
    return out;
}

// The steps that make the link so. When the intent that `pending` stands for fails, the link is as it was.
std::vector<child::KernelStep> Engine::Core::open_link(const Opening& opening, Pending& pending) {
    std::vector<child::KernelStep> steps;
    if (!opening.link) return steps;
    VirtualLink& link = *opening.link;
    if (link.open && link.link == opening.next) return steps;
    pending.link = opening.link;
    if (link.open) {
        pending.before = link.link;
        steps.emplace_back(child::UpdateLink{link.link, opening.next});
    } else {
        steps.emplace_back(child::OpenLink{opening.next});
    }
    link.link = opening.next;
    link.open = true;
    return steps;
}

// Lets go of a link; the last one closes it.
void Engine::Core::release_link(std::shared_ptr<VirtualLink>& holder, std::vector<child::KernelStep>& steps) {
    const auto link = std::exchange(holder, nullptr);
    if (!link || link.use_count() > 1) return;
    numbers_.erase(link->link.number);
    if (link->open) steps.emplace_back(child::CloseLink{link->link});
}

void Engine::Core::release_link(IkeSa& sa, std::vector<child::KernelStep>& steps) {
    release_link(sa.link, steps);
    if (Initiation* initiation = initiation_for(sa)) settle_link(*initiation, steps);
}

// Closes what no IKE SA uses and nothing wants to stay.
void Engine::Core::settle_link(Initiation& initiation, std::vector<child::KernelStep>& steps) {
    if (!initiation.link || initiation.link.use_count() > 1) return;
    const bool trapped = std::ranges::any_of(
        initiation.traps, [](const auto& entry) { return entry.second.policies.has_value(); });
    const bool stays = trapped || (initiation.wanted && initiation.fails_closed());
    if (shutting_down_ || !initiation.link->open || !stays) release_link(initiation.link, steps);
}

void Engine::Core::settle_link(Initiation& initiation) {
    std::vector<child::KernelStep> steps;
    settle_link(initiation, steps);
    if (!steps.empty()) submit(std::move(steps));
}

} // namespace sheaf::ike
