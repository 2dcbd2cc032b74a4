// Gradient and curvature in one pass over the outcomes, one linear system a step.
#include "agents/select/bradley_terry.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "agents/select/symmetric_system.h"
#include "base/check.h"

namespace temper::agents {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// log(sigmoid(x)), also where exp would overflow.
double LogSigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

double LogPosterior(std::span<const PairOutcome> outcomes, double prior,
                    const std::vector<double>& s) {
  double sum = 0;
  for (const PairOutcome& outcome : outcomes) {
    const double gap = s[outcome.first] - s[outcome.second];
    sum +=
        outcome.weight * (outcome.share * LogSigmoid(gap) + (1 - outcome.share) * LogSigmoid(-gap));
  }
  for (const double strength : s) sum += prior / 2 * (LogSigmoid(strength) + LogSigmoid(-strength));
  return sum;
}

struct Slope {
  std::vector<double> gradient;   // [n]
  std::vector<double> curvature;  // [n, n], the negative second derivative
};

Slope SlopeAt(std::span<const PairOutcome> outcomes, double prior, const std::vector<double>& s) {
  const size_t n = s.size();
  Slope slope{std::vector<double>(n), std::vector<double>(n * n)};
  for (const PairOutcome& outcome : outcomes) {
    const size_t i = outcome.first, j = outcome.second;
    const double p = Sigmoid(s[i] - s[j]);
    const double pull = outcome.weight * (outcome.share - p);
    const double bend = outcome.weight * p * (1 - p);
    slope.gradient[i] += pull;
    slope.gradient[j] -= pull;
    slope.curvature[i * n + i] += bend;
    slope.curvature[j * n + j] += bend;
    slope.curvature[i * n + j] -= bend;
    slope.curvature[j * n + i] -= bend;
  }
  for (size_t i = 0; i < n; ++i) {
    const double p = Sigmoid(s[i]);
    slope.gradient[i] += prior * (0.5 - p);
    slope.curvature[i * n + i] += prior * p * (1 - p);
  }
  return slope;
}

}  // namespace

BradleyTerry FitBradleyTerry(int candidates, std::span<const PairOutcome> outcomes, double prior) {
  TEMPER_CHECK(candidates >= 1 && prior > 0);
  for (const PairOutcome& outcome : outcomes) {
    TEMPER_CHECK(outcome.first >= 0 && outcome.first < candidates && outcome.second >= 0 &&
                 outcome.second < candidates && outcome.first != outcome.second);
  }
  constexpr int kStepsMax = 100;
  BradleyTerry fit;
  fit.strengths.assign(candidates, 0);
  double value = LogPosterior(outcomes, prior, fit.strengths);
  while (fit.steps < kStepsMax && !fit.converged) {
    const Slope slope = SlopeAt(outcomes, prior, fit.strengths);
    const std::optional<std::vector<double>> step = SolveSymmetric(slope.curvature, slope.gradient);
    if (!step.has_value()) break;  // flat to the last bit: as good as it gets
    ++fit.steps;
    double scale = 1;
    std::vector<double> next = fit.strengths;
    for (int halvings = 0; halvings < 40; ++halvings, scale /= 2) {
      for (size_t i = 0; i < next.size(); ++i) next[i] = fit.strengths[i] + scale * (*step)[i];
      if (LogPosterior(outcomes, prior, next) >= value - 1e-12) break;
    }
    double largest = 0;
    for (const double part : *step) largest = std::max(largest, std::abs(scale * part));
    fit.strengths = next;
    value = LogPosterior(outcomes, prior, next);
    fit.converged = largest < 1e-10;
  }
  return fit;
}

}  // namespace temper::agents
