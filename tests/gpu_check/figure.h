// One measured number, in the form in which `temper bench --json` prints its own.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace temper::gpu_check {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  double limit = 0;  // in the same unit; 0: none is known
  std::string formula;
  nlohmann::json details = nlohmann::json::object();
};

// {"name", "value", "unit", "limit", "fraction", "details"}, without a line break; limit and
// fraction are null where there is none.
std::string FigureLine(const Figure& figure);
// For people.
std::string FigureText(const Figure& figure);

struct Times {
  std::vector<double> seconds;  // ascending
  double median() const;
  double min() const { return seconds.front(); }
  double max() const { return seconds.back(); }
  // "seconds", "seconds_min", "seconds_max", "runs"
  void AddTo(nlohmann::json& details) const;
};

struct RunLimits {
  int runs_min = 3;
  int runs_max = 20;
  double seconds = 5;  // no further run begins after so many
};
// How long `work` takes: once to warm up, then as the limits say. `work` waits for the device.
Times Measure(const RunLimits& limits, absl::FunctionRef<void()> work);

double NowSeconds();

}  // namespace temper::gpu_check
