#pragma once

#include "netlink/message.h"
#include "netlink/route.h"
#include "test/unit/netlink/mock_os.h"
#include "xfrm/hash_thresholds.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::test {

// A small model of the kernel behind a MockOs: it holds what messages install, refuses what is there already
// or is not there, lists, and goes wrong where a test asks for it.
class NetlinkKernel {
  public:
    NetlinkKernel();

    MockOs os;

    // By a text that tells the kind and identity: "sa ...", "policy ...", "route ...", "rule ...", "link
    // ...".
    std::map<std::string, Bytes> objects;
    [[nodiscard]] std::vector<std::string> keys() const;

    // As if somebody else had sent it; the answer's code.
    int put(int protocol, const netlink::Message& message) { return handle(-1, protocol, message.header()); }

    // What RTM_GETROUTE answers: by which destination and interface (0: any) it is asked.
    std::function<std::optional<netlink::Route>(const netlink::Route& asked)> routing;
    // An interface of somebody else's.
    void put_link(int index, const std::string& name, unsigned flags);

    xfrm::HashThresholds thresholds;
    bool migrates = true; // CONFIG_XFRM_MIGRATE

    // What was asked, in order; configuration and look-ups of links are left out.
    struct Change {
        bool install = false;
        std::string key;
        int code = 0;
    };
    std::vector<Change> changes;

    // How the n-th message since the last reset_faults() goes wrong. Queries count, dumps do not.
    struct Fault {
        int code = 0;             // the answer, when there is one
        bool silent = false;      // no answer
        bool carried_out = false; // silent, but done
        std::string text{};
    };
    // Message numbers mean one thing to NETLINK_ROUTE and another to NETLINK_XFRM.
    std::function<std::optional<Fault>(std::size_t nth, int protocol, const nlmsghdr& message)> fault;
    void reset_faults() { fault = nullptr, count_ = 0; }
    [[nodiscard]] std::size_t count() const { return count_; }

  private:
    void on_message(int fd, int protocol, const nlmsghdr& message);
    void dump(int fd, int protocol, const nlmsghdr& message);
    [[nodiscard]] int handle(int fd, int protocol, const nlmsghdr& message);
    [[nodiscard]] int install(const std::string& key, const nlmsghdr& message);
    [[nodiscard]] int change(const std::string& key, const nlmsghdr& message);
    [[nodiscard]] int remove(const std::string& key, int missing);
    [[nodiscard]] int handle_xfrm(int fd, const nlmsghdr& message);
    [[nodiscard]] int update_state(const nlmsghdr& message);
    [[nodiscard]] int count_on(const nlmsghdr& message);
    [[nodiscard]] int migrate(const nlmsghdr& message);
    [[nodiscard]] int handle_route(int fd, const nlmsghdr& message);
    [[nodiscard]] int create_link(const nlmsghdr& message);
    [[nodiscard]] int remove_link(const nlmsghdr& message);
    [[nodiscard]] const Bytes* link_by_index(int index) const;

    std::size_t count_ = 0;
    int last_index_ = 1;
};

} // namespace sheaf::test
