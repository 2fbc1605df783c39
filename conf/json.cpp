#include "conf/json.h"

#include "conf/text.h"

#include <nlohmann/json.hpp>

#include <iterator>
#include <limits>
#include <unordered_map>
#include <utility>

namespace sheaf::conf::json {
namespace {

// Counts what the lexer has taken.
class CountingIterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    CountingIterator(const char* at, std::size_t* taken) : at_(at), taken_(taken) {}
    reference operator*() const { return *at_; }
    CountingIterator& operator++() {
        ++at_;
        ++*taken_;
        return *this;
    }
    friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }

  private:
    const char* at_;
    std::size_t* taken_;
};

// Past a comment that begins at `at`; `at` itself if none does or if it does not end.
std::size_t after_comment(std::string_view text, std::size_t at) {
    if (text.substr(at, 2) == "//") return std::min(text.find('\n', at), text.size());
    if (text.substr(at, 2) != "/*") return at;
    const auto end = text.find("*/", at + 2);
    return end == text.npos ? at : end + 2;
}

// The first octet at or after `at` that belongs to a token with a callback. Sets `comma` if a comma was met.
std::size_t next_token(std::string_view text, std::size_t at, bool& comma) {
    if (at == 0 && text.starts_with("\xef\xbb\xbf")) at = 3; // byte order mark
    while (at < text.size()) {
        comma = comma || text[at] == ',';
        const std::size_t next = text[at] == '/' ? after_comment(text, at)
                                 : std::string_view(" \t\r\n,:").find(text[at]) != std::string_view::npos
                                     ? at + 1
                                     : at;
        if (next == at) break;
        at = next;
    }
    return at;
}

Value made(Kind kind, Place place) {
    Value value;
    value.kind = kind;
    value.place = place;
    return value;
}

// nlohmann's SAX callbacks: builds the tree, returns false to stop.
class Builder {
  public:
    using number_integer_t = nlohmann::json::number_integer_t;
    using number_unsigned_t = nlohmann::json::number_unsigned_t;
    using number_float_t = nlohmann::json::number_float_t;
    using string_t = nlohmann::json::string_t;
    using binary_t = nlohmann::json::binary_t;

    Builder(const Source& source, Report& report) : source_(source), report_(report) {}

    [[nodiscard]] std::size_t* taken() { return &taken_; }
    [[nodiscard]] Value& root() { return root_; }

    bool null() { return add(made(Kind::null, token())); }
    bool boolean(bool value);
    bool number_integer(number_integer_t value);
    bool number_unsigned(number_unsigned_t value);
    bool number_float(number_float_t, const string_t&) { return add(made(Kind::real, number())); }
    bool string(string_t& value);
    bool binary(binary_t&) { return false; } // never in text
    bool start_object(std::size_t) { return open(Kind::object); }
    bool end_object() { return close(); }
    bool start_array(std::size_t) { return open(Kind::array); }
    bool end_array() { return close(); }
    bool key(string_t& key);
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error);

  private:
    struct Frame {
        Value value;
        std::string key; // of the member being read
        Place key_place;
        std::unordered_map<std::string, std::size_t> seen; // key -> its offset
        bool duplicate = false;
    };

    Place token();
    Place number();
    bool open(Kind kind);
    bool close();
    bool add(Value value);
    std::string hint(const std::string& what, std::size_t at, bool comma) const;

    const Source& source_;
    Report& report_;
    std::size_t taken_ = 0; // octets that the lexer has read
    std::size_t end_ = 0;   // of the last token
    std::vector<Frame> open_;
    Value root_;
};

Place Builder::token() {
    bool comma = false;
    const std::size_t begin = next_token(source_.text(), end_, comma);
    end_ = std::max(taken_, begin);
    return {begin, end_};
}

// A number ends where its characters end: the lexer has read one more to see that.
Place Builder::number() {
    Place place = token();
    const auto end = source_.text().find_first_not_of("+-.0123456789eE", place.begin);
    place.end = end_ = std::min(end, source_.text().size());
    return place;
}

bool Builder::boolean(bool boolean) {
    Value value = made(Kind::boolean, token());
    value.boolean = boolean;
    return add(std::move(value));
}

bool Builder::number_integer(number_integer_t integer) {
    Value value = made(Kind::integer, number());
    value.integer = integer;
    return add(std::move(value));
}

bool Builder::number_unsigned(number_unsigned_t integer) {
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    return number_integer(std::in_range<std::int64_t>(integer) ? static_cast<std::int64_t>(integer) : kMost);
}

bool Builder::string(string_t& string) {
    Value value = made(Kind::string, token());
    value.string = std::move(string);
    return add(std::move(value));
}

