// Retries and limits as pure functions of what happened.
#include "agents/endpoint/retry_policy.h"

#include "agents/endpoint/concurrency_limit.h"
#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using ::testing::HasSubstr;

TEST(RetryPolicyTest, PausesDoubleUpToTheMostAndAreSpread) {
  RetryPolicy policy({.attempts_max = 20,
                      .first_pause = absl::Milliseconds(100),
                      .pause_max = absl::Milliseconds(500),
                      .budget_floor = 100},
                     7);
  double wanted = 0.1;
  for (int attempt = 1; attempt < 10; ++attempt) {
    const RetryPolicy::Verdict verdict = policy.AfterFailure(attempt, std::nullopt);
    ASSERT_TRUE(verdict.again);
    EXPECT_LE(verdict.pause, absl::Seconds(wanted));
    EXPECT_GE(verdict.pause, absl::Seconds(0.75 * wanted));
    wanted = std::min(2 * wanted, 0.5);
  }
}

TEST(RetryPolicyTest, EndsAfterTheAttempts) {
  RetryPolicy policy({.attempts_max = 2, .budget_floor = 100}, 1);
  EXPECT_TRUE(policy.AfterFailure(1, std::nullopt).again);
  EXPECT_THAT(policy.AfterFailure(2, std::nullopt).why_not, HasSubstr("2 attempts"));
}

TEST(RetryPolicyTest, NeverMakesMoreRetriesThanItsShareOfTheCalls) {
  RetryPolicy policy({.attempts_max = 5, .budget = 0.2, .budget_floor = 3}, 1);
  int64_t retries = 0;
  for (int call = 0; call < 1000; ++call) {
    policy.CallStarted();
    for (int attempt = 1; policy.AfterFailure(attempt, std::nullopt).again; ++attempt) ++retries;
    ASSERT_LE(retries, std::max(3.0, 0.2 * (call + 1)));
  }
  EXPECT_EQ(retries, 200);
  EXPECT_EQ(policy.retries(), 200);
  EXPECT_THAT(policy.AfterFailure(1, std::nullopt).why_not, HasSubstr("budget"));
}

TEST(RetryPolicyTest, WhatIsSavedUpHasAnEnd) {
  RetryPolicy policy(
      {.attempts_max = 1000, .budget = 0.5, .budget_floor = 0, .budget_saved_max = 10}, 1);
  for (int call = 0; call < 1000; ++call) policy.CallStarted();
  int retries = 0;
  while (policy.AfterFailure(1, std::nullopt).again) ++retries;
  EXPECT_EQ(retries, 10);
}

TEST(RetryPolicyTest, ObeysTheServersPauseUpToAMost) {
  RetryPolicy policy({}, 1);
  EXPECT_EQ(policy.AfterFailure(1, absl::Seconds(120)).pause, absl::Seconds(120));
  const RetryPolicy::Verdict longer = policy.AfterFailure(1, absl::Seconds(121));
  EXPECT_FALSE(longer.again);
  EXPECT_THAT(longer.why_not, HasSubstr("2m1s"));
}

TEST(RetryPolicyTest, ReadsTheHeadersOfAPause) {
  FakeClock clock;
  const absl::Time now = clock.Now();
  EXPECT_EQ(PauseOfHeaders("250", "9", now), absl::Milliseconds(250));
  EXPECT_EQ(PauseOfHeaders("", "1.5", now), absl::Seconds(1.5));
  EXPECT_EQ(PauseOfHeaders("", "0", now), std::nullopt);
  EXPECT_EQ(PauseOfHeaders("", "-3", now), std::nullopt);
  EXPECT_EQ(PauseOfHeaders("", "nan", now), std::nullopt);
  EXPECT_EQ(PauseOfHeaders("", "", now), std::nullopt);
  EXPECT_EQ(PauseOfHeaders("", "soon", now), std::nullopt);
  const std::string date =
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now + absl::Seconds(30), absl::UTCTimeZone());
  EXPECT_EQ(PauseOfHeaders("", date, now), absl::Seconds(30));
  clock.Advance(absl::Seconds(31));
  EXPECT_EQ(PauseOfHeaders("", date, clock.Now()), std::nullopt);
  EXPECT_EQ(ShouldRetry("true"), true);
  EXPECT_EQ(ShouldRetry("false"), false);
  EXPECT_EQ(ShouldRetry(""), std::nullopt);
}

TEST(RetryPolicyTest, KnowsTheStatusesThatComeBack) {
  for (const int status : {408, 409, 425, 429, 500, 502, 503, 504, 529}) {
    EXPECT_TRUE(StatusIsWorthARetry(status)) << status;
  }
  for (const int status : {200, 301, 400, 401, 403, 404, 413, 422}) {
    EXPECT_FALSE(StatusIsWorthARetry(status)) << status;
  }
}

TEST(ConcurrencyLimitTest, HalvesOnceARoundTripAndNeverBelowOne) {
  ConcurrencyLimit limit(16, 10);
  const absl::Duration second = absl::Seconds(1);
  limit.Overloaded(1 * second, 2 * second);
  EXPECT_EQ(limit.now(), 8);
  limit.Overloaded(1.5 * second, 3 * second);  // was under way already
  EXPECT_EQ(limit.now(), 8);
  for (int i = 0; i < 10; ++i) limit.Overloaded((4 + i) * second, (4 + i) * second);
  EXPECT_EQ(limit.now(), 1);
}

TEST(ConcurrencyLimitTest, GrowsByOneAfterSuccessesAndNeverAboveTheMost) {
  ConcurrencyLimit limit(4, 3);
  limit.Overloaded(absl::Seconds(1), absl::Seconds(1));
  EXPECT_EQ(limit.now(), 2);
  EXPECT_FALSE(limit.Succeeded());
  EXPECT_FALSE(limit.Succeeded());
  EXPECT_TRUE(limit.Succeeded());
  EXPECT_EQ(limit.now(), 3);
  for (int i = 0; i < 100; ++i) limit.Succeeded();
  EXPECT_EQ(limit.now(), 4);
}

}  // namespace
}  // namespace temper::agents
