// Rows of a regression, weighted by how often a resample drew their question.
#include "agents/eval/score/style_control.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/score/logistic_regression.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr std::array<const char*, 4> kFeatures = {"length", "headers", "lists", "bold"};

struct Row {
  int model = 0;
  int question = 0;
  ArenaBattles battles;
  std::array<double, 4> style = {};
};

struct Sample {
  std::vector<std::string> models;
  std::vector<Row> rows;
  int questions = 0;
};

struct Scaling {
  std::vector<int> used;  // features that vary
  std::array<double, 4> mean = {}, deviation = {};
};

const AnswerStyle* Find(const std::map<std::string, StylesByQuestion>& styles,
                        const std::string& model, const std::string& question) {
  const auto of_model = styles.find(model);
  if (of_model == styles.end()) return nullptr;
  const auto at = of_model->second.find(question);
  return at == of_model->second.end() ? nullptr : &at->second;
}

absl::StatusOr<Sample> Gather(const std::vector<ArenaJudgement>& judgements,
                              const std::map<std::string, StylesByQuestion>& styles,
                              const std::string& baseline, int weight, StyleControlled& result) {
  std::map<std::string, int> models, questions;
  for (const ArenaJudgement& judgement : judgements) models[judgement.model];
  Sample sample;
  for (auto& [name, number] : models) {
    number = static_cast<int>(sample.models.size());
    sample.models.push_back(name);
  }
  for (const ArenaJudgement& judgement : judgements) {
    if (!judgement.baseline.empty() && judgement.baseline != baseline) {
      return absl::InvalidArgumentError(absl::StrCat("question ", judgement.question_id,
                                                     " was judged against \"", judgement.baseline,
                                                     "\", expected \"", baseline, "\""));
    }
    const std::optional<Verdict> verdicts[2] = {CandidateVerdict(judgement, 0),
                                                CandidateVerdict(judgement, 1)};
    if (!verdicts[0].has_value() || !verdicts[1].has_value()) {
      ++result.invalid;
      continue;
    }
    const AnswerStyle* model = Find(styles, judgement.model, judgement.question_id);
    const AnswerStyle* base = Find(styles, baseline, judgement.question_id);
    if (model == nullptr || base == nullptr) {
      ++result.unstyled;
      continue;
    }
    Row row;
    row.model = models[judgement.model];
    row.question = questions.try_emplace(judgement.question_id, static_cast<int>(questions.size()))
                       .first->second;
    row.style = StyleDifference(*model, *base);
    for (const std::optional<Verdict>& verdict : verdicts) {
      row.battles = BattlesOf(*verdict, weight);
      sample.rows.push_back(row);
    }
  }
  sample.questions = static_cast<int>(questions.size());
  return sample;
}

// Over battles, with n - 1 below.
Scaling Scale(const Sample& sample, const StyleControlOptions& options) {
  Scaling scaling;
  double battles = 0;
  for (const Row& row : sample.rows) battles += row.battles.count;
  for (int f = 0; f < 4; ++f) {
    double squares = 0;
    for (const Row& row : sample.rows)
      scaling.mean[f] += row.battles.count * row.style[f] / battles;
    for (const Row& row : sample.rows) {
      const double off = row.style[f] - scaling.mean[f];
      squares += row.battles.count * off * off;
    }
    scaling.deviation[f] = battles > 1 ? std::sqrt(squares / (battles - 1)) : 0;
    const bool wanted = f == 0 ? options.length : options.markdown;
    if (wanted && scaling.deviation[f] > 1e-12) scaling.used.push_back(f);
  }
  return scaling;
}

LogisticRows RowsOf(const Sample& sample, const Scaling& scaling) {
  LogisticRows rows;
  const size_t models = sample.models.size();
  rows.features = static_cast<int>(models + scaling.used.size());
  for (const Row& row : sample.rows) {
    for (size_t m = 0; m < models; ++m) {
      rows.x.push_back(static_cast<int>(m) == row.model ? 1 : 0);
    }
    for (const int f : scaling.used) {
      rows.x.push_back((row.style[f] - scaling.mean[f]) / scaling.deviation[f]);
    }
    rows.outcomes.push_back(row.battles.outcome);
    rows.weights.push_back(row.battles.count);
  }
  return rows;
}

