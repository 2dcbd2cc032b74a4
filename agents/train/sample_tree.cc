// Reads the edges of a graph and the prompts of an execution backwards.
#include "agents/train/sample_tree.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "agents/graph/axes.h"
#include "agents/run/wiring.h"

namespace temper::agents {
namespace {

const Node& NodeAt(const Graph& graph, int index) {
  return graph.nodes[static_cast<size_t>(index)];
}

// The generate nodes whose texts a reference may stand for; selecting and filtering hand them on.
class Origins {
 public:
  explicit Origins(const Graph& graph) : graph_(graph) {}

  std::set<int> Of(const Reference& reference) {
    seen_.clear();
    found_.clear();
    Follow(reference);
    return found_;
  }

 private:
  void Follow(const Reference& reference) {
    for (const Reference::Choice& choice : reference.choices) {
      const Target& target = choice.target;
      if (target.kind == Target::Kind::kNode) Follow(target.index);
      if (target.kind == Target::Kind::kCarry) FollowCarry(target.index, target.carry);
    }
  }
  void Follow(int index) {
    if (index < 0 || !seen_.insert(index).second) return;
    const Node& node = NodeAt(graph_, index);
    if (node.kind == NodeKind::kGenerate) found_.insert(index);
    for (const Reference& reference : node.from) Follow(reference);
    if (node.loop_body.has_value()) FollowCarry(index, 0);
  }
  void FollowCarry(int loop, int carry) {
    const Loop::Carry& own = NodeAt(graph_, loop).loop_body->carries[static_cast<size_t>(carry)];
    Follow(own.initial);
    Follow(own.node);
  }

  const Graph& graph_;
  std::set<int> seen_, found_;
};

// How many generated stages lie before a text, of a loop's the first round's; 0: none of it is
// ours.
class Stages {
 public:
  explicit Stages(const Graph& graph) : graph_(graph) {}

  int Of(const Reference& reference) {
    int most = 0;
    for (const Reference::Choice& choice : reference.choices) {
      const Target& target = choice.target;
      if (target.kind == Target::Kind::kNode) most = std::max(most, Of(target.index));
      if (target.kind != Target::Kind::kCarry) continue;
      const Loop& loop = *NodeAt(graph_, target.index).loop_body;
      most = std::max(most, Of(loop.carries[static_cast<size_t>(target.carry)].initial));
    }
    return most;
  }

 private:
  int Of(int index) {
    if (const auto known = known_.find(index); known != known_.end()) return known->second;
    const Node& node = NodeAt(graph_, index);
    int most = 0;
    if (node.kind == NodeKind::kGenerate) {
      for (const Prompt::Binding& binding : node.prompt->bindings()) {
        most = std::max(most, Of(binding.reference));
      }
      ++most;
    }
    for (const Reference& reference : node.from) most = std::max(most, Of(reference));
    if (node.loop_body.has_value()) {
      most = std::max(most, Of(node.loop_body->carries.front().initial));
    }
    known_[index] = most;
    return most;
  }

