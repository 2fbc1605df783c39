#include "daemon/resolver.h"

#include <fmt/format.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <net/if.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace sheaf::daemon {

struct Resolver::Change {
    ike::NameServers names;
    int index = 0; // of the interface
    bool failed = false;
    unsigned unanswered = 0;
};

namespace {

constexpr const char* kService = "org.freedesktop.resolve1";
constexpr const char* kObject = "/org/freedesktop/resolve1";
constexpr const char* kInterface = "org.freedesktop.resolve1.Manager";
// Tells when the service comes, goes or is another process.
constexpr const char* kOwnerChanged = "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/"
                                      "DBus',interface='org.freedesktop.DBus',"
                                      "member='NameOwnerChanged',arg0='org.freedesktop.resolve1'";
constexpr std::uint64_t kPatience = 25'000'000; // µs, as sd-bus has it; polkit may have to be started first

// What is said when there is no such service, whoever says it.
constexpr std::array<std::string_view, 3> kAbsent{SD_BUS_ERROR_SERVICE_UNKNOWN,
                                                  SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_NO_SERVER};
constexpr std::array<std::string_view, 3> kRefused{
    SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, SD_BUS_ERROR_AUTH_FAILED};
constexpr std::string_view kNoSuchLink = "org.freedesktop.resolve1.NoSuchLink";

// A call that is being written. After an error nothing more is written, and send() answers it.
class Call {
  public:
    Call(sd_bus* bus, const char* method, int index) : bus_(bus) {
        result_ = sd_bus_message_new_method_call(bus, &message_, kService, kObject, kInterface, method);
        // resolved is not started for our sake: then nothing on this host asks it.
        if (result_ >= 0) result_ = sd_bus_message_set_auto_start(message_, 0);
        if (result_ >= 0) result_ = sd_bus_message_append(message_, "i", index);
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { sd_bus_message_unref(message_); }

    void flag(bool value) {
        if (result_ >= 0) result_ = sd_bus_message_append(message_, "b", value ? 1 : 0);
    }
    void addresses(const std::vector<IpAddress>& list) {
        open('a', "(iay)");
        for (const auto& address : list) {
            open('r', "iay");
            if (result_ >= 0)
                result_ = sd_bus_message_append(message_, "i", address.is_v6() ? AF_INET6 : AF_INET);
            const View octets = address.view();
            if (result_ >= 0)
                result_ = sd_bus_message_append_array(message_, 'y', octets.data(), octets.size());
            close();
        }
        close();
    }
    // Each for routing only: a gateway's domains are not appended to what people type.
    void domains(const std::vector<std::string>& list) {
        open('a', "(sb)");
        for (const auto& domain : list)
            if (result_ >= 0) result_ = sd_bus_message_append(message_, "(sb)", domain.c_str(), 1);
        close();
    }
    using Then = std::function<void(const std::string& error, const std::string& words)>;
    // Tells `then` how it went: once, later or at once, and never if the bus is closed before.
    void send(Then then) {
        sd_bus_slot* slot = nullptr;
        auto keeper = std::make_unique<Then>(std::move(then));
        if (result_ >= 0)
            result_ = sd_bus_call_async(bus_, &slot, message_, on_answer, keeper.get(), kPatience);
        if (result_ < 0) return (*keeper)(SD_BUS_ERROR_FAILED, std::strerror(-result_));
        sd_bus_slot_set_destroy_callback(slot, forget);
        sd_bus_slot_set_floating(slot, 1); // the bus keeps it until the answer, or until it is closed
        sd_bus_slot_unref(slot);
        [[maybe_unused]] const Then* kept = keeper.release(); // forget() deletes it
    }

  private:
    static int on_answer(sd_bus_message* answer, void* data, sd_bus_error*) {
        const auto& then = *static_cast<Then*>(data);
        const auto* error = sd_bus_message_get_error(answer);
        if (error == nullptr)
            then({}, {});
        else
            then(error->name, error->message == nullptr ? error->name : error->message);
        return 0;
    }
    static void forget(void* data) { delete static_cast<Then*>(data); }

    void open(char type, const char* contents) {
        if (result_ >= 0) result_ = sd_bus_message_open_container(message_, type, contents);
    }
    void close() {
        if (result_ >= 0) result_ = sd_bus_message_close_container(message_);
    }

    sd_bus* bus_;
    sd_bus_message* message_ = nullptr;
    int result_ = 0;
};

template <std::size_t N>
bool one_of(const std::array<std::string_view, N>& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
}

// A name of labels. Whatever else the gateway says would make resolved refuse all of its domains.
bool is_domain(std::string_view text) {
    constexpr std::size_t kLongest = 253; // RFC 1035 2.3.4, as text
    constexpr std::string_view kMarks = "-_.";
    return !text.empty() && text.size() <= kLongest && !text.starts_with('.') &&
           text.find("..") == std::string_view::npos && std::ranges::all_of(text, [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      kMarks.find(c) != std::string_view::npos;
           });
}

template <class List, class Text>
std::string listed(const List& list, Text text) {
    std::string out;
    for (const auto& item : list)
        out += (out.empty() ? "" : ", ") + text(item);
    return out;
}

// "names below example.org are asked of 2001:db8::53"
std::string sentence(const ike::NameServers& names) {
    const std::string below =
        names.domains.empty() ? "" : " below " + listed(names.domains, [](const auto& d) { return d; });
    return fmt::format("names{} are asked of {}", below,
                       listed(names.servers, [](const auto& a) { return a.to_string(); }));
}

} // namespace

Resolver::World Resolver::system() {
    return {.connect =
                [] {
                    sd_bus* bus = nullptr;
                    const int result = sd_bus_open_system_with_description(&bus, "sheafd");
                    if (result < 0) errno = -result;
                    return bus;
                },
            .index = [](const std::string& interface) { return ::if_nametoindex(interface.c_str()); }};
}

Resolver::Resolver(Loop& loop, Log& log, World world) : loop_(loop), log_(log), world_(std::move(world)) {}

Resolver::~Resolver() { sd_bus_close_unref(bus_); }

void Resolver::set(const ike::NameServers& names) {
    wanted_.erase(names.interface);
    if (names.servers.empty()) return revert(names.interface);
    auto usable = names;
    std::erase_if(usable.domains, [](const std::string& domain) { return !is_domain(domain); });
    if (usable.domains != names.domains)
        log_.warning(
            fmt::format("{}: domains that the gateway names and that are none are left out: {} of {}",
                        names.interface, names.domains.size() - usable.domains.size(), names.domains.size()));
    // None left must not come to mean all.
    if (usable.domains.empty() && !names.domains.empty()) return revert(names.interface);
    wanted_[names.interface] = usable;
    install(usable);
}

bool Resolver::connected(const std::string& interface) {
    if (bus_ != nullptr && sd_bus_is_open(bus_) > 0) return true;
    sd_bus_close_unref(std::exchange(bus_, nullptr));
    sd_bus* bus = world_.connect();
    if (bus == nullptr) {
        tell_absence(interface, std::strerror(errno));
        return false;
    }
    bus_ = bus;
    const int result = attach();
    if (result >= 0) return true;
    tell_absence(interface, std::strerror(-result));
    sd_bus_close_unref(std::exchange(bus_, nullptr));
    return false;
}

int Resolver::attach() {
    const auto changed = [](sd_bus_message* message, void* data, sd_bus_error*) {
        const char *name = nullptr, *before = nullptr, *owner = nullptr;
        if (sd_bus_message_read(message, "sss", &name, &before, &owner) >= 0 && *owner != '\0') {
            auto& self = *static_cast<Resolver*>(data);
            for (const auto& [interface, names] : self.wanted_)
                self.install(names);
        }
        return 0;
    };
    // Without the match name servers are set all the same, and only a later start of resolved goes unnoticed.
    const auto matched = [](sd_bus_message*, void*, sd_bus_error*) { return 0; };
    const int result = sd_bus_add_match_async(bus_, nullptr, kOwnerChanged, changed, matched, this);
    return result < 0 ? result : sd_bus_attach_event(bus_, loop_.handle(), SD_EVENT_PRIORITY_NORMAL);
}

// The servers come last: a link that had them and no domains yet would be asked for everything.
void Resolver::install(const ike::NameServers& names) {
    const unsigned index = world_.index(names.interface);
    if (index == 0)
        return log_.warning(
            fmt::format("{}: name servers are not used: there is no such interface", names.interface));
    if (!connected(names.interface)) return;
    const auto change = std::make_shared<Change>(Change{names, static_cast<int>(index)});
    const auto then = [this, change](const auto& error, const auto& words) {
        answered(change, error, words);
    };
    Call default_route(bus_, "SetLinkDefaultRoute", change->index);
    default_route.flag(names.domains.empty());
    Call domains(bus_, "SetLinkDomains", change->index);
    domains.domains(names.domains.empty() ? std::vector<std::string>{"."} : names.domains);
    Call servers(bus_, "SetLinkDNS", change->index);
    servers.addresses(names.servers);
    installed_[names.interface] = change;
    change->unanswered = 3;
    default_route.send(then);
    domains.send(then);
    servers.send(then);
}

// What fails here is of no consequence: resolved forgets an interface that goes, and ours go.
void Resolver::revert(const std::string& interface) {
    const auto found = installed_.find(interface);
    if (found == installed_.end()) return;
    const int index = found->second->index;
    installed_.erase(found);
    if (!connected(interface)) return;
    Call(bus_, "RevertLink", index).send([this, interface](const auto& error, const auto& words) {
        if (error.empty()) return log_.info(fmt::format("{}: name servers are given back", interface));
        log_.debug(fmt::format("{}: RevertLink: {}", interface, words));
    });
}

void Resolver::answered(const std::shared_ptr<Change>& change, const std::string& error,
                        const std::string& words) {
    --change->unanswered;
    if (change->failed) return; // the first answer of that kind says it
    if (!error.empty()) return failed(change, error, words);
    if (change->unanswered > 0) return;
    absence_told_ = false;
    log_.info(fmt::format("{}: {}", change->names.interface, sentence(change->names)));
}

void Resolver::failed(const std::shared_ptr<Change>& change, const std::string& error,
                      const std::string& words) {
    change->failed = true;
    const std::string& interface = change->names.interface;
    const auto current = installed_.find(interface);
    const bool is_current = current != installed_.end() && current->second == change;
    if (one_of(kAbsent, error) || one_of(kRefused, error)) {
        if (is_current) installed_.erase(current); // nothing of it holds
        if (one_of(kAbsent, error)) return tell_absence(interface, words);
        return log_.warning(fmt::format(
            "{}: name servers are not used, systemd-resolved refuses them: {}; the polkit rule "
            "sheaf-resolved.rules lets the user sheaf set them, see \"Name servers\" in docs/operating.md",
            interface, escaped(words)));
    }
    log_.warning(
        fmt::format("{}: name servers are not used: systemd-resolved: {}", interface, escaped(words)));
    if (is_current) revert(interface); // part of it may hold
}

void Resolver::tell_absence(const std::string& interface, const std::string& why) {
    if (std::exchange(absence_told_, true)) return;
    log_.info(
        fmt::format("{}: name servers are only shown in sheafctl status: no systemd-resolved runs here ({})",
                    interface, escaped(why)));
}

} // namespace sheaf::daemon
