// A mean of grades, and a mean of rewards.
#include "agents/eval/score/wild_bench_score.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"

namespace temper::agents {
namespace {

// Values that belong to a question each, and their mean over questions drawn `times`.
struct Values {
  std::map<std::string, int> numbers;
  std::vector<std::pair<int, double>> values;

  void Add(const std::string& question, double value) {
    values.emplace_back(
        numbers.try_emplace(question, static_cast<int>(numbers.size())).first->second, value);
  }
  std::optional<double> Mean(std::span<const int> times) const {
    double sum = 0, count = 0;
    for (const auto& [question, value] : values) {
      sum += value * times[question];
      count += times[question];
    }
    if (count == 0) return std::nullopt;
    return sum / count;
  }
  Estimate Estimated(const BootstrapOptions& options) const {
    const std::vector<int> once(numbers.size(), 1);
    return {*Mean(once), Bootstrap(static_cast<int64_t>(numbers.size()), options,
                                   [this](std::span<const int> times) { return Mean(times); })};
  }
};

double Adjusted(double grade) { return (grade - 5) * 2; }

int Winner(Verdict verdict) {
  return verdict < Verdict::kTie ? 1 : verdict > Verdict::kTie ? -1 : 0;
}

// In favour of the model, with the length rule.
double RewardOf(Verdict verdict, int64_t model_length, int64_t reference_length, int64_t margin) {
  if (margin >= 0 && verdict == Verdict::kABetter && model_length > reference_length + margin) {
    return 0;
  }
  if (margin >= 0 && verdict == Verdict::kBBetter && reference_length > model_length + margin) {
    return 0;
  }
  return 100 - 50 * static_cast<double>(verdict);
}

}  // namespace

absl::StatusOr<std::vector<ScoreRow>> ScoreWildBench(
    const std::vector<WildBenchGrade>& grades,
    const std::map<std::string, std::vector<std::string>>& groups,
    const BootstrapOptions& options) {
  ScoreRow row;
  row.name = "WB-Score";
  row.scale = "-8..10";
  row.interval_over = "questions";
  row.length_unit = "characters";
  Values all;
  std::map<std::string, Values> by_group;
  double characters = 0;
  for (const WildBenchGrade& grade : grades) {
    if (!grade.score.has_value()) {
      ++row.invalid;
      continue;
    }
    all.Add(grade.session_id, Adjusted(*grade.score));
    characters += static_cast<double>(CharactersOf(grade.output));
    const auto at = groups.find(grade.session_id);
    if (at == groups.end()) continue;
    for (const std::string& group : at->second) {
      by_group[group].Add(grade.session_id, Adjusted(*grade.score));
    }
  }
  if (all.values.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("none of ", grades.size(), " grades is a number from 1 to 10"));
  }
  row.n = static_cast<int64_t>(all.numbers.size());
  row.estimate = all.Estimated(options);
  row.mean_length = characters / static_cast<double>(all.values.size());
  std::vector<ScoreRow> rows = {row};
  double macro = 0;
  for (const auto& [group, values] : by_group) {
    ScoreRow part;
    part.name = group;
    part.scale = row.scale;
    part.interval_over = row.interval_over;
    part.n = static_cast<int64_t>(values.numbers.size());
    part.estimate = values.Estimated(options);
    macro += part.estimate.value / static_cast<double>(by_group.size());
    rows.push_back(std::move(part));
  }
  if (!by_group.empty()) {
    ScoreRow mean;
    mean.name = "macro";
    mean.scale = row.scale;
    mean.n = row.n;
    mean.estimate.value = macro;
    mean.notes.push_back("the mean of the groups; its interval is not computed");
    rows.push_back(std::move(mean));
  }
  return rows;
}

absl::StatusOr<ScoreRow> RewardWildBench(const std::vector<WildBenchPair>& pairs,
                                         const std::string& model, const std::string& reference,
                                         const WildBenchRewardOptions& options) {
  ScoreRow row;
  row.name = absl::StrCat("WB-Reward against ", reference);
  row.scale = "-100..100";
  row.interval_over = "questions";
  row.length_unit = "characters";
  Values rewards;
  std::map<std::string, std::pair<std::optional<int>, std::optional<int>>> orders;
  double characters = 0;
  for (const WildBenchPair& pair : pairs) {
    const bool first = pair.model_a == model && pair.model_b == reference;
    const bool second = pair.model_b == model && pair.model_a == reference;
    if (!first && !second) continue;
    if (!pair.verdict.has_value()) {
      ++row.invalid;
      continue;
    }
    const Verdict verdict = first ? *pair.verdict : Swapped(*pair.verdict);
    const int64_t own = CharactersOf(first ? pair.output_a : pair.output_b);
    const int64_t other = CharactersOf(first ? pair.output_b : pair.output_a);
    rewards.Add(pair.session_id, RewardOf(verdict, own, other, options.length_margin));
    characters += static_cast<double>(own);
    auto& [as_a, as_b] = orders[pair.session_id];
    (first ? as_a : as_b) = Winner(verdict);
  }
  if (rewards.values.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no valid pair of ", model, " and ", reference, " among ", pairs.size()));
  }
  int64_t both = 0, flips = 0;
  for (const auto& [session, order] : orders) {
    if (!order.first.has_value() || !order.second.has_value()) continue;
    ++both;
    flips += *order.first * *order.second < 0 ? 1 : 0;
  }
  if (both > 0) row.flip_rate = static_cast<double>(flips) / static_cast<double>(both);
  row.n = static_cast<int64_t>(rewards.numbers.size());
  row.estimate = rewards.Estimated(options.bootstrap);
  row.mean_length = characters / static_cast<double>(rewards.values.size());
  if (options.length_margin >= 0) {
    row.notes.push_back(absl::StrCat("slight wins by more than ", options.length_margin,
                                     " characters count as ties"));
  }
  return row;
}

}  // namespace temper::agents