  const Graph& graph_;
  std::map<int, int> known_;
};

// Null: it drafts.
const Reference* SubjectOf(const Graph& graph, const Node& node, Stages& stages) {
  const Reference* subject = nullptr;
  int fewest = 0;
  if (node.kind != NodeKind::kGenerate) return nullptr;
  for (const Prompt::Binding& binding : node.prompt->bindings()) {
    const int own = stages.Of(binding.reference);
    if (own == 0 || IsList(graph, binding.reference, node.instance_axes)) continue;
    if (subject != nullptr && own >= fewest) continue;
    subject = &binding.reference;
    fewest = own;
  }
  return subject;
}

bool SameTarget(const Reference& a, const Reference& b) {
  const Target& left = a.choices.front().target;
  const Target& right = b.choices.front().target;
  return left.kind == right.kind && left.index == right.index && left.carry == right.carry;
}

std::vector<const Reference*> SubjectsOf(const Graph& graph) {
  Stages stages(graph);
  std::vector<const Reference*> subjects;
  for (const Node& node : graph.nodes) subjects.push_back(SubjectOf(graph, node, stages));
  return subjects;
}

// Whether a node reads what `critic` says beside what that is about.
bool IsRead(const Graph& graph, const std::vector<const Reference*>& subjects, size_t critic) {
  Origins origins(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (n == critic || subjects[n] == nullptr) continue;
    if (!SameTarget(*subjects[n], *subjects[critic])) continue;
    for (const Prompt::Binding& binding : graph.nodes[n].prompt->bindings()) {
      if (&binding.reference == subjects[n]) continue;
      if (origins.Of(binding.reference).contains(static_cast<int>(critic))) return true;
    }
  }
  return false;
}

void CollectLeaves(const std::vector<Sample>& samples, int index, std::set<int>& seen,
                   std::set<int>& leaves) {
  if (!seen.insert(index).second) return;
  const Sample& sample = samples[static_cast<size_t>(index)];
  bool continued = false;
  for (const int child : sample.children) {
    const Sample& next = samples[static_cast<size_t>(child)];
    continued |= next.part != Part::kFeedback;
    CollectLeaves(samples, child, seen, leaves);
  }
  if (!continued && sample.part != Part::kFeedback) leaves.insert(index);
}

}  // namespace

const char* NameOf(Part part) {
  static constexpr const char* kNames[] = {"draft", "feedback", "edit"};
  return kNames[static_cast<size_t>(part)];
}

std::vector<Part> PartsOf(const Graph& graph) {
  const std::vector<const Reference*> subjects = SubjectsOf(graph);
  std::vector<Part> parts;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const bool drafts = subjects[n] == nullptr;
    parts.push_back(drafts                       ? Part::kDraft
                    : IsRead(graph, subjects, n) ? Part::kFeedback
                                                 : Part::kEdit);
  }
  return parts;
}

std::optional<double> ScoreOf(const Item& item) {
  if (!item.present()) return std::nullopt;
  if (item.candidate->result.score.has_value()) return item.candidate->result.score;
  if (!item.candidate->scores.empty()) return item.candidate->scores.rbegin()->second;
  return item.score;
}

bool IsUnchanged(const Sample& edit, const Sample& subject) {
  return absl::StripAsciiWhitespace(edit.candidate->result.text) ==
         absl::StripAsciiWhitespace(subject.candidate->result.text);
}

std::vector<Sample> SamplesOf(const Execution& execution) {
  const Graph& graph = execution.graph();
  const std::vector<Part> parts = PartsOf(graph);
  const std::vector<const Reference*> subjects = SubjectsOf(graph);
  std::vector<Sample> samples;
  std::map<const Candidate*, int> places;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.kind != NodeKind::kGenerate) continue;
    const int index = static_cast<int>(n);
    for (const auto& [point, instance] : execution.values(index).instances()) {
      for (const auto& [number, item] : instance.items) {
        if (!item.present()) continue;
        places[item.candidate.get()] = static_cast<int>(samples.size());
        samples.push_back({.node = index,
                           .role = node.role,
                           .part = parts[n],
                           .point = point,
                           .number = number,
                           .lineage = execution.Lineage(index, point),
                           .candidate = item.candidate.get(),
                           .score = ScoreOf(item)});
      }
    }
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& sample = samples[i];
    std::set<int> shown;
    for (const Prompt::Binding& binding : NodeAt(graph, sample.node).prompt->bindings()) {
      const Reading reading = execution.Read(binding.reference, sample.node, sample.point);
      for (const Item* item : reading.items) {
        const auto place = places.find(item->candidate.get());
        if (place == places.end()) continue;
        shown.insert(place->second);
        if (&binding.reference == subjects[static_cast<size_t>(sample.node)]) {
          sample.subject = place->second;
        }
      }
    }
    sample.parents.assign(shown.begin(), shown.end());
    for (const int parent : shown) {
      samples[static_cast<size_t>(parent)].children.push_back(static_cast<int>(i));
    }
  }
  return samples;
}

std::vector<int> LeavesOf(const std::vector<Sample>& samples, int sample) {
  std::set<int> seen, leaves;
  CollectLeaves(samples, sample, seen, leaves);
  if (leaves.empty()) return {sample};
  return {leaves.begin(), leaves.end()};
}

}  // namespace temper::agents
