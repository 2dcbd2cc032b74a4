// Files of others, record by record: JSON lines, or one JSON array.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// One object of a file.
struct EvalRecord {
  nlohmann::ordered_json json;
  std::string place;  // "<path>:<line>", "<path>[<index>]": for messages
};

// Blank lines are passed over. INVALID_ARGUMENT with the place: not JSON, not an object, no record.
absl::StatusOr<std::vector<EvalRecord>> ReadRecords(std::string_view text, const std::string& path);

bool Has(const nlohmann::ordered_json& json, std::initializer_list<const char*> keys);
// Texts, and numbers as they are written (ids are either). INVALID_ARGUMENT: "<place>: "key": ...".
absl::StatusOr<std::string> TextAt(const EvalRecord& record, const char* key);
// "" where there is none.
std::string TextOr(const nlohmann::ordered_json& json, const char* key);
// A finite number; nothing where there is none.
std::optional<double> FiniteAt(const nlohmann::ordered_json& json, const char* key);

// "\"uid\", \"prompt\"": the record's keys for messages, at most a dozen.
std::string KeysOf(const nlohmann::ordered_json& json);
absl::Status RecordError(const EvalRecord& record, std::string_view what);

// As lines, or as an array with two spaces a level; bytes that are no UTF-8 become U+FFFD.
std::string ToLines(const std::vector<nlohmann::ordered_json>& records);
std::string ToArray(const std::vector<nlohmann::ordered_json>& records);

// How many characters (code points) a text has: what Python's len says.
int64_t CharactersOf(std::string_view text);

}  // namespace temper::agents
