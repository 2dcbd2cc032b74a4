// The first character that is no blank says which of the two a file is.
#include "agents/eval/formats/records.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/normal_text.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "base/trim.h"

namespace temper::agents {
namespace {

std::string Dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::StatusOr<std::vector<EvalRecord>> ReadLines(std::string_view text, const std::string& path) {
  std::vector<EvalRecord> records;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (Trimmed(line).empty()) continue;
    EvalRecord record;
    record.place = absl::StrCat(path, ":", number);
    TEMPER_ASSIGN_OR_RETURN(record.json, ParseOrderedJson(line, record.place));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

absl::Status RecordError(const EvalRecord& record, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(record.place, ": ", std::string(what)));
}

absl::StatusOr<std::vector<EvalRecord>> ReadRecords(std::string_view text,
                                                    const std::string& path) {
  std::vector<EvalRecord> records;
  if (Trimmed(text).starts_with('[')) {
    TEMPER_ASSIGN_OR_RETURN(nlohmann::ordered_json array, ParseOrderedJson(text, path));
    for (size_t i = 0; i < array.size(); ++i) {
      records.push_back({std::move(array[i]), absl::StrCat(path, "[", i, "]")});
    }
  } else {
    TEMPER_ASSIGN_OR_RETURN(records, ReadLines(text, path));
  }
  for (const EvalRecord& record : records) {
    if (!record.json.is_object()) {
      return RecordError(
          record, absl::StrCat("found ", HeadOf(Dump(record.json, -1)), ", expected an object"));
    }
  }
  if (records.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no records, expected JSON lines or a JSON array"));
  }
  return records;
}

bool Has(const nlohmann::ordered_json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (!json.contains(key)) return false;
  }
  return true;
}

absl::StatusOr<std::string> TextAt(const EvalRecord& record, const char* key) {
  const auto at = record.json.find(key);
  if (at == record.json.end()) {
    return RecordError(record, absl::StrCat("no \"", key, "\"; there are ", KeysOf(record.json)));
  }
  if (at->is_string()) return at->get<std::string>();
  if (at->is_number()) return Dump(*at, -1);
  return RecordError(
      record, absl::StrCat("\"", key, "\": found ", HeadOf(Dump(*at, -1)), ", expected a text"));
}

std::string TextOr(const nlohmann::ordered_json& json, const char* key) {
  if (!json.is_object()) return "";
  const auto at = json.find(key);
  if (at == json.end()) return "";
  if (at->is_string()) return at->get<std::string>();
  return at->is_number() ? Dump(*at, -1) : "";
}

std::optional<double> FiniteAt(const nlohmann::ordered_json& json, const char* key) {
  if (!json.is_object()) return std::nullopt;
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number()) return std::nullopt;
  const double number = at->get<double>();
  return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::string KeysOf(const nlohmann::ordered_json& json) {
  constexpr int kKeysMax = 12;
  std::string keys;
  int count = 0;
  for (const auto& item : json.items()) {
    if (count++ == kKeysMax) return keys + ", ...";
    absl::StrAppend(&keys, keys.empty() ? "" : ", ", HeadOf(item.key()));
  }
  return keys.empty() ? "no keys" : keys;
}

std::string ToLines(const std::vector<nlohmann::ordered_json>& records) {
  std::string text;
  for (const nlohmann::ordered_json& record : records) text += Dump(record, -1) + "\n";
  return text;
}

std::string ToArray(const std::vector<nlohmann::ordered_json>& records) {
  return Dump(nlohmann::ordered_json(records), 2) + "\n";
}

int64_t CharactersOf(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace temper::agents
