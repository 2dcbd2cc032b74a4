#include "orchestrator/ledger_samples.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/orchestrator/recorded_run.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kWarmSteps = 3;  // so that version 3 makes policy step 1

// Policy steps 1 .. `steps` of `groups` groups with two samples each (scores 0 and 1), the last of
// them open, and an evaluation of each version.
std::unique_ptr<Ledger> LedgerOf(int steps, int groups) {
  auto ledger = *Ledger::Open(":memory:");
  EXPECT_TRUE(ledger->SetIdentity({.spec_json = "{}", .origin = {"", 0, kWarmSteps, ""}}).ok());
  int64_t id = 0;
  for (int step = 0; step < steps; ++step) {
    const int64_t version = kWarmSteps + step;
    FixBatch batch{.step = version};
    std::vector<LedgerWrite> writes;
    for (int i = 0; i < groups; ++i) {
      OpenGroup open = SmallGroup(++id, version);
      open.group.mutable_prompt()->set_id(absl::StrCat("p", i));
      writes.insert(writes.end(), {open, LeaseSamples{id, {0, 1}, id, "rollout-0"}});
      for (const int k : {0, 1}) {
        auto episode = SmallEpisode(id, k);
        episode->set_versions(0, version);
        episode->add_forced(2);
        writes.insert(writes.end(),
                      {RecordEpisode{id, episode}, RecordScore{id, k, SmallScore(k)}});
        batch.entries.push_back({id, k, k - 0.5});
      }
    }
    OpenGroup held_out = SmallGroup((int64_t{1} << 40) + version, version, /*evaluation=*/true);
    writes.emplace_back(held_out);
    if (step + 1 < steps) writes.insert(writes.end(), {batch, RecordStep{.step = version}});
    EXPECT_TRUE(ledger->Commit(writes, {}).ok());
  }
  return ledger;
}

v1::GetSamplesResponse Read(Ledger& ledger, const v1::GetSamplesRequest& request) {
  const auto page = ReadSamples(ledger, request, kWarmSteps, nullptr);
  EXPECT_TRUE(page.ok()) << page.status();
  return page.ok() ? *page : v1::GetSamplesResponse();
}

TEST(LedgerSamplesTest, ASampleComesWithEverythingThatIsKnownOfIt) {
  const auto ledger = LedgerOf(2, 2);
  v1::GetSamplesRequest request;
  request.set_step(1);
  request.set_with_tokens(true);
  const auto page = ReadSamples(*ledger, request, kWarmSteps, [](const std::vector<int32_t>& ids) {
    std::vector<std::string> texts;
    for (const int32_t id : ids) texts.push_back(absl::StrCat("<", id, ">"));
    return texts;
  });
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->samples_size(), 4);
  EXPECT_THAT(page->next_page_token(), IsEmpty());
  const v1::Sample& sample = page->samples(3);
  EXPECT_EQ(sample.group_id(), 2);
  EXPECT_EQ(sample.number(), 1);
  EXPECT_EQ(sample.step(), 1);
  EXPECT_EQ(sample.state(), "trained");
  EXPECT_EQ(sample.prompt_id(), "p1");
  EXPECT_EQ(sample.prompt(), "a prompt");
  EXPECT_EQ(sample.answer(), "42");
  EXPECT_EQ(sample.response(), "the text");
  EXPECT_EQ(sample.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(sample.score().value(), 1);
  EXPECT_EQ(sample.score().reason(), "because");
  EXPECT_EQ(sample.worker(), "rollout-0");
  EXPECT_EQ(sample.versions(0), kWarmSteps);
  EXPECT_EQ(sample.advantage(), 0.5);
  EXPECT_EQ(sample.token_count(), 3);
  ASSERT_EQ(sample.tokens_size(), 3);
  EXPECT_EQ(sample.tokens(1).text(), "<21>");
  EXPECT_EQ(sample.tokens(1).logprob(), -1.5f);
  EXPECT_FALSE(sample.tokens(1).forced());
  EXPECT_TRUE(sample.tokens(2).forced());
}

TEST(LedgerSamplesTest, FiltersChooseByStepPromptScoreAndEvaluation) {
  const auto ledger = LedgerOf(3, 4);
  const auto count = [&](auto set) {
    v1::GetSamplesRequest request;
    set(request);
    return Read(*ledger, request).samples_size();
  };
  EXPECT_EQ(count([](auto&) {}), 24);
  EXPECT_EQ(count([](auto& r) { r.set_step(3); }), 8);
  EXPECT_EQ(count([](auto& r) { r.set_step(4); }), 0);
  EXPECT_EQ(count([](auto& r) { r.set_prompt_id("p2"); }), 6);
  EXPECT_EQ(count([](auto& r) { r.set_prompt_id("nobody's"); }), 0);
  EXPECT_EQ(count([](auto& r) { r.set_score_min(0.5); }), 12);
  EXPECT_EQ(count([](auto& r) { r.set_score_max(0); }), 12);
  EXPECT_EQ(count([](auto& r) { r.set_evaluation(true); }), 3);
  EXPECT_EQ(count([](auto& r) {
              r.set_evaluation(true);
              r.set_score_min(0);  // none of them is scored yet
            }),
            0);
  EXPECT_EQ(count([](auto& r) {
              r.set_step(2);
              r.set_prompt_id("p1");
              r.set_score_min(1);
            }),
            1);
  v1::GetSamplesRequest evaluation;
  evaluation.set_evaluation(true);
  evaluation.set_step(0);  // before policy step 1
  ASSERT_EQ(Read(*ledger, evaluation).samples_size(), 1);
  EXPECT_EQ(Read(*ledger, evaluation).samples(0).step(), 0);
  EXPECT_EQ(Read(*ledger, evaluation).samples(0).state(), "issued");
}

