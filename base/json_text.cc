// JSON through nlohmann's parser, its exceptions fenced.
#include "base/json_text.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

constexpr int kDepthMax = 64;

// The end of what was read, where the fault lies; a string that nobody closed may be very long.
std::string Shown(const std::string& text) {
  constexpr std::size_t kShownMax = 60;
  return ValidUtf8(text.size() <= kShownMax ? text : "..." + text.substr(text.size() - kShownMax));
}

// Remembers only where parsing stopped, and the first repeated key.
class Inspector : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Inspector(std::string_view text) : text_(text) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    ++brackets_;
    return Deeper();
  }
  bool key(string_t& name) override {
    ++keys_seen_;
    if (keys_.back().insert(name).second) return true;
    problem = absl::StrCat("key \"", Shown(name), "\" stands twice in one object");
    position = Find(/*key=*/true, keys_seen_);
    return false;
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    ++brackets_;
    return Deeper();
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t at, const std::string& token,
                   const nlohmann::detail::exception&) override {
    position = at;
    problem = token.empty() || token == "<U+0000>"
                  ? "the text ends where more JSON was expected"
                  : absl::StrCat("found \"", Shown(token), "\" where JSON does not allow it");
    return false;
  }

  std::size_t position = 0;
  std::string problem;

 private:
  bool Deeper() {
    if (++depth_ <= kDepthMax) return true;
    problem = absl::StrCat("nested deeper than ", kDepthMax, " levels");
    position = Find(/*key=*/false, brackets_);
    return false;
  }
  // From 1: where the given key, or the given opening bracket, begins. The parser does not say; up
  // to there the text is sound.
  std::size_t Find(bool key, int number) const {
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const bool opens = text_[at] == '{' || text_[at] == '[';
      if (opens && !key && --number == 0) return at + 1;
      if (text_[at] != '"') continue;
      const std::size_t begin = at;
      for (++at; at < text_.size() && text_[at] != '"'; ++at) {
        if (text_[at] == '\\') ++at;
      }
      const std::size_t next = text_.find_first_not_of(" \t\r\n", at + 1);
      const bool is_key = next != text_.npos && text_[next] == ':';
      if (is_key && key && --number == 0) return begin + 1;
    }
    return 0;
  }

  const std::string_view text_;
  int depth_ = 0;
  int keys_seen_ = 0;
  int brackets_ = 0;
  std::vector<std::set<std::string>> keys_;
};

std::string LineAndColumn(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position > 0 ? position - 1 : 0);
  const std::size_t line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
  return absl::StrCat(line, ":", column);
}

absl::Status Inspect(std::string_view text, std::string_view place) {
  // For the parser a NUL is the end: what follows it would go unread.
  if (const std::size_t nul = text.find('\0'); nul != text.npos) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(place), ":",
                                                   LineAndColumn(text, nul + 1),
                                                   ": not valid JSON: found a NUL byte"));
  }
  Inspector inspector(text);
  if (!nlohmann::json::sax_parse(text, &inspector)) {
    const std::string where =
        inspector.position > 0 ? absl::StrCat(":", LineAndColumn(text, inspector.position)) : "";
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(place), where, ": not valid JSON: ", inspector.problem));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view place) {
  TEMPER_RETURN_IF_ERROR(Inspect(text, place));
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                        std::string_view place) {
  TEMPER_RETURN_IF_ERROR(Inspect(text, place));
  return nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace temper
