#include "test/unit/xfrm/fake_kernel.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/route.h"
#include "netlink/rule.h"

#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netinet/in.h>

namespace sheaf::test {
namespace {

Bytes copy_of(const nlmsghdr& message, std::uint16_t type) {
    const auto* start = reinterpret_cast<const std::uint8_t*>(&message);
    Bytes out(start, start + NLMSG_ALIGN(message.nlmsg_len));
    reinterpret_cast<nlmsghdr*>(&out.at(0))->nlmsg_type = type;
    return out;
}

template <typename T>
std::string octets(const T& value) {
    std::string out;
    const auto* at = reinterpret_cast<const std::uint8_t*>(&value);
    constexpr const char* kDigits = "0123456789abcdef";
    for (std::size_t i = 0; i < sizeof value; ++i) {
        out += kDigits[at[i] >> 4];
        out += kDigits[at[i] & 15];
    }
    return out;
}

template <typename T>
T fixed_of(const nlmsghdr& message) {
    T out{};
    static_cast<void>(netlink::read_fixed(message, &out, sizeof out));
    return out;
}

std::string mark_of(const nlmsghdr& message, std::size_t fixed_size) {
    const View mark = netlink::Attributes::of(message, fixed_size).bytes(XFRMA_MARK);
    xfrm_mark told{};
    if (mark.size() >= sizeof told) std::memcpy(&told, mark.data(), sizeof told);
    return told.v != 0 ? " mark " + std::to_string(told.v) : "";
}

std::string state_key(const xfrm_address_t& daddr, std::uint32_t spi, const nlmsghdr& message,
                      std::size_t fixed_size) {
    return "sa " + octets(daddr) + octets(spi) + mark_of(message, fixed_size);
}

// Entries without keys are found by both addresses.
std::string care_of_key(std::uint8_t protocol, const xfrm_address_t& source,
                        const xfrm_address_t& destination, const nlmsghdr& message, std::size_t fixed_size) {
    return "sa protocol " + std::to_string(protocol) + " " + octets(source) + octets(destination) +
           mark_of(message, fixed_size);
}

// Of installing and removing messages alike.
std::string state_key(const xfrm_usersa_info& info, const nlmsghdr& message) {
    if (info.id.proto != IPPROTO_ESP)
        return care_of_key(info.id.proto, info.saddr, info.id.daddr, message, sizeof info);
    return state_key(info.id.daddr, info.id.spi, message, sizeof info);
}
std::string state_key(const xfrm_usersa_id& id, const nlmsghdr& message) {
    if (id.proto == IPPROTO_ESP) return state_key(id.daddr, id.spi, message, sizeof id);
    xfrm_address_t source{};
    const View told = netlink::Attributes::of(message, sizeof id).bytes(XFRMA_SRCADDR);
    if (told.size() >= sizeof source) std::memcpy(&source, told.data(), sizeof source);
    return care_of_key(id.proto, source, id.daddr, message, sizeof id);
}

std::string policy_key(const xfrm_selector& selector, std::uint8_t direction, const nlmsghdr& message,
                       std::size_t fixed_size) {
    const auto link = netlink::Attributes::of(message, fixed_size).u32(XFRMA_IF_ID);
    return "policy " + octets(selector) + " " + std::to_string(direction) + " " + std::to_string(link) +
           mark_of(message, fixed_size);
}

netlink::Route route_of(const nlmsghdr& message) {
    return *netlink::parse_route(header_of(copy_of(message, RTM_NEWROUTE)));
}

std::string route_place(const netlink::Route& route) {
    return "route " + route.destination.to_string() + " table " + std::to_string(route.table) + " dev ";
}

// One of several ways is at no interface.
std::string route_key(const nlmsghdr& message) {
    const auto route = route_of(message);
    return route_place(route) + std::to_string(route.interface_index);
}

bool goes_by(const Bytes& object, int index) {
    if (header_of(object).nlmsg_type != RTM_NEWROUTE) return false;
    const auto route = netlink::parse_route(header_of(object));
    return route && std::ranges::find(route->next_hops, index, &netlink::NextHop::interface_index) !=
                        route->next_hops.end();
}

std::string rule_key(const nlmsghdr& message) {
    const auto rule = *netlink::parse_rule(header_of(copy_of(message, RTM_NEWRULE)));
    const bool whole = rule.mark_mask == 0xffffffff;
    return "rule " + rule.to_string() + (whole ? " mark " + std::to_string(rule.mark) : "");
}

std::string address_key(const nlmsghdr& message) {
    const auto address = netlink::parse_address(header_of(copy_of(message, RTM_NEWADDR)));
    return "address " + address->address.to_string() + " dev " + std::to_string(address->interface_index);
}

std::string proxy_key(const nlmsghdr& message) {
    const auto proxy = netlink::parse_proxy(header_of(copy_of(message, RTM_NEWNEIGH)));
    return proxy->to_string() + " dev " + std::to_string(proxy->interface_index);
}

netlink::LinkObject link_of(const nlmsghdr& message) {
    return *netlink::parse_link(header_of(copy_of(message, RTM_NEWLINK)));
}

} // namespace

NetlinkKernel::NetlinkKernel() {
    os.on_message = [this](int fd, int protocol, const nlmsghdr& message) {
        on_message(fd, protocol, message);
    };
}

std::vector<std::string> NetlinkKernel::keys() const {
    std::vector<std::string> out;
    for (const auto& [key, object] : objects)
        out.push_back(key);
    return out;
}

void NetlinkKernel::on_message(int fd, int protocol, const nlmsghdr& message) {
    if ((message.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) return dump(fd, protocol, message);
    const auto wrong = fault ? fault(count_, protocol, message) : std::nullopt;
    ++count_;
    int code = 0;
    if (!wrong || wrong->carried_out) {
        code = handle(fd, protocol, message);
    } else {
        code = wrong->code;
        changes.push_back({false, "refused", code});
    }
    if (wrong && wrong->silent) return;
    os.deliver(fd, code == 0 ? Reply::ack(message) : Reply::error(message, code, wrong ? wrong->text : ""));
}

int NetlinkKernel::handle(int fd, int protocol, const nlmsghdr& message) {
    return protocol == NETLINK_XFRM ? handle_xfrm(fd, message) : handle_route(fd, message);
}

int NetlinkKernel::install(const std::string& key, const nlmsghdr& message) {
    const bool fresh = objects.emplace(key, copy_of(message, message.nlmsg_type)).second;
    changes.push_back({true, key, fresh ? 0 : EEXIST});
    return fresh ? 0 : EEXIST;
}

int NetlinkKernel::change(const std::string& key, const nlmsghdr& message) {
    const auto found = objects.find(key);
    if (found == objects.end()) return ENOENT;
    found->second = copy_of(message, message.nlmsg_type);
    changes.push_back({true, "in place: " + key, 0});
    return 0;
}

int NetlinkKernel::remove(const std::string& key, int missing) {
    const int code = objects.erase(key) == 1 ? 0 : missing;
    changes.push_back({false, key, code});
    return code;
}

int NetlinkKernel::handle_xfrm(int fd, const nlmsghdr& message) {
    switch (message.nlmsg_type) {
    case XFRM_MSG_GETSPDINFO: {
        const netlink::Message told = xfrm::set_thresholds(thresholds);
        os.deliver(fd, Reply::part(message, Bytes(told.view().begin(), told.view().end())));
        return 0;
    }
    case XFRM_MSG_NEWSPDINFO: thresholds = *xfrm::parse_thresholds(message); return 0;
    case XFRM_MSG_GETSA: {
        const auto id = fixed_of<xfrm_usersa_id>(message);
        const auto found = objects.find(state_key(id.daddr, id.spi, message, sizeof id));
        if (found == objects.end()) return ESRCH;
        os.deliver(fd, Reply::part(message, found->second));
        return 0;
    }
    case XFRM_MSG_UPDSA: return update_state(message);
    case XFRM_MSG_NEWAE: return count_on(message);
    case XFRM_MSG_MIGRATE: return migrate(message);
    case XFRM_MSG_NEWSA: return install(state_key(fixed_of<xfrm_usersa_info>(message), message), message);
    case XFRM_MSG_DELSA: return remove(state_key(fixed_of<xfrm_usersa_id>(message), message), ESRCH);
    case XFRM_MSG_NEWPOLICY: {
        const auto info = fixed_of<xfrm_userpolicy_info>(message);
        return install(policy_key(info.sel, info.dir, message, sizeof info), message);
    }
    case XFRM_MSG_UPDPOLICY: {
        const auto info = fixed_of<xfrm_userpolicy_info>(message);
        const std::string key = policy_key(info.sel, info.dir, message, sizeof info);
        objects[key] = copy_of(message, XFRM_MSG_NEWPOLICY);
        changes.push_back({true, key, 0});
        return 0;
    }
    case XFRM_MSG_DELPOLICY: {
        const auto id = fixed_of<xfrm_userpolicy_id>(message);
        return remove(policy_key(id.sel, id.dir, message, sizeof id), ENOENT);
    }
    default: return EINVAL;
    }
}

// Limits, ports and care-of addresses are changed in place.
int NetlinkKernel::update_state(const nlmsghdr& message) {
    const auto info = fixed_of<xfrm_usersa_info>(message);
    const auto found = objects.find(state_key(info, message));
    if (found == objects.end()) return ESRCH;
    if (info.id.proto != IPPROTO_ESP) {
        found->second = copy_of(message, XFRM_MSG_NEWSA);
        changes.push_back({true, "in place: " + found->first, 0});
        return 0;
    }
    auto was = fixed_of<xfrm_usersa_info>(header_of(found->second));
    was.lft = info.lft;
    std::memcpy(found->second.data() + NLMSG_HDRLEN, &was, sizeof was);
    const View wanted = netlink::Attributes::of(message, sizeof info).bytes(XFRMA_ENCAP);
    const View had = netlink::Attributes::of(header_of(found->second), sizeof info).bytes(XFRMA_ENCAP);
    if (wanted.size() != had.size()) return EINVAL;
    if (had.empty()) return 0;
    const auto offset = static_cast<std::size_t>(had.data() - found->second.data());
    std::memcpy(found->second.data() + offset, wanted.data(), wanted.size());
    return 0;
}

// Where the entry counts in the plain form; only then may that be changed so.
int NetlinkKernel::count_on(const nlmsghdr& message) {
    const auto info = fixed_of<xfrm_aevent_id>(message);
    if ((message.nlmsg_flags & NLM_F_REPLACE) == 0) return EINVAL;
    const auto found = objects.find(state_key(info.sa_id.daddr, info.sa_id.spi, message, sizeof info));
    if (found == objects.end()) return ESRCH;
    const View wanted = netlink::Attributes::of(message, sizeof info).bytes(XFRMA_REPLAY_VAL);
    const View had =
        netlink::Attributes::of(header_of(found->second), sizeof(xfrm_usersa_info)).bytes(XFRMA_REPLAY_VAL);
    if (wanted.size() != sizeof(xfrm_replay_state) || had.size() != wanted.size()) return EINVAL;
    const auto offset = static_cast<std::size_t>(had.data() - found->second.data());
    std::memcpy(found->second.data() + offset, wanted.data(), wanted.size());
    return 0;
}

// Of one entry, and of a policy with one template. What it takes of encapsulation has to be there already.
int NetlinkKernel::migrate(const nlmsghdr& message) {
    if (!migrates) return ENOPROTOOPT;
    const auto id = fixed_of<xfrm_userpolicy_id>(message);
    const auto attributes = netlink::Attributes::of(message, sizeof id);
    xfrm_user_migrate wanted{};
    std::memcpy(&wanted, attributes.bytes(XFRMA_MIGRATE).data(), sizeof wanted);
    const auto carrier = objects.find(policy_key(id.sel, id.dir, message, sizeof id));
    if (carrier == objects.end()) return ENOENT;
    const View told =
        netlink::Attributes::of(header_of(carrier->second), sizeof(xfrm_userpolicy_info)).bytes(XFRMA_TMPL);
    xfrm_user_tmpl entry{};
    std::memcpy(&entry, told.data(), sizeof entry);
    if (std::memcmp(&entry.saddr, &wanted.old_saddr, sizeof entry.saddr) != 0) return ENODATA;
    entry.saddr = wanted.new_saddr;
    std::memcpy(carrier->second.data() + (told.data() - carrier->second.data()), &entry, sizeof entry);
    const auto link = attributes.u32(XFRMA_IF_ID);
    for (auto& [key, object] : objects) {
        if (!key.starts_with("sa ")) continue;
        auto info = fixed_of<xfrm_usersa_info>(header_of(object));
        const auto of_state = netlink::Attributes::of(header_of(object), sizeof info);
        if (info.reqid != wanted.reqid || of_state.u32(XFRMA_IF_ID) != link) continue;
        if (std::memcmp(&info.saddr, &wanted.old_saddr, sizeof info.saddr) != 0) continue;
        if (std::memcmp(&info.id.daddr, &wanted.old_daddr, sizeof info.saddr) != 0) continue;
        info.saddr = wanted.new_saddr;
        std::memcpy(object.data() + NLMSG_HDRLEN, &info, sizeof info);
        const View had = of_state.bytes(XFRMA_ENCAP), ports = attributes.bytes(XFRMA_ENCAP);
        if (!had.empty() && had.size() == ports.size())
            std::memcpy(object.data() + (had.data() - object.data()), ports.data(), ports.size());
        changes.push_back({true, "clone: " + key, 0});
        break;
    }
    return 0;
}

const Bytes* NetlinkKernel::link_by_index(int index) const {
    for (const auto& [key, object] : objects) {
        if (key.starts_with("link ") && link_of(header_of(object)).index == index) return &object;
    }
    return nullptr;
}

int NetlinkKernel::create_link(const nlmsghdr& message) {
    auto link = link_of(message);
    for (const auto& [key, object] : objects) {
        if (!key.starts_with("link ")) continue;
        const auto other = link_of(header_of(object));
        const bool clash = link.collect_metadata && other.collect_metadata;
        if (other.name == link.name || clash) {
            changes.push_back({true, "link " + link.name, EEXIST});
            return EEXIST;
        }
    }
    if (link.index == 0) link.index = ++last_index_;
    const netlink::Message stored = netlink::create_link(link);
    return install("link " + link.name, stored.header());
}

void NetlinkKernel::put_link(int index, const std::string& name, unsigned flags) {
    const netlink::LinkObject link{
        .index = index, .name = name, .kind = "veth", .alias = {}, .if_id = std::nullopt};
    Bytes message = copy_of(netlink::create_link(link).header(), RTM_NEWLINK);
    auto fixed = fixed_of<ifinfomsg>(header_of(message));
    fixed.ifi_flags = flags;
    std::memcpy(message.data() + NLMSG_HDRLEN, &fixed, sizeof fixed);
    objects["link " + name] = std::move(message);
}

int NetlinkKernel::remove_link(const nlmsghdr& message) {
    const auto wanted = link_of(message);
    const Bytes* found = nullptr;
    if (wanted.index != 0) {
        found = link_by_index(wanted.index);
    } else if (const auto named = objects.find("link " + wanted.name); named != objects.end()) {
        found = &named->second;
    }
    if (found == nullptr) {
        changes.push_back({false, "link " + std::to_string(wanted.index), ENODEV});
        return ENODEV;
    }
    const auto link = link_of(header_of(*found));
    std::erase_if(objects, [&](const auto& entry) {
        return entry.first.ends_with(" dev " + std::to_string(link.index)) ||
               (entry.first.starts_with("route ") && goes_by(entry.second, link.index));
    });
    return remove("link " + link.name, ENODEV);
}

int NetlinkKernel::handle_route(int fd, const nlmsghdr& message) {
    const auto needs_link = [&](int index) { return link_by_index(index) == nullptr ? ENODEV : 0; };
    switch (message.nlmsg_type) {
    case RTM_NEWLINK: return create_link(message);
    case RTM_DELLINK: return remove_link(message);
    case RTM_SETLINK: return needs_link(link_of(message).index);
    case RTM_GETLINK: {
        const auto found = objects.find("link " + link_of(message).name);
        if (found == objects.end()) return ENODEV;
        os.deliver(fd, Reply::part(message, found->second));
        return 0;
    }
    case RTM_NEWROUTE:
        if (const auto route = route_of(message); route.kind == netlink::RouteKind::interface) {
            for (const netlink::NextHop& hop : route.next_hops) {
                if (const int code = needs_link(hop.interface_index); code != 0) return code;
            }
            const int code = route.next_hops.empty() ? needs_link(route.interface_index) : 0;
            if (code != 0) return code;
            if ((message.nlmsg_flags & NLM_F_REPLACE) != 0)
                std::erase_if(objects, [place = route_place(route)](const auto& entry) {
                    return entry.first.starts_with(place);
                });
        }
        return install(route_key(message), message);
    case RTM_GETROUTE: {
        const auto found = routing ? routing(route_of(message)) : std::nullopt;
        if (!found) return ENETUNREACH;
        const netlink::Message told = netlink::add_route(*found);
        os.deliver(fd, Reply::part(message, Bytes(told.view().begin(), told.view().end())));
        return 0;
    }
    case RTM_DELROUTE: return remove(route_key(message), ESRCH);
    case RTM_NEWADDR:
        if (const int code = needs_link(netlink::parse_address(message)->interface_index); code != 0)
            return code;
        if ((message.nlmsg_flags & NLM_F_REPLACE) != 0) return change(address_key(message), message);
        return install(address_key(message), message);
    case RTM_DELADDR: return remove(address_key(message), EADDRNOTAVAIL);
    case RTM_NEWNEIGH: return install(proxy_key(message), message);
    case RTM_GETNEIGH: {
        const auto found = objects.find(proxy_key(message));
        if (found == objects.end()) return ENOENT;
        os.deliver(fd, Reply::part(message, found->second));
        return 0;
    }
    case RTM_DELNEIGH: return remove(proxy_key(message), ENOENT);
    case RTM_NEWRULE: return install(rule_key(message), message);
    case RTM_DELRULE: return remove(rule_key(message), ENOENT);
    default: return EINVAL;
    }
}

void NetlinkKernel::dump(int fd, int protocol, const nlmsghdr& message) {
    const auto family = fixed_of<std::uint8_t>(message);
    for (const auto& [key, object] : objects) {
        const auto type = header_of(object).nlmsg_type;
        const bool of_xfrm = key.starts_with("sa ") || key.starts_with("policy ");
        if (of_xfrm != (protocol == NETLINK_XFRM)) continue;
        const bool of_family = protocol == NETLINK_XFRM || type == RTM_NEWLINK ||
                               fixed_of<std::uint8_t>(header_of(object)) == family;
        // Listings have the number of the request less two, or of XFRM's GETs, which follow their NEW and
        // DEL.
        const bool wanted = type + 2 == message.nlmsg_type;
        if (wanted && of_family) os.deliver(fd, Reply::part(message, object));
    }
    os.deliver(fd, Reply::done(message));
}

} // namespace sheaf::test
