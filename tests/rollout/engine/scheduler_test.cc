// The scheduler's decisions, with no model in sight.
#include "rollout/engine/scheduler.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

namespace temper::rollout {
namespace {

constexpr StateSizes kSizes{.fixed = 100, .page = 10, .page_tokens = 64};
constexpr int64_t kPlenty = 1 << 20;

std::unique_ptr<Group> MakeGroup(int prompt, int samples, int64_t max_tokens = 10) {
  GroupRequest request;
  request.prompt_tokens.assign(prompt, 1);
  for (int i = 0; i < samples; ++i) request.samples.push_back(i);
  request.sampling.max_tokens = max_tokens;
  return std::make_unique<Group>(std::move(request));
}

// A scheduler whose model is this test: prompts and samples advance when told to.
class SchedulerTest : public ::testing::Test {
 protected:
  void Open(int sequences_max, int64_t bytes_max = kPlenty, Scheduler::Limits limits = {}) {
    accounts_ = std::make_unique<Accounts>(
        kSizes, Accounts::Limits{.sequences_max = sequences_max, .bytes_max = bytes_max});
    scheduler_ = std::make_unique<Scheduler>(limits, *accounts_);
  }
  Group& Admit(int prompt, int samples, int64_t max_tokens = 10) {
    std::unique_ptr<Group> group = MakeGroup(prompt, samples, max_tokens);
    Group& admitted = *group;
    EXPECT_TRUE(scheduler_->Admit(group).ok());
    return admitted;
  }
  // Forks all that may start now.
  int Start() {
    int started = 0;
    for (Group* group; (group = scheduler_->NextStart()) != nullptr; ++started) {
      scheduler_->Run(std::make_unique<Sequence>(*group, group->request.samples[group->started++],
                                                 model::SequenceState(model::ModelConfig(), *device_)));
    }
    return started;
  }
  StepPlan Step() {
    StepPlan plan = scheduler_->NextStep();
    for (const StepPlan::Prefill& part : plan.prefill) part.group->prompt_done += part.tokens;
    return plan;
  }
  // Ends one running sample of `group`; true when it was the last.
  bool End(Group& group) {
    for (Sequence* sequence : scheduler_->NextStep().decode) {
      if (&sequence->group != &group) continue;
      scheduler_->Forget(*sequence);
      return scheduler_->Finish(group);
    }
    ADD_FAILURE() << "no sequence of the group runs";
    return false;
  }

