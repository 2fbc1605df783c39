#pragma once

#include "lib/base/rule.h"
#include "lib/wire/codec.h"

#include <catch2/catch.hpp>

#include <expected>
#include <optional>
#include <string>

namespace Catch {

template <>
struct StringMaker<sheaf::Rule> {
    static std::string convert(sheaf::Rule rule) { return std::string(sheaf::name(rule)); }
};

template <>
struct StringMaker<std::optional<sheaf::Rule>> {
    static std::string convert(const std::optional<sheaf::Rule>& rule) {
        return rule ? std::string(sheaf::name(*rule)) : "accepted";
    }
};

template <>
struct StringMaker<sheaf::wire::PayloadType> {
    static std::string convert(sheaf::wire::PayloadType type) {
        return std::string(sheaf::wire::name(type)) + " (" + std::to_string(static_cast<unsigned>(type)) +
               ")";
    }
};

} // namespace Catch

namespace sheaf::wire {

// The rule that a parse broke; none where it succeeded.
template <typename T>
std::optional<Rule> broken_rule(const std::expected<T, Rule>& parsed) {
    return parsed ? std::nullopt : std::optional(parsed.error());
}

template <typename T>
std::optional<Rule> broken_rule(const std::expected<T, ParseError>& parsed) {
    return parsed ? std::nullopt : std::optional(parsed.error().rule);
}

} // namespace sheaf::wire
