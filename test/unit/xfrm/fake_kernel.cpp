#include "test/unit/xfrm/fake_kernel.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"

#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <cerrno>
#include <cstring>
#include <memory>

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

// Of installing and removing messages alike.
std::string state_key(const xfrm_address_t& daddr, std::uint32_t spi) {
    return "sa " + octets(daddr) + octets(spi);
}

std::string policy_key(const xfrm_selector& selector, std::uint8_t direction, const nlmsghdr& message,
                       std::size_t fixed_size) {
    const auto link = netlink::Attributes::of(message, fixed_size).u32(XFRMA_IF_ID);
    return "policy " + octets(selector) + " " + std::to_string(direction) + " " + std::to_string(link);
}

std::string route_key(const nlmsghdr& message) {
    const auto route = netlink::parse_route(header_of(copy_of(message, RTM_NEWROUTE)));
    return "route " + route->destination.to_string() + " table " + std::to_string(route->table) + " dev " +
           std::to_string(route->interface_index);
}

std::string rule_key(const nlmsghdr& message) {
    return netlink::parse_rule(header_of(copy_of(message, RTM_NEWRULE)))->to_string().insert(0, "rule ");
}

std::string address_key(const nlmsghdr& message) {
    const auto address = netlink::parse_address(header_of(copy_of(message, RTM_NEWADDR)));
    return "address " + address->address.to_string() + " dev " + std::to_string(address->interface_index);
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
        const auto found = objects.find(state_key(id.daddr, id.spi));
        if (found == objects.end()) return ESRCH;
        os.deliver(fd, Reply::part(message, found->second));
        return 0;
    }
    case XFRM_MSG_UPDSA: { // ports alone are changed in place
        const auto info = fixed_of<xfrm_usersa_info>(message);
        const auto found = objects.find(state_key(info.id.daddr, info.id.spi));
        const auto encapsulation = netlink::Attributes::of(message, sizeof info).bytes(XFRMA_ENCAP);
        if (found == objects.end()) return ESRCH;
        const View had = netlink::Attributes::of(header_of(found->second), sizeof info).bytes(XFRMA_ENCAP);
        if (encapsulation.size() != had.size()) return EINVAL;
        const auto offset = static_cast<std::size_t>(had.data() - found->second.data());
        std::memcpy(found->second.data() + offset, encapsulation.data(), encapsulation.size());
        return 0;
    }
    case XFRM_MSG_NEWSA: {
        const auto info = fixed_of<xfrm_usersa_info>(message);
        return install(state_key(info.id.daddr, info.id.spi), message);
    }
    case XFRM_MSG_DELSA: {
        const auto id = fixed_of<xfrm_usersa_id>(message);
        return remove(state_key(id.daddr, id.spi), ESRCH);
    }
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
        return entry.first.ends_with(" dev " + std::to_string(link.index));
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
        if (const auto route = netlink::parse_route(message); route->kind == netlink::RouteKind::interface) {
            if (const int code = needs_link(route->interface_index); code != 0) return code;
        }
        if ((message.nlmsg_flags & NLM_F_REPLACE) != 0) objects.erase(route_key(message));
        return install(route_key(message), message);
    case RTM_DELROUTE: return remove(route_key(message), ESRCH);
    case RTM_NEWADDR:
        if (const int code = needs_link(netlink::parse_address(message)->interface_index); code != 0)
            return code;
        if ((message.nlmsg_flags & NLM_F_REPLACE) != 0) return change(address_key(message), message);
        return install(address_key(message), message);
    case RTM_DELADDR: return remove(address_key(message), EADDRNOTAVAIL);
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
