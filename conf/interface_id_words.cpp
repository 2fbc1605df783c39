#include "conf/interface_id_words.h"

#include "conf/text.h"
#include "lib/base/ip.h"
#include "lib/ike/interface_id.h"

#include <algorithm>
#include <array>
#include <string>

namespace sheaf::conf {
namespace {

constexpr std::array<std::string_view, 2> kWords = {"stable", "random"};
constexpr std::string_view kForm = "write \"stable\", \"random\", or its 64 bits after \"::\": \"::a:b:c:d\"";

// The lower half of an address whose upper half is zero.
std::optional<wire::InterfaceId> identifier(std::string_view text) {
    const auto address = IpAddress::parse(text);
    if (!address || !address->is_v6()) return std::nullopt;
    wire::InterfaceId out{};
    const auto [network, id] = std::pair(address->view().first(8), address->view().last(8));
    if (std::ranges::any_of(network, [](std::uint8_t octet) { return octet != 0; })) return std::nullopt;
    std::ranges::copy(id, out.begin());
    return out;
}

Fault no_identifier(std::string_view text) {
    const auto near = nearest(text, kWords);
    const std::string with_colons = "::" + std::string(text);
    std::string hint(kForm);
    if (!near.empty())
        hint = suggestion(text, kWords);
    else if (!text.empty() && identifier(with_colons))
        hint = "did you mean " + quote(with_colons) + "?";
    else if (const auto address = IpAddress::parse(text); address && address->is_v6())
        hint = "leave the prefix away, for it is the gateway's to give: \"::a:b:c:d\"";
    return {quote(text) + " is no interface identifier", std::move(hint)};
}

} // namespace

std::expected<ike::InterfaceIdChoice, Fault> parse_interface_id(std::string_view text) {
    if (text == kWords[0]) return ike::StableId{};
    if (text == kWords[1]) return ike::RandomId{};
    const auto id = identifier(text);
    if (!id) return std::unexpected(no_identifier(text));
    if (ike::acceptable(*id)) return *id;
    const bool zero = std::ranges::all_of(*id, [](std::uint8_t octet) { return octet == 0; });
    return std::unexpected(
        Fault{quote(text) + (zero ? " stands for the routers of every subnet (RFC 4291 2.6.1)"
                                  : " is reserved for anycast addresses of every subnet (RFC 5453)"),
              zero ? "the first that can be used is \"::1\""
                   : "use one below \"::fdff:ffff:ffff:ff80\", or \"stable\""});
}

} // namespace sheaf::conf