// Of each model the published rate, then of each the rate at equal style.
std::vector<double> Rates(const Sample& sample, const Scaling& scaling,
                          const std::vector<double>& coefficients) {
  const size_t models = sample.models.size();
  double shift = 0;  // of the logit, from the mean difference to none
  for (size_t i = 0; i < scaling.used.size(); ++i) {
    const int f = scaling.used[i];
    shift -= coefficients[models + i] * scaling.mean[f] / scaling.deviation[f];
  }
  std::vector<double> rates;
  for (const double extra : {0.0, shift}) {
    for (size_t m = 0; m < models; ++m) rates.push_back(100 * Sigmoid(coefficients[m] + extra));
  }
  return rates;
}

}  // namespace

std::array<double, 4> StyleDifference(const AnswerStyle& model, const AnswerStyle& baseline) {
  const auto ratio = [](double a, double b, double extra) {
    return a + b + extra == 0 ? 0 : (a - b) / (a + b + extra);
  };
  const auto density = [](int64_t count, int64_t tokens) {
    return tokens > 0 ? static_cast<double>(count) / static_cast<double>(tokens) : 0;
  };
  const int64_t t1 = model.token_len, t2 = baseline.token_len;
  return {ratio(static_cast<double>(t1), static_cast<double>(t2), 0),
          ratio(density(model.header_count(), t1), density(baseline.header_count(), t2), 1),
          ratio(density(model.list_count(), t1), density(baseline.list_count(), t2), 1),
          ratio(density(model.bold_count(), t1), density(baseline.bold_count(), t2), 1)};
}

absl::StatusOr<StyleControlled> ControlStyle(const std::vector<ArenaJudgement>& judgements,
                                             const std::map<std::string, StylesByQuestion>& styles,
                                             const std::string& baseline,
                                             const StyleControlOptions& options) {
  if (!options.length && !options.markdown) {
    return absl::InvalidArgumentError("style control: neither length nor Markdown is chosen");
  }
  StyleControlled result;
  TEMPER_ASSIGN_OR_RETURN(const Sample sample,
                          Gather(judgements, styles, baseline, options.weight, result));
  if (sample.rows.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("style control: no battle is left of ", judgements.size(),
                     " judgements: ", result.invalid, " lack a verdict, ", result.unstyled,
                     " the style of an answer of the model or of ", baseline));
  }
  const Scaling scaling = Scale(sample, options);
  LogisticRows rows = RowsOf(sample, scaling);
  const std::vector<double> coefficients = FitLogistic(rows).coefficients;
  const std::vector<double> rates = Rates(sample, scaling, coefficients);
  const std::vector<double> weights = rows.weights;
  const auto intervals =
      BootstrapMany(sample.questions, static_cast<int>(rates.size()), options.bootstrap,
                    [&](std::span<const int> times) -> std::optional<std::vector<double>> {
                      std::vector<double> drawn(sample.models.size());
                      for (size_t i = 0; i < sample.rows.size(); ++i) {
                        rows.weights[i] = weights[i] * times[sample.rows[i].question];
                        drawn[sample.rows[i].model] += rows.weights[i];
                      }
                      // A draw without a battle of some model says nothing of it.
                      if (std::find(drawn.begin(), drawn.end(), 0) != drawn.end())
                        return std::nullopt;
                      return Rates(sample, scaling, FitLogistic(rows).coefficients);
                    });
  const size_t models = sample.models.size();
  for (size_t m = 0; m < models; ++m) {
    result.models.push_back(
        {sample.models[m], {rates[m], intervals[m]}, {rates[models + m], intervals[models + m]}});
  }
  for (size_t i = 0; i < scaling.used.size(); ++i) {
    result.features.emplace_back(kFeatures[scaling.used[i]], coefficients[models + i]);
  }
  result.questions = sample.questions;
  return result;
}

}  // namespace temper::agents
