// Walks a document and a schema together; every step costs fuel.
#include "reward/json/json_schema.h"

#include <algorithm>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/json/format_check.h"
#include "reward/json/json_schema_compiler.h"
#include "reward/text/pattern.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

using Kind = JsonValue::Kind;

constexpr int64_t kFuel = 5'000'000;
constexpr int kDepthMax = 1000;  // of schemas within schemas, on the way to one value

// Which items or members of one value some schema has looked at: what "unevaluated" is about.
using Evaluated = std::vector<bool>;

size_t CharactersIn(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

unsigned BitsOf(const JsonValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      return kNullBit;
    case Kind::kBoolean:
      return kBooleanBit;
    case Kind::kNumber:
      return value.IsInteger() ? kNumberBit | kIntegerBit : kNumberBit;
    case Kind::kString:
      return kStringBit;
    case Kind::kArray:
      return kArrayBit;
    case Kind::kObject:
      return kObjectBit;
  }
  return 0;
}

std::string NamesOf(unsigned types) {
  constexpr const char* kNames[] = {"null",   "boolean", "integer", "number",
                                    "string", "array",   "object"};
  std::string names;
  for (unsigned i = 0; i < 7; ++i) {
    if (types & (1u << i)) absl::StrAppend(&names, names.empty() ? "" : " or ", kNames[i]);
  }
  return names;
}

class Walk {
 public:
  explicit Walk(const std::vector<SchemaNode>& nodes) : nodes_(nodes) {}

  JsonSchema::Verdict Run(const JsonValue& document) {
    const bool valid = Valid(0, document, nullptr);
    if (fuel_ <= 0) return {JsonSchema::Verdict::kOutOfFuel, "too much work for one document"};
    if (valid) return {JsonSchema::Verdict::kValid, "the document fits the schema"};
    return {JsonSchema::Verdict::kInvalid, reason_};
  }

 private:
  // A step on the way from the root of the document to the value at hand.
  struct Step {
    const std::string* name;  // null: an item
    size_t index;
  };

  bool Burn(size_t steps) {
    fuel_ -= static_cast<int64_t>(steps);
    return fuel_ > 0;
  }

  // Remembers the first failure that is no mere trial; says false.
  bool Fail(const std::string& why) {
    if (trials_ > 0 || !reason_.empty()) return false;
    std::string place = "$";
    for (const Step& step : path_) {
      if (step.name == nullptr) {
        absl::StrAppend(&place, "[", step.index, "]");
      } else {
        absl::StrAppend(&place, ".", *step.name);
      }
    }
    constexpr size_t kPlaceBytesMax = 60;
    if (place.size() > kPlaceBytesMax) place = "..." + place.substr(place.size() - kPlaceBytesMax);
    const std::string quoted = Quoted(place);  // for its escapes; its marks go
    reason_ = absl::StrCat(quoted.substr(1, quoted.size() - 2), ": ", why);
    return false;
  }

  bool Expect(bool good, const JsonValue& found, const std::string& expected) {
    return good || Fail(absl::StrCat("found ", Shown(found), ", expected ", expected));
  }

  bool Valid(int place, const JsonValue& value, Evaluated* evaluated) {
    const SchemaNode& node = nodes_[static_cast<size_t>(place)];
    if (!Burn(1)) return false;
    if (node.always.has_value()) return *node.always || Fail("nothing is allowed here");
    if (depth_ >= kDepthMax) {
      fuel_ = 0;
      return false;
    }
    ++depth_;
    const bool unevaluated = node.unevaluated_items >= 0 || node.unevaluated_properties >= 0;
    Evaluated own;
    Evaluated* seen = evaluated;
    if (unevaluated) seen = &own;
    if (seen != nullptr) seen->resize(std::max(value.items.size(), value.members.size()));
    bool valid = ValidValue(node, value) && ValidItems(node, value, seen) &&
                 ValidMembers(node, value, seen) && ValidInPlace(node, value, seen) &&
                 ValidRest(node, value, seen);
    if (unevaluated && valid && evaluated != nullptr) Merge(own, evaluated);
    --depth_;
    return valid && fuel_ > 0;
  }

