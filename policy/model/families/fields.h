// Takes typed, bounded fields out of a config.json object, in the words of a user who reads them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace temper::model {

using Json = nlohmann::json;

// Generous for any model that exists, small enough that no size computed from them overflows.
inline constexpr int64_t kVocabMax = 1 << 24;
inline constexpr int64_t kHiddenMax = 1 << 17;
inline constexpr int64_t kHeadsMax = 1 << 14;
inline constexpr int64_t kHeadDimMax = 1 << 12;
inline constexpr int64_t kTapsMax = 8;
inline constexpr int64_t kIntermediateMax = 1 << 20;
inline constexpr int64_t kExpertsMax = 1 << 12;
inline constexpr int64_t kLayersMax = 1024;

// A value as it stands in the file, cut when long.
std::string Shown(const Json& value);

// The first thing that is wrong stays in status(); what follows then returns fallbacks. Several
// names are spellings of one field: the first that is there and not null counts.
class Fields {
 public:
  using Names = std::initializer_list<const char*>;

  // `path`: of `object` in the file, e.g. "block_configs[3].ffn."; empty for the whole.
  Fields(const Json& object, std::string_view place, std::string_view path = "")
      : object_(object), place_(place), path_(path) {}

  const absl::Status& status() const { return status_; }
  std::string_view place() const { return place_; }

  void Refuse(std::string_view field, std::string_view words);
  // Takes over what another reader found wrong.
  void Adopt(const absl::Status& status);

  // Null when none is there. Its spelling goes to `found` (may be null).
  const Json* Find(Names names, std::string* found) const;
  bool Has(Names names) const { return Find(names, nullptr) != nullptr; }

  // Without a `fallback` the field is required.
  int64_t Integer(Names names, int64_t least, int64_t most, std::optional<int64_t> fallback = {});
  int64_t IntegerOf(const Json& value, std::string_view name, int64_t least, int64_t most);
  double Number(Names names, double least, double most, std::optional<double> fallback = {});
  bool Flag(Names names, bool fallback);
  // Refuses anything but `expected` (or an absent field).
  void Only(Names names, const Json& expected, std::string_view why);
  // Refuses a `whole` that is no multiple of `part`.
  void CheckDivides(std::string_view whole_name, int64_t whole, std::string_view part_name,
                    int64_t part);

 private:
  const Json& object_;
  const std::string place_;
  const std::string path_;
  absl::Status status_;
};

}  // namespace temper::model
