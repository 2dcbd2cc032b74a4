#include "agents/select/pairwise_contest.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "base/philox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using Method = PairwiseContest::Method;
using testing::ElementsAre;
using testing::HasSubstr;
using Judge = std::function<std::optional<double>(Pairing)>;

PairwiseContest Make(int n, PairwiseContest::Options options) {
  auto contest = PairwiseContest::Create(n, options);
  EXPECT_TRUE(contest.ok()) << contest.status();
  return *std::move(contest);
}

// Plays to the end; answers come in an order that depends on `seed`.
std::vector<Pairing> Play(PairwiseContest& contest, const Judge& judge, uint64_t seed = 0) {
  std::vector<Pairing> asked;
  for (uint64_t i = 0; !contest.decided(); ++i) {
    const std::vector<Pairing> open = contest.Open();
    const Pairing game = open[Philox(seed, 0, i)[0] % open.size()];
    EXPECT_TRUE(contest.Deliver(game, judge(game)).ok());
    asked.push_back(game);
  }
  return asked;
}

Decision Decide(int n, PairwiseContest::Options options, const Judge& judge, uint64_t seed = 0) {
  PairwiseContest contest = Make(n, options);
  Play(contest, judge, seed);
  auto decision = contest.decision();
  EXPECT_TRUE(decision.ok()) << decision.status();
  return *std::move(decision);
}

// Candidates' true worth; the better one is preferred whatever the order.
Judge ByWorth(std::vector<double> worth) {
  return [worth](Pairing game) {
    const double a = worth[game.first], b = worth[game.second];
    return a == b ? 0.5 : a > b ? 1.0 : 0.0;
  };
}

TEST(PairwiseContestTest, EveryMethodFindsTheBestOfAnyNumber) {
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    for (const bool swap : {true, false}) {
      for (int n = 1; n <= 17; ++n) {
        std::vector<double> worth;
        for (int i = 0; i < n; ++i) worth.push_back((i * 7 + 3) % 17);  // a permutation's part
        const int best =
            static_cast<int>(std::max_element(worth.begin(), worth.end()) - worth.begin());
        const Decision decision = Decide(n, {.method = method, .swap = swap}, ByWorth(worth));
        EXPECT_THAT(decision.kept, ElementsAre(best)) << n;
        EXPECT_EQ(decision.ranking.front(), best);
        EXPECT_EQ(decision.ranking.size(), static_cast<size_t>(n));
        EXPECT_FALSE(decision.by_lineage);
      }
    }
  }
}

TEST(PairwiseContestTest, WithSwapEveryPairIsAskedInBothOrders) {
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    PairwiseContest contest = Make(7, {.method = method});
    const std::vector<Pairing> asked = Play(contest, ByWorth({1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(static_cast<int64_t>(asked.size()), contest.games_max());
    for (const Pairing& game : asked) {
      EXPECT_EQ(std::count(asked.begin(), asked.end(), game), 1);
      EXPECT_EQ(std::count(asked.begin(), asked.end(), Pairing{game.second, game.first}), 1);
    }
  }
}

TEST(PairwiseContestTest, TheOrderOfAnswersChangesNothing) {
  // Depends on the order shown, has ties and failures.
  const Judge odd = [](Pairing game) -> std::optional<double> {
    const uint32_t draw = Philox(1, game.first, game.second)[0] % 7;
    if (draw == 6) return std::nullopt;
    return draw / 5.0;
  };
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    for (const bool thrifty : {false, true}) {
      if (thrifty && method != Method::kKnockout) continue;
      const PairwiseContest::Options options = {.method = method, .keep = 2, .thrifty = thrifty};
      const Decision first = Decide(11, options, odd, 0);
      for (uint64_t seed = 1; seed < 50; ++seed) {
        const Decision again = Decide(11, options, odd, seed);
        EXPECT_EQ(again.kept, first.kept);
        EXPECT_EQ(again.ranking, first.ranking);
        EXPECT_EQ(again.scores, first.scores);
        EXPECT_EQ(again.pairwise.games, first.pairwise.games);
        EXPECT_EQ(again.pairwise.flips, first.pairwise.flips);
      }
    }
  }
}

TEST(PairwiseContestTest, AJudgeThatAlwaysPrefersTheFirstDecidesNothing) {
  const Judge first = [](Pairing) { return 1.0; };
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    const Decision decision = Decide(6, {.method = method}, first);
    EXPECT_THAT(decision.kept, ElementsAre(0));
    EXPECT_TRUE(decision.by_lineage);
    EXPECT_EQ(decision.pairwise.flip_rate(), 1.0);
    EXPECT_EQ(decision.pairwise.ties, static_cast<int>(decision.pairwise.games / 2));
  }
}

