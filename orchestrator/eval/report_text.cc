// A report for people, and for programs.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "orchestrator/eval/report.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

std::string Cell(const Metric& metric) {
  if (metric.problems == 0) return "–";
  return absl::StrFormat("%.2f [%.2f, %.2f]", 100 * metric.estimate.value,
                         100 * metric.estimate.low, 100 * metric.estimate.high);
}

// A name of others must not end a cell.
std::string Escaped(const std::string& name) {
  return absl::StrReplaceAll(name, {{"|", "\\|"}, {"\n", " "}, {"\r", " "}});
}

void AddLine(const ReportRow& row, const std::string& name, std::string& text) {
  absl::StrAppend(&text, "| ", Escaped(name), " | ", row.problems, " |");
  for (const Metric& metric : row.metrics) absl::StrAppend(&text, " ", Cell(metric), " |");
  text += "\n";
}

void AddCount(int64_t count, const char* what, std::string& text) {
  if (count > 0) absl::StrAppend(&text, "\n* ", count, " samples ", what);
}

json ToJson(const ReportRow& row) {
  json metrics = json::object();
  for (const Metric& metric : row.metrics) {
    json& shown = metrics[metric.name];
    if (metric.problems > 0) {
      shown["value"] = metric.estimate.value;
      shown["low"] = metric.estimate.low;
      shown["high"] = metric.estimate.high;
    }
    shown["problems"] = metric.problems;
  }
  return {{"problems", row.problems}, {"metrics", std::move(metrics)}};
}

}  // namespace

std::string ToMarkdown(const Report& report, const ReportOptions& options,
                       const std::string& headline) {
  std::string text = absl::StrCat(headline, "\n\n| | problems |");
  for (const Metric& metric : report.all.metrics) absl::StrAppend(&text, " ", metric.name, " |");
  text += "\n|---|---:|";
  for (size_t i = 0; i < report.all.metrics.size(); ++i) text += "---:|";
  text += "\n";
  AddLine(report.all, "all", text);
  for (const auto& [axis, rows] : report.categories) {
    for (const ReportRow& row : rows) AddLine(row, absl::StrCat(axis, ": ", row.name), text);
  }
  absl::StrAppendFormat(&text,
                        "\n* Percent; in brackets the %g %% interval: percentile bootstrap over "
                        "problems, %d resamples, seed %d",
                        100 * options.bootstrap.level, options.bootstrap.resamples,
                        options.bootstrap.seed);
  std::string verdicts;
  for (const auto& [verdict, count] : report.verdicts) {
    absl::StrAppend(&verdicts, verdicts.empty() ? "" : ", ", count, " ", verdict);
  }
  absl::StrAppend(&text, "\n* ", report.scored, " samples scored: ", verdicts);
  if (report.tokens_mean > 0) {
    absl::StrAppendFormat(&text, "; %.1f tokens on average", report.tokens_mean);
  }
  absl::StrAppendFormat(&text, "; %.2f %% cut off for length", 100 * report.truncated);
  AddCount(report.internal_errors, "left out: internal errors, no score (run again to retry them)",
           text);
  AddCount(report.invalid, "left out: their problems cannot be judged", text);
  AddCount(report.missing, "still missing (run again to go on)", text);
  return text + "\n";
}

void AddToJson(const Report& report, const ReportOptions& options, json& document) {
  document["level"] = options.bootstrap.level;
  document["resamples"] = options.bootstrap.resamples;
  document["bootstrap_seed"] = options.bootstrap.seed;
  document["samples_scored"] = report.scored;
  document["internal_errors"] = report.internal_errors;
  document["invalid"] = report.invalid;
  document["missing"] = report.missing;
  document["tokens_mean"] = report.tokens_mean;
  document["truncated"] = report.truncated;
  document["verdicts"] = report.verdicts;
  document.update(ToJson(report.all));
  json categories = json::object();
  for (const auto& [axis, rows] : report.categories) {
    for (const ReportRow& row : rows) categories[axis][row.name] = ToJson(row);
  }
  document["categories"] = std::move(categories);
}

}  // namespace temper::eval
