#include "conf/schema.h"
#include "conf/settings.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

using namespace sheaf::conf;

namespace {

// SHEAF_TEST_DATA is the folder test/ of the sources.
std::string file(const std::string& name) {
    std::ifstream in(std::filesystem::path(SHEAF_TEST_DATA).parent_path() / "conf" / name, std::ios::binary);
    REQUIRE(in);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

// The examples name files that are not on this machine: the same with the key in the text.
std::string example(const std::string& name) {
    std::string text = file("examples/" + name);
    for (const std::string key : {"\"file\": \"/etc/sheaf/", "\"credential\": \""})
        for (auto at = text.find(key); at != text.npos; at = text.find(key))
            text.replace(at, key.size(), "\"text\": \"");
    return text;
}

} // namespace

TEST_CASE("The published schema is that of the model", "[conf]") {
    INFO("after a change of conf/model.cpp: ninja -C BUILD schema");
    CHECK(file("sheafd.schema.json") == json_schema());
}

TEST_CASE("The examples are right", "[conf]") {
    const auto* name = GENERATE("gateway.json", "client.json");
    const auto loaded = parse(name, example(name), {});
    INFO((loaded ? "" : to_string(loaded.error())));
    CHECK(loaded);
}

TEST_CASE("The examples name the files that they say, and nothing else is missing", "[conf]") {
    const auto gateway = parse("gateway.json", file("examples/gateway.json"), {"/nonexistent"});
    REQUIRE_FALSE(gateway);
    for (const auto& diagnostic : gateway.error())
        CHECK(diagnostic.message.starts_with("secrets."));
}

TEST_CASE("Truncated examples are refused, never worse", "[conf]") {
    const auto* name = GENERATE("gateway.json", "client.json");
    const std::string whole = example(name);
    const std::size_t end = whole.rfind('}');
    for (std::size_t size = 0; size <= end; ++size) {
        const auto loaded = parse("x", whole.substr(0, size), {});
        if (loaded || loaded.error().empty() || to_string(loaded.error()).empty()) FAIL("cut at " << size);
    }
}

TEST_CASE("Damaged examples never crash, and no diagnostic is without a place", "[conf]") {
    const std::string whole = example("gateway.json");
    constexpr char kDamage[] = {'"', '{', '}', ',', '\0', '\n', '\\', '/', '9', '\xff'};
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string text = whole;
        text[at] = kDamage[at % sizeof kDamage];
        const auto loaded = parse("x", std::move(text), {});
        if (loaded) continue;
        for (const auto& diagnostic : loaded.error())
            if (diagnostic.line == 0 || diagnostic.column == 0 || diagnostic.message.empty())
                FAIL("damaged at " << at);
    }
}

TEST_CASE("Removed lines never crash", "[conf]") {
    const std::string whole = example("gateway.json");
    for (std::size_t begin = 0; begin < whole.size();) {
        const std::size_t next = std::min(whole.find('\n', begin), whole.size() - 1) + 1;
        const auto loaded = parse("x", whole.substr(0, begin) + whole.substr(next), {});
        if (!loaded && loaded.error().empty()) FAIL("without the line at " << begin);
        begin = next;
    }
}