TEST(LedgerSamplesTest, PagesTogetherAreTheWhole) {
  const auto ledger = LedgerOf(3, 5);
  for (const char* prompt : {"", "p3"}) {
    for (const int limit : {1, 3, 7, 1024}) {
      v1::GetSamplesRequest request;
      request.set_prompt_id(prompt);
      request.set_limit(1024);
      const v1::GetSamplesResponse whole = Read(*ledger, request);
      request.set_limit(limit);
      v1::GetSamplesResponse pages;
      do {
        const v1::GetSamplesResponse page = Read(*ledger, request);
        EXPECT_LE(page.samples_size(), limit);
        request.set_page_token(page.next_page_token());
        pages.MergeFrom(page);
      } while (!request.page_token().empty() && pages.samples_size() < 100);
      pages.clear_next_page_token();
      EXPECT_EQ(pages.SerializeAsString(), whole.SerializeAsString()) << prompt << " " << limit;
    }
  }
}

TEST(LedgerSamplesTest, APageEndsBeforeItIsTooLarge) {
  const auto ledger = *Ledger::Open(":memory:");
  std::vector<LedgerWrite> writes;
  for (int64_t id = 1; id <= 4; ++id) {
    writes.insert(writes.end(), {SmallGroup(id, 0), LeaseSamples{id, {0}, id, "rollout-0"}});
    auto episode = SmallEpisode(id, 0);
    episode->set_text(std::string(2 << 20, 'x'));
    writes.emplace_back(RecordEpisode{id, episode});
  }
  ASSERT_TRUE(ledger->Commit(writes, {}).ok());
  const auto page = ReadSamples(*ledger, {}, 0, nullptr);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->samples_size(), 2);  // one of 2 MB and the empty one beside it
  EXPECT_LT(page->ByteSizeLong(), 4u << 20);
  EXPECT_FALSE(page->next_page_token().empty());
}

// Rare scores in a long run: a page looks at some thousand samples, and the next goes on.
TEST(LedgerSamplesTest, ASearchForWhatIsRareComesInPieces) {
  const auto ledger = LedgerOf(3, 2000);
  v1::GetSamplesRequest request;
  request.set_score_min(2);
  const v1::GetSamplesResponse page = Read(*ledger, request);
  EXPECT_EQ(page.samples_size(), 0);
  ASSERT_FALSE(page.next_page_token().empty());
  request.set_page_token(page.next_page_token());
  EXPECT_THAT(Read(*ledger, request).next_page_token(), IsEmpty());
}

TEST(LedgerSamplesTest, NoFilterScansTheLedger) {
  const auto ledger = LedgerOf(20, 50);
  v1::GetSamplesRequest by_step, by_prompt, everything;
  by_step.set_step(7);
  by_prompt.set_prompt_id("p7");
  everything.set_limit(10);
  const int64_t before = ledger->database().FullScanSteps();
  for (const auto& request : {by_step, by_prompt, everything}) Read(*ledger, request);
  EXPECT_EQ(ledger->database().FullScanSteps(), before);
}

TEST(LedgerSamplesTest, WhatCannotBeAskedIsRefusedWithTheField) {
  const auto ledger = LedgerOf(2, 1);
  const auto refusal = [&](auto set) {
    v1::GetSamplesRequest request;
    set(request);
    const absl::Status status = ReadSamples(*ledger, request, kWarmSteps, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(refusal([](auto& r) { r.set_limit(1025); }), HasSubstr("limit: 1025"));
  EXPECT_THAT(refusal([](auto& r) { r.set_limit(-1); }), HasSubstr("limit: -1"));
  EXPECT_THAT(refusal([](auto& r) { r.set_step(0); }), HasSubstr("step: 0"));
  EXPECT_THAT(refusal([](auto& r) { r.set_page_token("1.2"); }), HasSubstr("page_token"));
  EXPECT_THAT(refusal([](auto& r) {
                r.set_score_min(0.5);
                r.set_score_max(0.25);
              }),
              HasSubstr("score_min: 0.5"));
  EXPECT_THAT(refusal([](auto& r) { r.set_score_min(std::numeric_limits<double>::quiet_NaN()); }),
              HasSubstr("score_min"));
  v1::GetSamplesRequest one;
  one.set_limit(1);
  const std::string token = Read(*ledger, one).next_page_token();
  EXPECT_THAT(refusal([&](auto& r) {
                r.set_page_token(token);
                r.set_step(1);
              }),
              HasSubstr("page_token"));
}

}  // namespace
}  // namespace temper::orchestrator
