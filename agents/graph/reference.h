// "$draft", "$refine.rounds", "$edit | $draft": the only edges a graph has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

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
    kCarry,  // index: of the loop in Graph::nodes; carry: of its Loop::carries. In the loop's body:
             // the last round's value (in the first round: the initial one). Outside: the final one
    kCandidate,  // the candidate that is looked at. index 0: "$it" (score, threshold); 0 and 1:
                 // "$first" and "$second" (of a pair). Neither an edge nor on an axis
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

// "$name.field | $other". `place`: of the text's first byte. INVALID_ARGUMENT without the file's
// name: "<line>:<column>: found ...; expected ...".
absl::StatusOr<Reference> ParseReference(std::string_view text, Place place);

// [a-z][a-z0-9_]*
bool IsName(std::string_view text);
// Bytes of the name at the front of `text`; 0 when there is none.
size_t NameBytes(std::string_view text);

}  // namespace temper::agents
