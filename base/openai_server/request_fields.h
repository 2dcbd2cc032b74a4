// Reads the fields of a JSON object, each into its type; the first that is wrong is the error.
//
// A null is as good as absent, as OpenAI has it. On the stack of one parse.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace temper {

// Wider than any field needs: all whole numbers that a double holds exactly.
inline constexpr int64_t kWholeMax = int64_t{1} << 53;

class RequestFields {
 public:
  using Json = nlohmann::ordered_json;

  // `prefix` stands before the names in messages ("stream_options.").
  RequestFields(const Json& object, std::string prefix = "")
      : object_(object), prefix_(std::move(prefix)) {}

  // Null when the field is absent; it counts as known from here on.
  const Json* Find(std::string_view name);

  std::optional<bool> Bool(std::string_view name);
  // In the range of least to most.
  std::optional<int64_t> Whole(std::string_view name, int64_t least, int64_t most = kWholeMax);
  std::optional<double> Number(std::string_view name, double least, double most);
  std::optional<std::string> Text(std::string_view name);

  // Keeps the first error.
  void Wrong(std::string_view name, const Json& found, std::string_view expected);
  void Refuse(std::string_view name, std::string_view message);

  // INVALID_ARGUMENT with the field's name as `param`.
  const absl::Status& status() const { return status_; }
  // The first key that nobody has looked for; empty: all are known.
  std::string Unknown() const;
  const std::vector<std::string>& known() const { return known_; }

 private:
  const Json& object_;
  const std::string prefix_;
  std::vector<std::string> known_;
  absl::Status status_;
};

}  // namespace temper
