// Rows of the regression: the annotations, and the gamed ones with a tenth of the weight.
#include "agents/eval/score/alpaca_score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "agents/eval/score/logistic_regression.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr int kFolds = 5;
constexpr double kGamedWeight = 0.2 / 2;  // lambda, over two gamed baselines

// Length differences, baseline less model, in standard deviations (n - 1 below).
std::vector<double> StandardLengths(const std::vector<AlpacaAnnotation>& annotations) {
  std::vector<double> lengths;
  double mean = 0, squares = 0;
  for (const AlpacaAnnotation& each : annotations) {
    lengths.push_back(
        static_cast<double>(CharactersOf(each.output_1) - CharactersOf(each.output_2)));
    mean += lengths.back() / static_cast<double>(annotations.size());
  }
  for (const double length : lengths) squares += (length - mean) * (length - mean);
  const double deviation =
      lengths.size() > 1 ? std::sqrt(squares / static_cast<double>(lengths.size() - 1)) : 0;
  for (double& length : lengths) length = deviation > 0 ? length / deviation : 0;
  return lengths;
}

// Columns: tanh(length), difficulty where there is a table, model. `fold` of each row.
struct Design {
  LogisticRows rows;
  std::vector<int> folds;
  void Add(std::vector<double> x, double outcome, double weight) {
    rows.x.insert(rows.x.end(), x.begin(), x.end());
    folds.push_back(static_cast<int>(rows.outcomes.size()) % kFolds);
    rows.outcomes.push_back(outcome);
    rows.weights.push_back(weight);
  }
};

// The rows that are in a fold, or all others.
LogisticRows Part(const Design& design, int fold, bool inside) {
  LogisticRows part;
  part.features = design.rows.features;
  const size_t p = part.features;
  for (size_t i = 0; i < design.folds.size(); ++i) {
    if ((design.folds[i] == fold) != inside) continue;
    part.x.insert(part.x.end(), design.rows.x.begin() + static_cast<int64_t>(i * p),
                  design.rows.x.begin() + static_cast<int64_t>((i + 1) * p));
    part.outcomes.push_back(design.rows.outcomes[i]);
    part.weights.push_back(design.rows.weights[i]);
  }
  return part;
}

// The C with the smallest mean loss on what was left out; of equals the smallest.
double ChooseC(const Design& design) {
  double best = 0, least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) {
    const double C = std::pow(10.0, -4 + 8.0 * i / 9);
    double loss = 0;
    for (int fold = 0; fold < kFolds; ++fold) {
      const LogisticFit fit = FitLogisticL1(Part(design, fold, false), C);
      loss += MeanLogLoss(Part(design, fold, true), fit.coefficients) / kFolds;
    }
    if (loss < least) {
      least = loss;
      best = C;
    }
  }
  return best;
}

absl::StatusOr<std::vector<double>> DifficultiesOf(const std::vector<AlpacaAnnotation>& annotations,
                                                   const AlpacaTables& tables) {
  std::vector<double> difficulties;
  for (const AlpacaAnnotation& each : annotations) {
    if (tables.difficulty.empty()) {
      difficulties.push_back(0);
      continue;
    }
    const auto at = tables.difficulty.find(each.index);
    if (at == tables.difficulty.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the table of difficulties has no instruction ", each.index, "; it has ",
                       tables.difficulty.size()));
    }
    difficulties.push_back(at->second);
  }
  return difficulties;
}

std::string LabelOf(const AlpacaTables& tables) {
  if (tables.difficulty.empty()) return "LC without difficulty term";
  return tables.gamed.empty() ? "LC without gamed baselines" : "LC";
}

}  // namespace

