// Values in a tokenizer.json with the way to them, so that messages can name the place.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace temper::model {

struct JsonAt {
  const nlohmann::json& value;
  std::string path;  // "tokenizer.json: model.vocab"

  // A member, or one of a list; JSON null when there is none.
  JsonAt operator[](const char* key) const;
  JsonAt operator[](size_t index) const;
};

// "<path>.<key>: found <value>, expected <expected>". key may be empty.
absl::Status WrongAt(const JsonAt& at, std::string_view key, std::string_view expected);
// "<path>: <words>".
absl::Status WrongAt(const JsonAt& at, std::string_view words);

// Text in quotes, on one line and of readable length.
std::string Quoted(std::string_view text);

absl::StatusOr<bool> FlagAt(const JsonAt& at, const char* key, bool fallback);
// "" when there is none.
absl::StatusOr<std::string> TextAt(const JsonAt& at, const char* key);
// Of a list: an error when it is none, or has more than `most` members.
absl::StatusOr<size_t> SizeAt(const JsonAt& list, size_t most, std::string_view expected);

}  // namespace temper::model
