#include "conf/settings.h"
#include "test/unit/conf/folder.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;

namespace {

std::string key_of(const Loaded& loaded) {
    REQUIRE(loaded);
    REQUIRE(loaded->engine.credentials.shared_keys.size() == 1);
    const auto key = loaded->engine.credentials.shared_keys.front().key->view();
    return {key.begin(), key.end()};
}

std::string only_mistake(const Loaded& loaded) {
    REQUIRE_FALSE(loaded);
    REQUIRE(loaded.error().size() == 1);
    const auto& diagnostic = loaded.error().front();
    return diagnostic.message + "\n" + diagnostic.hint;
}

const std::string kFile = R"("file": "gw.psk")";

} // namespace

TEST_CASE("A secret's file is the key, without a newline at its end", "[conf]") {
    const Folder folder;
    const auto [content, key] = GENERATE(table<std::string, std::string>({{"horse\n", "horse"},
                                                                          {"horse", "horse"},
                                                                          {"horse\r\n", "horse"},
                                                                          {"horse\n\n", "horse\n"},
                                                                          {"horse\r", "horse\r"},
                                                                          {" horse ", " horse "}}));
    folder.write("gw.psk", content);
    CHECK(key_of(folder.load_with(kFile)) == key);
    CHECK(key_of(folder.load_with("\"file\": \"" + folder.path("gw.psk") + "\"")) == key);
}

TEST_CASE("A secret's file is open to its owner only", "[conf]") {
    const Folder folder;
    folder.write("gw.psk", "horse", GENERATE(0640U, 0604U, 0620U, 0660U, 0777U));
    CHECK(only_mistake(folder.load_with(kFile)) == "secrets.gw: " + folder.path("gw.psk") +
                                                       " is open to others than its owner\nchmod 600 " +
                                                       folder.path("gw.psk"));
}

TEST_CASE("Files that are no secret are refused", "[conf]") {
    const Folder folder;
    const std::string name = "secrets.gw: " + folder.path("gw.psk");
    SECTION("missing") {
        CHECK(only_mistake(folder.load_with(kFile)) ==
              "secrets.gw: cannot read " + folder.path("gw.psk") +
                  ": No such file or directory\ncreate the file, or correct the path");
    }
    SECTION("empty") {
        folder.write("gw.psk", "\n");
        CHECK(only_mistake(folder.load_with(kFile)) == name + " is empty\nwrite the key into it");
    }
    SECTION("too long") {
        folder.write("gw.psk", std::string(4097, 'a'));
        CHECK(only_mistake(folder.load_with(kFile)) ==
              name + " is longer than 4096 octets\nis it the right file?");
    }
    SECTION("as long as allowed") {
        folder.write("gw.psk", std::string(4096, 'a'));
        CHECK(key_of(folder.load_with(kFile)).size() == 4096);
    }
    SECTION("a folder") {
        REQUIRE(::mkdir(folder.path("gw.psk").c_str(), 0700) == 0);
        CHECK(only_mistake(folder.load_with(kFile)) == name + " is no regular file\n");
    }
    SECTION("a pipe that nobody writes to") {
        REQUIRE(::mkfifo(folder.path("gw.psk").c_str(), 0600) == 0);
        CHECK(only_mistake(folder.load_with(kFile)) == name + " is no regular file\n");
    }
}

TEST_CASE("The place of a missing file is that of its name", "[conf]") {
    const Folder folder;
    const auto loaded = folder.load_with(kFile);
    REQUIRE_FALSE(loaded);
    CHECK(to_string(loaded.error().front()) ==
          folder.path("sheafd.json") + ":2:56: secrets.gw: cannot read " + folder.path("gw.psk") +
              ": No such file or directory\n"
              "    2 |   \"secrets\": { \"gw\": { \"id\": \"gw.example.org\", \"file\": \"gw.psk\" } },\n"
              "      |                                                        ^~~~~~~~\n"
              "   create the file, or correct the path\n");
}

TEST_CASE("Credentials come from the folder that systemd names", "[conf]") {
    const Folder folder;
    const std::string kCredential = R"("credential": "key")";
    SECTION("found, with the mode that systemd's ACL shows") {
        folder.write("key", "horse\n", 0440);
        CHECK(key_of(folder.load_with(kCredential, {folder.path("")})) == "horse");
    }
    SECTION("not passed to the service") {
        CHECK(only_mistake(folder.load_with(kCredential, {folder.path("")})) ==
              "secrets.gw: there is no credential \"key\"\nadd LoadCredential=key:/path to the unit");
    }
    SECTION("outside of a service") {
        CHECK(only_mistake(folder.load_with(kCredential)) ==
              "secrets.gw: the credential \"key\" is not at hand: $CREDENTIALS_DIRECTORY is not set\n"
              "systemd sets it for LoadCredential=key:/path in the unit; elsewhere use a file");
    }
    SECTION("outside of the folder") {
        CHECK(only_mistake(folder.load_with(R"("credential": "../key")", {folder.path("")})) ==
              "secrets.gw.credential: \"../key\" is no name of a credential\n"
              "use the name before the \":\" of LoadCredential=");
    }
}

TEST_CASE("A configuration that cannot be read is told as a whole", "[conf]") {
    const Folder folder;
    const auto missing = load(folder.path("none.json"), {});
    REQUIRE_FALSE(missing);
    CHECK(to_string(missing.error()) == folder.path("none.json") +
                                            ": cannot read the configuration: No such file or directory\n"
                                            "   create it, or name another with --config\n1 mistake\n");
    const auto directory = load(folder.path(""), {});
    REQUIRE_FALSE(directory);
    CHECK(directory.error().front().message == "cannot read the configuration: Is a directory");
}

TEST_CASE("A long configuration is read whole", "[conf]") {
    const Folder folder;
    std::string text = "{ \"secrets\": {\n";
    for (int i = 0; i < 5'000; ++i)
        text += "\"s" + std::to_string(i) + "\": { \"id\": \"c" + std::to_string(i) +
                ".example.org\", \"text\": \"k\" },\n";
    text += changed(kGateway, "{\n", "");
    const auto at = text.find("\"secrets\": { \"all\": ");
    text.replace(at, std::string_view("\"secrets\": { ").size(), ""); // one "secrets" for both
    const std::string head = text.substr(0, text.find("\"listen\""));
    const std::string all = "\"all\": { \"id\": \"*.example.org\", \"text\": \"correct horse\" } },\n";
    text = head + all + changed(changed(kGateway, "{\n", ""), "  \"secrets\": { " + all, "");
    folder.write("sheafd.json", text);
    const auto loaded = load(folder.path("sheafd.json"), {});
    REQUIRE(loaded);
    CHECK(loaded->engine.credentials.shared_keys.size() == 5'001);
}
