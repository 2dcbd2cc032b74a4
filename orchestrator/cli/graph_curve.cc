// `temper graph curve`: what fewer drafts, or fewer edits of each, would have given; from the
// record.
#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/eval/score/scaling_curve.h"
#include "agents/run/recorded_choice.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/graph_session.h"
#include "orchestrator/cli/screen_text.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

// One execution's candidates as a tree; empty where its elements differ in size.
std::vector<agents::RecordedElement> TreeOf(const agents::RecordedChoice& choice) {
  std::map<int32_t, agents::RecordedElement> elements;
  for (const agents::ChoiceCandidate& one : choice.candidates) {
    const agents::RecordedCandidate candidate{.selector = one.score,
                                              .value = one.score.value_or(0)};
    if (one.inner.has_value()) {
      elements[one.outer].inner.push_back(candidate);
    } else {
      elements[one.outer].own = candidate;
    }
  }
  std::vector<agents::RecordedElement> tree;
  for (auto& [outer, element] : elements) tree.push_back(std::move(element));
  for (const agents::RecordedElement& element : tree) {
    if (element.inner.size() != tree.front().inner.size() ||
        element.own.has_value() != tree.front().own.has_value()) {
      return {};
    }
  }
  return tree;
}

std::vector<int64_t> Settings(int64_t n) {
  std::vector<int64_t> all;
  for (const agents::CurveSetting& setting : agents::CurveSettings({.name = "", .n = n})) {
    all.push_back(setting.k);
  }
  return all;
}

struct Curve {
  agents::RecordedChoice shape;  // of the first execution: names, pooled axes
  std::vector<std::vector<agents::RecordedElement>> trees;
  int64_t left_out = 0;
};

absl::StatusOr<Curve> Gather(const GraphArguments& arguments, double& usd_per_call) {
  GraphArguments own = arguments;
  own.sealed = true;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                          GraphSession::Open(own, {}, StopOnSignals()));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<GraphInput> inputs, session->Recorded());
  Curve curve;
  absl::Status status;
  TEMPER_RETURN_IF_ERROR(session->Run(inputs, [&](const agents::ExecutionEnd& end) {
    if (end.execution == nullptr || end.outcome != "done") {
      ++curve.left_out;
      return;
    }
    absl::StatusOr<agents::RecordedChoice> choice = agents::ChoiceOf(*end.execution);
    if (!choice.ok()) {
      status.Update(choice.status());
      return;
    }
    std::vector<agents::RecordedElement> tree = TreeOf(*choice);
    if (tree.empty()) {
      ++curve.left_out;
    } else {
      if (curve.trees.empty()) {
        curve.shape = *choice;
      } else {
        for (size_t i = 0; i < curve.shape.pooled.size(); ++i) {
          curve.shape.pooled[i].calls += choice->pooled[i].calls;
        }
      }
      curve.trees.push_back(std::move(tree));
    }
  }));
  TEMPER_RETURN_IF_ERROR(status);
  if (curve.trees.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(session->dir(), ": no execution that is done, with all its candidates"));
  }
  TEMPER_ASSIGN_OR_RETURN(const agents::Cost spent, session->store().Spent(-1));
  usd_per_call = spent.calls > 0 ? spent.usd / static_cast<double>(spent.calls) : 0;
  return curve;
}

absl::StatusOr<std::vector<agents::CurvePoint>> PointsOf(const Curve& curve, int64_t outer,
                                                         int64_t inner) {
  std::vector<agents::CurvePoint> points;
  for (const auto& tree : curve.trees) {
    const int64_t of_outer = std::min<int64_t>(outer, static_cast<int64_t>(tree.size()));
    const int64_t of_inner =
        std::min<int64_t>(inner, static_cast<int64_t>(tree.front().inner.size()));
    if (of_inner == 0 && !tree.front().own.has_value()) continue;
    TEMPER_ASSIGN_OR_RETURN(const agents::CurvePoint point,
                            agents::ExpectedChoiceOfTree(tree, of_outer, of_inner));
    points.push_back(point);
  }
  return points;
}

