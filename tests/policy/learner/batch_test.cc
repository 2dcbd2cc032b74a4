// Packing: order, budget, what predicts what; and what a batch is refused for.
#include "policy/learner/batch.h"

#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::learner {
namespace {

using testing::HasSubstr;

Sequence MakeSequence(std::vector<int32_t> prompt, const std::vector<int32_t>& response) {
  Sequence sequence;
  sequence.prompt_tokens = static_cast<int64_t>(prompt.size());
  sequence.tokens = std::move(prompt);
  sequence.tokens.insert(sequence.tokens.end(), response.begin(), response.end());
  return sequence;
}

v1::TrainEpisode GoodEpisode() {
  v1::TrainEpisode train;
  train.set_advantage(0.5);
  v1::Episode& episode = *train.mutable_episode();
  episode.set_group_id(17);
  episode.set_sample(3);
  for (const int token : {1, 2, 3}) episode.add_prompt_tokens(token);
  for (const int token : {4, 5}) episode.add_tokens(token);
  for (const float logprob : {-0.5f, -0.25f}) episode.add_logprobs(logprob);
  return train;
}

std::string Refusal(const v1::TrainEpisode& train) {
  v1::PolicyBatch batch;
  *batch.add_episodes() = train;
  const auto sequences = PolicySequences(batch, /*vocab_size=*/10);
  EXPECT_EQ(sequences.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(sequences.status().message());
}

TEST(PackTest, LaysSequencesEndToEndWithoutTheirLastToken) {
  const std::vector<Sequence> sequences = {MakeSequence({10, 11}, {12, 13}),
                                           MakeSequence({20}, {21, 22, 23})};
  const std::vector<int32_t> both = {0, 1};
  const auto batches = Pack(sequences, both, 100, 0.7f);
  ASSERT_EQ(batches.size(), 1u);
  const model::PackedBatch& packed = batches[0].packed;
  EXPECT_THAT(packed.tokens, testing::ElementsAre(10, 11, 12, 20, 21, 22));
  ASSERT_EQ(packed.segments.size(), 2u);
  EXPECT_EQ(packed.segments[1].begin, 3);
  EXPECT_EQ(packed.segments[1].length, 3);
  EXPECT_EQ(packed.segments[1].position, 0);
  EXPECT_THAT(packed.prediction_rows, testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(packed.prediction_targets, testing::ElementsAre(12, 13, 21, 22, 23));
  EXPECT_THAT(batches[0].sequence_of, testing::ElementsAre(0, 0, 1, 1, 1));
  EXPECT_THAT(batches[0].token_of, testing::ElementsAre(0, 1, 0, 1, 2));
  EXPECT_EQ(packed.temperature, 0.7f);
}

TEST(PackTest, KeepsOrderAndBudgetOverRandomLengths) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<Sequence> sequences;
    for (int i = 0; i < 40; ++i) {
      sequences.push_back(MakeSequence(std::vector<int32_t>(1 + random() % 20, i),
                                       std::vector<int32_t>(1 + random() % 20, i)));
    }
    std::vector<int32_t> order(sequences.size());
    std::iota(order.begin(), order.end(), 0);
    const int64_t budget = 1 + static_cast<int64_t>(random() % 80);
    int32_t next = 0;
    for (const MicroBatch& batch : Pack(sequences, order, budget, 1)) {
      const auto tokens = static_cast<int64_t>(batch.packed.tokens.size());
      EXPECT_TRUE(tokens <= budget || batch.packed.segments.size() == 1);
      for (const kernels::Segment& segment : batch.packed.segments) {
        EXPECT_EQ(segment.length, sequences[next].model_tokens());
        EXPECT_EQ(batch.packed.tokens[segment.begin], next);
        ++next;
      }
    }
    EXPECT_EQ(next, 40);
  }
}

TEST(PackTest, ASequenceLongerThanTheBudgetStandsAlone) {
  const std::vector<Sequence> sequences = {MakeSequence({1}, {1}),
                                           MakeSequence(std::vector<int32_t>(30, 2), {2}),
                                           MakeSequence({3}, {3})};
  const std::vector<int32_t> order = {0, 1, 2};
  const auto batches = Pack(sequences, order, 10, 1);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[1].packed.tokens.size(), 30u);
}

TEST(PackTest, TokensThatWerePutInCarryNoLoss) {
  Sequence sequence = MakeSequence({1, 2}, {3, 4, 5, 6});
  sequence.forced = {1, 3};
  EXPECT_EQ(sequence.loss_tokens(), 2);
  const std::vector<int32_t> only = {0};
  const auto batches = Pack(std::span(&sequence, 1), only, 100, 1);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_THAT(batches[0].packed.tokens, testing::ElementsAre(1, 2, 3, 4, 5)) << "they are read";
  EXPECT_THAT(batches[0].packed.prediction_targets, testing::ElementsAre(3, 5));
  EXPECT_THAT(batches[0].packed.prediction_rows, testing::ElementsAre(1, 3));
  EXPECT_THAT(batches[0].token_of, testing::ElementsAre(0, 2));
}

TEST(PolicySequencesTest, TakesEpisodesAsTheyAre) {
  v1::PolicyBatch batch;
  *batch.add_episodes() = GoodEpisode();
  const auto sequences = PolicySequences(batch, 10);
  ASSERT_TRUE(sequences.ok()) << sequences.status();
  const Sequence& sequence = sequences->front();
  EXPECT_THAT(sequence.tokens, testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(sequence.sampled_logprobs, testing::ElementsAre(-0.5f, -0.25f));
  EXPECT_EQ(sequence.loss_tokens(), 2);
  EXPECT_EQ(sequence.advantage, 0.5);
  EXPECT_EQ(sequence.name, "group 17 sample 3");
}

TEST(PolicySequencesTest, NamesTheEpisodeThatItRefuses) {
  v1::TrainEpisode train = GoodEpisode();
  train.mutable_episode()->add_logprobs(-1);
  EXPECT_THAT(Refusal(train),
              HasSubstr("group 17 sample 3: 3 log-probabilities for 2 response tokens"));
  train = GoodEpisode();
  train.mutable_episode()->set_tokens(1, 10);
  EXPECT_THAT(Refusal(train), HasSubstr("token 4 is 10, expected 0 to 9"));
  train = GoodEpisode();
  train.mutable_episode()->set_prompt_tokens(0, -1);
  EXPECT_THAT(Refusal(train), HasSubstr("token 0 is -1"));
  train = GoodEpisode();
  train.mutable_episode()->add_forced(2);
  EXPECT_THAT(Refusal(train), HasSubstr("forced token 2 after -1, expected ascending indices"));
  train.mutable_episode()->set_forced(0, 1);
  train.mutable_episode()->add_forced(1);
  EXPECT_THAT(Refusal(train), HasSubstr("forced token 1 after 1"));
  train = GoodEpisode();
  train.mutable_episode()->clear_prompt_tokens();
  EXPECT_THAT(Refusal(train), HasSubstr("0 prompt tokens"));
}

}  // namespace
}  // namespace temper::learner
