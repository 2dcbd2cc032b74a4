// The memory of an execution: single-assignment values of nodes, by point.
//
// An instance is a node at a point of its instance axes; its items are final one by one and never
// change. Closed means that nothing more can come under a prefix of a point. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agents/graph/graph.h"
#include "agents/run/result.h"

namespace temper::agents {

// Something a model, a tool or a person made. Selecting, filtering and scoring pass it on.
struct Candidate {
  int node = -1;  // where it was made; -1: an input of the graph
  Point point;    // over that node's axes
  std::string key;
  Result result;
  nlohmann::ordered_json conversation;  // of an input that is one; null otherwise
  // What score and select nodes gave it, by node and the round or point they did it at.
  std::map<std::pair<int, Point>, double> scores;
};

struct Item {
  enum class State { kPresent, kAbsent, kFailed };
  State state = State::kAbsent;
  std::shared_ptr<Candidate> candidate;  // kPresent
  std::optional<double> score;           // given by the node whose item this is, or handed on by it
  std::string why;                       // kAbsent, kFailed: one line for people
  int32_t source = -1;                   // of what is kept: its place in what was read

  bool present() const { return state == State::kPresent; }
};

struct Instance {
  enum class State { kWaiting, kOpen, kClosed };
  Point point;
  State state = State::kWaiting;
  std::map<int32_t, Item> items;  // by the own axis; 0 where there is none
  bool failed = false;
  std::string why;                // of a failure
  nlohmann::ordered_json fields;  // "rounds", "stopped" of a loop; "ties", "flips" of a selection
};

// One node's instances. Points are ordered, so that what belongs together lies together.
class NodeValues {
 public:
  using Instances = std::map<Point, Instance>;

  // Null where there is none.
  Instance* Find(const Point& point);
  const Instance* Find(const Point& point) const;
  // Dies of a second one at the same point.
  Instance& Create(Point point);
  void Close(Instance& instance);

  // Whether an instance under `prefix` is not closed.
  bool AnyOpen(const Point& prefix) const;
  // Calls `visit` for every instance whose point begins with `prefix`, in order.
  void Visit(const Point& prefix, const std::function<void(const Instance&)>& visit) const;
  // Points of those that wait, under `prefix`.
  std::vector<Point> Waiting(const Point& prefix) const;
  void Started(Instance& instance);

  const Instances& instances() const { return instances_; }

 private:
  Instances instances_;
  std::set<Point> waiting_;
  std::map<Point, int64_t> open_;  // instances not closed, for every prefix of their points
};

// Its first `length` indices, or all where there are fewer.
Point Front(const Point& point, size_t length);
// Whether `point` begins with `prefix`.
bool BeginsWith(const Point& point, const Point& prefix);

}  // namespace temper::agents
