// Rewards from recorded scores.
#include "agents/train/credit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/run/wiring.h"
#include "agents/select/constructive.h"
#include "agents/train/reward_reader.h"
#include "base/status_macros.h"
#include "re2/re2.h"

namespace temper::agents {
namespace {

struct Mean {
  double sum = 0;
  int64_t count = 0;
  void Add(double value) { sum += value, ++count; }
  double value() const { return sum / static_cast<double>(count); }
};

class Crediting {
 public:
  Crediting(const Execution& execution, const CreditOptions& options)
      : execution_(execution),
        graph_(execution.graph()),
        options_(options),
        samples_(SamplesOf(execution)),
        rules_(graph_.roles.size(), nullptr) {
    for (const TrainRule& rule : graph_.train) rules_[static_cast<size_t>(rule.role)] = &rule;
  }

  absl::StatusOr<Credit> Run() {
    credit_.roles.resize(graph_.roles.size());
    for (size_t begin = 0; begin < samples_.size();) {
      size_t end = begin;
      while (end < samples_.size() && AreSiblings(samples_[begin], samples_[end])) ++end;
      TEMPER_RETURN_IF_ERROR(CreditGroup(begin, end));
      AddEffect(begin, end);
      begin = end;
    }
    MeasureSpread();
    return std::move(credit_);
  }

 private:
  static bool AreSiblings(const Sample& a, const Sample& b) {
    return a.node == b.node && a.point == b.point;
  }
  const Sample& SampleAt(int index) const { return samples_[static_cast<size_t>(index)]; }
  const TrainRule* RuleOf(const Sample& sample) const {
    return sample.role < 0 ? nullptr : rules_[static_cast<size_t>(sample.role)];
  }

