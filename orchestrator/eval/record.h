// The keys of a line that others wrote: looked at before they are believed.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::eval {

class Record {
 public:
  explicit Record(const nlohmann::ordered_json& line) : line_(line) {}

  // The first of `keys` that is there and not null; null when none is.
  const nlohmann::ordered_json* Find(std::initializer_list<const char*> keys) const;

  // Of the first key that is there: a text that is not blank, or a number as it is written.
  // INVALID_ARGUMENT otherwise.
  absl::StatusOr<std::string> Text(std::initializer_list<const char*> keys) const;
  // The same, "" where there is none or it is something else.
  std::string TextOrNothing(std::initializer_list<const char*> keys) const;
  // At least `least` texts.
  absl::StatusOr<std::vector<std::string>> Texts(const char* key, size_t least) const;

 private:
  const nlohmann::ordered_json& line_;
};

// "\"question\", \"answer\"": for messages; at most a dozen.
std::string KeysOf(const nlohmann::ordered_json& line);

// One line of JSON; bytes that are no UTF-8 become U+FFFD.
std::string Dump(const nlohmann::ordered_json& value);

}  // namespace temper::eval