absl::StatusOr<LengthControl> ControlLength(const std::vector<AlpacaAnnotation>& annotations,
                                            const AlpacaTables& tables) {
  const bool difficult = !tables.difficulty.empty();
  const std::vector<double> lengths = StandardLengths(annotations);
  TEMPER_ASSIGN_OR_RETURN(const std::vector<double> difficulties,
                          DifficultiesOf(annotations, tables));
  const auto features = [difficult](double length, double difficulty, double model) {
    return difficult ? std::vector<double>{std::tanh(length), difficulty, model}
                     : std::vector<double>{std::tanh(length), model};
  };
  Design design;
  design.rows.features = difficult ? 3 : 2;
  // Without difficulties the gamed rows still hold the length term.
  for (const GamedRow& row : tables.gamed) {
    design.Add(features(row.std_delta_len, row.difficulty, row.not_gamed_baseline ? 1 : 0),
               row.preference, row.not_gamed_baseline ? 1 : kGamedWeight);
  }
  int judged = 0;
  for (size_t i = 0; i < annotations.size(); ++i) {
    if (!annotations[i].preference.has_value()) continue;
    design.Add(features(lengths[i], difficulties[i], 1), *annotations[i].preference, 1);
    ++judged;
  }
  if (judged < kFolds) {
    return absl::FailedPreconditionError(absl::StrCat(
        "length control needs at least ", kFolds, " instructions with a preference, has ", judged));
  }
  LengthControl result;
  result.label = LabelOf(tables);
  result.C = ChooseC(design);
  const std::vector<double> fit = FitLogisticL1(design.rows, result.C).coefficients;
  result.length = fit[0];
  result.difficulty = difficult ? fit[1] : 0;
  result.model = fit.back();
  for (const double difficulty : difficulties) {
    result.win_rate += 100 * Sigmoid(result.difficulty * difficulty + result.model) /
                       static_cast<double>(difficulties.size());
  }
  return result;
}

absl::StatusOr<std::vector<ScoreRow>> ScoreAlpaca(const std::vector<AlpacaAnnotation>& annotations,
                                                  const AlpacaTables& tables,
                                                  const BootstrapOptions& options) {
  ScoreRow row;
  row.name = "win rate";
  row.scale = "%";
  row.length_unit = "characters";
  row.interval_over = "questions";
  std::vector<double> shares;
  double characters = 0;
  for (const AlpacaAnnotation& each : annotations) {
    if (!each.preference.has_value()) {
      ++row.invalid;
      continue;
    }
    shares.push_back(*each.preference);
    characters += static_cast<double>(CharactersOf(each.output_2));
  }
  if (shares.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("none of ", annotations.size(), " annotations has a preference from 1 to 2"));
  }
  row.n = static_cast<int64_t>(shares.size());
  row.mean_length = characters / static_cast<double>(row.n);
  const auto rate = [&shares](std::span<const int> times) -> std::optional<double> {
    double sum = 0, count = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      sum += shares[i] * times[i];
      count += times[i];
    }
    return 100 * sum / count;
  };
  row.estimate.value = *rate(std::vector<int>(shares.size(), 1));
  row.estimate.intervals = Bootstrap(row.n, options, rate);
  if (!annotations.front().generator_1.empty()) {
    row.name = absl::StrCat("win rate against ", annotations.front().generator_1);
  }
  const absl::StatusOr<LengthControl> control = ControlLength(annotations, tables);
  if (control.status().code() == absl::StatusCode::kInvalidArgument) return control.status();
  if (!control.ok()) {
    row.notes.push_back(absl::StrCat("no LC: ", std::string(control.status().message())));
    return std::vector<ScoreRow>{row};
  }
  ScoreRow controlled = row;
  controlled.name = control->label;
  controlled.estimate = {control->win_rate, {}};
  controlled.interval_over = "";
  if (tables.difficulty.empty() || tables.gamed.empty()) {
    controlled.notes.push_back(
        "not comparable with the leaderboard: give its df_gamed.csv and "
        "instruction_difficulty.csv");
  }
  return std::vector<ScoreRow>{row, controlled};
}

}  // namespace temper::agents