bool Builder::open(Kind kind) {
    const Place place = token();
    if (open_.size() >= kMaxDepth) {
        report_.add(place, "values are nested deeper than " + std::to_string(kMaxDepth) + " levels");
        return false;
    }
    Frame frame;
    frame.value = made(kind, place);
    open_.push_back(std::move(frame));
    return true;
}

bool Builder::close() {
    const Place place = token();
    Value value = std::move(open_.back().value);
    open_.pop_back();
    value.place.end = place.end;
    return add(std::move(value));
}

bool Builder::add(Value value) {
    if (open_.empty()) {
        root_ = std::move(value);
        return true;
    }
    Frame& frame = open_.back();
    if (frame.value.kind == Kind::array)
        frame.value.items.push_back(std::move(value));
    else if (!frame.duplicate)
        frame.value.members.push_back({std::move(frame.key), frame.key_place, std::move(value)});
    return true;
}

bool Builder::key(string_t& key) {
    Frame& frame = open_.back();
    frame.key_place = token();
    const auto [first, fresh] = frame.seen.emplace(key, frame.key_place.begin);
    frame.duplicate = !fresh;
    if (!fresh)
        report_.add(frame.key_place, "the key " + quote(key) + " stands twice",
                    "line " + std::to_string(source_.line(first->second)) + " has it already: remove one");
    frame.key = std::move(key);
    return true;
}

// nlohmann's sentence without its own position and without the text last read, which may be a secret.
std::string plain_message(const std::string& what) {
    if (what.find("out_of_range") != what.npos) return "the number is too large";
    const auto dash = what.find(" - ");
    std::string message = dash == what.npos ? "this is no JSON" : what.substr(dash + 3);
    if (const auto read = message.find("; last read: '"); read != message.npos) message.resize(read);
    const bool open =
        message.find("missing closing quote") != message.npos || message.find("U+000A") != message.npos;
    if (open) return "the string is not closed";
    return message;
}

std::string Builder::hint(const std::string& what, std::size_t at, bool comma) const {
    const bool at_end = at >= source_.text().size();
    if (at_end && !open_.empty()) {
        const Value& value = open_.back().value;
        return std::string(value.kind == Kind::object ? "the { of line " : "the [ of line ") +
               std::to_string(source_.line(value.place.begin)) + " is not closed";
    }
    if (at_end) return "a configuration is a JSON object: { ... }";
    const char c = source_.text()[at];
    if ((c == '}' || c == ']') && comma) return "remove the comma before it";
    if (c == '"' && what.find("invalid string") != what.npos)
        return "a string ends with \" on the line where it begins";
    if (what.find("invalid literal") != what.npos) return "strings stand in \" \"";
    const bool wants_end = what.find("expected '}'") != what.npos || what.find("expected ']'") != what.npos;
    if (wants_end && !comma) return "is a comma missing before it?";
    return {};
}

bool Builder::parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    bool comma = false;
    const std::size_t begin = next_token(source_.text(), end_, comma);
    const std::string message = plain_message(error.what());
    const auto word_end = source_.text().find_first_of(" \t\r\n,:/[]{}\"", begin);
    const bool word = message == "invalid literal"; // of which the lexer has read what begins like one
    const std::size_t end = word ? std::min(word_end, source_.text().size()) : taken_;
    report_.add({begin, std::max(end, begin)}, message, hint(message, begin, comma));
    return false;
}

} // namespace

std::string_view noun(Kind kind) {
    switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "true or false";
    case Kind::integer:
    case Kind::real: return "a number";
    case Kind::string: return "a string";
    case Kind::array: return "a list";
    case Kind::object: return "an object";
    }
    return "a value";
}

const Member* find(const Value& object, std::string_view key) {
    for (const auto& member : object.members)
        if (member.key == key) return &member;
    return nullptr;
}

Member* find(Value& object, std::string_view key) {
    for (auto& member : object.members)
        if (member.key == key) return &member;
    return nullptr;
}

std::optional<Value> parse(const Source& source, Report& report) {
    const std::string_view text = source.text();
    if (text.size() > kMaxText) {
        report.add({}, "the file is longer than " + std::to_string(kMaxText) + " octets");
        return std::nullopt;
    }
    Builder builder(source, report);
    const CountingIterator first(text.data(), builder.taken());
    const CountingIterator last(text.data() + text.size(), builder.taken());
    const bool whole = nlohmann::json::sax_parse(first, last, &builder, nlohmann::json::input_format_t::json,
                                                 /*strict=*/true, /*ignore_comments=*/true);
    if (!whole) return std::nullopt;
    return std::move(builder.root());
}

} // namespace sheaf::conf::json
