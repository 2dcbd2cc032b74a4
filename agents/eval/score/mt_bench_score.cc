// Grades are gathered by question and turn; rows are means over a part of them.
#include "agents/eval/score/mt_bench_score.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"

namespace temper::agents {
namespace {

std::string IdText(const nlohmann::ordered_json& id) {
  return id.is_string() ? id.get<std::string>() : id.dump();
}

struct Cell {
  std::string question;
  int turn = 1;
  double sum = 0;
  int count = 0;
  int invalid = 0;
};

std::vector<Cell> Gather(const std::vector<MtBenchGrade>& grades) {
  std::map<std::pair<std::string, int>, Cell> cells;
  for (const MtBenchGrade& grade : grades) {
    const std::string id = IdText(grade.question_id);
    Cell& cell = cells[{id, grade.turn}];
    cell.question = id;
    cell.turn = grade.turn;
    if (grade.score.has_value()) {
      cell.sum += *grade.score;
      ++cell.count;
    } else {
      ++cell.invalid;
    }
  }
  std::vector<Cell> list;
  for (auto& [key, cell] : cells) list.push_back(std::move(cell));
  return list;
}

ScoreRow RowOf(const std::string& name, const std::vector<Cell>& cells,
               const std::function<bool(const Cell&)>& in, const BootstrapOptions& options) {
  ScoreRow row;
  row.name = name;
  row.scale = "1-10";
  row.interval_over = "questions";
  std::map<std::string, int> numbers;
  std::vector<std::pair<int, double>> means;  // of a cell: its question, its mean
  for (const Cell& cell : cells) {
    if (!in(cell)) continue;
    row.invalid += cell.invalid;
    row.repeats = std::max(row.repeats, cell.count + cell.invalid);
    if (cell.count == 0) continue;
    const int number =
        numbers.try_emplace(cell.question, static_cast<int>(numbers.size())).first->second;
    means.emplace_back(number, cell.sum / cell.count);
  }
  row.n = static_cast<int64_t>(numbers.size());
  if (row.n == 0) return row;
  const auto mean = [&means](std::span<const int> times) -> std::optional<double> {
    double sum = 0, count = 0;
    for (const auto& [question, value] : means) {
      sum += value * times[question];
      count += times[question];
    }
    if (count == 0) return std::nullopt;
    return sum / count;
  };
  row.estimate.value = *mean(std::vector<int>(row.n, 1));
  row.estimate.intervals = Bootstrap(row.n, options, mean);
  return row;
}

}  // namespace

absl::StatusOr<std::vector<ScoreRow>> ScoreMtBench(
    const std::vector<MtBenchGrade>& grades, const std::map<std::string, std::string>& categories,
    const BootstrapOptions& options) {
  const std::vector<Cell> cells = Gather(grades);
  std::vector<ScoreRow> rows;
  const auto add = [&](const std::string& name, const std::function<bool(const Cell&)>& in) {
    ScoreRow row = RowOf(name, cells, in, options);
    if (row.n > 0 || row.invalid > 0) rows.push_back(std::move(row));
  };
  add("all", [](const Cell&) { return true; });
  if (rows.empty() || rows.front().n == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("none of ", grades.size(), " grades is a number from 1 to 10"));
  }
  for (const int turn : {1, 2}) {
    add(absl::StrCat("turn ", turn), [turn](const Cell& cell) { return cell.turn == turn; });
  }
  std::set<std::string> names;
  for (const auto& [question, category] : categories) names.insert(category);
  for (const std::string& name : names) {
    add(name, [&](const Cell& cell) {
      const auto at = categories.find(cell.question);
      return at != categories.end() && at->second == name;
    });
  }
  return rows;
}

absl::StatusOr<ScoreRow> ScoreMtBenchPairs(const std::vector<MtBenchPair>& pairs,
                                           const std::string& model,
                                           const BootstrapOptions& options) {
  using Winner = MtBenchPair::Winner;
  ScoreRow row;
  row.name = absl::StrCat("win rate of ", model);
  row.scale = "%";
  row.interval_over = "questions";
  std::map<std::string, int> numbers;
  std::vector<std::pair<int, double>> outcomes;
  int64_t flips = 0;
  for (const MtBenchPair& pair : pairs) {
    if (pair.model_1 != model && pair.model_2 != model) continue;
    if (pair.winner_1 == Winner::kError || pair.winner_2 == Winner::kError) {
      ++row.invalid;
      continue;
    }
    const Winner own = pair.model_1 == model ? Winner::kModel1 : Winner::kModel2;
    const bool agree = pair.winner_1 == pair.winner_2 && pair.winner_1 != Winner::kTie;
    const bool decisive = pair.winner_1 != Winner::kTie && pair.winner_2 != Winner::kTie;
    flips += decisive && pair.winner_1 != pair.winner_2 ? 1 : 0;
    const int number =
        numbers.try_emplace(IdText(pair.question_id), static_cast<int>(numbers.size()))
            .first->second;
    outcomes.emplace_back(number, !agree ? 0.5 : pair.winner_1 == own ? 1.0 : 0.0);
  }
  if (outcomes.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no pair of ", model, " was judged in both orders (", row.invalid,
                     " are invalid, of ", pairs.size(), " pairs)"));
  }
  const auto rate = [&outcomes](std::span<const int> times) -> std::optional<double> {
    double sum = 0, count = 0;
    for (const auto& [question, outcome] : outcomes) {
      sum += outcome * times[question];
      count += times[question];
    }
    if (count == 0) return std::nullopt;
    return 100 * sum / count;
  };
  row.n = static_cast<int64_t>(numbers.size());
  row.flip_rate = static_cast<double>(flips) / static_cast<double>(outcomes.size());
  row.estimate.value = *rate(std::vector<int>(numbers.size(), 1));
  row.estimate.intervals = Bootstrap(row.n, options, rate);
  return row;
}

}  // namespace temper::agents
