// Groups samples by problem, problems by category; computes each metric from its definition.
#include "orchestrator/eval/report.h"

#include <algorithm>
#include <functional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

// The scored samples of one problem, by index.
struct Problem {
  const Task* task = nullptr;
  std::vector<const Sample*> scored;

  int64_t right() const {
    return std::count_if(scored.begin(), scored.end(), [](const Sample* s) { return s->right(); });
  }
};
using Problems = std::vector<const Problem*>;

struct Column {
  std::string name;
  // False: the problem is no part of the metric.
  std::function<bool(const Problem& problem, Ratio& ratio)> add;
};

Column PassColumn(int64_t k) {
  return {absl::StrCat("pass@", k), [k](const Problem& problem, Ratio& ratio) {
            const auto n = static_cast<int64_t>(problem.scored.size());
            if (n < k) return false;
            ratio.part = PassAtK(n, problem.right(), k);
            return true;
          }};
}

Column MajorityColumn(int64_t k, SameAnswer same) {
  return {absl::StrCat("maj@", k), [k, same](const Problem& problem, Ratio& ratio) {
            if (static_cast<int64_t>(problem.scored.size()) < k) return false;
            std::vector<Vote> votes;
            for (const Sample* sample : problem.scored) {
              votes.push_back({sample->answer, sample->right()});
            }
            ratio.part = MajorityAtK(votes, static_cast<size_t>(k), same);
            return true;
          }};
}

Column MeanScoreColumn() {
  return {"score", [](const Problem& problem, Ratio& ratio) {
            for (const Sample* sample : problem.scored) ratio.part += *sample->score;
            ratio.part /= static_cast<double>(problem.scored.size());
            return true;
          }};
}

// {"followed": [true, false, ...]} of verifier "instruction".
std::vector<bool> Followed(const std::string& details) {
  const json value = json::parse(details, nullptr, false);
  std::vector<bool> followed;
  if (!value.is_object() || !value.contains("followed") || !value["followed"].is_array()) return {};
  for (const json& one : value["followed"]) followed.push_back(one.is_boolean() && one.get<bool>());
  return followed;
}

// Of prompts: all instructions are followed; of instructions: each for itself.
Column InstructionColumn(std::string name, std::string Sample::*details, bool of_prompts) {
  return {std::move(name), [details, of_prompts](const Problem& problem, Ratio& ratio) {
            ratio.whole = 0;
            for (const Sample* sample : problem.scored) {
              const std::vector<bool> followed = Followed(sample->*details);
              if (followed.empty()) continue;
              const auto count = std::count(followed.begin(), followed.end(), true);
              const auto size = static_cast<std::ptrdiff_t>(followed.size());
              ratio.part += of_prompts ? (count == size ? 1 : 0) : static_cast<double>(count);
              ratio.whole += of_prompts ? 1 : static_cast<double>(size);
            }
            // Every problem counts once, however many samples it has.
            ratio.part /= static_cast<double>(problem.scored.size());
            ratio.whole /= static_cast<double>(problem.scored.size());
            return ratio.whole > 0;
          }};
}

std::vector<Column> ColumnsFor(const std::vector<Sample>& samples, const ReportOptions& options,
                               SameAnswer same) {
  std::vector<Column> columns;
  for (const int64_t k : options.ks) columns.push_back(PassColumn(k));
  for (const int64_t k : options.ks) {
    if (k > 1 && options.votes) columns.push_back(MajorityColumn(k, same));
  }
  const auto any = [&samples](auto holds) {
    return std::any_of(samples.begin(), samples.end(), holds);
  };
  if (any([](const Sample& s) { return s.score.has_value() && *s.score > 0 && *s.score < 1; })) {
    columns.push_back(MeanScoreColumn());
  }
  if (any([](const Sample& s) { return !Followed(s.details_json).empty(); })) {
    columns.push_back(InstructionColumn("prompt_strict", &Sample::details_json, true));
    columns.push_back(InstructionColumn("instruction_strict", &Sample::details_json, false));
  }
  if (any([](const Sample& s) { return !Followed(s.loose_json).empty(); })) {
    columns.push_back(InstructionColumn("prompt_loose", &Sample::loose_json, true));
    columns.push_back(InstructionColumn("instruction_loose", &Sample::loose_json, false));
  }
  return columns;
}

