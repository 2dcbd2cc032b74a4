// One graph on one input: results come in, wants come out. Pure: no clock, thread, file or chance.
//
// What it wants and what it answers is a function of the graph, the input and the results, never of
// the order in which those arrive (but for `enough`, which is there to stop early). So a run that
// is taken up again is simply run again, and finds its results recorded. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/graph/graph.h"
#include "agents/run/reading.h"
#include "agents/run/result.h"
#include "agents/run/values.h"
#include "agents/run/wiring.h"

namespace temper::agents {

class NodeWork;

// What an execution has cost, for expressions.
struct Spent {
  double tokens = 0, usd = 0, seconds = 0, calls = 0;
};

class Execution {
 public:
  struct Options {
    // Part of every key: executions of different inputs, or of the same one that is to be drawn
    // anew, share no results.
    std::string salt;
    // What decides a role's answers beside the question: server, revision, sampling.
    std::function<std::string(const Role&)> identity;
    std::function<Spent()> spent;
    // Order of wants: everything of one stage first, instead of finishing chains.
    bool breadth = false;
    // It is done when nothing is wanted any more, not when the output is known: then what it wants
    // does not depend on the order of arrival. Training needs that; without `enough` it costs
    // nothing but what the output does not read.
    bool whole = false;
  };

  // `inputs`: a value for each of the graph's inputs, a text, a list of texts or
  // an array of messages.
  // INVALID_ARGUMENT: one is missing, unknown or neither.
  static absl::StatusOr<std::unique_ptr<Execution>> Create(std::shared_ptr<const Graph> graph,
                                                           const nlohmann::ordered_json& inputs,
                                                           Options options);
  ~Execution();

  // New wants since the last call; of one instance they lie together, in sample order.
  std::vector<Want> TakeWants();
  // Wants that nobody needs any more. Their results are ignored; Deliver need not be called.
  std::vector<int64_t> TakeDropped();
  // For a want that was taken and not dropped; dies of any other.
  void Deliver(int64_t want, Result result);
  // Looks at every `enough`. Called when all that has arrived, or was recorded, was delivered.
  void ConsiderEnough();

  bool done() const { return output_.has_value(); }
  // Once done: one item, or a list where the output is one; a failure is in `why`.
  struct Output {
    std::vector<Item> items;  // present ones
    bool failed = false;
    std::string why;
  };
  const Output& output() const { return *output_; }
  // The best answer so far: what a selection would choose among what is there, else the earliest
  // result of the nearest stage. Empty: there is none.
  std::optional<Item> Best() const;

  // For reports, credit and curves.
  const Graph& graph() const { return *graph_; }
  const NodeValues& values(int node) const { return values_[static_cast<size_t>(node)]; }
  // Sub-graphs' executions, by node and point.
  const std::map<std::pair<int, Point>, std::unique_ptr<Execution>>& children() const {
    return children_;
  }
  // Values of a carry, for every round that began: index 0 is the initial one.
  const std::vector<Item>* Carried(int loop, int carry, const Point& round) const;

  // ---- For nodes at work (node_work.h).
  Reading Read(const Reference& reference, int reader, const Point& point) const;
  // `partial`: with what is there already of a value that is not complete.
  Reading ReadAs(const Reference& reference, const std::vector<int>& axes, const Point& point,
                 bool partial = false) const;
  void Ask(int node, const Point& point, std::shared_ptr<const Question> question, std::string key,
           int64_t sample, int64_t purpose);
  void Publish(int node, const Point& point, int32_t index, Item item);
  void Close(int node, const Point& point);
  // All of its items that are not final fail.
  void Fail(int node, const Point& point, std::string why);
  void DropWants(int node, const Point& point);
  Instance& instance(int node, const Point& point);
  void StartRound(int loop, const Point& round, std::vector<std::vector<Item>> carries);
  // The carries that the last round left; no round follows.
  void KeepCarries(int loop, const Point& round, std::vector<std::vector<Item>> carries) {
    carries_[{loop, round}] = std::move(carries);
  }
  std::string Key(std::initializer_list<std::string_view> parts) const;
  std::string Lineage(int node, const Point& point) const;
  std::string Identity(const Role& role) const { return options_.identity(role); }
  Spent spent() const { return options_.spent ? options_.spent() : Spent{}; }
  const Options& options() const { return options_; }
  std::shared_ptr<const Graph> shared_graph() const { return graph_; }
  Execution& AddChild(int node, const Point& point, std::unique_ptr<Execution> child);
  void AdvanceChild(int node, const Point& point);
  const Item& input(size_t index) const { return inputs_[index]; }

 private:
  struct OpenWant {
    int node = -1;
    Point point;
    int64_t purpose = 0;
    std::string key;
    int64_t child_want = -1;  // of the child at (node, point)
  };
  Execution(std::shared_ptr<const Graph> graph, Options options);
  const Node& node(int index) const { return graph_->nodes[static_cast<size_t>(index)]; }

  void CreateInstance(int node, Point point);
  void Touch(int node, Point point) { touched_.emplace_back(node, std::move(point)); }
  void Settle();
  void TryStart(int node, const Point& point);
  void CheckOutput();

  bool TargetClosed(const Target& target, const std::vector<int>& axes, const Point& point) const;
  bool NodeClosed(int node, const Point& prefix) const;
  bool AllInstancesThere(int node, const Point& prefix) const;
  void Collect(const Target& target, const std::vector<int>& axes, const Point& point,
               Reading& reading) const;
  void CollectFinal(const Target& target, const Point& prefix, Reading& reading) const;
  std::optional<Item> BestOf(const Reference& reference) const;
  std::optional<Item> BestOfNode(int node) const;

  const std::shared_ptr<const Graph> graph_;
  const Options options_;
  const Wiring wiring_;
  const bool stops_early_;  // some node has an `enough`
  std::vector<Item> inputs_;
  std::vector<NodeValues> values_;  // by node
  std::map<std::pair<int, Point>, std::unique_ptr<NodeWork>> works_;
  std::map<std::pair<int, Point>, std::unique_ptr<Execution>> children_;
  std::map<std::pair<int, Point>, std::vector<std::vector<Item>>> carries_;  // loop, round point
  std::deque<std::pair<int, Point>> touched_;
  bool settling_ = false;

  int64_t next_want_ = 0;
  std::map<int64_t, OpenWant> open_;
  std::map<std::pair<int, Point>, std::vector<int64_t>> open_of_;            // wants of an instance
  std::map<std::pair<int, Point>, std::map<int64_t, int64_t>> child_wants_;  // theirs -> ours
  std::vector<Want> new_wants_;
  std::vector<int64_t> dropped_;
  std::optional<Output> output_;
};

}  // namespace temper::agents
