// A JSON schema (drafts 2020-12 and 07, validation vocabulary), compiled, and its verdicts.
#pragma once

#include <gmpxx.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "re2/re2.h"
#include "reward/json/json_value.h"

namespace temper::reward {

// One schema object; others are named by their place in JsonSchema::nodes, -1 for none.
struct SchemaNode {
  std::string path;            // in the schema, for messages: "schema.properties.a"
  std::optional<bool> always;  // the schemas true and false

  unsigned types = 0;  // a bit for each TypeBit; 0: any
  const JsonValue* enumeration = nullptr;
  const JsonValue* constant = nullptr;

  std::optional<mpq_class> multiple_of, minimum, maximum, exclusive_minimum, exclusive_maximum;
  std::optional<size_t> length_min, length_max, items_min, items_max, members_min, members_max;
  std::optional<size_t> contains_min, contains_max;

  std::unique_ptr<const re2::RE2> pattern;
  std::string format;  // one that is checked, or ""
  bool unique_items = false;

  std::vector<int> prefix_items;
  int items = -1;  // those behind prefix_items
  int contains = -1;
  int unevaluated_items = -1;

  std::map<std::string, int, std::less<>> properties;
  std::vector<std::pair<std::unique_ptr<const re2::RE2>, int>> pattern_properties;
  int additional_properties = -1;
  int property_names = -1;
  int unevaluated_properties = -1;
  std::vector<std::string> required;
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_required;
  std::vector<std::pair<std::string, int>> dependent_schemas;

  int reference = -1;
  std::vector<int> all_of, any_of, one_of;
  int negated = -1;
  int condition = -1, consequence = -1, alternative = -1;
};

// The bits of SchemaNode::types.
enum TypeBit : unsigned {
  kNullBit = 1,
  kBooleanBit = 2,
  kIntegerBit = 4,
  kNumberBit = 8,  // whole or not
  kStringBit = 16,
  kArrayBit = 32,
  kObjectBit = 64,
};

class JsonSchema {
 public:
  struct Verdict {
    enum Kind { kValid, kInvalid, kOutOfFuel } kind = kValid;
    std::string reason;  // "$.a[3]: found 5, expected string"
  };

  // INVALID_ARGUMENT with the path of what is wrong: "schema.properties.a.minLength: found ...".
  // Refused are references that are not local ("#", "#/..."), references that only call each
  // other, $dynamicRef, drafts other than the two, and patterns that RE2 does not take. Unknown
  // keywords mean nothing. `formats`: "format" is checked.
  static absl::StatusOr<JsonSchema> Compile(JsonValue schema, bool formats);

  // Bounded by counted steps. Any thread.
  Verdict Validate(const JsonValue& document) const;

 private:
  JsonSchema() = default;

  std::unique_ptr<const JsonValue> source_;  // the nodes point into it
  std::vector<SchemaNode> nodes_;            // [0] is the root
};

}  // namespace temper::reward
