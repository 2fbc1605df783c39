#include "daemon/ctl_client.h"
#include "daemon/ctl_options.h"
#include "daemon/ctl_view.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

bool wants_colour() {
    const char* no_color = std::getenv("NO_COLOR");
    return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

int unreachable(const std::string& sentence) {
    fmt::print(stderr, "sheafctl: {}\n", sentence);
    return kCtlUnreachable;
}

// sheafd itself gives up after 30 s of up or down; this is longer.
constexpr std::chrono::seconds kPatience{40};

void show(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int watch(CtlClient& client, const CtlOptions& options, bool colour) {
    while (true) {
        const auto line = client.receive(std::nullopt);
        if (!line) return unreachable(line.error());
        const Json event = Json::parse(*line, nullptr, false);
        show(options.json || !event.is_object() ? *line + "\n" : render_event(event, colour));
    }
}

int show_answer(const CtlOptions& options, const std::string& line, bool colour) {
    const Json answer = Json::parse(line, nullptr, false);
    if (!answer.is_object()) return unreachable("the answer is no JSON: is it sheafd that listens there?");
    const auto found = answer.find("ok");
    const bool ok = found != answer.end() && found->is_boolean() && found->get<bool>();
    if (options.json)
        show(line + "\n");
    else if (ok)
        show(render(options.request, answer, colour));
    else
        fmt::print(stderr, "{}", render_failure(answer));
    return ok ? kCtlDone : kCtlRefused;
}

int run(const CtlOptions& options) {
    auto client = CtlClient::connect(options.control);
    if (!client) return unreachable(client.error());
    if (const auto sent = client->send(encode(options.request)); !sent) return unreachable(sent.error());
    const auto line = client->receive(kPatience);
    if (!line) return unreachable(line.error());
    const bool colour = wants_colour();
    const int code = show_answer(options, *line, colour);
    if (code != kCtlDone || options.request.verb != Verb::watch) return code;
    return watch(*client, options, colour);
}

} // namespace
} // namespace sheaf::daemon

int main(int argc, char** argv) {
    using namespace sheaf::daemon;
    const auto options = parse_ctl_options(argc, argv);
    if (const auto* exit = std::get_if<CtlExitNow>(&options)) return exit->code;
    return run(std::get<CtlOptions>(options));
}
