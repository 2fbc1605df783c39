#include "conf/shape.h"

#include "conf/text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::conf {
namespace {

using json::Kind;
using json::Value;

constexpr std::size_t kMaxList = 64; // what a message of IKE carries (lib/wire/payload.h), and no more

class ShapeChecker {
  public:
    explicit ShapeChecker(Report& report) : report_(report) {}

    // `path` names the value ("connections.home"), `name` is the place that stands for it where something is
    // missing in it, `role` is the role of the connection around it.
    void value(const Value& value, const Type& type, const std::string& path, Place name,
               std::string_view role);
    void object(const Value& value, const Object& object, const std::string& path, Place name,
                std::string_view role);

  private:
    void word(const Value& value, const Type& type, const std::string& path);
    void integer(const Value& value, const Type& type, const std::string& path);
    void list(const Value& value, const Type& type, const std::string& path, std::string_view role);
    void map(const Value& value, const Type& type, const std::string& path, std::string_view role);
    std::string_view unknown_key(const json::Member& member, const Object& object, const std::string& path,
                                 std::string_view role);
    void missing(const Value& value, const Object& object, const std::string& path, Place name,
                 std::string_view role, const std::vector<std::string_view>& meant);
    void one_of(const Value& value, const Object& object, const std::string& path, Place name,
                const std::vector<std::string_view>& meant);

