// What one instance of a node does once all it reads is there.
//
// Start is called once; it publishes items, asks for results, and closes its instance, now or when
// Deliver has brought what it asked for. One thread.
#pragma once

#include <memory>

#include "agents/run/execution.h"

namespace temper::agents {

class NodeWork {
 public:
  NodeWork(Execution& execution, int node, Point point)
      : execution_(execution),
        index_(node),
        point_(std::move(point)),
        node_(execution.graph().nodes[static_cast<size_t>(node)]) {}
  virtual ~NodeWork() = default;

  virtual void Start() = 0;
  // `purpose` is what Ask was given.
  virtual void Deliver(int64_t purpose, const std::string& key, Result result) {
    (void)purpose, (void)key, (void)result;
  }
  // Of a node with `enough`: something that it looks at has changed.
  virtual void ConsiderEnough() {}
  // Something of the loop's body has become final; of a sub-graph: a result was delivered.
  virtual void Advance() {}

 protected:
  Reading Read(const Reference& reference) const {
    return execution_.Read(reference, index_, point_);
  }
  void Publish(int32_t index, Item item) {
    execution_.Publish(index_, point_, index, std::move(item));
  }
  void Close() { execution_.Close(index_, point_); }
  void Fail(std::string why) { execution_.Fail(index_, point_, std::move(why)); }
  Instance& instance() { return execution_.instance(index_, point_); }
  // The conversation that candidates answer: `context`, else the graph's first input.
  absl::StatusOr<nlohmann::ordered_json> Context() const;
  // Takes what is there of `from` into items_. False: there is nothing, and the instance is closed
  // or failed.
  bool TakeFrom();
  std::string Lineage() const { return execution_.Lineage(index_, point_); }
  std::string Path() const { return PathOf(execution_.graph(), index_); }

  Execution& execution_;
  const int index_;
  const Point point_;
  const Node& node_;
  std::vector<Item> items_;                       // of `from`, one reference after another
  std::vector<std::vector<std::string>> fields_;  // that were asked of each
};

std::unique_ptr<NodeWork> MakeWork(Execution& execution, int node, const Point& point);
// By kind; each in a file of its name.
std::unique_ptr<NodeWork> MakeGenerate(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeScore(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeSelect(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeFilter(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeOutside(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeLoop(Execution& execution, int node, const Point& point);
std::unique_ptr<NodeWork> MakeSubGraph(Execution& execution, int node, const Point& point);

// Messages of a value: a conversation as it is, a text as one turn of the user.
nlohmann::ordered_json AsConversation(const Item& item);
// A present item that hands a candidate on.
Item Kept(const Item& item, int32_t source);

}  // namespace temper::agents
