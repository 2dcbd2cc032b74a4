// Small graphs and made results for tests of executions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agents/graph/graph_file.h"
#include "agents/run/execution.h"
#include "base/digest.h"
#include "base/philox.h"

namespace temper::agents {

// Prompt files by name; missing ones are not found.
inline std::shared_ptr<const Graph> ParseOrDie(const std::string& json,
                                               std::map<std::string, std::string> files = {}) {
  const auto graph = ParseGraph(json, "test.json",
                                [files](const std::string& path) -> absl::StatusOr<std::string> {
                                  const auto found = files.find(path.substr(path.rfind('/') + 1));
                                  if (found == files.end()) return absl::NotFoundError(path);
                                  return found->second;
                                });
  EXPECT_TRUE(graph.ok()) << graph.status();
  if (!graph.ok()) std::abort();
  return *graph;
}

inline std::unique_ptr<Execution> StartOrDie(std::shared_ptr<const Graph> graph,
                                             nlohmann::ordered_json inputs,
                                             const std::string& salt = "") {
  auto execution = Execution::Create(std::move(graph), inputs,
                                     {.salt = salt, .identity = [](const Role& role) {
                                        return absl::StrCat(role.endpoint, ":", role.model);
                                      }});
  EXPECT_TRUE(execution.ok()) << execution.status();
  return *std::move(execution);
}

// A text that depends on the question and the sample alone, or a score.
inline Result MadeResult(const Want& want) {
  Result result;
  const std::string digest = Sha256Hex(want.key);
  if (want.question->kind == Question::Kind::kScore) {
    result.score = static_cast<double>(HashName(digest) % 1000) / 100;
  } else {
    result.text = absl::StrCat(want.question->path, "[", want.lineage, "] ", want.sample, " ",
                               digest.substr(0, 8));
    result.finish_reason = "stop";
  }
  return result;
}

// Answers everything that is wanted until it is done; `order` of a seed. Returns how many results
// were delivered, by node path.
inline std::map<std::string, int> RunToEnd(Execution& execution, uint64_t seed,
                                           std::function<Result(const Want&)> answer = MadeResult) {
  std::map<std::string, int> delivered;
  std::vector<Want> open;
  uint64_t draw = 0;
  for (;;) {
    for (Want& want : execution.TakeWants()) open.push_back(std::move(want));
    for (const int64_t dropped : execution.TakeDropped()) {
      std::erase_if(open, [dropped](const Want& want) { return want.id == dropped; });
    }
    execution.ConsiderEnough();
    for (const int64_t dropped : execution.TakeDropped()) {
      std::erase_if(open, [dropped](const Want& want) { return want.id == dropped; });
    }
    for (Want& want : execution.TakeWants()) open.push_back(std::move(want));
    if (execution.done() || open.empty()) return delivered;
    const size_t next = Philox(seed, 0, draw++)[0] % open.size();
    const Want want = open[next];
    open.erase(open.begin() + static_cast<int64_t>(next));
    ++delivered[want.question->path];
    execution.Deliver(want.id, answer(want));
  }
}

inline std::string OutputText(const Execution& execution) {
  if (!execution.done()) return "not done";
  if (execution.output().failed) return absl::StrCat("failed: ", execution.output().why);
  std::string text;
  for (const Item& item : execution.output().items) absl::StrAppend(&text, TextOf(item, {}), "|");
  return text;
}

inline constexpr char kFeedbackEdit[] = R"({
  "graph": "feedback-edit/1", "input": ["messages"],
  "roles": {
    "drafter": {"model": "main:draft", "temperature": 1.0, "max_tokens": 100},
    "critic": {"model": "main:critic", "temperature": 0.7, "max_tokens": 50},
    "editor": {"model": "main:edit", "temperature": 0.7, "max_tokens": 100},
    "selector": {"model": "reward:select", "kind": "reward"}},
  "nodes": {
    "draft": {"do": "generate", "role": "drafter", "n": 8, "prompt": "$messages"},
    "feedback": {"do": "generate", "role": "critic", "each": "$draft", "n": 16, "need": 12,
                 "prompt": {"file": "feedback.prompt", "answer": "$draft"}},
    "useful": {"do": "filter", "each": "$draft", "from": "$feedback", "by": "constructive", "keep": 3},
    "edit": {"do": "generate", "role": "editor", "each": "$draft",
             "prompt": {"file": "edit.prompt", "answer": "$draft", "feedback": "$useful"}},
    "pick": {"do": "select", "role": "selector", "from": ["$draft", "$edit"], "by": "score"}},
  "output": "$pick"})";

inline std::map<std::string, std::string> FeedbackEditPrompts() {
  return {
      {"feedback.prompt", "<<$messages>>\n<<assistant>>\n{{answer}}\n<<user>>\nHow good is it?\n"},
      {"edit.prompt",
       "<<$messages>>\n<<assistant>>\n{{answer}}\n<<user>>\nImprove it:\n{{#feedback}}\n{{@}}. "
       "{{.}}\n{{/feedback}}\n"}};
}

inline nlohmann::ordered_json Question1() {
  return {{"messages", {{{"role", "user"}, {"content", "What is the meaning of it?"}}}}};
}

}  // namespace temper::agents
