// Choices of experts and the slots that a plain loop gives them, for tests of both back ends.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/shapes.h"

namespace temper::kernels {

struct Slots {
  std::vector<int32_t> first, slots, rows;
  bool operator==(const Slots&) const = default;
};

struct SlotCase {
  RouterShape shape;
  int64_t tokens = 0;
  std::vector<int32_t> chosen;  // of each token by ascending id

  // Expert by expert, its choices in order.
  Slots Expected() const {
    Slots expected = {.first = {0}, .slots = chosen, .rows = {}};
    for (int32_t expert = 0; expert < shape.experts; ++expert) {
      for (size_t i = 0; i < chosen.size(); ++i) {
        if (chosen[i] != expert) continue;
        expected.slots[i] = static_cast<int32_t>(expected.rows.size());
        expected.rows.push_back(static_cast<int32_t>(i / shape.chosen));
      }
      expected.first.push_back(static_cast<int32_t>(expected.rows.size()));
    }
    return expected;
  }
};

// Every token picks `chosen` of the experts that `allowed` lets through.
inline SlotCase RandomChoice(int64_t experts, int64_t chosen, int64_t tokens,
                             const std::function<bool(int32_t)>& allowed) {
  SlotCase one = {.shape = {.experts = experts, .chosen = chosen}, .tokens = tokens, .chosen = {}};
  std::mt19937 random(static_cast<uint32_t>(experts + tokens));
  std::vector<int32_t> ids;
  for (int32_t e = 0; e < experts; ++e) {
    if (allowed(e)) ids.push_back(e);
  }
  for (int64_t t = 0; t < tokens; ++t) {
    std::shuffle(ids.begin(), ids.end(), random);
    std::vector<int32_t> of_token(ids.begin(), ids.begin() + chosen);
    std::sort(of_token.begin(), of_token.end());
    one.chosen.insert(one.chosen.end(), of_token.begin(), of_token.end());
  }
  return one;
}

// Few experts and many, some or all but one without a token, few choices and more than a block has
// threads, and none at all.
inline std::vector<SlotCase> SlotCases() {
  const auto any = [](int32_t) { return true; };
  return {RandomChoice(1, 1, 1, any),
          RandomChoice(4, 2, 0, any),
          RandomChoice(7, 3, 1, any),
          RandomChoice(7, 3, 257, any),
          RandomChoice(8, 1, 40, [](int32_t e) { return e == 0; }),
          RandomChoice(8, 1, 300, [](int32_t e) { return e == 7; }),
          RandomChoice(9, 2, 77, [](int32_t e) { return e % 3 == 1; }),
          RandomChoice(45, 45, 33, any),
          RandomChoice(128, 6, 700, any),
          RandomChoice(512, 22, 9, any)};
}

}  // namespace temper::kernels
