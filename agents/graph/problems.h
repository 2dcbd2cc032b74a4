// All that is wrong with a graph, with places, told at once.
//
// One collector goes through all the readers and checkers of a file; what depends on something that
// is already refused is not refused again (a name that is unknown has no axes to be wrong).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "agents/graph/reference.h"

namespace temper::agents {

class Problems {
 public:
  static constexpr size_t kShownMax = 20;
  // More are not looked for in earnest: a hostile file has no end of them.
  static constexpr size_t kKeptMax = 1000;

  // `path`: the graph's, which places are counted in.
  explicit Problems(std::string path) : path_(std::move(path)) {}

  // `what`: "found ...; expected ...; did you mean ...".
  void Add(Place place, std::string_view what);
  // A finished message about another file, read because of what stands at `place`.
  void AddOther(Place place, std::string_view message);

  bool empty() const { return found_.empty(); }
  bool full() const { return found_.size() >= kKeptMax; }
  const std::string& path() const { return path_; }

  // OK when nothing was found. INVALID_ARGUMENT: one problem a line, in the order of the file, no
  // more than kShownMax; then how many more.
  absl::Status status() const;

 private:
  struct Problem {
    Place place;
    std::string message;
  };
  std::string path_;
  std::vector<Problem> found_;
};

}  // namespace temper::agents
