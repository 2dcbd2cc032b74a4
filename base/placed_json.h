// JSON that remembers where everything stands, for files whose errors point at the line.
//
// Made for what people write by hand (graphs, endpoints): small, strict, read once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper {

struct PlacedJson {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  struct Member;

  Kind kind = Kind::kNull;
  int line = 1;  // both count from 1, in bytes; of the value's first byte
  int column = 1;
  nlohmann::ordered_json scalar;     // of what is neither array nor object
  std::vector<PlacedJson> elements;  // kArray
  std::vector<Member> members;       // kObject, in the order of the text

  // Null where the key is absent or this is no object.
  const PlacedJson* Find(std::string_view key) const;
  nlohmann::ordered_json Json() const;
  // On one line, cut at 60 bytes: for messages.
  std::string Shown() const;
  std::string text() const { return scalar.get<std::string>(); }  // kString
  bool is(Kind other) const { return kind == other; }
};

struct PlacedJson::Member {
  std::string key;
  int line = 1;  // of the key
  int column = 1;
  PlacedJson value;
};

// Refuses what ParseJson refuses, in its words.
absl::StatusOr<PlacedJson> ParsePlacedJson(std::string_view text, std::string_view place);

}  // namespace temper
