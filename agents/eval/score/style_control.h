// Arena-Hard's style control: the share of battles that would be won at another style.
//
// A logistic regression of the battles' outcomes on the model's strength over the baseline and on
// four differences of style, model less baseline: length (t1-t2)/(t1+t2), and the densities a token
// of headers, list items and bold pieces, (d1-d2)/(d1+d2+1), each less its mean and divided by its
// standard deviation over all battles.
//
// As published, the win rate is read at the *mean* difference of style of all battles, which levels
// several models with each other but not with the baseline: with one model it is the plain rate. So
// the rate at no difference of style is given too.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/score/arena_score.h"
#include "agents/eval/score/estimate.h"

namespace temper::agents {

struct StyleControlOptions {
  bool length = true;    // one feature
  bool markdown = true;  // three
  int weight = 3;
  BootstrapOptions bootstrap;  // of whole questions
};

struct StyleControlledModel {
  std::string model;
  Estimate published;    // in %, at the mean difference of style
  Estimate equal_style;  // in %, at none
};

struct StyleControlled {
  std::vector<StyleControlledModel> models;  // by name
  // What one standard deviation of a difference is worth, in logits.
  std::vector<std::pair<std::string, double>> features;
  int64_t questions = 0;  // of all models
  int64_t invalid = 0;    // judgements left out: a game without a verdict
  int64_t unstyled = 0;   // judgements left out: no style of one of the answers
};

// The four differences.
std::array<double, 4> StyleDifference(const AnswerStyle& model, const AnswerStyle& baseline);

// Judgements of one or several models against one baseline; styles by model's name.
// INVALID_ARGUMENT: neither feature, or a judgement with another baseline. FAILED_PRECONDITION: no
// battle is left.
absl::StatusOr<StyleControlled> ControlStyle(const std::vector<ArenaJudgement>& judgements,
                                             const std::map<std::string, StylesByQuestion>& styles,
                                             const std::string& baseline,
                                             const StyleControlOptions& options);

}  // namespace temper::agents