    Report& report_;
};

std::string below(const std::string& path, std::string_view key) {
    return (path.empty() ? "" : path + ".") + std::string(key);
}

std::string place_of(const std::string& path) { return path.empty() ? "at the top level" : "in " + path; }

std::string_view subject(const std::string& path) {
    return path.empty() ? "the configuration" : std::string_view(path);
}

std::string expected(const Type& type) {
    if (type.kind == Kind::string && type.format)
        return std::string(type.format->noun) + (!type.other                       ? ""
                                                 : type.other->kind == Kind::array ? " or a list of such"
                                                                                   : " or an object");
    if (type.kind == Kind::string && !type.words.empty()) return alternatives(type.words);
    if (type.kind == Kind::integer) return "a whole number";
    return std::string(json::noun(type.kind));
}

// The place of a part of a string; of all of it where escapes stand in the way.
Place narrowed(const Value& value, std::string_view part) {
    const bool plain = value.place.end - value.place.begin == value.string.size() + 2;
    if (part.empty() || !plain) return value.place;
    const std::size_t begin =
        value.place.begin + 1 + static_cast<std::size_t>(part.data() - value.string.data());
    return {begin, begin + part.size()};
}

std::string roles_of(const Field& field) {
    const std::size_t count = field.roles.size();
    return (count == 1 ? "role " : "roles ") + alternatives(std::span(field.roles.words).first(count));
}

// The role that the object states, if it states a valid one; else the one around it.
std::string_view role_of(const Value& value, const Object& object, std::string_view around) {
    const auto field = std::ranges::find(object.fields, kRoleKey, &Field::key);
    const auto* member = json::find(value, kRoleKey);
    if (field == object.fields.end() || !member) return around;
    const auto word = std::ranges::find(field->type->words, std::string_view(member->value.string));
    return word == field->type->words.end() ? around : *word;
}

void ShapeChecker::value(const Value& value, const Type& type, const std::string& path, Place name,
                         std::string_view role) {
    if (type.other && value.kind == type.other->kind)
        return this->value(value, *type.other, path, name, role);
    if (value.kind != type.kind) {
        const std::string_view found = value.kind == Kind::real && type.kind == Kind::integer
                                           ? "a number with a fraction"
                                           : json::noun(value.kind);
        report_.add(value.place, std::string(subject(path)) + ": expected " + expected(type) + ", found " +
                                     std::string(found));
        return;
    }
    switch (type.kind) {
    case Kind::string: return word(value, type, path);
    case Kind::integer: return integer(value, type, path);
    case Kind::array: return list(value, type, path, role);
    case Kind::object:
        if (type.object) return object(value, *type.object, path, name, role);
        return map(value, type, path, role);
    default: return;
    }
}

void ShapeChecker::word(const Value& value, const Type& type, const std::string& path) {
    if (!type.words.empty() &&
        std::ranges::find(type.words, std::string_view(value.string)) == type.words.end()) {
        report_.add(value.place, "unknown word " + quote(value.string) + " in " + path,
                    suggestion(value.string, type.words));
        return;
    }
    if (!type.format) return;
    if (auto fault = type.format->check(value.string))
        report_.add(narrowed(value, fault->part), path + ": " + fault->message, std::move(fault->hint));
}

void ShapeChecker::integer(const Value& value, const Type& type, const std::string& path) {
    if (value.integer >= type.least && value.integer <= type.most) return;
    report_.add(value.place, path + ": the number is not between " + std::to_string(type.least) + " and " +
                                 std::to_string(type.most));
}

void ShapeChecker::list(const Value& list, const Type& type, const std::string& path, std::string_view role) {
    if (list.items.empty() && !type.may_be_empty) {
        report_.add(list.place, path + ": the list is empty", "name at least one, or leave the key out");
        return;
    }
    if (list.items.size() > kMaxList) {
        report_.add(list.place, path + ": the list has more than " + std::to_string(kMaxList) + " entries");
        return;
    }
    std::vector<std::string_view> seen;
    for (const auto& item : list.items) {
        value(item, *type.item, path, item.place, role);
        if (item.kind != Kind::string || type.may_repeat) continue;
        if (std::ranges::find(seen, std::string_view(item.string)) != seen.end())
            report_.add(item.place, path + ": " + quote(item.string) + " stands twice", "remove one");
        seen.push_back(item.string);
    }
}

void ShapeChecker::map(const Value& map, const Type& type, const std::string& path, std::string_view role) {
    for (const auto& member : map.members) {
        if (auto fault = type.names->check(member.key))
            report_.add(member.place, path + ": " + fault->message, std::move(fault->hint));
        value(member.value, *type.item, below(path, member.key), member.place, role);
    }
}

void ShapeChecker::object(const Value& object_value, const Object& object, const std::string& path,
                          Place name, std::string_view role) {
    role = role_of(object_value, object, role);
    std::vector<std::string_view> meant; // the keys that misspelt ones stand for: not missing
    for (const auto& member : object_value.members) {
        const auto field = std::ranges::find(object.fields, std::string_view(member.key), &Field::key);
        if (field == object.fields.end()) {
            meant.push_back(unknown_key(member, object, path, role));
            continue;
        }
        if (!role.empty() && !field->applies_to(role))
            report_.add(member.place,
                        quote(member.key) + " " + place_of(path) + " is for the " + roles_of(*field) +
                            ", not for " + quote(role),
                        "remove it, or change the role");
        value(member.value, *field->type, below(path, member.key), member.place, role);
    }
    missing(object_value, object, path, name, role, meant);
    one_of(object_value, object, path, name, meant);
}

// The key that it was probably meant to be, or empty.
std::string_view ShapeChecker::unknown_key(const json::Member& member, const Object& object,
                                           const std::string& path, std::string_view role) {
    std::vector<std::string_view> keys;
    for (const auto& field : object.fields)
        if (!field.key.starts_with('$') && (role.empty() || field.applies_to(role)))
            keys.push_back(field.key);
    report_.add(member.place, "unknown key " + quote(member.key) + " " + place_of(path),
                suggestion(member.key, keys));
    return nearest(member.key, keys);
}

void ShapeChecker::missing(const Value& value, const Object& object, const std::string& path, Place name,
                           std::string_view role, const std::vector<std::string_view>& meant) {
    for (const auto& field : object.fields) {
        const auto given = [&](std::string_view key) {
            return json::find(value, key) || std::ranges::find(meant, key) != meant.end();
        };
        const bool there = given(field.key) || (!field.unless.empty() && given(field.unless));
        if (!field.required_of(role) || there) continue;
        report_.add(name, std::string(subject(path)) + " lacks " + quote(field.key),
                    quote(field.key) + ": " + std::string(field.doc));
    }
}

void ShapeChecker::one_of(const Value& value, const Object& object, const std::string& path, Place name,
                          const std::vector<std::string_view>& meant) {
    const auto is_one = [&object](std::string_view key) {
        return std::ranges::find(object.alternatives, key) != object.alternatives.end();
    };
    const json::Member* first = nullptr;
    for (const auto& member : value.members) {
        if (!is_one(member.key)) continue;
        if (first)
            report_.add(member.place, path + " has both " + quote(first->key) + " and " + quote(member.key),
                        "remove one");
        else
            first = &member;
    }
    if (object.alternatives.empty() || !object.one_needed || first || std::ranges::any_of(meant, is_one))
        return;
    report_.add(name, path + " lacks " + alternatives(object.alternatives), "add exactly one of them");
}

} // namespace

void check_shape(const Value& root, const Object& model, Report& report) {
    ShapeChecker checker(report);
    const Type whole{.kind = Kind::object, .object = &model};
    checker.value(root, whole, {}, {root.place.begin, root.place.begin + 1}, {});
}

} // namespace sheaf::conf
