// Reads the nodes of a graph file, bodies of loops included, into a graph whose names are not yet
// resolved.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agents/graph/graph.h"
#include "agents/graph/object_reader.h"
#include "agents/graph/problems.h"
#include "agents/graph/sub_graphs.h"

namespace temper::agents {

// What conditions may name beside references.
const std::vector<std::string>& SpentBuiltins();   // spent.tokens, ...
const std::vector<std::string>& InLoopBuiltins();  // and round
const std::vector<std::string>& StopBuiltins();    // and gain, unchanged
const std::vector<std::string>& RewardBuiltins();  // gain, unchanged, calibrated

class NodeReader {
 public:
  // Adds to `graph`, whose inputs and roles are there.
  NodeReader(Graph& graph, ReadingFiles& files, Problems& problems);

  // The nodes of the top level (loop -1) or of a body.
  void ReadNodes(const PlacedJson& nodes, int loop, size_t depth);

  // Names of nodes that were refused: references to them are not refused again.
  const std::set<std::string>& unread() const { return unread_; }

 private:
  void ReadNode(const PlacedJson::Member& member, int loop, size_t depth);
  // Refuses names that stand already; a body's node may be named like a carry of its loop.
  bool Declare(const PlacedJson::Member& member, int loop);

  void ReadGenerate(ObjectReader& reader, Node& node);
  void ReadScore(ObjectReader& reader, Node& node);
  void ReadSelect(ObjectReader& reader, Node& node);
  void ReadFilter(ObjectReader& reader, Node& node);
  void ReadTool(ObjectReader& reader, Node& node);
  void ReadAsk(ObjectReader& reader, Node& node);
  void ReadLoop(ObjectReader& reader, int index, size_t depth);
  void ReadCarries(ObjectReader& reader, Node& node);
  void ReadStop(ObjectReader& reader, Node& node);
  void ReadSubGraphNode(ObjectReader& reader, Node& node);

  void ReadRole(ObjectReader& reader, Node& node, bool needed);
  void ReadJudging(ObjectReader& reader, Node& node);
  void ReadSamples(ObjectReader& reader, Node& node);
  void ReadPromptOf(ObjectReader& reader, Node& node, bool needed);
  void ReadParse(ObjectReader& reader, Node& node);
  void ReadPattern(ObjectReader& reader, Node& node, bool group);
  void ReadCall(ObjectReader& reader, Node& node);  // command, url, with, effect, timeout
  void ReadArguments(ObjectReader& reader, Node& node);
  void SetDefinition(const PlacedJson& object, Node& node);

  Graph& graph_;
  ReadingFiles& files_;
  Problems& problems_;
  std::map<std::string, Place> declared_;
  std::set<std::string> unread_;
};

}  // namespace temper::agents
