// Logistic regression with shares as outcomes and a weight for each row.
#pragma once

#include <span>
#include <vector>

namespace temper::agents {

struct LogisticRows {
  int features = 0;
  std::vector<double> x;         // [rows, features] by rows
  std::vector<double> outcomes;  // [rows], in [0, 1]
  std::vector<double> weights;   // [rows], not negative; 0: as if it were not there
};

struct LogisticFit {
  std::vector<double> coefficients;  // [features]
  bool converged = false;
};

// Minimises sum w (-y log p - (1-y) log(1-p)) + ridge/2 |c|^2 with p = sigmoid(x c), by Newton's
// method with halved steps. The small ridge makes the answer exist where outcomes are separable;
// coefficients of some 10 and more are its doing and say "always". ridge > 0.
LogisticFit FitLogistic(const LogisticRows& rows, double ridge = 1e-6);

// Minimises |c|_1 + C sum w (...) instead, by coordinate descent with Newton steps (the problem
// that liblinear's L1 solver has, without an intercept). C > 0.
LogisticFit FitLogisticL1(const LogisticRows& rows, double C);

// The mean over rows of w (-y log p - (1-y) log(1-p)).
double MeanLogLoss(const LogisticRows& rows, std::span<const double> coefficients);

double Sigmoid(double x);

}  // namespace temper::agents
