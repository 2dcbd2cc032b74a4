// Braces are matched outside of strings; a brace that never closes is prose.
#include "agents/select/judgement/reply_text.h"

#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/select/normal_text.h"
#include "base/json_text.h"
#include "base/trim.h"
#include "base/utf8.h"
#include "nlohmann/json.hpp"

namespace temper::agents {
namespace {

constexpr int kAttemptsMax = 64;  // braces in prose, and objects that are none

// The length of the object that `text` begins with, by its braces; npos when they do not close.
size_t ObjectBytes(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// Outermost objects, in the order of the text.
std::vector<std::string_view> Objects(std::string_view text) {
  std::vector<std::string_view> objects;
  int unclosed = 0;
  for (size_t at = text.find('{'); at != text.npos; at = text.find('{', at)) {
    const size_t bytes = ObjectBytes(text.substr(at));
    if (bytes == text.npos) {
      if (++unclosed == kAttemptsMax) break;
      ++at;
    } else {
      objects.push_back(text.substr(at, bytes));
      at += bytes;
    }
  }
  return objects;
}

}  // namespace

std::string_view AfterThinking(std::string_view reply) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  if (const size_t at = reply.rfind(kClose); at != reply.npos) {
    reply.remove_prefix(at + kClose.size());
  }
  return Trimmed(reply).starts_with(kOpen) ? std::string_view() : reply;
}

std::string HeadOf(std::string_view text) {
  constexpr size_t kBytesMax = 80;
  const std::string_view trimmed = Trimmed(text);
  std::string head = ValidUtf8(trimmed.substr(0, kBytesMax));
  for (char& c : head) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return absl::StrCat("\"", head, trimmed.size() > kBytesMax ? "...\"" : "\"");
}

std::optional<double> ReadDecimal(std::string_view text) {
  text = Trimmed(text);
  constexpr size_t kBytesMax = 64;
  if (text.empty() || text.size() > kBytesMax) return std::nullopt;
  for (const char c : text) {
    const bool part = absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '+' || c == '-' ||
                      c == '.' || c == 'e' || c == 'E';
    if (!part) return std::nullopt;
  }
  double number = 0;
  if (!absl::SimpleAtod(std::string(text), &number) || !std::isfinite(number)) return std::nullopt;
  return number;
}

absl::StatusOr<nlohmann::ordered_json> LastObjectWith(std::string_view text,
                                                      std::initializer_list<const char*> keys) {
  const std::vector<std::string_view> objects = Objects(text);
  int attempts = 0;
  for (size_t i = objects.size(); i-- > 0 && attempts < kAttemptsMax; ++attempts) {
    const auto object = ParseOrderedJson(objects[i], "reply");
    if (!object.ok()) continue;
    bool all = true;
    for (const char* key : keys) all = all && object->contains(key);
    if (all) return *object;
  }
  std::string names;
  for (const char* key : keys) absl::StrAppend(&names, names.empty() ? "\"" : ", \"", key, "\"");
  return absl::InvalidArgumentError(absl::StrCat(
      "no JSON object with ", names.empty() ? "any key" : names, " in the reply ", HeadOf(text)));
}

absl::StatusOr<double> NumberOf(const nlohmann::ordered_json& value, std::string_view key) {
  std::optional<double> number;
  if (value.is_number()) {
    if (const double given = value.get<double>(); std::isfinite(given)) number = given;
  } else if (value.is_string()) {
    number = ReadDecimal(value.get_ref<const std::string&>());
  }
  if (number.has_value()) return *number;
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(key), ": found ",
      HeadOf(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)),
      ", expected a number"));
}

}  // namespace temper::agents
