// Lines about a run's events.
#include "orchestrator/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json_config.h"

namespace temper::orchestrator {
namespace {

std::string Duration(double seconds) {
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return absl::StrCat(whole, "s");
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole / 60 % 60);
}

std::string EvaluationLine(const v1::EvaluationResult& evaluation) {
  return absl::StrFormat("evaluation after step %d: %.1f %% of %d held-out problems, length %.1f",
                         evaluation.step(), 100 * evaluation.accuracy(), evaluation.problems(),
                         evaluation.length_mean());
}

}  // namespace

std::string WithCommas(int64_t number) {
  std::string digits = absl::StrCat(std::abs(number));
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return absl::StrCat(number < 0 ? "-" : "", digits);
}

Progress::Progress(const v1::RunSpec& spec, Style style, FILE* out)
    : style_(style),
      out_(out),
      warm_start_steps_(spec.has_warm_start() ? spec.warm_start().steps() : 0),
      reward_model_(spec.warm_start().objective() == "reward_model"),
      policy_steps_total_(spec.steps()) {}

std::string Progress::StepLine(const v1::StepMetrics& step) const {
  if (reward_model_) {
    const std::string held_out = step.has_held_out_accuracy()
                                     ? absl::StrFormat("  held out %.3f", step.held_out_accuracy())
                                     : "";
    return absl::StrFormat("reward model %d/%d  loss %.4f  right %.3f  margin %.3f%s  %s tok/s",
                           step.step(), warm_start_steps_, step.loss(), step.pair_accuracy(),
                           step.pair_margin(), held_out,
                           WithCommas(std::llround(step.tokens_per_second())));
  }
  if (step.stage() == "warm_start") {
    return absl::StrFormat("warm start %d/%d  loss %.4f  %s tok/s", step.step(), warm_start_steps_,
                           step.loss(), WithCommas(std::llround(step.tokens_per_second())));
  }
  return absl::StrFormat(
      "step %d/%d  reward %.3f  length %.1f  entropy %.3f  kl %.4f  clip %.3f  grad %.2f  "
      "mismatch %d  %s tok/s  %.2f s",
      step.step(), policy_steps_total_, step.reward_mean(), step.length_mean(), step.entropy(),
      step.kl(), step.clip_fraction(), step.grad_norm(), step.logprob_mismatch(),
      WithCommas(std::llround(step.tokens_per_second())), step.seconds().total());
}

double Progress::SecondsLeft() const {
  if (recent_seconds_.empty()) return 0;
  double sum = 0;
  for (const double seconds : recent_seconds_) sum += seconds;
  return sum / static_cast<double>(recent_seconds_.size()) *
         static_cast<double>(policy_steps_total_ - static_cast<int64_t>(policy_steps_.size()));
}

void Progress::Show(const v1::RunEvent& event) {
  if (event.has_step() && event.step().stage() != "warm_start") {
    policy_steps_.push_back(event.step());
    recent_seconds_.push_back(event.step().seconds().total());
    if (recent_seconds_.size() > 20) recent_seconds_.erase(recent_seconds_.begin());
  }
  if (event.has_evaluation()) evaluations_.push_back(event.evaluation());
  if (style_ == Style::kJson) {
    std::fprintf(out_, "%s\n", ToJson(event, JsonStyle::kLine).c_str());
    std::fflush(out_);
    return;
  }
  if (event.has_step()) {
    const v1::StepMetrics& step = event.step();
    const bool warm = step.stage() == "warm_start";
    std::string line = StepLine(step);
    if (style_ == Style::kTerminal) {
      if (!warm) absl::StrAppend(&line, "  left ", Duration(SecondsLeft()));
      Transient(line);
    } else if (!warm || step.step() % 25 == 0 || step.has_held_out_accuracy() ||
               step.step() == warm_start_steps_) {
      Line(line);
    }
  } else if (event.has_evaluation()) {
    Line(EvaluationLine(event.evaluation()));
  } else if (!event.note().empty()) {
    Line(absl::StrCat("  ", event.note()));
  }
}

void Progress::Note(const std::string& text) {
  if (style_ != Style::kJson) Line(absl::StrCat("  ", text));
}

void Progress::Finish() {
  if (transient_) std::fprintf(out_, "\n");
  transient_ = false;
  std::fflush(out_);
}

void Progress::Line(const std::string& text) {
  std::fprintf(out_, transient_ ? "\r\x1b[K%s\n" : "%s\n", text.c_str());
  transient_ = false;
  std::fflush(out_);
}

void Progress::Transient(const std::string& text) {
  std::fprintf(out_, "\r\x1b[K%s", text.c_str());
  transient_ = true;
  std::fflush(out_);
}

}  // namespace temper::orchestrator
