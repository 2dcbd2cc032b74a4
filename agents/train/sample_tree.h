// Which sample of an execution was made from which: its generated texts as a tree with links.
//
// What a node does in the graph is read off its edges. Its subject is the one text, made by the
// graph itself, that its prompt shows alone (of several: the one with the fewest stages before it).
// Without a subject it drafts. With one it gives feedback where another node reads what it says
// together with the same subject, and edits otherwise. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/run/execution.h"

namespace temper::agents {

enum class Part { kDraft, kFeedback, kEdit };
const char* NameOf(Part part);

// By index of Graph::nodes; of nodes that generate nothing, kDraft.
std::vector<Part> PartsOf(const Graph& graph);

struct Sample {
  int node = -1;
  int role = -1;  // of Graph::roles
  Part part = Part::kDraft;
  Point point;          // of the instance: samples of one node and point are siblings
  int32_t number = 0;   // among its siblings
  std::string lineage;  // for people: "draft=3"
  const Candidate* candidate = nullptr;  // of the execution
  std::optional<double> score;           // given with the text, else by the newest judgement of it
  // Indices into SamplesOf's answer.
  int subject = -1;           // -1: none
  std::vector<int> parents;   // all that its prompt showed, the subject too; ascending
  std::vector<int> children;  // in whose prompts it was shown; ascending
};

// What was generated and is present, in the order of nodes, points and numbers; what sub-graphs
// generated is not among it.
std::vector<Sample> SamplesOf(const Execution& execution);

// Answers that no other answer was made from, among what was made from `sample`; itself where there
// is none. Feedback is no answer. Ascending.
std::vector<int> LeavesOf(const std::vector<Sample>& samples, int sample);

std::optional<double> ScoreOf(const Item& item);
bool IsUnchanged(const Sample& edit, const Sample& subject);

}  // namespace temper::agents
