// Nodes are read from a line of waiting schemas, so that neither nesting nor references recurse.
#include "reward/json/json_schema_compiler.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "reward/json/format_check.h"
#include "reward/text/pattern.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

using Kind = JsonValue::Kind;

constexpr size_t kNodesMax = 10000;

absl::Status Wrong(const std::string& path, const JsonValue& found, const char* expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": found ", Shown(found), ", expected ", expected));
}

absl::Status ReadCount(const JsonValue& value, const std::string& path,
                       std::optional<size_t>& count) {
  if (!value.IsInteger() || *value.number < 0) return Wrong(path, value, "a whole number");
  // Nothing has more parts than this.
  constexpr unsigned long kMost = 1ul << 62;
  count = *value.number > kMost ? kMost : value.number->get_num().get_ui();
  return absl::OkStatus();
}

absl::Status ReadNumber(const JsonValue& value, const std::string& path,
                        std::optional<mpq_class>& number) {
  if (value.kind != Kind::kNumber) return Wrong(path, value, "a number");
  number = *value.number;
  return absl::OkStatus();
}

absl::Status ReadNames(const JsonValue& value, const std::string& path,
                       std::vector<std::string>& names) {
  if (value.kind != Kind::kArray) return Wrong(path, value, "a list of strings");
  for (const JsonValue& name : value.items) {
    if (name.kind != Kind::kString) return Wrong(path, name, "a string");
    names.push_back(name.text);
  }
  return absl::OkStatus();
}

absl::Status ReadType(const JsonValue& name, const std::string& path, unsigned& types) {
  constexpr std::pair<std::string_view, unsigned> kTypes[] = {
      {"null", kNullBit},     {"boolean", kBooleanBit}, {"integer", kIntegerBit},
      {"number", kNumberBit}, {"string", kStringBit},   {"array", kArrayBit},
      {"object", kObjectBit}};
  if (name.kind == Kind::kString) {
    for (const auto& [known, bit] : kTypes) {
      if (name.text != known) continue;
      types |= bit;
      return absl::OkStatus();
    }
  }
  return Wrong(path, name, "null, boolean, integer, number, string, array or object");
}

// The schemas that judge the same value as `node`.
std::vector<int> InPlace(const SchemaNode& node) {
  std::vector<int> places = {node.reference, node.negated, node.condition, node.consequence,
                             node.alternative};
  for (const std::vector<int>* list : {&node.all_of, &node.any_of, &node.one_of}) {
    places.insert(places.end(), list->begin(), list->end());
  }
  for (const auto& [name, place] : node.dependent_schemas) places.push_back(place);
  places.erase(std::remove(places.begin(), places.end(), -1), places.end());
  return places;
}

}  // namespace

absl::StatusOr<std::vector<SchemaNode>> JsonSchemaCompiler::Compile() {
  TEMPER_RETURN_IF_ERROR(ReadDialect());
  TEMPER_RETURN_IF_ERROR(Child(root_, "schema").status());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(ReadNode(static_cast<int>(i), *sources_[i]));
  }
  TEMPER_RETURN_IF_ERROR(CheckForLoops());
  return std::move(nodes_);
}

absl::Status JsonSchemaCompiler::ReadDialect() {
  const JsonValue* dialect = root_.Find("$schema");
  if (dialect == nullptr) return absl::OkStatus();
  if (dialect->kind == Kind::kString) {
    if (dialect->text.find("json-schema.org/draft/2020-12/") != std::string::npos) {
      return absl::OkStatus();
    }
    draft07_ = dialect->text.find("json-schema.org/draft-07/") != std::string::npos;
    if (draft07_) return absl::OkStatus();
  }
  return Wrong("schema.$schema", *dialect, "draft 2020-12 or draft-07");
}

