// Judgements become sums by question and repeat; the score and its resamples are sums of those.
#include "agents/eval/score/arena_score.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::agents {
namespace {

struct Sum {
  double won = 0;
  int64_t battles = 0;
  void Add(const ArenaBattles& battle, int64_t times = 1) {
    won += battle.outcome * battle.count * static_cast<double>(times);
    battles += battle.count * times;
  }
};

// One resampling unit in one repeat.
struct Unit {
  int repeat = 0;
  int question = 0;
  ArenaBattles battles[2];
};

struct Tally {
  std::vector<Unit> units;  // a judgement with at least one verdict that counts
  int questions = 0;        // of them
  int repeats = 0;
  int64_t invalid = 0;  // judgements of which a game counts for nothing
  int64_t both_ways = 0;
  int64_t flips = 0;
  std::set<std::string> ids;  // of the questions that count
};

int Winner(Verdict verdict) {
  return verdict < Verdict::kTie ? 1 : verdict > Verdict::kTie ? -1 : 0;
}

Tally Count(const std::vector<ArenaJudgement>& judgements, const ArenaScoreOptions& options) {
  Tally tally;
  std::map<std::string, int> repeats, numbers;
  for (const ArenaJudgement& judgement : judgements) {
    Unit unit;
    unit.repeat = repeats[judgement.question_id]++;
    const std::optional<Verdict> first = CandidateVerdict(judgement, 0);
    const std::optional<Verdict> second = CandidateVerdict(judgement, 1);
    const bool whole = first.has_value() && second.has_value();
    tally.invalid += whole ? 0 : 1;
    tally.both_ways += whole ? 1 : 0;
    tally.flips += whole && Winner(*first) * Winner(*second) < 0 ? 1 : 0;
    if (!whole && options.nulls == ArenaScoreOptions::Nulls::kDropQuestion) continue;
    if (!first.has_value() && !second.has_value()) continue;
    if (first.has_value()) unit.battles[0] = BattlesOf(*first, options.weight);
    if (second.has_value()) unit.battles[1] = BattlesOf(*second, options.weight);
    unit.question =
        numbers.try_emplace(judgement.question_id, static_cast<int>(numbers.size())).first->second;
    tally.repeats = std::max(tally.repeats, unit.repeat + 1);
    tally.ids.insert(judgement.question_id);
    tally.units.push_back(unit);
  }
  tally.questions = static_cast<int>(numbers.size());
  return tally;
}

// In %, the mean over repeats that have a battle; nothing when none has.
std::optional<double> MeanOverRepeats(const std::vector<Sum>& sums) {
  double total = 0;
  int count = 0;
  for (const Sum& sum : sums) {
    if (sum.battles == 0) continue;
    total += sum.won / static_cast<double>(sum.battles);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return 100 * total / count;
}

std::optional<double> ScoreOf(const Tally& tally, std::span<const int> times) {
  std::vector<Sum> sums(tally.repeats);
  for (const Unit& unit : tally.units) {
    for (const ArenaBattles& battle : unit.battles) {
      sums[unit.repeat].Add(battle, times[unit.question]);
    }
  }
  return MeanOverRepeats(sums);
}

// Each battle by itself, as Arena-Hard's scripts draw them: its repeat and its outcome.
std::vector<Interval> IntervalsOverBattles(const Tally& tally, const BootstrapOptions& options) {
  std::vector<std::pair<int, double>> battles;
  for (const Unit& unit : tally.units) {
    for (const ArenaBattles& battle : unit.battles) {
      for (int i = 0; i < battle.count; ++i) battles.emplace_back(unit.repeat, battle.outcome);
    }
  }
  return Bootstrap(static_cast<int64_t>(battles.size()), options, [&](std::span<const int> times) {
    std::vector<Sum> sums(tally.repeats);
    for (size_t i = 0; i < battles.size(); ++i) {
      sums[battles[i].first].Add({battles[i].second, 1}, times[i]);
    }
    return MeanOverRepeats(sums);
  });
}

std::optional<double> MeanLength(const std::set<std::string>& ids, const StylesByQuestion& styles) {
  double sum = 0;
  int64_t count = 0;
  for (const std::string& id : ids) {
    const auto at = styles.find(id);
    if (at == styles.end()) continue;
    sum += static_cast<double>(at->second.token_len);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace

ArenaBattles BattlesOf(Verdict candidate_verdict, int weight) {
  switch (candidate_verdict) {
    case Verdict::kAMuchBetter:
      return {1, weight};
    case Verdict::kABetter:
      return {1, 1};
    case Verdict::kTie:
      return {0.5, 1};
    case Verdict::kBBetter:
      return {0, 1};
    case Verdict::kBMuchBetter:
      return {0, weight};
  }
  return {};
}

StylesByQuestion StylesOf(const std::vector<EvalAnswer>& answers) {
  StylesByQuestion styles;
  for (const EvalAnswer& answer : answers) {
    const int64_t tokens = answer.token_lens.empty() ? 0 : answer.token_lens.front();
    styles[answer.question_id] =
        answer.style.has_value() ? *answer.style : CountStyle(answer.turns.front(), tokens);
  }
  return styles;
}

absl::StatusOr<ScoreRow> ScoreArena(const std::vector<ArenaJudgement>& judgements,
                                    const StylesByQuestion& styles,
                                    const ArenaScoreOptions& options) {
  const Tally tally = Count(judgements, options);
  if (tally.units.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "none of ", judgements.size(),
        " judgements has a verdict that counts; see the judge's replies in their \"judgment\""));
  }
  ScoreRow row;
  row.name = judgements.front().baseline.empty()
                 ? "win rate"
                 : absl::StrCat("win rate against ", judgements.front().baseline);
  row.scale = "%";
  const std::vector<int> once(tally.questions, 1);
  row.estimate.value = *ScoreOf(tally, once);
  row.n = tally.questions;
  row.invalid = tally.invalid;
  row.repeats = tally.repeats;
  if (tally.both_ways > 0) {
    row.flip_rate = static_cast<double>(tally.flips) / static_cast<double>(tally.both_ways);
  }
  row.mean_length = MeanLength(tally.ids, styles);
  row.length_unit = "tokens";
  if (options.unit == ArenaScoreOptions::Unit::kQuestions) {
    row.interval_over = "questions";
    row.estimate.intervals =
        Bootstrap(tally.questions, options.bootstrap,
                  [&](std::span<const int> times) { return ScoreOf(tally, times); });
  } else {
    row.interval_over = "battles";
    row.estimate.intervals = IntervalsOverBattles(tally, options.bootstrap);
  }
  return row;
}

absl::StatusOr<std::vector<ScoreRow>> ScoreArenaByCategory(
    const std::vector<ArenaJudgement>& judgements, const StylesByQuestion& styles,
    const ArenaScoreOptions& options) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<ArenaJudgement>> parts;
  for (const ArenaJudgement& judgement : judgements) {
    std::vector<ArenaJudgement>& part = parts[judgement.category];
    if (part.empty()) order.push_back(judgement.category);
    part.push_back(judgement);
  }
  std::vector<ScoreRow> rows;
  for (const std::string& category : order) {
    absl::StatusOr<ScoreRow> row = ScoreArena(parts[category], styles, options);
    if (!row.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("category ", category, ": ", std::string(row.status().message())));
    }
    row->name = absl::StrCat(category.empty() ? "no category" : category, ": ", row->name);
    rows.push_back(*std::move(row));
  }
  return rows;
}

}  // namespace temper::agents
