#include "test/support/vectors.h"

#include <charconv>
#include <fstream>
#include <stdexcept>

namespace sheaf::test {
namespace {

std::string_view trim(std::string_view s) {
    const auto first = s.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

class Parser {
  public:
    explicit Parser(const std::string& path) : path_(path), in_(path) {
        if (!in_) fail("cannot be opened");
    }

    std::vector<Vector> run() {
        std::string line;
        while (std::getline(in_, line)) {
            ++line_;
            take(line);
        }
        if (!origin_) fail("names no origin");
        if (vectors_.empty()) fail("holds no block");
        return std::move(vectors_);
    }

  private:
    void take(std::string_view line) {
        const auto content = trim(line);
        if (content.empty()) return;
        if (content.front() == '#') {
            if (content.starts_with("# origin: ")) origin_ = true;
        } else if (line.front() == ' ') {
            if (!value_) fail("goes on with a value that was not begun");
            *value_ += content;
        } else if (content.front() == '[') {
            if (content.back() != ']') fail("has a title without ]");
            vectors_.push_back({std::string(content.substr(1, content.size() - 2)), {}});
            value_ = nullptr;
        } else {
            entry(content);
        }
    }

    void entry(std::string_view content) {
        const auto equals = content.find('=');
        if (equals == std::string_view::npos || vectors_.empty())
            fail("has a line that is no entry of a block");
        const std::string name(trim(content.substr(0, equals)));
        const auto [it, fresh] =
            vectors_.back().values.try_emplace(name, std::string(trim(content.substr(equals + 1))));
        if (!fresh) fail("names a value twice in a block");
        value_ = &it->second;
    }

    [[noreturn]] void fail(const std::string& why) const {
        throw std::runtime_error(path_ + ":" + std::to_string(line_) + ": " + why);
    }

    std::string path_;
    std::ifstream in_;
    std::size_t line_ = 0;
    bool origin_ = false;
    std::vector<Vector> vectors_;
    std::string* value_ = nullptr;
};

} // namespace

const std::string& Vector::text(std::string_view name) const {
    const auto it = values.find(name);
    if (it == values.end()) throw std::runtime_error("[" + title + "] has no " + std::string(name));
    return it->second;
}

Bytes Vector::hex(std::string_view name) const { return from_hex(text(name)); }

std::size_t Vector::number(std::string_view name) const {
    const std::string& s = text(name);
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error != std::errc{} || end != s.data() + s.size())
        throw std::runtime_error("[" + title + "] " + std::string(name) + " is no number");
    return value;
}

std::uint64_t Vector::u64(std::string_view name) const {
    const Bytes octets = hex(name);
    if (octets.size() != 8)
        throw std::runtime_error("[" + title + "] " + std::string(name) + " is not 8 octets");
    std::uint64_t value = 0;
    for (const std::uint8_t octet : octets)
        value = value << 8 | octet;
    return value;
}

std::vector<Vector> read_vectors(const std::string& file) {
    return Parser(SHEAF_TEST_DATA "/vectors/" + file).run();
}

} // namespace sheaf::test
