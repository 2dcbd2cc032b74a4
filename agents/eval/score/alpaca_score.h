// AlpacaEval's win rate, plain and with length control.
//
// Length control (LC) is a logistic model of the preference,
//   p = sigmoid(a tanh(length difference / its deviation) + b difficulty + c),
// read at no difference of length. Its difficulty of each instruction and the answers of "gamed"
// baselines, which hold `a` down, are tables that AlpacaEval publishes; without them the rest of
// the model is fitted and the label says so. L1 penalty, its strength C out of ten (1e-4 to 1e4) by
// five folds of whole instructions. The folds are by place modulo five: scikit-learn's, which
// depend on its sort, may choose another C.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/alpaca_annotation.h"
#include "agents/eval/score/score_row.h"

namespace temper::agents {

struct AlpacaTables {
  std::map<int64_t, double> difficulty;  // empty: not there
  std::vector<GamedRow> gamed;           // empty: not there
};

struct LengthControl {
  double win_rate = 0;  // in %
  std::string label;    // "LC", "LC without difficulty term", ...
  double C = 0;
  double length = 0, difficulty = 0, model = 0;  // a, b, c
};

// INVALID_ARGUMENT: an instruction that the table of difficulties lacks. FAILED_PRECONDITION: fewer
// than five instructions with a preference.
absl::StatusOr<LengthControl> ControlLength(const std::vector<AlpacaAnnotation>& annotations,
                                            const AlpacaTables& tables);

// Two rows, "win rate" and LengthControl's label; one with a note why where length control cannot
// be. Lengths are characters. FAILED_PRECONDITION: no annotation has a preference.
absl::StatusOr<std::vector<ScoreRow>> ScoreAlpaca(const std::vector<AlpacaAnnotation>& annotations,
                                                  const AlpacaTables& tables,
                                                  const BootstrapOptions& options);

}  // namespace temper::agents
