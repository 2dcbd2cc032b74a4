// "$draft", "$refine.rounds", "$edit | $draft": the only edges a graph has.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace temper::agents {

// In a graph file; both count from 1.
struct Place {
  int line = 0;
  int column = 0;
};

// What a name stands for once it is resolved.
struct Target {
  enum class Kind {
    kInput,  // index: of Graph::inputs
    kNode,   // index: of Graph::nodes
    kCarry,  // index: of the loop in Graph::nodes; carry: of its Loop::carries. The last round's
             // value (in the first round: the initial one)
  };
  Kind kind = Kind::kInput;
  int index = -1;
  int carry = -1;
};

struct Reference {
  struct Choice {
    std::string name;                 // without "$"
    std::vector<std::string> fields;  // after the dots
    Target target;                    // set by the checker
  };
  // More than one: the first that is present stands for all.
  std::vector<Choice> choices;
  std::string text;  // as written
  Place place;
};

}  // namespace temper::agents