TEST(PairwiseContestTest, AKnockoutPlaysOneMatchForEachThatGoes) {
  for (int n = 2; n <= 17; ++n) {
    for (int keep = 1; keep < n; ++keep) {
      PairwiseContest contest = Make(n, {.keep = keep, .swap = false});
      std::vector<double> worth;
      for (int i = 0; i < n; ++i) worth.push_back(i);
      EXPECT_EQ(Play(contest, ByWorth(worth)).size(), static_cast<size_t>(n - keep));
      const Decision decision = contest.decision().value();
      EXPECT_EQ(decision.kept.size(), static_cast<size_t>(keep));
      EXPECT_TRUE(std::is_sorted(decision.kept.begin(), decision.kept.end()));
      EXPECT_EQ(decision.ranking.front(), decision.kept.front());
    }
  }
}

TEST(PairwiseContestTest, ByesGoToTheEarliestAndOnlyInTheFirstRound) {
  PairwiseContest contest = Make(6, {.swap = false});
  // Two of six must go for four to be left: 2-5 and 3-4.
  const std::vector<Pairing> round = contest.Open();
  ASSERT_EQ(round.size(), 2u);
  EXPECT_EQ(std::minmax(round[0].first, round[0].second), std::minmax(2, 5));
  EXPECT_EQ(std::minmax(round[1].first, round[1].second), std::minmax(3, 4));
  for (const Pairing& game : round) ASSERT_TRUE(contest.Deliver(game, 1).ok());
  EXPECT_EQ(contest.Open().size(), 2u);
}

TEST(PairwiseContestTest, AFailedJudgeIsNoTieAndTheEarlierOneGoesOn) {
  const Judge fails_once = [](Pairing game) -> std::optional<double> {
    if (game == Pairing{3, 0}) return std::nullopt;
    return game.first > game.second ? 1 : 0;  // later is better
  };
  const Decision decision = Decide(4, {.method = Method::kKnockout}, fails_once);
  EXPECT_EQ(decision.pairwise.invalid, 1);
  EXPECT_EQ(decision.pairwise.unjudged, 1);
  EXPECT_EQ(decision.pairwise.ties, 0);
  EXPECT_TRUE(decision.by_lineage);
  // 0 came through against 3 by lineage, then lost to 2, who beat 1.
  EXPECT_THAT(decision.kept, ElementsAre(2));
}

TEST(PairwiseContestTest, InALeagueAFailedPairCountsForNobody) {
  const Judge judge = [](Pairing game) -> std::optional<double> {
    if (game == Pairing{0, 1}) return std::nullopt;
    return game.first < game.second ? 1 : 0;
  };
  const Decision decision = Decide(3, {.method = Method::kLeague, .keep = 1}, judge);
  EXPECT_EQ(decision.scores[0], 1.0);  // one judged pair, won
  EXPECT_EQ(decision.scores[1], 1.0);  // likewise
  EXPECT_EQ(decision.scores[2], 0.0);
  EXPECT_TRUE(decision.by_lineage);
  EXPECT_THAT(decision.kept, ElementsAre(0));
}

TEST(PairwiseContestTest, WhoWasNeverJudgedIsOutAndNobodyJudgedIsAFailure) {
  const Judge never_2 = [](Pairing game) -> std::optional<double> {
    if (game.first == 2 || game.second == 2) return std::nullopt;
    return game.first < game.second ? 1 : 0;
  };
  for (const Method method : {Method::kLeague, Method::kPairs}) {
    const Decision decision = Decide(3, {.method = method, .keep = 2}, never_2);
    EXPECT_THAT(decision.out, ElementsAre(2));
    EXPECT_THAT(decision.kept, ElementsAre(0, 1));
    EXPECT_FALSE(decision.scores[2].has_value());
  }
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    PairwiseContest contest = Make(4, {.method = method});
    Play(contest, [](Pairing) { return std::nullopt; });
    const auto decision = contest.decision();
    EXPECT_EQ(decision.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(decision.status().message()), HasSubstr("could be judged"));
  }
}

