// One response to one task, and what became of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace temper::eval {

struct Sample {
  std::string task;  // its id
  int index = 0;     // from 0
  std::string response;
  std::string reasoning;      // where a server parts it from the response
  std::string finish_reason;  // "stop", "length"; "" where nobody says
  int64_t tokens = 0;         // of the response; 0: not known

  // One of these three, or none yet: then the response waits for its score.
  std::optional<double> score;  // in [0, 1]
  std::string internal_error;   // our failure, or the server's: no score, to be tried again
  std::string invalid;          // the problem cannot be judged; no repetition mends it

  std::string verdict, reason;        // of the score
  std::string details_json;           // of the verifier; an object, or empty
  std::string loose_json;             // of a second part "loose", for IFEval
  std::optional<std::string> answer;  // the final answer, for votes

  bool done() const { return score.has_value() || !invalid.empty(); }
  bool responded() const { return !finish_reason.empty() || !response.empty(); }
  bool right() const { return score.has_value() && *score >= 1; }
};

}  // namespace temper::eval
