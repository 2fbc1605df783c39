#include "conf/words.h"

#include "conf/interface_id_words.h"
#include "conf/proposal_words.h"
#include "conf/selector_words.h"
#include "conf/text.h"
#include "lib/auth/identity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace sheaf::conf {
namespace {

using std::chrono::milliseconds;

constexpr Duration kMinWait = milliseconds(10);
constexpr Duration kMinProbe = milliseconds(100);
// RFC 6275 6.1.7 tells it in units of 4 s, and none of them ends the binding; it is refreshed well before the end.
constexpr Duration kMinBinding = std::chrono::minutes(1);
constexpr Duration kMaxWait = std::chrono::minutes(1);
constexpr std::size_t kMaxCredentialName = 255; // NAME_MAX
constexpr std::size_t kMaxPath = 4096;          // PATH_MAX
constexpr std::size_t kMaxDomain = 253;         // RFC 1035 2.3.4: 255 octets in the form of the wire
constexpr std::size_t kMaxLabel = 63;

struct Unit {
    std::string_view name;
    std::int64_t milliseconds;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view word) {
    return !word.empty() && is_alphanumeric(word.front()) && std::ranges::all_of(word, [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
    });
}

bool is_domain(std::string_view word) {
    if (word.size() > kMaxDomain) return false;
    for (std::size_t begin = 0; begin <= word.size();) {
        const auto label = word.substr(begin, std::min(word.find('.', begin), word.size()) - begin);
        const bool fits =
            !label.empty() && label.size() <= kMaxLabel && label.front() != '-' && label.back() != '-' &&
            std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
        if (!fits) return false;
        begin += label.size() + 1;
    }
    return true;
}

std::optional<Fault> check_range(std::string_view word, Duration least, Duration most,
                                 std::string_view range) {
    const auto duration = parse_duration(word);
    if (!duration) {
        const bool bare =
            !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
        return Fault{
            quote(word) + " is no duration",
            bare ? "did you mean " + quote(std::string(word) + "s") + "?"
                 : "write a whole number and a unit (ms, s, m, h, d): \"500ms\", \"30s\", \"5m\", \"1h\""};
    }
    if (*duration < least || *duration > most)
        return Fault{quote(word) + " is not " + std::string(range), {}};
    return std::nullopt;
}

std::optional<Fault> check_whole_seconds(std::string_view word, std::string_view remedy) {
    if (*parse_duration(word) % std::chrono::seconds(1) == Duration::zero()) return std::nullopt;
    return Fault{quote(word) + " is not in whole seconds", std::string(remedy)};
}

} // namespace

std::optional<Duration> parse_duration(std::string_view word) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
    if (error != std::errc{} || word.front() == '-') return std::nullopt;
    const auto unit = word.substr(static_cast<std::size_t>(end - word.data()));
    const auto known = std::ranges::find(kUnits, unit, &Unit::name);
    if (known == kUnits.end()) return std::nullopt;
    // Beyond any bound of ours, and still far from the end of Duration.
    constexpr std::int64_t kMostMilliseconds = 1'000'000'000'000;
    return milliseconds(std::min(count, kMostMilliseconds / known->milliseconds) * known->milliseconds);
}

std::optional<Fault> check_duration(std::string_view word) {
    return check_range(word, Duration::zero(), kMaxDuration, "between 0s and 24h");
}

std::optional<Fault> check_lifetime(std::string_view word) {
    return check_range(word, Duration::zero(), kMaxLifetime, "between 0s and 30d");
}

std::optional<Fault> check_lease(std::string_view word) {
    if (auto fault = check_range(word, Duration::zero(), kMaxLease, "between 0s and 365d")) return fault;
    return check_whole_seconds(word, "write \"1s\", \"24h\", \"7d\"");
}

std::optional<Fault> check_seconds(std::string_view word) {
    if (auto fault = check_duration(word)) return fault;
    return check_whole_seconds(word, "write \"30s\", \"5m\", \"1h\"");
}

std::optional<Fault> check_wait(std::string_view word) {
    return check_range(word, kMinWait, kMaxWait, "between 10ms and 1m");
}

std::optional<Fault> check_probe(std::string_view word) {
    return check_range(word, kMinProbe, kMaxWait, "between 100ms and 1m");
}

std::optional<Fault> check_binding_lifetime(std::string_view word) {
    return check_range(word, kMinBinding, kMaxDuration, "between 1m and 24h");
}

std::optional<Fault> check_address(std::string_view word) {
    if (IpAddress::parse(word)) return std::nullopt;
    if (const auto prefix = Prefix::parse(word))
        return Fault{quote(word) + " is a prefix, not an address",
                     "did you mean " + quote(word.substr(0, word.find('/'))) + "?"};
    return Fault{quote(word) + " is no IP address",
                 "write it in digits, \"192.0.2.1\" or \"2001:db8::1\": names are not looked up"};
}

