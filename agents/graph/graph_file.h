// Reads and checks a graph file, with all it names: prompt files and sub-graphs.
//
// Errors are INVALID_ARGUMENT (NOT_FOUND where the graph file itself is missing): one problem a
// line, in the order of the file, each "file:line:column: what was found; what is expected". No
// call is ever made of a graph that was not read whole. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agents/graph/graph.h"
#include "agents/graph/prompt_file.h"

namespace temper::agents {

absl::StatusOr<std::shared_ptr<const Graph>> ReadGraph(const std::string& path);

// `path`: for messages, and its folder is where other files are looked for. `read`: how.
absl::StatusOr<std::shared_ptr<const Graph>> ParseGraph(std::string_view json,
                                                        std::string_view path, FileReader read);

}  // namespace temper::agents
