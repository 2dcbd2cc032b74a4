// What a judge is shown, and how its reply is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace temper::reward {

struct JudgeField {
  std::string_view name;  // as in the template, without braces
  std::string_view text;
};

// Puts each field's text in the place of its {name}, once over the template: what a text holds is
// never looked at again. Every text stands between lines that carry a mark which depends on all
// texts, so that none can hold its own end.
std::string RenderJudgePrompt(std::string_view form, const std::vector<JudgeField>& fields);

// INVALID_ARGUMENT for a {word} that is no field's name, or where a required one is missing.
absl::Status CheckJudgeTemplate(std::string_view form, const std::vector<std::string>& names,
                                const std::vector<std::string>& required);

// The one number in double brackets on the reply's last line that is not blank, "[[7.5]]"; empty
// for none, several different ones, or one outside [low, high].
std::optional<double> ReadGrade(std::string_view reply, double low, double high);

// "[[A]]", "[[B]]" or "[[C]]" (a tie) there, as 'A', 'B', 'C'; empty otherwise.
std::optional<char> ReadChoice(std::string_view reply);

// Whether there is something to judge: a letter or a digit. A lone ":" or "." has fooled judges
// (arXiv 2507.08794).
bool WorthJudging(std::string_view response);

extern const std::string_view kGradeTemplate;
extern const std::string_view kPairwiseTemplate;
extern const std::string_view kYesNoTemplate;

}  // namespace temper::reward