  const std::unique_ptr<kernels::Device> device_ = kernels::OpenCpuDevice(1);
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, HasNothingToDoWhenNothingCame) {
  Open(4);
  EXPECT_EQ(Start(), 0);
  EXPECT_TRUE(Step().empty());
  EXPECT_TRUE(scheduler_->empty());
}

TEST_F(SchedulerTest, PrefillsAPromptOnceForAllItsSamples) {
  Open(8);
  Group& group = Admit(/*prompt=*/100, /*samples=*/4);
  EXPECT_EQ(Start(), 0);
  const StepPlan plan = Step();
  ASSERT_EQ(plan.prefill.size(), 1u);
  EXPECT_EQ(plan.prefill[0].group, &group);
  EXPECT_EQ(plan.prefill[0].tokens, 100);
  EXPECT_TRUE(plan.decode.empty());
  EXPECT_EQ(Start(), 4);
  const StepPlan next = Step();
  EXPECT_TRUE(next.prefill.empty());
  EXPECT_EQ(next.decode.size(), 4u);
}

TEST_F(SchedulerTest, CutsPromptsByTheStepsBudget) {
  Open(8, kPlenty, {.prefill_chunk = 64});
  Group& first = Admit(100, 1);
  Group& second = Admit(50, 1);
  Start();
  StepPlan plan = Step();
  ASSERT_EQ(plan.prefill.size(), 1u);
  EXPECT_EQ(plan.prefill[0].tokens, 64);
  Start();
  plan = Step();
  ASSERT_EQ(plan.prefill.size(), 2u);
  EXPECT_EQ(plan.prefill[0].group, &first);
  EXPECT_EQ(plan.prefill[0].tokens, 36);
  EXPECT_EQ(plan.prefill[1].group, &second);
  EXPECT_EQ(plan.prefill[1].tokens, 28);
}

TEST_F(SchedulerTest, DecodesWhatRunsWhileANewPromptIsPrefilled) {
  Open(8, kPlenty, {.prefill_chunk = 64});
  Admit(10, 2);
  Start();
  Step();
  EXPECT_EQ(Start(), 2);
  Group& late = Admit(200, 1);
  Start();
  const StepPlan plan = Step();
  EXPECT_EQ(plan.decode.size(), 2u);
  ASSERT_EQ(plan.prefill.size(), 1u);
  EXPECT_EQ(plan.prefill[0].group, &late);
}

TEST_F(SchedulerTest, NeverRunsMoreSequencesThanItHasPlaces) {
  Open(3);
  Admit(10, 8);
  Start();
  Step();
  EXPECT_EQ(Start(), 3);
  EXPECT_EQ(Step().decode.size(), 3u);
  EXPECT_EQ(Start(), 0);
}

TEST_F(SchedulerTest, AGroupLargerThanThePlacesRunsInTurns) {
  Open(3);
  Group& group = Admit(10, 8);
  Start();
  Step();
  int started = Start();
  for (int ended = 1; ended <= 8; ++ended) {
    EXPECT_EQ(End(group), ended == 8);
    started += Start();
  }
  EXPECT_EQ(started, 8);
}

TEST_F(SchedulerTest, ServesGroupsInTheOrderOfTheirArrival) {
  Open(4);
  Group& first = Admit(10, 3);
  Group& second = Admit(10, 3);
  Group& third = Admit(10, 1);
  Start();
  EXPECT_EQ(first.placed, 3);
  EXPECT_EQ(second.placed, 1);
  EXPECT_EQ(third.placed, 0) << "must not overtake the group that waits for places";
  Step();
  EXPECT_EQ(Start(), 4);
  End(first);
  Start();
  EXPECT_EQ(second.placed, 2);
  EXPECT_EQ(third.placed, 0);
}

TEST_F(SchedulerTest, RefusesWorkWhenTheWaitingLineIsFull) {
  Open(1, kPlenty, {.waiting_max = 2});
  Admit(10, 1);
  Start();  // holds the place: does not wait
  Admit(10, 1);
  Admit(10, 1);
  std::unique_ptr<Group> refused = MakeGroup(10, 1);
  EXPECT_EQ(scheduler_->Admit(refused).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused, nullptr) << "stays with the caller";
}

TEST_F(SchedulerTest, RefusesWhatCanNeverFit) {
  Open(4, /*bytes_max=*/300);
  std::unique_ptr<Group> refused = MakeGroup(/*prompt=*/64, /*samples=*/1, /*max_tokens=*/640);
  EXPECT_EQ(scheduler_->Admit(refused).code(), absl::StatusCode::kResourceExhausted);
  Admit(/*prompt=*/64, /*samples=*/1, /*max_tokens=*/64);
}

TEST_F(SchedulerTest, AdmitsOnlyWhatItsMemoryHolds) {
  // A prompt of 64 costs 110, each sample 110 more: two samples of one group fit 350 bytes.
  Open(16, /*bytes_max=*/350);
  Group& group = Admit(64, 3, /*max_tokens=*/64);
  Group& other = Admit(64, 1, /*max_tokens=*/64);
  Start();
  EXPECT_EQ(group.placed, 2);
  EXPECT_EQ(other.placed, 0);
  EXPECT_EQ(accounts_->bytes_taken(), 330);
  Step();
  EXPECT_EQ(Start(), 2);
  End(group);
  EXPECT_EQ(Start(), 1);
  EXPECT_EQ(group.placed, 3);
}

TEST_F(SchedulerTest, GivesBackAllThatAGroupHeld) {
  Open(4);
  Group& ended = Admit(70, 2);
  Group& dropped = Admit(70, 5);
  Group& waiting = Admit(70, 1);
  Start();
  Step();
  Start();
  EXPECT_EQ(accounts_->places_taken(), 4);
  End(ended);
  EXPECT_TRUE(End(ended));
  scheduler_->Remove(ended);
  scheduler_->Remove(dropped);
  scheduler_->Remove(waiting);
  EXPECT_EQ(accounts_->places_taken(), 0);
  EXPECT_EQ(accounts_->bytes_taken(), 0);
  EXPECT_TRUE(scheduler_->empty());
  EXPECT_TRUE(scheduler_->NextStep().empty());
}

TEST(AccountsTest, CountsAForkByWhatItDoesNotShare) {
  const Accounts accounts(kSizes, {});
  EXPECT_EQ(accounts.PromptBytes(1), 100 + 10);
  EXPECT_EQ(accounts.PromptBytes(64), 100 + 10);
  EXPECT_EQ(accounts.PromptBytes(65), 100 + 20);
  EXPECT_EQ(accounts.SampleBytes(64, 64), 100 + 10);
  // The page that prompt and response share is copied.
  EXPECT_EQ(accounts.SampleBytes(65, 64), 100 + 20);
  EXPECT_EQ(accounts.SampleBytes(1, 63), 100 + 10);
}

TEST(AccountsTest, KnowsTheSizesOfAModel) {
  model::ModelConfig config;
  config.layers = {
      {.kind = model::LayerKind::kMamba,
       .heads = 2,
       .head_dim = 4,
       .state = 8,
       .groups = 1,
       .conv_taps = 4},
      {.kind = model::LayerKind::kAttention, .q_heads = 4, .kv_heads = 2, .attention_head_dim = 8},
      {.kind = model::LayerKind::kMlp, .intermediate = 64}};
  const auto device = kernels::OpenCpuDevice(1);
  const StateSizes sizes = SizesOf(config, *device);
  model::SequenceState state(config, *device);
  EXPECT_EQ(sizes.fixed, state.bytes());
  state.Reserve(sizes.page_tokens + 1);
  EXPECT_EQ(sizes.fixed + 2 * sizes.page, state.bytes());
}

}  // namespace
}  // namespace temper::rollout
