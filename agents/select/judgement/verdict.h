// Verdicts of judges that write labels: Arena-Hard's [[A>>B]], MT-Bench's [[7]] and [[A]],
// WildBench's JSON.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace temper::agents {

// A is what was shown first.
enum class Verdict { kAMuchBetter, kABetter, kTie, kBBetter, kBMuchBetter };

// "A>>B", "A>B", "A=B", "B>A", "B>>A".
std::string_view VerdictLabel(Verdict verdict);
// Also "B=A", "A<B", "B<<A", ...; INVALID_ARGUMENT for anything else.
absl::StatusOr<Verdict> ParseVerdictLabel(std::string_view label);
// For A: 1, 0.75, 0.5, 0.25, 0.
double Preference(Verdict verdict);
// What it is when A and B change places.
Verdict Swapped(Verdict verdict);

enum class VerdictRule {
  kLast,  // Arena-Hard v2: of the reply in upper case the last [[label]]; where there is none, the
          // last [label]
  kOnly   // Arena-Hard v0.1: [[label]] as it stands; several different ones are none
};
absl::StatusOr<Verdict> ReadArenaVerdict(std::string_view reply,
                                         VerdictRule rule = VerdictRule::kLast);

// MT-Bench: the first [[number]]; where there is none, the first [number]. 1 to 10.
absl::StatusOr<double> ReadRating(std::string_view reply);
// MT-Bench: [[A]], [[B]] or [[C]], a tie. Two different ones are none.
absl::StatusOr<Verdict> ReadPairVerdict(std::string_view reply);

// What a graph's rule "verdict" reads: the last [[A>>B]] as Arena-Hard v2 does; where there is
// none,
// [[A]], [[B]] or [[C]].
absl::StatusOr<Verdict> ReadVerdict(std::string_view reply);

// WildBench: JSON with "choice": "A++", "A+", "A=B", "B+", "B++".
absl::StatusOr<Verdict> ReadWildBenchChoice(std::string_view reply);
// WildBench: JSON with "score", a number or a text of one, 1 to 10.
absl::StatusOr<double> ReadWildBenchScore(std::string_view reply);

}  // namespace temper::agents