std::optional<Fault> check_prefix(std::string_view word) {
    const auto prefix = Prefix::parse(word);
    if (!prefix)
        return Fault{quote(word) + " is no prefix",
                     "write address/length: \"2001:db8::/48\", \"10.77.0.0/24\""};
    if (IpAddress::parse(word.substr(0, word.find('/'))) != prefix->address())
        return Fault{quote(word) + " has bits set after its length",
                     "did you mean " + quote(prefix->to_string()) + "?"};
    return std::nullopt;
}

std::optional<Fault> check_selector(std::string_view word) {
    const auto selector = parse_selector(word);
    return selector ? std::nullopt : std::optional(selector.error());
}

std::optional<Fault> check_interface(std::string_view word) {
    if (word.size() > kMaxInterfaceName)
        return Fault{"the interface name " + quote(word) + " is longer than " +
                         std::to_string(kMaxInterfaceName) + " characters",
                     "Linux allows no more: shorten it"};
    if (!is_name(word))
        return Fault{quote(word) + " is no interface name", "use letters, digits, \"-\", \"_\" and \".\""};
    return std::nullopt;
}

std::optional<Fault> check_interface_id(std::string_view word) {
    const auto choice = parse_interface_id(word);
    return choice ? std::nullopt : std::optional(choice.error());
}

std::optional<Fault> check_domain(std::string_view word) {
    if (is_domain(word)) return std::nullopt;
    std::string hint = "write letters, digits and \"-\", joined by dots: \"corp.example.org\"";
    std::string_view likely = word;
    if (likely.starts_with("*.")) likely.remove_prefix(2);
    if (likely.starts_with('.')) likely.remove_prefix(1);
    if (likely.ends_with('.')) likely.remove_suffix(1);
    if (is_domain(likely))
        hint = "did you mean " + quote(likely) + "? The names below a domain belong to it";
    else if (std::ranges::any_of(word, [](char c) { return c < 0; }))
        hint = "write its labels in their ASCII form, \"xn--...\" (RFC 5890)";
    return Fault{quote(word) + " is no domain of the DNS", std::move(hint)};
}

std::optional<Fault> check_name(std::string_view word) {
    if (word.size() > kMaxName)
        return Fault{
            "the name " + quote(word) + " is longer than " + std::to_string(kMaxName) + " characters", {}};
    if (!is_name(word))
        return Fault{quote(word) + " is no name",
                     "use letters, digits, \"-\", \"_\" and \".\", a letter or digit first"};
    return std::nullopt;
}

std::optional<Fault> check_identity(std::string_view word) {
    if (auth::Identity::parse(word)) return std::nullopt;
    if (auth::IdentityPattern::parse(word))
        return Fault{"the pattern " + quote(word) + " names nobody", "write one identity"};
    return Fault{
        quote(word) + " is no identity",
        "write a host name, user@host, an IP address, a name such as \"CN=gw, O=Example\", or @# and "
        "hexadecimal digits"};
}

std::optional<Fault> check_identity_pattern(std::string_view word) {
    if (auth::IdentityPattern::parse(word)) return std::nullopt;
    if (word.find('*') != word.npos)
        return Fault{quote(word) + " is no pattern of identities",
                     "\"*\" stands alone or for the first labels: \"*.example.org\""};
    return check_identity(word);
}

std::optional<Fault> check_mobile_node(std::string_view word) {
    const auto pattern = auth::IdentityPattern::parse(word);
    if (pattern && !pattern->exact())
        return Fault{quote(word) + " is a pattern: whoever fits could take the home address of another",
                     "name each identity; those that are not named are given theirs by \"pools\""};
    return check_identity(word);
}

std::optional<Fault> check_credential(std::string_view word) {
    const bool fits =
        !word.empty() && word.size() <= kMaxCredentialName && word.front() != '.' &&
        std::ranges::all_of(word, [](char c) { return c > ' ' && c < '\x7f' && c != '/' && c != ':'; });
    if (fits) return std::nullopt;
    return Fault{quote(word) + " is no name of a credential",
                 "use the name before the \":\" of LoadCredential="};
}

std::optional<Fault> check_path(std::string_view word) {
    if (word.empty()) return Fault{"the path is empty", {}};
    if (word.size() >= kMaxPath || word.find('\0') != word.npos)
        return Fault{quote(word) + " is no path", {}};
    return std::nullopt;
}

std::optional<Fault> check_secret(std::string_view word) {
    if (word.empty()) return Fault{"the secret is empty", {}};
    return std::nullopt;
}

std::optional<Fault> check_ike_proposal(std::string_view word) {
    const auto proposal = parse_ike_proposal(word);
    return proposal ? std::nullopt : std::optional(proposal.error());
}

std::optional<Fault> check_esp_proposal(std::string_view word) {
    const auto proposal = parse_esp_proposal(word);
    return proposal ? std::nullopt : std::optional(proposal.error());
}

std::optional<Fault> check_group_suite(std::string_view word) {
    const auto suite = parse_group_suite(word);
    return suite ? std::nullopt : std::optional(suite.error());
}

} // namespace sheaf::conf