absl::Status Print(const GraphArguments& arguments) {
  double usd_per_call = 0;
  TEMPER_ASSIGN_OR_RETURN(const Curve curve, Gather(arguments, usd_per_call));
  const auto outer_max = static_cast<int64_t>(curve.trees.front().size());
  const auto inner_max = static_cast<int64_t>(curve.trees.front().front().inner.size());
  std::vector<int64_t> inners = {0};
  if (inner_max > 0) {
    const std::vector<int64_t> more = Settings(inner_max);
    inners.insert(inners.end(), more.begin(), more.end());
  }
  std::vector<std::vector<std::string>> rows;
  for (const int64_t outer : Settings(outer_max)) {
    for (const int64_t inner : inners) {
      TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::CurvePoint> points,
                              PointsOf(curve, outer, inner));
      if (points.empty()) continue;
      const agents::CurvePoint mean = agents::MeanOf(points);
      if (arguments.json) {
        std::printf("%s\n", json{{"axis", curve.shape.outer_name},
                                 {"k", outer},
                                 {"inner_axis", curve.shape.inner_name},
                                 {"inner_k", inner},
                                 {"score", mean.selector},
                                 {"executions", points.size()},
                                 {"exact", true},
                                 {"needs_calls", false}}
                                .dump()
                                .c_str());
      }
      std::vector<std::string> row = {absl::StrCat(outer)};
      if (inner_max > 0) row.push_back(absl::StrCat(inner));
      row.push_back(absl::StrFormat("%.4f", mean.selector));
      rows.push_back(std::move(row));
    }
  }
  if (!arguments.json) {
    std::vector<std::string> headings = {absl::StrCat(">", curve.shape.outer_name)};
    if (inner_max > 0) headings.push_back(absl::StrCat(">", curve.shape.inner_name));
    headings.push_back(">expected score of the choice");
    std::printf("%zu executions, exact by sub-sampling what was recorded, no call%s\n%s",
                curve.trees.size(),
                curve.left_out > 0
                    ? absl::StrCat(" (", curve.left_out, " executions left out: not whole)").c_str()
                    : "",
                Table(headings, rows).c_str());
  }
  for (const agents::RecordedChoice::Pooled& pooled : curve.shape.pooled) {
    const agents::CurveAxis axis{
        .name = pooled.name,
        .n = pooled.n,
        .pooled = true,
        .downstream_calls = pooled.calls,
        .downstream_usd = static_cast<double>(pooled.calls) * usd_per_call};
    for (const agents::CurveSetting& setting : agents::CurveSettings(axis)) {
      if (!setting.needs_calls) continue;
      if (arguments.json) {
        std::printf("%s\n", json{{"axis", pooled.name},
                                 {"k", setting.k},
                                 {"needs_calls", true},
                                 {"calls", setting.calls},
                                 {"usd", setting.usd}}
                                .dump()
                                .c_str());
      } else {
        std::printf(
            "%s = %lld needs calls: its elements go into one prompt; about %lld calls, "
            "$%.4f\n",
            pooled.name.c_str(), static_cast<long long>(setting.k),
            static_cast<long long>(setting.calls), setting.usd);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddGraphCurve(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<GraphArguments>();
  CLI::App* verb = group.add_subcommand(
      "curve",
      "What fewer drafts or edits would have given, from recorded executions, without a call\n"
      "Example: temper graph curve examples/graphs/feedback_edit.json --dir graph-runs/mine");
  AddGraphOptions(*verb, *arguments);
  verb->callback([arguments, &chosen] {
    chosen = [arguments] {
      const absl::Status status = Print(*arguments);
      return status.ok() ? kDone : ReportGraph(status);
    };
  });
}

}  // namespace temper::cli