  absl::Status CreditGroup(size_t begin, size_t end) {
    std::vector<std::optional<double>> levels;
    bool stated = false;
    for (size_t i = begin; i < end; ++i) {
      levels.push_back(LevelOf(samples_[i]));
      stated |= levels.back().has_value();
    }
    for (size_t i = begin; i < end; ++i) {
      const Sample& sample = samples_[i];
      Transition transition{.sample = sample, .path = PathOf(graph_, sample.node)};
      const Sample* subject = sample.subject < 0 ? nullptr : &SampleAt(sample.subject);
      transition.unchanged =
          sample.part == Part::kEdit && subject != nullptr && IsUnchanged(sample, *subject);
      const std::optional<double> gain = GainOf(static_cast<int>(i), transition.pooled);
      const std::optional<double> calibrated = CalibratedOf(sample, levels[i - begin]);
      const TrainRule* rule = RuleOf(sample);
      if (rule != nullptr && rule->reward.has_value()) {
        const RewardReader reader(execution_, sample, {gain, calibrated, transition.unchanged});
        TEMPER_ASSIGN_OR_RETURN(transition.reward, ValueOf(*rule->reward, reader));
      } else {
        transition.reward = DefaultOf(static_cast<int>(i), transition.unchanged, gain,
                                      stated ? calibrated : std::nullopt);
      }
      Count(transition);
      credit_.transitions.push_back(std::move(transition));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<double>> ValueOf(const Expression& expression,
                                                const RewardReader& reader) const {
    const auto fault = [&](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat(graph_.path, ":", std::string(what),
                                                     " (reward \"", expression.text(), "\")"));
    };
    const absl::StatusOr<Operand> operand = expression.Evaluate(reader);
    if (!operand.ok()) return fault(std::string(operand.status().message()));
    std::optional<double> value;
    if (operand->score.has_value()) {
      value = operand->score;
    } else if (const auto* number = std::get_if<double>(&operand->value)) {
      value = *number;
    } else if (const auto* truth = std::get_if<bool>(&operand->value)) {
      value = *truth ? 1 : 0;
    } else if (!operand->absent()) {
      return fault(absl::StrCat(expression.place().line, ":", expression.place().column,
                                ": found no number; expected one, such as score($edit)"));
    }
    if (value.has_value() && !std::isfinite(*value)) value.reset();
    return value;
  }

  std::optional<double> DefaultOf(int index, bool unchanged, std::optional<double> gain,
                                  std::optional<double> calibrated) const {
    const Sample& sample = SampleAt(index);
    if (sample.part == Part::kDraft) return FinalOf(index);
    if (sample.part == Part::kFeedback) {
      if (!gain.has_value() || !calibrated.has_value()) return gain.has_value() ? gain : calibrated;
      return 0.5 * *gain + 0.5 * *calibrated;
    }
    if (!gain.has_value() || !unchanged) return gain;
    const bool whole =
        options_.full_score.has_value() && *SampleAt(sample.subject).score >= *options_.full_score;
    return whole ? *gain : *gain - options_.unchanged_penalty;
  }

  std::optional<double> FinalOf(int index) const {
    Mean mean;
    for (const int leaf : LeavesOf(samples_, index)) {
      if (SampleAt(leaf).score.has_value()) mean.Add(*SampleAt(leaf).score);
    }
    if (mean.count == 0) return std::nullopt;
    return mean.value();
  }

  std::optional<double> GainOfEdit(const Sample& edit) const {
    if (edit.subject < 0 || !edit.score.has_value()) return std::nullopt;
    const std::optional<double>& before = SampleAt(edit.subject).score;
    if (!before.has_value()) return std::nullopt;
    return *edit.score - *before;
  }

  std::optional<double> GainOf(int index, bool& pooled) const {
    const Sample& sample = SampleAt(index);
    if (sample.part == Part::kDraft) return std::nullopt;
    if (sample.part == Part::kEdit) return GainOfEdit(sample);
    Mean with, without;
    for (size_t i = 0; i < samples_.size(); ++i) {
      const Sample& edit = samples_[i];
      if (edit.part != Part::kEdit || edit.subject != sample.subject) continue;
      const std::optional<double> gain = GainOfEdit(edit);
      if (!gain.has_value()) continue;
      const bool used = std::binary_search(edit.parents.begin(), edit.parents.end(), index);
      (used ? with : without).Add(*gain);
    }
    if (with.count == 0) return std::nullopt;
    pooled = without.count == 0;
    return pooled ? with.value() : with.value() - without.value();
  }

  std::optional<double> LevelOf(const Sample& sample) {
    if (sample.part != Part::kFeedback) return std::nullopt;
    const std::string& text = sample.candidate->result.text;
    const TrainRule* rule = RuleOf(sample);
    if (rule != nullptr && !rule->levels.empty()) {
      for (const auto& [pattern, level] : rule->levels) {
        auto& compiled = patterns_[pattern];
        if (compiled == nullptr) compiled = std::make_unique<RE2>(pattern, RE2::Quiet);
        if (RE2::PartialMatch(text, *compiled)) return level;
      }
      return std::nullopt;
    }
    const std::optional<HelpfulnessLevel> level = ReadHelpfulnessLevel(text);
    if (!level.has_value()) return std::nullopt;
    return static_cast<double>(*level) / static_cast<double>(HelpfulnessLevel::kPerfectly);
  }

  std::optional<double> CalibratedOf(const Sample& sample, std::optional<double> level) const {
    if (sample.part != Part::kFeedback || sample.subject < 0) return std::nullopt;
    const std::optional<double>& score = SampleAt(sample.subject).score;
    if (!score.has_value()) return std::nullopt;
    return level.has_value() ? 1 - std::abs(*level - *score) : 0;
  }

  void Count(const Transition& transition) {
    if (transition.sample.role < 0) return;
    RoleCredit& role = credit_.roles[static_cast<size_t>(transition.sample.role)];
    ++role.samples;
    role.unchanged += transition.unchanged ? 1 : 0;
    role.pooled += transition.pooled ? 1 : 0;
    if (transition.sample.score.has_value())
      ++role.scored, role.score_sum += *transition.sample.score;
    if (transition.reward.has_value()) ++role.rewarded, role.reward_sum += *transition.reward;
  }

  void AddEffect(size_t begin, size_t end) {
    if (samples_[begin].role < 0) return;
    RoleCredit& role = credit_.roles[static_cast<size_t>(samples_[begin].role)];
    std::vector<Mean> own;
    Mean all;
    for (size_t i = begin; i < end; ++i) {
      std::vector<double> scores;
      for (const int leaf : LeavesOf(samples_, static_cast<int>(i))) {
        const Sample& sample = SampleAt(leaf);
        // A feedback that led to no answer has none.
        if (sample.part == Part::kFeedback || !sample.score.has_value()) continue;
        scores.push_back(*sample.score);
      }
      if (scores.empty()) continue;
      Mean mean;
      for (const double score : scores) mean.Add(score), all.Add(score);
      for (const double score : scores) {
        role.within += (score - mean.value()) * (score - mean.value());
      }
      role.within_freedom += mean.count - 1;
      own.push_back(mean);
    }
    if (own.empty()) return;
    role.effect_freedom += static_cast<int64_t>(own.size()) - 1;
    for (const Mean& mean : own) {
      const double away = mean.value() - all.value();
      role.effect += static_cast<double>(mean.count) * away * away;
    }
  }

  void MeasureSpread() {
    std::vector<double> scores;
    Mean mean;
    for (size_t i = 0; i < samples_.size(); ++i) {
      const std::vector<int> leaves = LeavesOf(samples_, static_cast<int>(i));
      if (leaves != std::vector<int>{static_cast<int>(i)} || !samples_[i].score.has_value() ||
          samples_[i].part == Part::kFeedback) {
        continue;
      }
      scores.push_back(*samples_[i].score);
      mean.Add(scores.back());
    }
    for (const double score : scores) {
      credit_.spread += (score - mean.value()) * (score - mean.value());
    }
  }

  const Execution& execution_;
  const Graph& graph_;
  const CreditOptions& options_;
  const std::vector<Sample> samples_;
  std::vector<const TrainRule*> rules_;  // by role
  std::map<std::string, std::unique_ptr<RE2>> patterns_;
  Credit credit_;
};

}  // namespace

void RoleCredit::Add(const RoleCredit& other) {
  samples += other.samples;
  scored += other.scored;
  rewarded += other.rewarded;
  unchanged += other.unchanged;
  pooled += other.pooled;
  score_sum += other.score_sum;
  reward_sum += other.reward_sum;
  effect += other.effect;
  within += other.within;
  effect_freedom += other.effect_freedom;
  within_freedom += other.within_freedom;
}

double CausalShare(const RoleCredit& role, double spread) {
  if (spread <= 0) return 0;
  const double noise =
      role.within_freedom == 0 ? 0 : role.within / static_cast<double>(role.within_freedom);
  return std::max(0.0, role.effect - static_cast<double>(role.effect_freedom) * noise) / spread;
}

absl::StatusOr<Credit> AssignCredit(const Execution& execution, const CreditOptions& options) {
  return Crediting(execution, options).Run();
}

}  // namespace temper::agents
