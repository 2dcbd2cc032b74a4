// What an evaluation found: metrics with intervals, over all problems and by category.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "orchestrator/eval/estimators.h"
#include "orchestrator/eval/sample.h"
#include "orchestrator/eval/task.h"

namespace temper::eval {

struct Metric {
  std::string name;  // "pass@1", "maj@8", ...
  Estimate estimate;
  int64_t problems = 0;  // that it is over
};

// The metrics of some of the problems.
struct ReportRow {
  std::string name;  // "all", or the category's
  int64_t problems = 0;
  std::vector<Metric> metrics;
};

struct Report {
  ReportRow all;
  // By axis ("subject", "level"), in the order of the tasks; rows by name.
  std::vector<std::pair<std::string, std::vector<ReportRow>>> categories;
  std::map<std::string, int64_t> verdicts;
  int64_t scored = 0;
  int64_t internal_errors = 0;  // left out: no score
  int64_t invalid = 0;          // left out: cannot be judged
  int64_t missing = 0;          // not there yet
  double tokens_mean = 0;       // of the responses whose length is known
  double truncated = 0;         // share of the responses that ended for length
};

struct ReportOptions {
  std::vector<int64_t> ks = {1};  // ascending, each at most `samples`
  int samples = 1;                // of each problem
  bool votes = false;             // whether maj@k means something: there are final answers
  BootstrapOptions bootstrap;
};

// `samples` holds at most one for each (task, index); those of other tasks or beyond
// options.samples are passed over. A problem with fewer than k scored samples is left out of the
// metrics at k. `same`: whether two final answers are the same.
Report MakeReport(const std::vector<Task>& tasks, const std::vector<Sample>& samples,
                  const ReportOptions& options, SameAnswer same);

// A table in Markdown: percentages, a column for each metric, a row for all and for each category;
// below it what was left out. `headline` stands above.
std::string ToMarkdown(const Report& report, const ReportOptions& options,
                       const std::string& headline);

// The same numbers as shares, with full precision; put into `document`.
void AddToJson(const Report& report, const ReportOptions& options,
               nlohmann::ordered_json& document);

}  // namespace temper::eval
