#include "conf/schema.h"
#include "conf/settings.h"
#include "test/unit/conf/folder.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

using namespace sheaf::conf;
using namespace sheaf::conf::test;

namespace {

// SHEAF_TEST_DATA is the folder test/ of the sources.
std::string file(const std::string& name) {
    std::ifstream in(std::filesystem::path(SHEAF_TEST_DATA).parent_path() / "conf" / name, std::ios::binary);
    REQUIRE(in);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

// What the examples name is not on this machine: the same with files of the test.
class Examples {
  public:
    Examples() {
        for (const auto* name : {"ca.pem", "ca.crl", "gw.pem", "gw.key", "alice.pem", "alice.key"})
            folder_.copy(name);
        for (const auto* name : {"alice.psk", "bob.psk", "gw.psk", "db.psk", "ha.psk", "nodes.psk"})
            folder_.write(name, "correct horse");
    }
    [[nodiscard]] std::string text(const std::string& name) const {
        std::string out = file("examples/" + name);
        replace_all(out, "/etc/sheaf/", folder_.path(""));
        return out;
    }
    [[nodiscard]] Loaded read(std::string text) const {
        return parse("x", std::move(text), {folder_.path(""), {}});
    }

  private:
    Folder folder_;
};

constexpr std::array kExamples{"gateway.json",
                               "client.json",
                               "gateway-certificates.json",
                               "client-certificates.json",
                               "site-to-site.json",
                               "host-to-host.json",
                               "isp-gateway.json",
                               "isp-client.json",
                               "office-gateway.json",
                               "paths-gateway.json",
                               "paths-client.json",
                               "group-gateway.json",
                               "group-site.json",
                               "group-bgp-gateway.json",
                               "group-bgp-site.json",
                               "home-agent.json",
                               "mobile-node.json"};
constexpr std::array kForOthers{"frr-gateway.conf", "frr-site.conf"}; // configuration of another daemon

} // namespace

TEST_CASE("The published schema is that of the model", "[conf]") {
    INFO("after a change of conf/model.cpp: ninja -C BUILD schema");
    CHECK(file("sheafd.schema.json") == json_schema());
}

TEST_CASE("The examples are right", "[conf]") {
    const Examples examples;
    for (const auto* name : kExamples) {
        const auto loaded = examples.read(examples.text(name));
        INFO(name << "\n" << (loaded ? "" : to_string(loaded.error())));
        CHECK(loaded);
        if (loaded) CHECK(loaded->notes.empty());
    }
}

TEST_CASE("No example is left out of the tests", "[conf]") {
    const auto folder = std::filesystem::path(SHEAF_TEST_DATA).parent_path() / "conf/examples";
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        const bool ours = std::ranges::find(kExamples, name) != kExamples.end();
        const bool known = ours || std::ranges::find(kForOthers, name) != kForOthers.end();
        INFO(name);
        CHECK(known);
        ++count;
    }
    CHECK(count == kExamples.size() + kForOthers.size());
}

TEST_CASE("The examples name the files that they say, and nothing else is missing", "[conf]") {
    for (const auto* name : kExamples) {
        const auto loaded = parse(name, file(std::string("examples/") + name), {"/nonexistent", {}});
        REQUIRE_FALSE(loaded);
        for (const auto& diagnostic : loaded.error()) {
            const bool about_files = diagnostic.message.starts_with("secrets.") ||
                                     diagnostic.message.starts_with("certificates.") ||
                                     diagnostic.message.starts_with("authorities.");
            INFO(diagnostic.message);
            CHECK(about_files);
        }
    }
}

TEST_CASE("Truncated examples are refused, never worse", "[conf]") {
    const Examples examples;
    const std::string name = GENERATE("gateway.json", "site-to-site.json", "isp-gateway.json",
                                      "isp-client.json", "paths-client.json", "group-site.json");
    const std::string whole = examples.text(name);
    const std::size_t end = whole.rfind('}');
    for (std::size_t size = 0; size <= end; size += 3) {
        const auto loaded = examples.read(whole.substr(0, size));
        if (loaded || loaded.error().empty() || to_string(loaded.error()).empty()) FAIL("cut at " << size);
    }
}

TEST_CASE("Damaged examples never crash, and no diagnostic is without a place", "[conf]") {
    const Examples examples;
    const std::string name = GENERATE("gateway.json", "site-to-site.json", "isp-gateway.json",
                                      "isp-client.json", "paths-client.json");
    const std::string whole = examples.text(name);
    constexpr char kDamage[] = {'"', '{', '}', ',', '\0', '\n', '\\', '/', '9', '\xff'};
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string text = whole;
        text[at] = kDamage[at % sizeof kDamage];
        const auto loaded = examples.read(std::move(text));
        if (loaded) continue;
        for (const auto& diagnostic : loaded.error())
            if (diagnostic.line == 0 || diagnostic.column == 0 || diagnostic.message.empty())
                FAIL("damaged at " << at);
    }
}

TEST_CASE("Removed lines never crash", "[conf]") {
    const Examples examples;
    for (const auto* name : kExamples) {
        const std::string whole = examples.text(name);
        for (std::size_t begin = 0; begin < whole.size();) {
            const std::size_t next = std::min(whole.find('\n', begin), whole.size() - 1) + 1;
            const auto loaded = examples.read(whole.substr(0, begin) + whole.substr(next));
            if (!loaded && loaded.error().empty()) FAIL(name << " without the line at " << begin);
            begin = next;
        }
    }
}
