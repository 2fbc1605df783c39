// Mobile IPv6 under IPsec: what home agent and mobile node have in common.

#include "lib/ike/bindings.h"

#include "lib/mobility/codec.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

std::string text_of(const IpAddress& home, const IpAddress& care_of) {
    return "for home address " + home.to_string() + " from " + care_of.to_string();
}

std::optional<mobility::BindingError> binding_error_in(const MobilityHeader& header) {
    if (header.protocol != mobility::kMobilityProtocol) return std::nullopt;
    const auto message = mobility::parse_message(header.octets);
    if (!message || !std::holds_alternative<mobility::BindingError>(*message)) return std::nullopt;
    return std::get<mobility::BindingError>(*message);
}

} // namespace

Engine::Core::Bindings::Bindings(Core& core, Instant now) : core_(&core) { configure(now); }

void Engine::Core::Bindings::configure(Instant now) {
    for (const ConnectionPtr& connection : core_->connections_) {
        if (connection->home_service)
            registries_.try_emplace(connection->name, connection->name, *connection->home_service);
        if (connection->mobile) {
            const auto [node, fresh] =
                nodes_.try_emplace(connection->name, MobileNode(connection->name, *connection->mobile));
            node->second.asked.clear(); // what was refused may be offered now
            place(now, *connection, node->second);
        }
    }
}

// The IKE SAs of a connection that is another one now have ended before this.
void Engine::Core::Bindings::reload(Instant now) {
    const auto connection_of = [&](const std::string& name) { return connection_named(name); };
    for (auto& [name, registry] : registries_) {
        const ConnectionPtr connection = connection_of(name);
        if (connection && connection->home_service) registry.update(*connection->home_service);
    }
    std::erase_if(registries_, [&](const auto& entry) {
        const ConnectionPtr connection = connection_of(entry.first);
        return !connection || !connection->home_service;
    });
    std::erase_if(nodes_, [&](const auto& entry) {
        const ConnectionPtr connection = connection_of(entry.first);
        return !connection || connection->mobile != entry.second.node.plan();
    });
    for (auto home = homes_.begin(); home != homes_.end();) {
        const ConnectionPtr connection = connection_of(home->first.first);
        const bool mobile = connection && (connection->home_service || connection->mobile);
        const bool fits = mobile && home->second.link.fits(agent_of(*connection), interface_of(*connection));
        if (connection && !fits) {
            const auto registry = registries_.find(home->first.first);
            if (registry != registries_.end()) registry->second.remove(now, home->first.second);
            home = forget(home);
            continue;
        }
        touched_.insert(home->first);
        ++home;
    }
    configure(now);
}

const IpAddress& Engine::Core::Bindings::agent_of(const Connection& connection) {
    return connection.home_service ? connection.home_service->address : connection.remote->address;
}

const std::string& Engine::Core::Bindings::interface_of(const Connection& connection) const {
    return connection.home_service ? core_->config_.gateway_interface : connection.interface;
}

bool Engine::Core::Bindings::fits(const IkeSa& sa) const {
    if (!sa.claim) return true;
    const auto home = homes_.find({sa.connection->name, sa.claim->home});
    return home == homes_.end() ||
           home->second.link.fits(agent_of(*sa.connection), interface_of(*sa.connection));
}

bool Engine::Core::Bindings::may_keep(const IkeSa& sa, const Connection& next) const {
    if (!sa.claim || sa.share || !next.home_service) return true;
    const auto entry = sa.peer_id ? entry_of(*next.home_service, *sa.peer_id) : std::nullopt;
    return entry && entry->networks == sa.claim->networks &&
           std::ranges::find(entry->homes, sa.claim->home) != entry->homes.end();
}

void Engine::Core::Bindings::touch(const std::string& connection) {
    for (const auto& [key, home] : homes_) {
        if (key.first == connection) touched_.insert(key);
    }
}

ConnectionPtr Engine::Core::Bindings::connection_named(const std::string& name) const {
    const auto found = std::ranges::find_if(
        core_->connections_, [&](const ConnectionPtr& connection) { return connection->name == name; });
    return found == core_->connections_.end() ? nullptr : *found;
}

std::optional<Instant> Engine::Core::Bindings::next_timeout() const {
    std::optional<Instant> next;
    const auto consider = [&next](const std::optional<Instant>& at) {
        if (at && (!next || *at < *next)) next = at;
    };
    for (const auto& [name, registry] : registries_)
        consider(registry.next_timeout());
    for (const auto& [name, node] : nodes_) {
        consider(node.node.next_timeout());
        consider(node.again);
    }
    for (const Key& key : retried_) {
        const auto home = homes_.find(key);
        if (home != homes_.end()) consider(home->second.link.next_timeout());
    }
    for (const Key& key : announcing_) {
        const auto home = homes_.find(key);
        if (home != homes_.end()) consider(home->second.link.announcer().next_timeout());
    }
    return next;
}

