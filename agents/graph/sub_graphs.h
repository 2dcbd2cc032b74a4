// Files on the way from a graph to its sub-graphs: found, read once each, never in a circle.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/graph/graph.h"
#include "agents/graph/prompt_file.h"

namespace temper::agents {

inline constexpr size_t kGraphBytesMax = size_t{1} << 20;
inline constexpr size_t kNodesMax = 1000;  // of a graph, with all its sub-graphs
inline constexpr size_t kSubGraphsDeepMax = 8;
inline constexpr size_t kLoopsDeepMax = 8;

// What reading one graph shares with reading those inside it.
struct ReadingFiles {
  FileReader read;
  std::vector<std::string> open;             // from the outermost graph to the one that is read
  std::map<std::string, std::string> texts;  // of every file that was read
  size_t nodes = 0;
};

// INVALID_ARGUMENT with the problems of all of it.
absl::StatusOr<std::shared_ptr<const Graph>> ReadGraphText(std::string_view json,
                                                           const std::string& path,
                                                           ReadingFiles& files);
// Refuses circles, depth and size first.
absl::StatusOr<std::shared_ptr<const Graph>> ReadSubGraph(const std::string& path,
                                                          ReadingFiles& files);

}  // namespace temper::agents
