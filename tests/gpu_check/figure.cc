// Prints figures; times work.
#include "tests/gpu_check/figure.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace temper::gpu_check {

std::string FigureLine(const Figure& figure) {
  nlohmann::json details = figure.details;
  if (!figure.formula.empty()) details["limit_formula"] = figure.formula;
  nlohmann::json line = {{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit},
                         {"limit", nullptr},    {"fraction", nullptr},   {"details", details}};
  if (figure.limit > 0) {
    line["limit"] = figure.limit;
    line["fraction"] = figure.value / figure.limit;
  }
  return line.dump();
}

std::string FigureText(const Figure& figure) {
  std::string text = absl::StrFormat("%-16s %14.4g %s", figure.name, figure.value, figure.unit);
  if (figure.limit > 0) {
    absl::StrAppendFormat(&text, "  of %.4g (%.1f%%)", figure.limit,
                          100 * figure.value / figure.limit);
  }
  return absl::StrCat(text, "  ", figure.details.dump());
}

double Times::median() const {
  const size_t middle = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

void Times::AddTo(nlohmann::json& details) const {
  details["seconds"] = median();
  details["seconds_min"] = min();
  details["seconds_max"] = max();
  details["runs"] = seconds.size();
}

double NowSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Times Measure(const RunLimits& limits, absl::FunctionRef<void()> work) {
  work();
  Times times;
  const double begin = NowSeconds();
  for (int run = 0; run < limits.runs_max; ++run) {
    const double start = NowSeconds();
    if (run >= limits.runs_min && start - begin > limits.seconds) break;
    work();
    times.seconds.push_back(NowSeconds() - start);
  }
  std::sort(times.seconds.begin(), times.seconds.end());
  return times;
}

}  // namespace temper::gpu_check