ReportRow RowOf(std::string name, const Problems& problems, const std::vector<Column>& columns,
                const BootstrapOptions& bootstrap) {
  ReportRow row{.name = std::move(name), .problems = static_cast<int64_t>(problems.size())};
  for (const Column& column : columns) {
    std::vector<Ratio> ratios;
    for (const Problem* problem : problems) {
      Ratio ratio;
      if (!problem->scored.empty() && column.add(*problem, ratio)) ratios.push_back(ratio);
    }
    Metric metric{.name = column.name, .problems = static_cast<int64_t>(ratios.size())};
    if (!ratios.empty()) metric.estimate = Bootstrap(ratios, bootstrap);
    row.metrics.push_back(std::move(metric));
  }
  return row;
}

// Counts everything, and keeps what has a score.
std::vector<Problem> Sort(const std::vector<Task>& tasks, const std::vector<Sample>& samples,
                          const ReportOptions& options, Report& report) {
  std::vector<Problem> problems(tasks.size());
  absl::flat_hash_map<std::string, size_t> places;
  for (size_t i = 0; i < tasks.size(); ++i) {
    problems[i].task = &tasks[i];
    places[tasks[i].id] = i;
  }
  int64_t responses = 0, measured = 0, tokens = 0, truncated = 0;
  report.missing = static_cast<int64_t>(tasks.size()) * options.samples;
  for (const Sample& sample : samples) {
    const auto place = places.find(sample.task);
    if (place == places.end() || sample.index >= options.samples) continue;
    --report.missing;
    report.internal_errors += sample.internal_error.empty() ? 0 : 1;
    report.invalid += sample.invalid.empty() ? 0 : 1;
    if (!sample.score.has_value()) continue;
    ++report.verdicts[sample.verdict];
    problems[place->second].scored.push_back(&sample);
    ++report.scored;
    ++responses;
    truncated += sample.finish_reason == "length" ? 1 : 0;
    measured += sample.tokens > 0 ? 1 : 0;
    tokens += sample.tokens;
  }
  if (measured > 0)
    report.tokens_mean = static_cast<double>(tokens) / static_cast<double>(measured);
  if (responses > 0) {
    report.truncated = static_cast<double>(truncated) / static_cast<double>(responses);
  }
  for (Problem& problem : problems) {
    std::sort(problem.scored.begin(), problem.scored.end(),
              [](const Sample* a, const Sample* b) { return a->index < b->index; });
  }
  return problems;
}

}  // namespace

Report MakeReport(const std::vector<Task>& tasks, const std::vector<Sample>& samples,
                  const ReportOptions& options, SameAnswer same) {
  Report report;
  const std::vector<Problem> problems = Sort(tasks, samples, options, report);
  const std::vector<Column> columns = ColumnsFor(samples, options, same);
  Problems all;
  std::vector<std::string> axes;
  std::map<std::string, std::map<std::string, Problems>> by_axis;
  for (const Problem& problem : problems) {
    all.push_back(&problem);
    for (const auto& [axis, name] : problem.task->categories) {
      if (!by_axis.contains(axis)) axes.push_back(axis);
      by_axis[axis][name].push_back(&problem);
    }
  }
  report.all = RowOf("all", all, columns, options.bootstrap);
  for (const std::string& axis : axes) {
    std::vector<ReportRow> rows;
    for (const auto& [name, members] : by_axis[axis]) {
      rows.push_back(RowOf(name, members, columns, options.bootstrap));
    }
    report.categories.emplace_back(axis, std::move(rows));
  }
  return report;
}

}  // namespace temper::eval
