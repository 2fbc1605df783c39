#include "conf/schema.h"

#include "conf/spec.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <string_view>

namespace sheaf::conf {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;

std::string text(std::string_view view) { return std::string(view); }

Json object_schema(const Object& object);

Json word_schema(const Type& type) {
    Json out = {{"type", "string"}};
    for (const auto word : type.words)
        out["enum"].push_back(text(word));
    if (!type.format) return out;
    if (type.secret) out["writeOnly"] = true;
    out["pattern"] = text(type.format->pattern);
    out["description"] = text(type.format->noun);
    return out;
}

Json type_schema(const Type& type) {
    switch (type.kind) {
    case json::Kind::string:
        if (type.other) return {{"anyOf", Json::array({word_schema(type), type_schema(*type.other)})}};
        return word_schema(type);
    case json::Kind::boolean: return {{"type", "boolean"}};
    case json::Kind::integer: return {{"type", "integer"}, {"minimum", type.least}, {"maximum", type.most}};
    case json::Kind::array: {
        Json out = {{"type", "array"}, {"items", type_schema(*type.item)}};
        if (!type.may_repeat) out["uniqueItems"] = true;
        if (!type.may_be_empty) out["minItems"] = 1;
        return out;
    }
    default: break;
    }
    if (type.object) return object_schema(*type.object);
    return {{"type", "object"},
            {"propertyNames", {{"pattern", text(type.names->pattern)}}},
            {"additionalProperties", type_schema(*type.item)}};
}

Json field_schema(const Field& field) {
    Json out = type_schema(*field.type);
    out["description"] = text(field.doc);
    if (!field.standard.empty()) out["default"] = Json::parse(field.standard);
    return out;
}

bool always_required(const Field& field) {
    return field.required && field.roles.empty() && field.required_by.empty();
}

// What a role adds: keys that it must have, and keys of the other role as false. Empty if it adds nothing.
Json role_schema(const Object& object, std::string_view role) {
    Json properties = Json::object();
    Json required = Json::array();
    for (const auto& field : object.fields) {
        if (!field.applies_to(role)) properties[text(field.key)] = false;
        if (!always_required(field) && field.required_of(role) && field.unless.empty())
            required.push_back(text(field.key));
        if (!field.type->object) continue;
        if (Json inner = role_schema(*field.type->object, role); !inner.empty())
            properties[text(field.key)] = std::move(inner);
    }
    Json out = Json::object();
    if (!properties.empty()) out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
    for (const auto& field : object.fields)
        if (field.required_of(role) && !field.unless.empty())
            for (const auto key : {field.key, field.unless})
                out["anyOf"].push_back({{"required", Json::array({text(key)})}});
    return out;
}

void add_roles(const Object& object, Json& schema) {
    const auto field = std::ranges::find(object.fields, kRoleKey, &Field::key);
    if (field == object.fields.end()) return;
    for (const auto role : field->type->words) {
        Json when = {{"properties", {{text(kRoleKey), {{"const", text(role)}}}}},
                     {"required", Json::array({text(kRoleKey)})}};
        schema["allOf"].push_back({{"if", std::move(when)}, {"then", role_schema(object, role)}});
    }
}

Json object_schema(const Object& object) {
    Json out = {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
    for (const auto& field : object.fields) {
        out["properties"][text(field.key)] = field_schema(field);
        if (always_required(field)) out["required"].push_back(text(field.key));
    }
    if (object.one_needed)
        for (const auto key : object.alternatives)
            out["oneOf"].push_back({{"required", Json::array({text(key)})}});
    else if (object.alternatives.size() > 1)
        for (const auto key : object.alternatives)
            out["not"]["required"].push_back(text(key));
    add_roles(object, out);
    return out;
}

} // namespace

std::string json_schema() {
    Json out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                {"title", "Configuration of sheafd"},
                {"description", "JSON in which // and /* */ comments may stand."}};
    out.update(object_schema(model()));
    return out.dump(kIndent) + "\n";
}

} // namespace sheaf::conf