void Engine::Core::Bindings::on_timeout(Instant now) {
    for (auto& [name, registry] : registries_)
        registry.on_timeout(now);
    for (auto& [name, node] : nodes_)
        node.node.on_timeout(now);
    std::erase_if(retried_, [&](const Key& key) {
        const auto home = homes_.find(key);
        if (home == homes_.end()) return true;
        const auto due = home->second.link.next_timeout();
        if (due && *due > now) return false;
        home->second.link.on_timeout(now);
        touched_.insert(key);
        return true;
    });
    announce(now);
}

void Engine::Core::Bindings::network_changed(Instant now) {
    for (auto& [name, node] : nodes_) {
        const ConnectionPtr connection = connection_named(name);
        if (connection) place(now, *connection, node);
    }
}

// Mobile node: its home address, as far as it is known.
std::optional<IpAddress> Engine::Core::Bindings::home_address(const Connection& connection,
                                                              const Node& node) const {
    if (node.node.plan().home) return node.node.plan().home;
    if (node.up) return node.up->home;
    const auto known =
        std::ranges::find(homes_, connection.name, [](const auto& e) { return e.first.first; });
    return known == homes_.end() ? std::nullopt : std::optional(known->first.second);
}

// Which care-of addresses our links have, as the host sees it, and which of them is the home link.
void Engine::Core::Bindings::place(Instant now, const Connection& connection, Node& node) {
    std::map<std::uint16_t, IpAddress> places;
    std::optional<HomePlace> here;
    const auto known = home_address(connection, node);
    for (const AccessLink& link : node.node.plan().access) {
        const auto address = core_->host_->source_over(link.interface, connection.remote->address);
        // The home address is no care-of address.
        if (!address || known == *address || !mobility::is_unicast_routable(*address)) continue;
        const bool at_home = known && core_->host_->is_on_link(link.interface, *known);
        if (!at_home) places.emplace(link.bid, *address);
        if (at_home && !here) here = HomePlace{link.interface, link.bid, *address, *known};
    }
    node.node.set_places(now, places, here);
    for (const auto& [key, home] : homes_) {
        if (key.first == connection.name) touched_.insert(key);
    }
    follow_places(now, connection, node.node);
}

// An attempt from an address that is gone gets no answer any more; one that waits for a better time has it.
void Engine::Core::Bindings::follow_places(Instant now, const Connection& connection,
                                           const MobileNode& node) {
    const auto found = core_->initiations_.find(connection.name);
    if (found == core_->initiations_.end()) return;
    Initiation& initiation = found->second;
    IkeSa* sa = core_->find(initiation.sa);
    const bool attempt = sa && !sa->in<Established>() && !sa->in<Deleting>();
    if (attempt && !node.has(sa->path.local.address))
        core_->drop(now, *sa, DownReason::failed, "the care-of address that it began from is gone");
    if (initiation.sa == 0 && initiation.next_attempt && node.source()) initiation.next_attempt = now;
}

void Engine::Core::Bindings::settle(Instant now) {
    for (auto& [name, node] : nodes_) {
        if (const ConnectionPtr connection = connection_named(name)) settle_node(now, *connection, node);
    }
    for (auto& [name, registry] : registries_) {
        const ConnectionPtr connection = connection_named(name);
        if (connection) carry_out(now, registry.take(), *connection);
    }
    // What is done for one may touch it again.
    for (int round = 0; round < 4 && !touched_.empty(); ++round) {
        for (const Key& key : std::exchange(touched_, {}))
            settle_home(now, key);
        for (auto& [name, registry] : registries_) {
            const ConnectionPtr connection = connection_named(name);
            if (connection) carry_out(now, registry.take(), *connection);
        }
    }
}

void Engine::Core::Bindings::carry_out(Instant now, BindingEffects effects, const Connection& connection) {
    for (const auto& event : effects.events)
        touched_.insert({connection.name, event.home});
    for (const auto& packet : effects.packets) {
        touched_.insert({connection.name, packet.home});
        send(packet, connection);
    }
    for (const auto& packet : effects.prefixes)
        send(packet, connection);
    for (BindingChanged& event : effects.events)
        core_->tell(std::move(event));
    for (const auto& change : effects.keys)
        move_keys(now, change, connection);
}

