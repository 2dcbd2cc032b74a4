// Who meets whom, and who is shown first.
//
// Judges favour a position. Where each pair is asked in both orders that cancels; where it is asked
// once, every candidate is first as often as second, to within one game. (An order by index, as
// elsewhere, shows the first candidate first in all its pairs, and the last one in none.)
#pragma once

#include <compare>
#include <vector>

namespace temper::agents {

// One question to a judge: is `first` better than `second`, shown in this order?
struct Pairing {
  int first = 0;
  int second = 0;
  auto operator<=>(const Pairing&) const = default;
};

// Every pair once. A candidate is first in (n-1)/2 of its pairs when n is odd, in n/2 or n/2 - 1
// when it is even.
std::vector<Pairing> EveryPair(int candidates);

// Each candidate first against the next, the last against candidate 0: n pairs, each candidate
// first once and second once. One pair where there are two candidates.
std::vector<Pairing> Circle(int candidates);

}  // namespace temper::agents