TEST(PairwiseContestTest, AThriftyKnockoutSkipsWhatCannotChangeWhoGoesOn) {
  PairwiseContest contest = Make(2, {.thrifty = true});
  EXPECT_THAT(contest.Open(), ElementsAre(Pairing{0, 1}));
  ASSERT_TRUE(contest.Deliver({0, 1}, 1).ok());
  EXPECT_TRUE(contest.decided());
  EXPECT_THAT(contest.decision()->kept, ElementsAre(0));
  EXPECT_EQ(contest.decision()->pairwise.games, 1);

  contest = Make(2, {.thrifty = true});
  ASSERT_TRUE(contest.Deliver({0, 1}, 0.5).ok());
  EXPECT_THAT(contest.Open(), ElementsAre(Pairing{1, 0}));
  ASSERT_TRUE(contest.Deliver({1, 0}, 1).ok());
  EXPECT_THAT(contest.decision()->kept, ElementsAre(1));

  // Whoever goes on is the same as with every game played.
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Judge judge = [seed](Pairing game) {
      return (Philox(seed, game.first, game.second)[0] % 3) / 2.0;
    };
    const Decision whole = Decide(9, {}, judge);
    const Decision thrifty = Decide(9, {.thrifty = true}, judge);
    EXPECT_EQ(whole.kept, thrifty.kept) << seed;
    EXPECT_LE(thrifty.pairwise.games, whole.pairwise.games);
  }
}

TEST(PairwiseContestTest, KeepsAllWithoutAQuestionWhereAllAreKept) {
  for (const Method method : {Method::kKnockout, Method::kLeague, Method::kPairs}) {
    PairwiseContest contest = Make(3, {.method = method, .keep = 5});
    EXPECT_TRUE(contest.decided());
    EXPECT_EQ(contest.games_max(), 0);
    EXPECT_THAT(contest.decision()->kept, ElementsAre(0, 1, 2));
  }
}

TEST(PairwiseContestTest, NeighboursAreEnoughForPairsInACircle) {
  PairwiseContest contest = Make(8, {.method = Method::kPairs, .circular = true});
  EXPECT_EQ(contest.games_max(), 16);
  Play(contest, ByWorth({3, 5, 8, 6, 4, 2, 1, 0}));
  EXPECT_THAT(contest.decision()->kept, ElementsAre(2));
}

TEST(PairwiseContestTest, GradedPreferencesDecideByTheirMean) {
  // 0.8 for first in one order, 0.4 for first in the other: 0.7 on average for candidate 0.
  const Judge judge = [](Pairing game) { return game.first == 0 ? 0.8 : 0.4; };
  const Decision decision = Decide(2, {.method = Method::kPairs}, judge);
  EXPECT_THAT(decision.kept, ElementsAre(0));
  // The tie in binary of 0.8 and 0.8 shown the other way round is one.
  const Decision tie = Decide(2, {}, [](Pairing) { return 0.8; });
  EXPECT_EQ(tie.pairwise.ties, 1);
  EXPECT_EQ(tie.pairwise.flips, 1);
}

TEST(PairwiseContestTest, RefusesWhatWasNotAskedAndWhatIsNoPreference) {
  PairwiseContest contest = Make(3, {.method = Method::kLeague});
  EXPECT_THAT(std::string(contest.Deliver({0, 7}, 1).message()), HasSubstr("0 and 7"));
  EXPECT_FALSE(contest.Deliver({0, 1}, 1.5).ok());
  EXPECT_FALSE(contest.Deliver({0, 1}, std::nan("")).ok());
  EXPECT_TRUE(contest.Deliver({0, 1}, 1).ok());
  EXPECT_FALSE(contest.Deliver({0, 1}, 1).ok());
  EXPECT_FALSE(contest.decision().ok());
  EXPECT_FALSE(PairwiseContest::Create(0, {}).ok());
  EXPECT_FALSE(PairwiseContest::Create(2, {.keep = 0}).ok());
  EXPECT_FALSE(PairwiseContest::Create(1025, {}).ok());
  EXPECT_FALSE(PairwiseContest::Create(2, {.method = Method::kLeague, .circular = true}).ok());
  EXPECT_FALSE(PairwiseContest::Create(2, {.swap = false, .thrifty = true}).ok());
}

}  // namespace
}  // namespace temper::agents