MobilityHeader Engine::Core::Bindings::header_for(const IpAddress& home, const IpAddress& care_of,
                                                  const Connection& connection) const {
    MobilityHeader header;
    header.home = home;
    header.care_of = care_of;
    header.to_agent = connection.mobile.has_value();
    header.agent = header.to_agent ? connection.remote->address : connection.home_service->address;
    if (header.to_agent) {
        for (const auto& [bid, address] : nodes_.at(connection.name).node.places()) {
            if (address == care_of) header.bid = bid;
        }
    }
    return header;
}

void Engine::Core::Bindings::send(const PrefixPacket& packet, const Connection& connection) {
    MobilityHeader header = header_for(packet.home, packet.care_of, connection);
    if (header.to_agent && header.bid == 0) return; // without a mark it would go in the clear
    header.protocol = mobility::kIcmp6Protocol;
    header.octets = mobility::encode_prefix_message(packet.message);
    core_->out_.headers.push_back(std::move(header));
}

void Engine::Core::Bindings::send(const mobility::Packet& packet, const Connection& connection) {
    MobilityHeader header = header_for(packet.home, packet.care_of, connection);
    auto octets = mobility::encode_message(packet.message);
    if (!octets) return core_->refuse({packet.care_of, 0}, octets.error(), 0, "a message of our own");
    header.octets = *std::move(octets);
    core_->out_.headers.push_back(std::move(header));
}

std::map<Engine::Core::Bindings::Key, Engine::Core::Bindings::Home>::iterator
Engine::Core::Bindings::find_home(const MobilityHeader& header) {
    const auto among = [&](const auto& ends) {
        for (const auto& [name, end] : ends) {
            const auto found = homes_.find({name, header.home});
            // The kernel protects what passes between these two, and nothing else.
            if (found != homes_.end() && found->second.link.claim().agent == header.agent) return found;
        }
        return homes_.end();
    };
    return header.to_agent ? among(registries_) : among(nodes_);
}

void Engine::Core::Bindings::receive(Instant now, const MobilityHeader& header) {
    const auto refuse = [&](Rule rule) {
        core_->refuse({header.care_of, 0}, rule, 0, text_of(header.home, header.care_of));
    };
    const auto home = find_home(header);
    if (home == homes_.end()) {
        // RFC 6275 9.3.3: a Binding Error goes to where a packet came from, and says itself for whom it is.
        const auto error = header.to_agent ? std::nullopt : binding_error_in(header);
        if (!error || error->home_address == header.home) return refuse(Rule::foreign_home_address);
        MobilityHeader meant = header;
        meant.home = error->home_address;
        return receive(now, meant);
    }
    const std::string& name = home->first.first;
    const ConnectionPtr connection = connection_named(name);
    if (!connection) return refuse(Rule::foreign_home_address);
    if (header.protocol == mobility::kIcmp6Protocol) {
        const auto asked = mobility::parse_prefix_message(header.octets);
        const auto taken =
            asked ? receive(now, header, *asked, home->second) : std::unexpected(asked.error());
        if (!taken) refuse(taken.error());
        return;
    }
    const auto message = mobility::parse_message(header.octets);
    if (!message) {
        refuse(message.error());
        // RFC 6275 9.2: a type that is not known is answered, if whoever sent it is.
        if (message.error() == Rule::unknown_mobility_message && header.to_agent && header.is_protected)
            send(mobility::BindingCache::binding_error(mobility::ErrorStatus::unknown_message, header.home,
                                                       header.care_of),
                 *connection);
        return;
    }
    // Before the kernel has its picture, anything may come in.
    const bool is_protected = header.is_protected && home->second.link.is_guarded();
    const mobility::Arrival arrival{header.home, header.care_of, is_protected};
    const auto taken = header.to_agent
                           ? registries_.at(name).receive(now, arrival, *message, home->second.link.claim(),
                                                          keys_at(home->second))
                           : nodes_.at(name).node.receive(now, arrival, *message);
    if (!taken) refuse(taken.error());
}

// What comes without the SA pair of prefix discovery is protected by nothing: no policy asks for it.
std::expected<void, Rule> Engine::Core::Bindings::receive(Instant now, const MobilityHeader& header,
                                                          const mobility::PrefixMessage& message,
                                                          Home& home) {
    const bool is_protected = header.is_protected && home.link.guards_prefixes();
    const mobility::Arrival arrival{header.home, header.care_of, is_protected};
    const std::string& name = home.link.connection();
    const auto* question = std::get_if<mobility::PrefixSolicitation>(&message);
    // Each end has its own.
    if (header.to_agent != (question != nullptr)) return std::unexpected(Rule::bad_prefix_message);
    if (question) return registries_.at(name).receive(now, arrival, *question);
    return nodes_.at(name).node.receive(now, arrival, std::get<mobility::PrefixAdvertisement>(message));
}

