#pragma once

#include "daemon/log.h"
#include "daemon/loop.h"
#include "lib/ike/name_servers.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

struct sd_bus;

namespace sheaf::daemon {

// Hands the name servers of virtual interfaces to systemd-resolved, by D-Bus (org.freedesktop.resolve1(5)).
//
// Nobody waits for it: calls are answered on the loop. A host without systemd-resolved goes on as it is, which
// the log says once; when it starts later it is told. One that refuses us is warned about.
// Ownership: loop and log must outlive it.
class Resolver {
  public:
    struct World {
        // A bus, attached to no loop yet and ours to close. Null, with errno set: there is none.
        std::function<sd_bus*()> connect;
        std::function<unsigned(const std::string& interface)> index; // 0: there is none of that name
    };
    [[nodiscard]] static World system(); // the system bus and if_nametoindex(3)

    Resolver(Loop& loop, Log& log, World world = system());
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // What holds for the interface from now on.
    void set(const ike::NameServers& names);

  private:
    struct Change; // of one interface, with the answers that it waits for

    [[nodiscard]] bool connected(const std::string& interface);
    [[nodiscard]] int attach();
    void install(const ike::NameServers& names);
    void revert(const std::string& interface);
    // Of one call: the name of a D-Bus error, or nothing, and the words with it.
    void answered(const std::shared_ptr<Change>& change, const std::string& error, const std::string& words);
    void failed(const std::shared_ptr<Change>& change, const std::string& error, const std::string& words);
    void tell_absence(const std::string& interface, const std::string& why);

    Loop& loop_;
    Log& log_;
    World world_;
    sd_bus* bus_ = nullptr;
    std::map<std::string, ike::NameServers> wanted_; // by interface
    std::map<std::string, std::shared_ptr<Change>> installed_;
    bool absence_told_ = false;
};

} // namespace sheaf::daemon