  static void Merge(const Evaluated& from, Evaluated* into) {
    into->resize(std::max(into->size(), from.size()));
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i]) (*into)[i] = true;
    }
  }

  // A schema whose failure is none: what it saw counts only when it fits.
  bool Try(int place, const JsonValue& value, Evaluated* evaluated) {
    Evaluated own;
    ++trials_;
    const bool valid = Valid(place, value, evaluated == nullptr ? nullptr : &own);
    --trials_;
    if (valid && evaluated != nullptr) Merge(own, evaluated);
    return valid;
  }

  bool ValidValue(const SchemaNode& node, const JsonValue& value) {
    if (node.types != 0 && (BitsOf(value) & node.types) == 0) {
      return Expect(false, value, NamesOf(node.types));
    }
    if (node.constant != nullptr && !Equal(value, *node.constant)) {
      return Expect(false, value, Shown(*node.constant));
    }
    if (node.enumeration != nullptr) {
      const std::vector<JsonValue>& values = node.enumeration->items;
      if (!Burn(values.size())) return false;
      const bool listed = std::any_of(values.begin(), values.end(),
                                      [&](const JsonValue& other) { return Equal(value, other); });
      if (!listed) return Expect(false, value, absl::StrCat("one of ", values.size(), " values"));
    }
    if (value.kind == Kind::kNumber) return ValidNumber(node, value);
    return value.kind != Kind::kString || ValidString(node, value);
  }

  bool ValidNumber(const SchemaNode& node, const JsonValue& value) {
    const mpq_class& number = *value.number;
    const auto text = [](const mpq_class& limit) { return limit.get_str().substr(0, 40); };
    if (node.minimum && number < *node.minimum) {
      return Expect(false, value, absl::StrCat("at least ", text(*node.minimum)));
    }
    if (node.maximum && number > *node.maximum) {
      return Expect(false, value, absl::StrCat("at most ", text(*node.maximum)));
    }
    if (node.exclusive_minimum && number <= *node.exclusive_minimum) {
      return Expect(false, value, absl::StrCat("more than ", text(*node.exclusive_minimum)));
    }
    if (node.exclusive_maximum && number >= *node.exclusive_maximum) {
      return Expect(false, value, absl::StrCat("less than ", text(*node.exclusive_maximum)));
    }
    if (!node.multiple_of) return true;
    const mpq_class times = number / *node.multiple_of;
    return Expect(times.get_den() == 1, value,
                  absl::StrCat("a multiple of ", text(*node.multiple_of)));
  }

  bool ValidString(const SchemaNode& node, const JsonValue& value) {
    const std::string& text = value.text;
    if (node.length_min || node.length_max) {
      const size_t length = CharactersIn(text);
      if (!InBounds(length, node.length_min, node.length_max, "characters")) return false;
    }
    if (!node.format.empty() && !*FitsFormat(node.format, text)) {
      return Expect(false, value, absl::StrCat("the format ", Quoted(node.format)));
    }
    return node.pattern == nullptr ||
           Expect(Fits(*node.pattern, text), value,
                  absl::StrCat("a match of ", Quoted(node.pattern->pattern())));
  }

  bool Fits(const re2::RE2& pattern, std::string_view text) {
    if (!Burn(1 + text.size() / 16)) return false;
    const std::optional<bool> fits = Matches(pattern, text, /*partial=*/true);
    if (!fits.has_value()) fuel_ = 0;
    return fits.value_or(false);
  }

  bool InBounds(size_t count, std::optional<size_t> least, std::optional<size_t> most,
                const char* what) {
    if (least && count < *least) {
      return Fail(absl::StrCat("found ", count, " ", what, ", expected at least ", *least));
    }
    if (most && count > *most) {
      return Fail(absl::StrCat("found ", count, " ", what, ", expected at most ", *most));
    }
    return true;
  }

  bool ValidItem(int place, const JsonValue& array, size_t index, Evaluated* seen) {
    path_.push_back({nullptr, index});
    const bool valid = Valid(place, array.items[index], nullptr);
    path_.pop_back();
    if (valid && seen != nullptr) (*seen)[index] = true;
    return valid;
  }

  bool ValidItems(const SchemaNode& node, const JsonValue& value, Evaluated* seen) {
    if (value.kind != Kind::kArray) return true;
    if (!InBounds(value.items.size(), node.items_min, node.items_max, "items")) return false;
    for (size_t i = 0; i < value.items.size(); ++i) {
      const int place = i < node.prefix_items.size() ? node.prefix_items[i] : node.items;
      if (place >= 0 && !ValidItem(place, value, i, seen)) return false;
    }
    if (node.contains >= 0 && !ValidContains(node, value, seen)) return false;
    return !node.unique_items || Expect(AllDifferent(value), value, "items that all differ");
  }

  bool ValidContains(const SchemaNode& node, const JsonValue& value, Evaluated* seen) {
    size_t count = 0;
    for (size_t i = 0; i < value.items.size(); ++i) {
      if (!Try(node.contains, value.items[i], nullptr)) continue;
      ++count;
      if (seen != nullptr) (*seen)[i] = true;
    }
    return InBounds(count, node.contains_min.value_or(1), node.contains_max,
                    "items that \"contains\" takes");
  }

  bool AllDifferent(const JsonValue& value) {
    std::unordered_set<std::string> texts;
    for (const JsonValue& item : value.items) {
      std::string text = CanonicalText(item);
      if (!Burn(1 + text.size() / 16) || !texts.insert(std::move(text)).second) return false;
    }
    return true;
  }

  bool ValidMember(int place, const JsonValue& object, size_t index, Evaluated* seen) {
    const auto& [name, member] = object.members[index];
    path_.push_back({&name, 0});
    const bool valid = Valid(place, member, nullptr);
    path_.pop_back();
    if (valid && seen != nullptr) (*seen)[index] = true;
    return valid;
  }

  bool ValidMembers(const SchemaNode& node, const JsonValue& value, Evaluated* seen) {
    if (value.kind != Kind::kObject) return true;
    if (!InBounds(value.members.size(), node.members_min, node.members_max, "members")) {
      return false;
    }
    if (!Burn(node.required.size() + node.dependent_required.size())) return false;
    for (const std::string& name : node.required) {
      if (value.Find(name) == nullptr) return Fail(absl::StrCat("lacks ", Quoted(name)));
    }
    for (const auto& [name, others] : node.dependent_required) {
      if (value.Find(name) == nullptr) continue;
      if (!Burn(others.size())) return false;
      for (const std::string& other : others) {
        if (value.Find(other) == nullptr) {
          return Fail(absl::StrCat("has ", Quoted(name), " but lacks ", Quoted(other)));
        }
      }
    }
    for (size_t i = 0; i < value.members.size(); ++i) {
      if (!ValidNamed(node, value, i, seen)) return false;
    }
    return true;
  }

  bool ValidNamed(const SchemaNode& node, const JsonValue& value, size_t index, Evaluated* seen) {
    const std::string& name = value.members[index].name;
    if (node.property_names >= 0) {
      const JsonValue as_value{.kind = Kind::kString, .text = name};
      if (!Valid(node.property_names, as_value, nullptr)) return false;
    }
    bool known = false;
    if (const auto found = node.properties.find(name); found != node.properties.end()) {
      known = true;
      if (!ValidMember(found->second, value, index, seen)) return false;
    }
    for (const auto& [pattern, place] : node.pattern_properties) {
      if (!Fits(*pattern, name)) {
        if (fuel_ <= 0) return false;
        continue;
      }
      known = true;
      if (!ValidMember(place, value, index, seen)) return false;
    }
    if (known || node.additional_properties < 0) return true;
    return ValidMember(node.additional_properties, value, index, seen);
  }

  bool ValidInPlace(const SchemaNode& node, const JsonValue& value, Evaluated* seen) {
    if (node.reference >= 0 && !Valid(node.reference, value, seen)) return false;
    for (const int place : node.all_of) {
      if (!Valid(place, value, seen)) return false;
    }
    if (!node.any_of.empty()) {
      bool any = false;
      for (const int place : node.any_of) {
        any = Try(place, value, seen) || any;
        if (any && seen == nullptr) break;
      }
      if (!any) return Expect(false, value, "what \"anyOf\" takes");
    }
    if (!node.one_of.empty()) {
      int count = 0;
      for (const int place : node.one_of) count += Try(place, value, seen) ? 1 : 0;
      if (count != 1) {
        return Fail(absl::StrCat(count, " schemas of \"oneOf\" take it, expected 1"));
      }
    }
    if (node.negated >= 0 && Try(node.negated, value, nullptr)) {
      return Expect(false, value, "what \"not\" does not take");
    }
    if (node.condition >= 0) {
      const int next = Try(node.condition, value, seen) ? node.consequence : node.alternative;
      if (next >= 0 && !Valid(next, value, seen)) return false;
    }
    for (const auto& [name, place] : node.dependent_schemas) {
      if (value.kind == Kind::kObject && value.Find(name) != nullptr &&
          !Valid(place, value, seen)) {
        return false;
      }
    }
    return true;
  }

  // What no other schema has looked at.
  bool ValidRest(const SchemaNode& node, const JsonValue& value, Evaluated* seen) {
    if (value.kind == Kind::kArray && node.unevaluated_items >= 0) {
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (!(*seen)[i] && !ValidItem(node.unevaluated_items, value, i, seen)) return false;
      }
    }
    if (value.kind == Kind::kObject && node.unevaluated_properties >= 0) {
      for (size_t i = 0; i < value.members.size(); ++i) {
        if (!(*seen)[i] && !ValidMember(node.unevaluated_properties, value, i, seen)) return false;
      }
    }
    return true;
  }

  const std::vector<SchemaNode>& nodes_;
  std::vector<Step> path_;
  std::string reason_;
  int64_t fuel_ = kFuel;
  int depth_ = 0;
  int trials_ = 0;
};

}  // namespace

absl::StatusOr<JsonSchema> JsonSchema::Compile(JsonValue schema, bool formats) {
  JsonSchema compiled;
  compiled.source_ = std::make_unique<const JsonValue>(std::move(schema));
  TEMPER_ASSIGN_OR_RETURN(compiled.nodes_,
                          JsonSchemaCompiler(*compiled.source_, formats).Compile());
  return compiled;
}

JsonSchema::Verdict JsonSchema::Validate(const JsonValue& document) const {
  return Walk(nodes_).Run(document);
}

}  // namespace temper::reward