absl::StatusOr<int> JsonSchemaCompiler::Child(const JsonValue& schema, std::string path) {
  const auto found = places_.find(&schema);
  if (found != places_.end()) return found->second;
  if (schema.kind != Kind::kObject && schema.kind != Kind::kBoolean) {
    return Wrong(path, schema, "a schema: an object, true or false");
  }
  if (nodes_.size() == kNodesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema: more than ", kNodesMax, " schemas in it"));
  }
  const int place = static_cast<int>(nodes_.size());
  nodes_.emplace_back();
  nodes_.back().path = std::move(path);
  sources_.push_back(&schema);
  places_.emplace(&schema, place);
  return place;
}

absl::Status JsonSchemaCompiler::ReadNode(int place, const JsonValue& schema) {
  // Made aside: reading it makes more nodes.
  SchemaNode node = std::move(nodes_[static_cast<size_t>(place)]);
  if (schema.kind == Kind::kBoolean) {
    node.always = schema.truth;
  } else if (const JsonValue* reference = schema.Find("$ref"); reference != nullptr && draft07_) {
    // Draft 07: what stands beside a reference means nothing.
    TEMPER_RETURN_IF_ERROR(ReadReference(node, *reference, node.path + ".$ref"));
  } else {
    for (const auto& [keyword, value] : schema.members) {
      TEMPER_RETURN_IF_ERROR(
          ReadKeyword(node, keyword, value, absl::StrCat(node.path, ".", keyword)));
    }
    // "additionalItems" alone means nothing.
    if (draft07_ && schema.Find("items") == nullptr) node.items = -1;
  }
  nodes_[static_cast<size_t>(place)] = std::move(node);
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadKeyword(SchemaNode& node, const std::string& keyword,
                                             const JsonValue& value, const std::string& path) {
  bool known = true;
  TEMPER_RETURN_IF_ERROR(ReadAssertion(node, keyword, value, path, known));
  if (!known) TEMPER_RETURN_IF_ERROR(ReadArrayKeyword(node, keyword, value, path, known));
  if (!known) TEMPER_RETURN_IF_ERROR(ReadObjectKeyword(node, keyword, value, path, known));
  return known ? absl::OkStatus() : ReadApplicator(node, keyword, value, path);
}

absl::Status JsonSchemaCompiler::ReadAssertion(SchemaNode& node, const std::string& keyword,
                                               const JsonValue& value, const std::string& path,
                                               bool& known) {
  known = true;
  if (keyword == "type") {
    if (value.kind != Kind::kArray) return ReadType(value, path, node.types);
    for (const JsonValue& name : value.items) {
      TEMPER_RETURN_IF_ERROR(ReadType(name, path, node.types));
    }
    return value.items.empty() ? Wrong(path, value, "at least one type") : absl::OkStatus();
  }
  if (keyword == "enum") {
    if (value.kind != Kind::kArray) return Wrong(path, value, "a list of values");
    node.enumeration = &value;
    return absl::OkStatus();
  }
  if (keyword == "const") {
    node.constant = &value;
    return absl::OkStatus();
  }
  if (keyword == "multipleOf") {
    TEMPER_RETURN_IF_ERROR(ReadNumber(value, path, node.multiple_of));
    return *node.multiple_of > 0 ? absl::OkStatus() : Wrong(path, value, "a number above 0");
  }
  if (keyword == "minimum") return ReadNumber(value, path, node.minimum);
  if (keyword == "maximum") return ReadNumber(value, path, node.maximum);
  if (keyword == "exclusiveMinimum") return ReadNumber(value, path, node.exclusive_minimum);
  if (keyword == "exclusiveMaximum") return ReadNumber(value, path, node.exclusive_maximum);
  if (keyword == "minLength") return ReadCount(value, path, node.length_min);
  if (keyword == "maxLength") return ReadCount(value, path, node.length_max);
  if (keyword == "pattern") {
    if (value.kind != Kind::kString) return Wrong(path, value, "a pattern");
    TEMPER_ASSIGN_OR_RETURN(node.pattern, CompilePattern(value.text, path));
    return absl::OkStatus();
  }
  if (keyword == "format") {
    if (value.kind != Kind::kString) return Wrong(path, value, "the name of a format");
    if (formats_ && FitsFormat(value.text, "").has_value()) node.format = value.text;
    return absl::OkStatus();
  }
  known = false;
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadArrayKeyword(SchemaNode& node, const std::string& keyword,
                                                  const JsonValue& value, const std::string& path,
                                                  bool& known) {
  known = true;
  if (keyword == "items" && value.kind == Kind::kArray) {
    if (!draft07_) return Wrong(path, value, "a schema; lists are \"prefixItems\" in 2020-12");
    return ReadChildren(value, path, node.prefix_items);
  }
  if (keyword == "items" || (keyword == "additionalItems" && draft07_)) {
    // Keywords come in the order of their names: a schema as "items" takes the place of
    // "additionalItems", which means nothing beside it.
    TEMPER_ASSIGN_OR_RETURN(node.items, Child(value, path));
    return absl::OkStatus();
  }
  if (keyword == "prefixItems" && !draft07_) return ReadChildren(value, path, node.prefix_items);
  if (keyword == "contains") {
    TEMPER_ASSIGN_OR_RETURN(node.contains, Child(value, path));
    return absl::OkStatus();
  }
  if (keyword == "minContains" && !draft07_) return ReadCount(value, path, node.contains_min);
  if (keyword == "maxContains" && !draft07_) return ReadCount(value, path, node.contains_max);
  if (keyword == "minItems") return ReadCount(value, path, node.items_min);
  if (keyword == "maxItems") return ReadCount(value, path, node.items_max);
  if (keyword == "uniqueItems") {
    if (value.kind != Kind::kBoolean) return Wrong(path, value, "true or false");
    node.unique_items = value.truth;
    return absl::OkStatus();
  }
  if (keyword == "unevaluatedItems" && !draft07_) {
    TEMPER_ASSIGN_OR_RETURN(node.unevaluated_items, Child(value, path));
    return absl::OkStatus();
  }
  known = false;
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadObjectKeyword(SchemaNode& node, const std::string& keyword,
                                                   const JsonValue& value, const std::string& path,
                                                   bool& known) {
  known = true;
  const bool maps = keyword == "properties" || keyword == "patternProperties" ||
                    (keyword == "dependentSchemas" && !draft07_) ||
                    (keyword == "dependentRequired" && !draft07_) ||
                    (keyword == "dependencies" && draft07_);
  if (maps) {
    if (value.kind != Kind::kObject) return Wrong(path, value, "an object");
    for (const auto& [name, member] : value.members) {
      const std::string place = absl::StrCat(path, ".", name);
      if (keyword == "dependentRequired" ||
          (keyword == "dependencies" && member.kind == Kind::kArray)) {
        node.dependent_required.emplace_back(name, Names());
        TEMPER_RETURN_IF_ERROR(ReadNames(member, place, node.dependent_required.back().second));
        continue;
      }
      TEMPER_ASSIGN_OR_RETURN(const int child, Child(member, place));
      if (keyword == "properties") {
        node.properties.emplace(name, child);
      } else if (keyword == "patternProperties") {
        TEMPER_ASSIGN_OR_RETURN(auto pattern, CompilePattern(name, path));
        node.pattern_properties.emplace_back(std::move(pattern), child);
      } else {
        node.dependent_schemas.emplace_back(name, child);
      }
    }
    return absl::OkStatus();
  }
  if (keyword == "required") return ReadNames(value, path, node.required);
  if (keyword == "minProperties") return ReadCount(value, path, node.members_min);
  if (keyword == "maxProperties") return ReadCount(value, path, node.members_max);
  int* child = keyword == "additionalProperties"                 ? &node.additional_properties
               : keyword == "propertyNames"                      ? &node.property_names
               : keyword == "unevaluatedProperties" && !draft07_ ? &node.unevaluated_properties
                                                                 : nullptr;
  known = child != nullptr;
  if (!known) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(*child, Child(value, path));
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadApplicator(SchemaNode& node, const std::string& keyword,
                                                const JsonValue& value, const std::string& path) {
  if (keyword == "$ref") return ReadReference(node, value, path);
  if (keyword == "$dynamicRef" || keyword == "$recursiveRef") {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is not supported; use \"$ref\": \"#/...\""));
  }
  if (keyword == "allOf") return ReadChildren(value, path, node.all_of);
  if (keyword == "anyOf") return ReadChildren(value, path, node.any_of);
  if (keyword == "oneOf") return ReadChildren(value, path, node.one_of);
  int* child = keyword == "not"    ? &node.negated
               : keyword == "if"   ? &node.condition
               : keyword == "then" ? &node.consequence
               : keyword == "else" ? &node.alternative
                                   : nullptr;
  if (child == nullptr) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(*child, Child(value, path));
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadChildren(const JsonValue& list, const std::string& path,
                                              std::vector<int>& children) {
  if (list.kind != Kind::kArray || list.items.empty())
    return Wrong(path, list, "a list of schemas");
  for (size_t i = 0; i < list.items.size(); ++i) {
    TEMPER_ASSIGN_OR_RETURN(const int child, Child(list.items[i], absl::StrCat(path, "[", i, "]")));
    children.push_back(child);
  }
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::ReadReference(SchemaNode& node, const JsonValue& value,
                                               const std::string& path) {
  if (value.kind != Kind::kString || (value.text != "#" && value.text.rfind("#/", 0) != 0)) {
    return Wrong(path, value, "a local reference: \"#\" or \"#/...\"");
  }
  const JsonValue* at = &root_;
  std::string_view rest = std::string_view(value.text).substr(1);
  while (!rest.empty() && at != nullptr) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string step =
        absl::StrReplaceAll(std::string(rest.substr(0, end)),
                            {{"~1", "/"}, {"~0", "~"}, {"%25", "%"}, {"%22", "\""}, {"%20", " "}});
    rest.remove_prefix(end);
    size_t index = 0;
    if (at->kind == Kind::kObject) {
      at = at->Find(step);
    } else if (at->kind == Kind::kArray && absl::SimpleAtoi(step, &index) &&
               index < at->items.size()) {
      at = &at->items[index];
    } else {
      at = nullptr;
    }
  }
  if (at == nullptr) return Wrong(path, value, "a reference to something that is there");
  TEMPER_ASSIGN_OR_RETURN(node.reference, Child(*at, absl::StrCat("schema", value.text.substr(1))));
  return absl::OkStatus();
}

absl::Status JsonSchemaCompiler::CheckForLoops() const {
  enum State : char { kNew, kOpen, kDone };
  std::vector<State> states(nodes_.size(), kNew);
  struct Visit {
    int place;
    std::vector<int> left;
  };
  for (size_t start = 0; start < nodes_.size(); ++start) {
    if (states[start] != kNew) continue;
    std::vector<Visit> visits = {{static_cast<int>(start), InPlace(nodes_[start])}};
    states[start] = kOpen;
    while (!visits.empty()) {
      Visit& visit = visits.back();
      if (visit.left.empty()) {
        states[static_cast<size_t>(visit.place)] = kDone;
        visits.pop_back();
        continue;
      }
      const int next = visit.left.back();
      visit.left.pop_back();
      State& state = states[static_cast<size_t>(next)];
      if (state == kOpen) {
        return absl::InvalidArgumentError(
            absl::StrCat(nodes_[static_cast<size_t>(next)].path, ": calls itself without end"));
      }
      if (state == kDone) continue;
      state = kOpen;
      visits.push_back({next, InPlace(nodes_[static_cast<size_t>(next)])});
    }
  }
  return absl::OkStatus();
}

}  // namespace temper::reward
