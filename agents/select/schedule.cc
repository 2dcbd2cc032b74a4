// A circle of candidates: each is first against the half that follows it.
#include "agents/select/schedule.h"

#include <algorithm>
#include <utility>

namespace temper::agents {

std::vector<Pairing> EveryPair(int candidates) {
  const int n = candidates;
  std::vector<Pairing> pairs;
  for (int i = 0; i < n; ++i) {
    for (int step = 1; step <= (n - 1) / 2; ++step) pairs.push_back({i, (i + step) % n});
  }
  // Opposite each other, where n is even: one game more for each.
  for (int i = 0; n % 2 == 0 && i < n / 2; ++i) {
    pairs.push_back(i % 2 == 0 ? Pairing{i, i + n / 2} : Pairing{i + n / 2, i});
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pairing& a, const Pairing& b) {
    return std::pair(std::min(a.first, a.second), std::max(a.first, a.second)) <
           std::pair(std::min(b.first, b.second), std::max(b.first, b.second));
  });
  return pairs;
}

std::vector<Pairing> Circle(int candidates) {
  std::vector<Pairing> pairs;
  if (candidates == 2) return {{0, 1}};
  for (int i = 0; candidates > 2 && i < candidates; ++i) pairs.push_back({i, (i + 1) % candidates});
  return pairs;
}

}  // namespace temper::agents
