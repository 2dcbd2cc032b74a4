#include "agents/select/schedule.h"

#include <algorithm>
#include <set>
#include <utility>

#include "gtest/gtest.h"

namespace temper::agents {
namespace {

std::vector<int> Firsts(const std::vector<Pairing>& pairs, int n) {
  std::vector<int> firsts(n);
  for (const Pairing& pair : pairs) ++firsts[pair.first];
  return firsts;
}

std::set<std::pair<int, int>> Unordered(const std::vector<Pairing>& pairs) {
  std::set<std::pair<int, int>> set;
  for (const Pairing& pair : pairs) {
    EXPECT_NE(pair.first, pair.second);
    EXPECT_TRUE(set.insert(std::minmax(pair.first, pair.second)).second) << "a pair stands twice";
  }
  return set;
}

TEST(ScheduleTest, EveryPairStandsOnce) {
  for (int n = 1; n <= 17; ++n) {
    const auto set = Unordered(EveryPair(n));
    EXPECT_EQ(set.size(), static_cast<size_t>(n * (n - 1) / 2)) << n;
  }
}

TEST(ScheduleTest, NobodyIsFirstMoreOftenThanSecondByMoreThanOneGame) {
  for (int n = 2; n <= 17; ++n) {
    const std::vector<int> firsts = Firsts(EveryPair(n), n);
    const auto [least, most] = std::minmax_element(firsts.begin(), firsts.end());
    EXPECT_LE(*most - *least, 1) << n;
    for (const int count : firsts) {
      const int seconds = n - 1 - count;
      EXPECT_LE(std::abs(count - seconds), n % 2 == 0 ? 1 : 0) << n;
    }
  }
}

TEST(ScheduleTest, ACircleShowsEachOnceFirstAndOnceSecond) {
  for (int n = 3; n <= 17; ++n) {
    const std::vector<Pairing> pairs = Circle(n);
    EXPECT_EQ(Unordered(pairs).size(), static_cast<size_t>(n));
    for (const int count : Firsts(pairs, n)) EXPECT_EQ(count, 1) << n;
  }
  EXPECT_EQ(Circle(2), (std::vector<Pairing>{{0, 1}}));
  EXPECT_TRUE(Circle(1).empty());
}

}  // namespace
}  // namespace temper::agents
