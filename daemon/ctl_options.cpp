#include "daemon/ctl_options.h"

#include "daemon/control_socket.h"
#include "daemon/version.h"

#include <CLI/CLI.hpp>

#include <array>

namespace sheaf::daemon {
namespace {

struct Subcommand {
    Verb verb;
    const char* purpose;
    const char* name_help; // nullptr: takes no name
    bool name_required = true;
};
constexpr std::array kSubcommands{
    Subcommand{Verb::status, "Show IKE SAs, Child SAs and what was refused", nullptr},
    Subcommand{Verb::list, "Show the configured connections and pools", nullptr},
    Subcommand{Verb::clients,
               "Show who has which prefixes and addresses since when, by which path, and traffic",
               "A connection, an identity, or an address of a client, outer or given; all if missing", false},
    Subcommand{Verb::pools, "Show how much of each pool is used, and when it will be used up", nullptr},
    Subcommand{
        Verb::paths,
        "Show the paths of clients with several: state, addresses, NAT, round-trip time, loss, traffic",
        "A connection, an identity, an uplink, or an address; all if missing", false},
    Subcommand{
        Verb::groups,
        "Show groups: their SAs and how far a change of them is, members, and the traffic of each site",
        "A group, a connection, or the identity of a member; all if missing", false},
    Subcommand{Verb::bindings,
               "Show home addresses of Mobile IPv6: their care-of addresses, lifetimes, flows and traffic",
               "A connection, an identity, or a home or care-of address; all if missing", false},
    Subcommand{Verb::binding, "Decide about a binding instead of the mobile node", nullptr},
    Subcommand{Verb::up, "Bring a connection up, and wait until it is",
               "A connection of role client, or of role peer with an address"},
    Subcommand{Verb::down, "End a connection's IKE SAs, and wait until the kernel holds nothing of them",
               "A connection, or the identity of a connected peer"},
    Subcommand{
        Verb::rekey,
        "Replace the keys of a connection's Child SAs, with --ike of its IKE SAs, with --group of a group",
        "A connection, or the identity of a connected peer; with --group a group that we serve"},
    Subcommand{Verb::reauth, "Authenticate anew, make before break", "A connection that we have begun"},
    Subcommand{Verb::clone, "Add an IKE SA to what one authentication carries (RFC 7791)",
               "A connection that we have begun, or the identity of a connected peer"},
    Subcommand{Verb::explain, "Say why something does not work: what was refused lately, and what ended",
               "A connection, or a peer's identity or address; all if missing", false},
    Subcommand{Verb::reload, "Read the configuration again; a faulty one changes nothing", nullptr},
    Subcommand{Verb::watch, "Show events as they happen, until interrupted", nullptr},
    Subcommand{Verb::version, "Show the versions of sheafctl and sheafd", nullptr},
};

void add_rekeyed(CLI::App& rekey, Request& request) {
    const auto add = [&](const char* flag, Rekeyed what, const char* purpose) {
        return rekey.add_flag_callback(
            flag, [&request, what] { request.what = what; }, purpose);
    };
    auto* ike = add("--ike", Rekeyed::ike, "The IKE SA instead of its Child SAs");
    add("--group", Rekeyed::group, "The SA of a group that we serve")->excludes(ike);
}

// `binding add HOME CARE-OF`, `binding del HOME`
void add_binding(CLI::App& binding, BindingRequest& request) {
    binding.require_subcommand(1);
    const auto common = [&](CLI::App& action, bool add) {
        action.callback([&request, add] { request.add = add; });
        action.add_option("home", request.home, "The home address")->required()->type_name("HOME");
    };
    auto* add = binding.add_subcommand("add", "Bind a care-of address, or move a binding to it");
    common(*add, true);
    add->add_option("care-of", request.care_of, "The care-of address")->required()->type_name("CARE-OF");
    auto* del = binding.add_subcommand("del", "End a binding, or all of the home address");
    common(*del, false);
    for (auto* action : {add, del})
        action->add_option("--bid", request.bid, "The binding identifier")->type_name("BID");
    add->add_option("--priority", request.priority, "1 to 127, the lowest is the default way")
        ->type_name("PRIORITY");
    add->add_option("--lifetime", request.lifetime, "Until it ends, in seconds")
        ->type_name("SECONDS")
        ->capture_default_str();
}

} // namespace

std::variant<CtlOptions, CtlExitNow> parse_ctl_options(int argc, const char* const* argv) {
    CLI::App app("Talks to sheafd.", "sheafctl");
    CtlOptions options;
    options.control = kDefaultControlPath;
    app.set_version_flag("--version", "sheafctl " + std::string(kVersion));
    app.add_option("--control", options.control, "sheafd's control socket")
        ->type_name("PATH")
        ->capture_default_str();
    app.add_flag("--json", options.json, "Print sheafd's answers as they are, one JSON object a line");
    app.require_subcommand(1);
    app.fallthrough(); // options may stand after the command, too
    for (const auto& entry : kSubcommands) {
        auto* sub = app.add_subcommand(std::string(name(entry.verb)), entry.purpose);
        sub->callback([&options, verb = entry.verb] { options.request.verb = verb; });
        if (entry.name_help != nullptr)
            sub->add_option("name", options.request.name, entry.name_help)
                ->required(entry.name_required)
                ->type_name("NAME");
        if (entry.verb == Verb::down)
            sub->add_option("child", options.request.child, "Only this Child SA; the IKE SA stays up")
                ->type_name("CHILD");
        if (entry.verb == Verb::rekey) add_rekeyed(*sub, options.request);
        if (entry.verb == Verb::binding) add_binding(*sub, options.request.binding);
    }
    app.footer(
        "Exit codes: 0 done, 1 sheafd answered with an error, 2 wrong usage, 3 sheafd cannot be reached.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return CtlExitNow{app.exit(error) == 0 ? kCtlDone : kCtlUsage};
    }
    return options;
}

} // namespace sheaf::daemon
