// Graphs as texts, with files that are texts too.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agents/graph/graph_file.h"
#include "gtest/gtest.h"

namespace temper::agents {

using Files = std::map<std::string, std::string>;

inline FileReader Reader(Files files) {
  return [files = std::move(files)](const std::string& path) -> absl::StatusOr<std::string> {
    const auto file = files.find(path);
    if (file == files.end()) return absl::NotFoundError(path + ": cannot open: no such file");
    return file->second;
  };
}

inline std::shared_ptr<const Graph> Parsed(const std::string& json, Files files = {}) {
  auto graph = ParseGraph(json, "g/graph.json", Reader(std::move(files)));
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *graph : std::make_shared<const Graph>();
}

inline std::string Refusal(const std::string& json, Files files = {}) {
  const auto graph = ParseGraph(json, "g/graph.json", Reader(std::move(files)));
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(graph.status().message());
}

inline int IndexOf(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].name == name) return static_cast<int>(i);
  }
  ADD_FAILURE() << "no node " << name;
  return 0;
}

inline const Node& NodeOf(const Graph& graph, const std::string& name) {
  return graph.nodes[IndexOf(graph, name)];
}

// "draft,edit": the names of axes, outermost first.
inline std::string AxesOf(const Graph& graph, const std::vector<int>& axes) {
  std::string names;
  for (const int axis : axes) names += (names.empty() ? "" : ",") + graph.axes[axis].name;
  return names;
}

inline const Files kPrompts = {
    {"g/feedback.prompt", "<<$messages>>\n<<assistant>>\n{{answer}}\n<<user>>\nWhat is weak?\n"},
    {"g/edit.prompt",
     "<<$messages>>\n<<assistant>>\n{{answer}}\n<<user>>\nMend it:\n{{#feedback}}\n{{@}}. {{.}}\n"
     "{{/feedback}}\n"}};

// The graph of the design.
inline const char* const kFeedbackEdit = R"({
  "graph": "feedback-edit/1",
  "input": ["messages"],
  "roles": {
    "drafter":  {"model": "rollout:policy", "temperature": 1.0, "max_tokens": 4096},
    "critic":   {"model": "nim:feedback-70b", "temperature": 0.7, "max_tokens": 512},
    "editor":   {"model": "rollout:editor", "temperature": 0.7, "max_tokens": 4096},
    "selector": {"model": "nim:select-70b", "kind": "reward"}
  },
  "nodes": {
    "draft":    {"do": "generate", "role": "drafter", "n": 8, "prompt": "$messages"},
    "feedback": {"do": "generate", "role": "critic", "each": "$draft", "n": 16, "need": 12,
                 "prompt": {"file": "feedback.prompt", "answer": "$draft"}},
    "useful":   {"do": "filter", "each": "$draft", "from": "$feedback", "by": "constructive", "keep": 3},
    "edit":     {"do": "generate", "role": "editor", "each": "$draft",
                 "prompt": {"file": "edit.prompt", "answer": "$draft", "feedback": "$useful"}},
    "pick":     {"do": "select", "role": "selector", "from": ["$draft", "$edit"], "by": "score"}
  },
  "output": "$pick",
  "budget": {"tokens": 300000, "usd": 0.50, "seconds": 600, "calls": 400, "then": "best"}
}
)";

}  // namespace temper::agents
