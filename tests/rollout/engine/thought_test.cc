// A thought ends in time, with tokens that are marked as not sampled.
#include "rollout/engine/thought.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/rollout/rollout_fixture.h"

namespace temper::rollout {
namespace {

using ::testing::HasSubstr;

// Feeds bytes as a sampler that writes `wish` would; returns what comes out.
std::string Written(const ThinkingBudget& budget, const std::string& wish, int tokens_max) {
  const auto tokenizer = ByteTokenizer();
  const ThoughtTags tags(*tokenizer);
  Thought thought(&budget, &tags);
  std::string text;
  size_t wished = 0;
  while (static_cast<int>(text.size()) < tokens_max) {
    const std::optional<int32_t> forced = thought.Forced();
    if (!forced.has_value() && wished == wish.size()) break;
    const int32_t token = forced.has_value() ? *forced : static_cast<unsigned char>(wish[wished++]);
    text += static_cast<char>(token);
    thought.Observe(token, text, 1);
  }
  return text;
}

TEST(ThoughtTest, EndsWithTheLineThatIsUnderWayWhenTheBudgetIsSpent) {
  EXPECT_EQ(Written({.tokens = 4, .grace = 100, .open = true}, "a\nbcdef\nghi", 99),
            "a\nbcdef\n</think>\n\nghi");
}

TEST(ThoughtTest, EndsInTheLineWhenTheLineDoesNotEnd) {
  EXPECT_EQ(Written({.tokens = 4, .grace = 3, .open = true}, "abcdefghijkl", 99),
            "abcdefg.\n</think>\n\nhijkl");
}

TEST(ThoughtTest, LeavesAloneWhatEndsByItself) {
  const std::string text = "ab</think>c\nd\ne\nf\n";
  EXPECT_EQ(Written({.tokens = 10, .grace = 0, .open = true}, text, 99), text);
}

TEST(ThoughtTest, CountsOnlyWhenTheResponseOpensAThought) {
  const ThinkingBudget budget{.tokens = 3, .grace = 0};
  EXPECT_EQ(Written(budget, "an answer\nof some lines\n", 99), "an answer\nof some lines\n");
  EXPECT_EQ(Written(budget, " \n<think>abcdef", 99), " \n<think>abc.\n</think>\n\ndef");
  EXPECT_EQ(Written(budget, "<thing>abcdef\n", 99), "<thing>abcdef\n");
}

TEST(ThoughtTest, TheEngineMarksWhatItPutInAndReportsItsLogProbability) {
  TinyRollout tiny;
  GroupRequest request = RequestOf({1, 2, 3}, 3, 40, nullptr);
  const auto run = [&](std::optional<ThinkingBudget> thinking) {
    const auto sink = std::make_shared<KeepingSink>();
    GroupRequest copy = request;
    copy.thinking = thinking;
    copy.sink = sink;
    EXPECT_TRUE(tiny.engine.Submit(std::move(copy)).ok());
    while (tiny.engine.Step()) {
    }
    return std::move(sink->episodes);
  };
  const auto free = run(std::nullopt);
  const auto bound = run(ThinkingBudget{.tokens = 6, .grace = 2, .open = true});
  int closed = 0;
  for (const auto& [sample, episode] : bound) {
    EXPECT_TRUE(free.at(sample).forced.empty());
    ASSERT_EQ(episode.forced.size(), episode.tokens.size());
    const auto first = std::ranges::find(episode.forced, 1);
    if (first == episode.forced.end()) continue;  // it ended before
    ++closed;
    const size_t begin = first - episode.forced.begin();
    EXPECT_GE(begin, 6u);
    EXPECT_LE(begin, 8u);
    // Until then every token is the one that comes without a budget.
    EXPECT_TRUE(std::equal(episode.tokens.begin(), episode.tokens.begin() + begin,
                           free.at(sample).tokens.begin()));
    EXPECT_THAT(episode.text, HasSubstr("</think>\n\n"));
    const int64_t marked = std::ranges::count(episode.forced, 1);
    EXPECT_TRUE(marked == 10 || marked == 12) << marked;

    // The log-probability is the model's own, given all that stands before.
    model::HybridModel model(tiny.config, tiny.layout, *tiny.device);
    const model::Weights weights(tiny.layout, *tiny.device, tiny.values, {});
    model::SequenceState state(tiny.config, *tiny.device);
    std::vector<int32_t> before = request.prompt_tokens;
    before.insert(before.end(), episode.tokens.begin(), episode.tokens.begin() + begin);
    std::vector<float> row(kVocab);
    const model::Slice slice{&state, before};
    model.Extend(weights, std::span(&slice, 1), kernels::View<float>(row.data(), 1, kVocab));
    tiny.device->ops().log_softmax(tiny.device->stream(),
                                   kernels::View<float>(row.data(), 1, kVocab), 1.0f, nullptr);
    EXPECT_EQ(episode.logprobs[begin], row[episode.tokens[begin]]);
  }
  EXPECT_GT(closed, 0);
}

TEST(ThoughtTest, ABudgetOfNothingIsRefused) {
  TinyRollout tiny;
  GroupRequest request = RequestOf({1}, 1, 4, nullptr);
  request.sink = std::make_shared<KeepingSink>();
  request.thinking = ThinkingBudget{.tokens = 0};
  EXPECT_THAT(std::string(tiny.engine.Submit(std::move(request)).message()),
              HasSubstr("thinking budget 0"));
}

}  // namespace
}  // namespace temper::rollout
