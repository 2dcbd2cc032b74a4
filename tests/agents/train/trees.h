// Small executions with made texts and scores, for tests of credit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agents/train/credit.h"
#include "tests/agents/run/graphs.h"

namespace temper::agents {

struct Said {
  std::string text;
  std::optional<double> score;
};

// Answers by "path[lineage] sample", such as "edit[draft=1] 0"; every want must be among them.
inline std::unique_ptr<Execution> Grow(std::shared_ptr<const Graph> graph,
                                       const std::map<std::string, Said>& said, uint64_t seed = 1) {
  auto execution =
      *Execution::Create(std::move(graph), {{"messages", "1+1="}},
                         {.identity = [](const Role& role) { return role.model; }, .whole = true});
  RunToEnd(*execution, seed, [&](const Want& want) {
    const std::string name =
        absl::StrCat(want.question->path, "[", want.lineage, "] ", want.sample);
    const auto found = said.find(name);
    EXPECT_TRUE(found != said.end()) << name;
    Result result;
    result.text = found == said.end() ? "" : found->second.text;
    if (found != said.end()) result.score = found->second.score;
    return result;
  });
  EXPECT_TRUE(execution->done());
  return execution;
}

// By the names of Grow.
inline std::map<std::string, Transition> ByName(const Credit& credit) {
  std::map<std::string, Transition> named;
  for (const Transition& one : credit.transitions) {
    named[absl::StrCat(one.path, "[", one.sample.lineage, "] ", one.sample.number)] = one;
  }
  return named;
}

inline std::string GraphText(const std::string& nodes, const std::string& output,
                             const std::string& train) {
  return absl::StrCat(R"({"graph": "toy", "input": ["messages"],
    "roles": {"drafter": {"model": "policy:m"}, "critic": {"model": "policy:m"},
              "editor": {"model": "policy:m"}},
    "nodes": {)",
                      nodes, R"(}, "output": ")", output, R"(", "train": )", train, "}");
}

}  // namespace temper::agents