HomeRegistry* Engine::Core::Bindings::registry_for(const IpAddress& home) {
    for (auto& [name, registry] : registries_) {
        if (homes_.contains({name, home}) || registry.is_home(home)) return &registry;
    }
    return nullptr;
}

std::expected<void, std::string> Engine::Core::Bindings::set(Instant now, const SetBinding& command) {
    HomeRegistry* registry = registry_for(command.home);
    if (!registry)
        return std::unexpected(command.home.to_string() +
                               " is of no home prefix that is served here; compare home_agent.prefixes");
    if (!is_spoken_for(command.home))
        return std::unexpected(
            "no mobile node with an IKE SA has the home address " + command.home.to_string() +
            ", and nothing could be sent to it; `sheafctl bindings` shows those that are there");
    // Either would take the place of all others, whose SAs are for what they are called.
    const mobility::Registration* before = registry->find(command.home);
    const bool named = before && std::ranges::any_of(before->bindings, &mobility::Binding::bid);
    const bool nameless = before && mobility::find(before->bindings, 0);
    if (named && command.bid == 0)
        return std::unexpected(command.home.to_string() +
                               " has bindings with identifiers: say with --bid which one is meant");
    if (nameless && command.bid != 0)
        return std::unexpected(command.home.to_string() +
                               " has a binding without an identifier: leave --bid out");
    if (command.care_of == command.home || command.care_of == registry->service().address)
        return std::unexpected(
            command.care_of.to_string() +
            " is the home address, or our own; a care-of address is where the mobile node is");
    if (!mobility::is_unicast_routable(command.care_of))
        return std::unexpected(command.care_of.to_string() +
                               " is no address that packets can be sent to; care-of addresses are IPv6");
    if (command.lifetime <= std::chrono::seconds(0) || command.lifetime > registry->service().max_lifetime)
        return std::unexpected(
            "the lifetime has to be between 1 and " +
            std::to_string(
                std::chrono::floor<std::chrono::seconds>(registry->service().max_lifetime).count()) +
            " seconds");
    registry->set(now, command.home,
                  {command.bid, command.care_of, command.priority, false, now + command.lifetime});
    const mobility::Registration* after = registry->find(command.home);
    const mobility::Binding* binding = after ? mobility::find(after->bindings, command.bid) : nullptr;
    if (!binding || binding->care_of != command.care_of)
        return std::unexpected("there is no room for a binding of " + command.home.to_string() +
                               "; remove one with `sheafctl binding del`, or raise home_agent.most_homes");
    return {};
}

bool Engine::Core::Bindings::is_spoken_for(const IpAddress& home) {
    return std::ranges::any_of(
        homes_, [&](auto& entry) { return entry.first.second == home && !users_of(entry.second).empty(); });
}

std::expected<void, std::string> Engine::Core::Bindings::remove(Instant now, const RemoveBinding& command) {
    HomeRegistry* registry = registry_for(command.home);
    const mobility::Registration* before = registry ? registry->find(command.home) : nullptr;
    if (!before || (command.bid && !mobility::find(before->bindings, *command.bid)))
        return std::unexpected(
            command.home.to_string() + " has no " +
            (command.bid ? "binding " + std::to_string(*command.bid) : std::string("bindings")) +
            "; `sheafctl bindings` shows what is registered");
    if (command.bid)
        registry->remove(now, command.home, *command.bid);
    else
        registry->remove(now, command.home);
    return {};
}

void Engine::Core::Bindings::tell_status(Status& out) const {
    for (const auto& [key, home] : homes_) {
        const auto& claim = home.link.claim();
        HomeStatus status;
        status.connection = key.first;
        status.is_agent = registries_.contains(key.first);
        status.number = home.link.numbers().payload;
        status.agent = claim.agent;
        status.networks = claim.networks;
        status.registration = registered(home);
        status.registration.home = claim.home;
        for (const wire::Spi spi : home.users) {
            const IkeSa* sa = core_->find(spi);
            if (!sa || !sa->in<Established>()) continue;
            if (sa->standing == Standing::current) status.sa = sa->name();
            for (const ChildSa& child : sa->children) {
                if (child.use && child.state == ChildState::live && child.out)
                    status.pairs.push_back({*child.use, child.id.spi_in, child.id.spi_out,
                                            child.id.local.address, child.id.peer.address});
            }
        }
        const auto node = nodes_.find(key.first);
        if (node != nodes_.end()) {
            status.places = node->second.node.places();
            if (const auto& place = node->second.node.home_place(); place && place->home == claim.home)
                status.home_link = place->interface;
            status.at_home = !status.home_link.empty() && node->second.node.is_home();
            status.settled = node->second.node.is_settled();
            status.home_prefixes = node->second.node.home_prefixes();
        }
        out.homes.push_back(std::move(status));
    }
}

} // namespace sheaf::ike
