// Three ways to ask; each either yields a number or fails in words.
#include "reward/remote/judge_verifier.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/answer_extractor.h"
#include "reward/remote/judge_prompt.h"

namespace temper::reward {
namespace {

using temper::v1::JudgeOptions;

absl::Status NoVerdict(std::string_view reply, std::string_view wanted) {
  constexpr size_t kShown = 60;
  return absl::FailedPreconditionError(
      absl::StrCat("the judge's reply has no verdict: it ends with ",
                   Quoted(reply.substr(reply.size() - std::min(reply.size(), kShown))),
                   ", expected ", std::string(wanted), " on its last line"));
}

// The reference of a pairwise comparison.
absl::StatusOr<std::string> ReferenceOf(const Response& response) {
  const auto metadata =
      nlohmann::json::parse(response.metadata, nullptr, /*allow_exceptions=*/false);
  if (metadata.is_object()) {
    const auto reference = metadata.find("reference");
    if (reference != metadata.end() && reference->is_string()) return reference->get<std::string>();
  }
  if (!response.gold.empty()) return std::string(response.gold);
  return absl::InvalidArgumentError(
      "pairwise needs something to compare with: the dataset's \"reference\" (or \"answer\") is "
      "missing");
}

}  // namespace

JudgeVerifier::JudgeVerifier(const JudgeOptions& options, Mode mode, std::string form,
                             std::unique_ptr<const JudgeModel> model)
    : mode_(mode),
      form_(std::move(form)),
      principle_(options.principle()),
      low_(options.has_grade_low() ? options.grade_low() : 1),
      high_(options.has_grade_high() ? options.grade_high() : 10),
      tokens_max_(options.has_max_tokens() ? options.max_tokens() : 512),
      model_(std::move(model)) {}

absl::StatusOr<std::unique_ptr<const Verifier>> JudgeVerifier::Create(const JudgeOptions& options,
                                                                      absl::Duration timeout) {
  TEMPER_ASSIGN_OR_RETURN(auto model,
                          MakeJudgeModel(options.endpoint(), "judge.endpoint", timeout));
  return Create(options, std::move(model));
}

absl::StatusOr<std::unique_ptr<const Verifier>> JudgeVerifier::Create(
    const JudgeOptions& options, std::unique_ptr<const JudgeModel> model) {
  struct Form {
    const char* name;
    Mode mode;
    std::string_view form;
    std::vector<std::string> required;
  };
  const std::vector<Form> forms = {
      {"grade", Mode::kGrade, kGradeTemplate, {"response"}},
      {"pairwise", Mode::kPairwise, kPairwiseTemplate, {"first", "second"}},
      {"yes_no", Mode::kYesNo, kYesNoTemplate, {"response"}}};
  for (const Form& form : forms) {
    if ((options.mode().empty() ? "grade" : options.mode()) != form.name) continue;
    const std::string text =
        options.template_().empty() ? std::string(form.form) : options.template_();
    std::vector<std::string> names = {"prompt", "answer", "principle"};
    names.insert(names.end(), form.required.begin(), form.required.end());
    const absl::Status checked = CheckJudgeTemplate(text, names, form.required);
    if (!checked.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("judge.template: ", std::string(checked.message())));
    }
    if (text.find("{principle}") != std::string::npos && options.principle().empty()) {
      return absl::InvalidArgumentError("judge.principle: missing; the template holds {principle}");
    }
    auto made = std::unique_ptr<JudgeVerifier>(
        new JudgeVerifier(options, form.mode, text, std::move(model)));
    if (!(made->low_ < made->high_)) {
      return absl::InvalidArgumentError(absl::StrCat("judge.grade_high: found ", made->high_,
                                                     ", expected above grade_low, ", made->low_));
    }
    if (made->tokens_max_ < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("judge.max_tokens: found ", made->tokens_max_, ", expected at least 1"));
    }
    return std::unique_ptr<const Verifier>(std::move(made));
  }
  return absl::InvalidArgumentError(absl::StrCat("judge.mode: found ", Quoted(options.mode()),
                                                 ", expected grade, pairwise or yes_no"));
}

absl::StatusOr<Judgement> JudgeVerifier::Judge(const Response& response) const {
  const std::string text(absl::StripAsciiWhitespace(WithoutThinking(response.text)));
  if (!WorthJudging(text)) {
    return Judgement{"not_judged", 0, "the response has neither a letter nor a digit"};
  }
  switch (mode_) {
    case Mode::kGrade:
      return Grade(response, text);
    case Mode::kPairwise:
      return Compare(response, text);
    case Mode::kYesNo:
      break;
  }
  return AskYesNo(response, text);
}

absl::StatusOr<Judgement> JudgeVerifier::Grade(const Response& response,
                                               const std::string& text) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string reply,
                          model_->Reply(RenderJudgePrompt(form_, {{"prompt", response.prompt},
                                                                  {"response", text},
                                                                  {"answer", response.gold},
                                                                  {"principle", principle_}}),
                                        tokens_max_));
  const std::optional<double> grade = ReadGrade(reply, low_, high_);
  if (!grade.has_value()) {
    return NoVerdict(reply, absl::StrCat("one [[grade]] from ", low_, " to ", high_));
  }
  return Judgement{"judged", (*grade - low_) / (high_ - low_),
                   absl::StrCat("graded ", *grade, " of ", low_, " to ", high_)};
}

// 1: the first is better; 0.5: a tie.
absl::StatusOr<double> JudgeVerifier::AskWhichIsBetter(const Response& response,
                                                       const std::string& first,
                                                       const std::string& second) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string reply,
                          model_->Reply(RenderJudgePrompt(form_, {{"prompt", response.prompt},
                                                                  {"first", first},
                                                                  {"second", second},
                                                                  {"answer", response.gold},
                                                                  {"principle", principle_}}),
                                        tokens_max_));
  const std::optional<char> choice = ReadChoice(reply);
  if (!choice.has_value()) return NoVerdict(reply, "[[A]], [[B]] or [[C]]");
  return *choice == 'A' ? 1 : *choice == 'B' ? 0 : 0.5;
}

absl::StatusOr<Judgement> JudgeVerifier::Compare(const Response& response,
                                                 const std::string& text) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string reference, ReferenceOf(response));
  TEMPER_ASSIGN_OR_RETURN(const double as_first, AskWhichIsBetter(response, text, reference));
  TEMPER_ASSIGN_OR_RETURN(const double reference_first,
                          AskWhichIsBetter(response, reference, text));
  const double as_second = 1 - reference_first;
  const nlohmann::json details = {
      {"as_first", as_first}, {"as_second", as_second}, {"position_flip", as_first != as_second}};
  return Judgement{"judged", (as_first + as_second) / 2,
                   absl::StrCat("shown first it scores ", as_first, ", shown second ", as_second),
                   details.dump()};
}

absl::StatusOr<Judgement> JudgeVerifier::AskYesNo(const Response& response,
                                                  const std::string& text) const {
  TEMPER_ASSIGN_OR_RETURN(const double share,
                          model_->YesShare(RenderJudgePrompt(form_, {{"prompt", response.prompt},
                                                                     {"response", text},
                                                                     {"answer", response.gold},
                                                                     {"principle", principle_}})));
  return Judgement{"judged", share, absl::StrFormat("p(Yes) = %.4f", share)};
}

}  // namespace temper::reward
