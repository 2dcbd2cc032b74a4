#include "agents/select/bradley_terry.h"

#include <cmath>

#include "base/philox.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

TEST(BradleyTerryTest, TwoPlayersGiveTheLogOddsOfTheirGames) {
  // 3 of 4 games: log(3) without a prior. A tiny prior moves it by about as little.
  const PairOutcome games[] = {{0, 1, 0.75, 4}};
  const BradleyTerry fit = FitBradleyTerry(2, games, 1e-9);
  EXPECT_TRUE(fit.converged);
  EXPECT_NEAR(fit.strengths[0] - fit.strengths[1], std::log(3.0), 1e-6);
}

// Made by scipy.optimize.minimize (BFGS, gtol 1e-12) on the log-posterior written out in numpy:
// games (0,1,1) (0,2,1) (1,2,1) (2,3,0.5) (3,0,0) (1,3,0.8), prior 0.1.
TEST(BradleyTerryTest, AgreesWithAnIndependentOptimiser) {
  const PairOutcome games[] = {{0, 1, 1},   {0, 2, 1}, {1, 2, 1},
                               {2, 3, 0.5}, {3, 0, 0}, {1, 3, 0.8}};
  const BradleyTerry fit = FitBradleyTerry(4, games);
  const double expected[] = {3.79678008, 0.53457069, -1.58101258, -1.26130329};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(fit.strengths[i], expected[i], 1e-6);
}

TEST(BradleyTerryTest, UnbeatenCandidatesAndThoseThatNeverMetHaveFiniteStrengths) {
  const PairOutcome games[] = {{0, 1, 1}, {2, 3, 1, 5}};
  const BradleyTerry fit = FitBradleyTerry(5, games);
  EXPECT_TRUE(fit.converged);
  EXPECT_GT(fit.strengths[0], 0);
  EXPECT_NEAR(fit.strengths[0], -fit.strengths[1], 1e-9);
  EXPECT_GT(fit.strengths[2], fit.strengths[0]);  // five wins say more than one
  EXPECT_NEAR(fit.strengths[4], 0, 1e-12);        // nothing is known
}

TEST(BradleyTerryTest, ConvergesOnManyRandomTournaments) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::vector<PairOutcome> games;
    for (uint64_t i = 0; i < 60; ++i) {
      const auto draw = Philox(seed, 1, i);
      const int a = static_cast<int>(draw[0] % 12), b = static_cast<int>(draw[1] % 12);
      if (a != b)
        games.push_back({a, b, (draw[2] % 5) / 4.0, 1 + static_cast<double>(draw[3] % 50)});
    }
    EXPECT_TRUE(FitBradleyTerry(12, games).converged) << seed;
  }
}

TEST(BradleyTerryTest, RecoversTheStrengthsThatGamesWereDrawnFrom) {
  const double truth[] = {1.0, 0.3, -0.2, -1.1};
  std::vector<PairOutcome> games;
  uint64_t at = 0;
  for (int a = 0; a < 4; ++a) {
    for (int b = a + 1; b < 4; ++b) {
      const double p = 1 / (1 + std::exp(truth[b] - truth[a]));
      for (int i = 0; i < 4000; ++i) games.push_back({a, b, UniformAt(7, 0, at++) < p ? 1.0 : 0.0});
    }
  }
  const BradleyTerry fit = FitBradleyTerry(4, games);
  for (int i = 1; i < 4; ++i) {
    EXPECT_NEAR(fit.strengths[0] - fit.strengths[i], truth[0] - truth[i], 0.1);
  }
}

}  // namespace
}  // namespace temper::agents
