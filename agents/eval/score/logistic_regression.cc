// Both fits keep the rows' logits at hand and never form more than [features, features].
#include "agents/eval/score/logistic_regression.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "agents/select/symmetric_system.h"
#include "base/check.h"

namespace temper::agents {
namespace {

double LogSigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

double RowLoss(double outcome, double logit) {
  return -outcome * LogSigmoid(logit) - (1 - outcome) * LogSigmoid(-logit);
}

std::vector<double> Logits(const LogisticRows& rows, std::span<const double> coefficients) {
  const size_t p = rows.features;
  std::vector<double> logits(rows.outcomes.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    for (size_t j = 0; j < p; ++j) logits[i] += rows.x[i * p + j] * coefficients[j];
  }
  return logits;
}

double Loss(const LogisticRows& rows, std::span<const double> logits) {
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (rows.weights[i] > 0) sum += rows.weights[i] * RowLoss(rows.outcomes[i], logits[i]);
  }
  return sum;
}

double SquaredNorm(std::span<const double> x) {
  double sum = 0;
  for (const double part : x) sum += part * part;
  return sum;
}

void CheckShape(const LogisticRows& rows) {
  TEMPER_CHECK(rows.features > 0 && rows.weights.size() == rows.outcomes.size() &&
               rows.x.size() == rows.outcomes.size() * rows.features);
}

// The Newton step at `coefficients`, or nothing where the curvature is no longer one.
std::optional<std::vector<double>> NewtonStep(const LogisticRows& rows,
                                              std::span<const double> coefficients, double ridge) {
  const size_t p = rows.features;
  const std::vector<double> logits = Logits(rows, coefficients);
  std::vector<double> gradient(p), curvature(p * p);
  for (size_t i = 0; i < logits.size(); ++i) {
    if (rows.weights[i] == 0) continue;
    const double q = Sigmoid(logits[i]);
    const double pull = rows.weights[i] * (rows.outcomes[i] - q);
    const double bend = rows.weights[i] * q * (1 - q);
    const double* x = &rows.x[i * p];
    for (size_t j = 0; j < p; ++j) {
      gradient[j] += pull * x[j];
      for (size_t k = 0; k <= j; ++k) curvature[j * p + k] += bend * x[j] * x[k];
    }
  }
  for (size_t j = 0; j < p; ++j) {
    gradient[j] -= ridge * coefficients[j];
    curvature[j * p + j] += ridge;
  }
  return SolveSymmetric(std::move(curvature), std::move(gradient));
}

// One coordinate's Newton step for |c|_1 + C loss, halved until the objective falls. Updates the
// coefficient and the logits; returns how far it went.
double DescendCoordinate(const LogisticRows& rows, double C, size_t j, double& coefficient,
                         std::vector<double>& logits) {
  const size_t p = rows.features;
  double gradient = 0, curvature = 1e-12;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double x = rows.x[i * p + j];
    const double q = Sigmoid(logits[i]);
    gradient += C * rows.weights[i] * (q - rows.outcomes[i]) * x;
    curvature += C * rows.weights[i] * q * (1 - q) * x * x;
  }
  double step = -coefficient;
  if (gradient + 1 <= curvature * coefficient) {
    step = -(gradient + 1) / curvature;
  } else if (gradient - 1 >= curvature * coefficient) {
    step = -(gradient - 1) / curvature;
  }
  const double fall =
      gradient * step + std::abs(coefficient + step) - std::abs(coefficient);  // not above 0
  const double before = C * Loss(rows, logits) + std::abs(coefficient);
  for (int halvings = 0; halvings < 40 && step != 0; ++halvings, step /= 2) {
    std::vector<double> moved = logits;
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += step * rows.x[i * p + j];
    const double after = C * Loss(rows, moved) + std::abs(coefficient + step);
    if (after - before > 0.01 * std::ldexp(fall, -halvings) + 1e-13 * std::abs(before)) continue;
    coefficient += step;
    logits = std::move(moved);
    return std::abs(step);
  }
  return 0;
}

}  // namespace

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

LogisticFit FitLogistic(const LogisticRows& rows, double ridge) {
  CheckShape(rows);
  TEMPER_CHECK(ridge > 0);
  constexpr int kStepsMax = 200;
  LogisticFit fit;
  fit.coefficients.assign(rows.features, 0);
  const auto objective = [&](const std::vector<double>& c) {
    return Loss(rows, Logits(rows, c)) + ridge / 2 * SquaredNorm(c);
  };
  double value = objective(fit.coefficients);
  for (int i = 0; i < kStepsMax && !fit.converged; ++i) {
    const std::optional<std::vector<double>> step = NewtonStep(rows, fit.coefficients, ridge);
    if (!step.has_value()) break;
    double scale = 1;
    std::vector<double> next = fit.coefficients;
    for (int halvings = 0; halvings < 40; ++halvings, scale /= 2) {
      for (size_t j = 0; j < next.size(); ++j) next[j] = fit.coefficients[j] + scale * (*step)[j];
      if (objective(next) <= value + 1e-12 * std::abs(value)) break;
    }
    fit.coefficients = next;
    value = objective(next);
    fit.converged = scale * std::sqrt(SquaredNorm(*step)) < 1e-9;
  }
  return fit;
}

LogisticFit FitLogisticL1(const LogisticRows& rows, double C) {
  CheckShape(rows);
  TEMPER_CHECK(C > 0);
  constexpr int kSweepsMax = 5000;
  LogisticFit fit;
  fit.coefficients.assign(rows.features, 0);
  std::vector<double> logits(rows.outcomes.size());
  for (int sweep = 0; sweep < kSweepsMax && !fit.converged; ++sweep) {
    double largest = 0;
    for (size_t j = 0; j < fit.coefficients.size(); ++j) {
      largest = std::max(largest, DescendCoordinate(rows, C, j, fit.coefficients[j], logits));
    }
    fit.converged = largest < 1e-9;
  }
  return fit;
}

double MeanLogLoss(const LogisticRows& rows, std::span<const double> coefficients) {
  CheckShape(rows);
  return Loss(rows, Logits(rows, coefficients)) / static_cast<double>(rows.outcomes.size());
}

}  // namespace temper::agents
