// How an answer is dressed up: length and Markdown, counted as Arena-Hard counts them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nlohmann/json.hpp"

namespace temper::agents {

struct AnswerStyle {
  int64_t token_len = 0;
  std::array<int64_t, 6> headers = {};  // h1 to h6
  int64_t ordered = 0;                  // items of lists
  int64_t unordered = 0;
  int64_t bold_asterisks = 0;
  int64_t bold_underscores = 0;

  int64_t header_count() const;
  int64_t list_count() const { return ordered + unordered; }
  int64_t bold_count() const { return bold_asterisks + bold_underscores; }
};

// A line that begins with one to six "#" and a blank is a header; one that begins with a number, a
// full stop and a blank, or with "-", "*", "+" and a blank, after any blanks, is an item; **...**
// and
// __...__ within a line are bold. What stands between ``` and ``` is taken out first (wherever the
// same text stands again, too: so they count). `token_len` is the caller's: tokenizers differ.
AnswerStyle CountStyle(std::string_view answer, int64_t token_len);

// {"token_len", "header_count": {"h1", ...}, "list_count": {"ordered", "unordered"}, "bold_count":
// {"**", "__"}}, as in `metadata` and `conv_metadata`. Nothing where "token_len" is missing.
nlohmann::ordered_json StyleToJson(const AnswerStyle& style);
std::optional<AnswerStyle> StyleFromJson(const nlohmann::ordered_json& json);

}  // namespace temper::agents
