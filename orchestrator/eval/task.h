// One problem of an evaluation, whatever file it came from.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace temper::eval {

struct Task {
  std::string id;      // unique within its file
  std::string place;   // "<path>:<line>", for messages
  std::string prompt;  // the problem as it stands, before a template is put around it
  // A conversation of the file's own, {"messages": [...], ...}; empty: the prompt is all there is.
  std::string chat_json;
  std::string gold;           // what verifiers compare with; may be empty
  std::string metadata_json;  // what else they need: a JSON object, or empty
  std::string task;           // chooses parts of a rubric
  // What the report is broken down by: {"subject", "Algebra"}, {"level", "5"}.
  std::vector<std::pair<std::string, std::string>> categories;
  // Of shuffled options: which of the file's stands where; empty: they stand as in the file.
  std::vector<int> option_order;
};

}  // namespace temper::eval
