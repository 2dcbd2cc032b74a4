// What the engine measures has the bits of scoring, beside whatever is sampled, and disturbs none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/rollout/rollout_fixture.h"

namespace temper::rollout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Random = std::mt19937;

class KeepingMeasureSink : public MeasureSink {
 public:
  void Done(const absl::StatusOr<Measurement>& measurement) override {
    TEMPER_CHECK(!result.has_value());
    result = measurement;
  }
  bool cancelled() const override { return cancel; }

  std::optional<absl::StatusOr<Measurement>> result;
  bool cancel = false;
};
using Sink = std::shared_ptr<KeepingMeasureSink>;

// Printable, so that one token is one byte of text.
std::string Text(size_t length, Random& random) {
  std::string text(length, ' ');
  for (char& c : text) c = static_cast<char>('!' + random() % 90);
  return text;
}

MeasureRequest RequestOf(const std::string& prompt, std::vector<std::string> continuations,
                         Sink sink) {
  return {.prompt_id = "m",
          .prompt_text = prompt,
          .continuations = std::move(continuations),
          .sink = std::move(sink)};
}

Measurement MeasureAlone(Engine& engine, MeasureRequest request) {
  const auto sink = std::make_shared<KeepingMeasureSink>();
  request.sink = sink;
  const absl::Status taken = engine.Submit(std::move(request));
  EXPECT_TRUE(taken.ok()) << taken;
  while (engine.Step()) {
  }
  EXPECT_TRUE(sink->result.has_value() && sink->result->ok());
  return **sink->result;
}

// Log-probabilities of `tokens` after `prompt` as `temper score` and the learner compute them.
std::vector<float> Scored(TinyRollout& tiny, const std::vector<int32_t>& prompt,
                          const std::vector<int32_t>& tokens) {
  model::PackedBatch batch{.tokens = prompt};
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.prediction_rows.push_back(static_cast<int32_t>(prompt.size() + i - 1));
    batch.prediction_targets.push_back(tokens[i]);
  }
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
  batch.segments = {{0, static_cast<int64_t>(batch.tokens.size()), 0}};
  model::HybridModel model(tiny.config, tiny.layout, *tiny.device);
  const model::Weights weights(tiny.layout, *tiny.device, tiny.values, {});
  std::vector<float> logprobs(tokens.size());
  model.Score(weights, batch, logprobs, {});
  return logprobs;
}

void ExpectScoredBits(TinyRollout& tiny, const Measurement& measured) {
  for (const MeasuredContinuation& one : measured.continuations) {
    const std::vector<float> scored = Scored(tiny, measured.prompt_tokens, one.tokens);
    ASSERT_EQ(one.logprobs.size(), scored.size());
    EXPECT_EQ(std::memcmp(one.logprobs.data(), scored.data(), scored.size() * sizeof(float)), 0);
  }
}

TEST(MeasureTest, HasTheBitsOfScoringWhileOthersAreDecoded) {
  Random random(4);
  int decoding = 0;
  for (int round = 0; round < 12; ++round) {
    TinyRollout tiny({.sequences_max = 1 + static_cast<int>(random() % 9),
                      .prefill_chunk = 1 + static_cast<int64_t>(random() % 70)},
                     /*threads=*/1 + round % 2);
    tiny.config.eos_token_ids.clear();
    std::vector<std::shared_ptr<KeepingSink>> samples;
    for (int i = 0; i < 3; ++i) {
      samples.push_back(std::make_shared<KeepingSink>());
      GroupRequest request =
          RequestOf(std::vector<int32_t>(1 + random() % 60, 65 + i), 3, 150, samples.back());
      ASSERT_TRUE(tiny.engine.Submit(std::move(request)).ok());
    }
    while (tiny.engine.running() == 0) tiny.engine.Step();
    std::vector<Sink> sinks;
    for (int i = 0; i < 3; ++i) {
      sinks.push_back(std::make_shared<KeepingMeasureSink>());
      std::vector<std::string> continuations = {"y"};  // one token: nothing beyond the prompt's row
      for (int k = 0; k < 3; ++k) continuations.push_back(Text(1 + random() % 90, random));
      ASSERT_TRUE(tiny.engine
                      .Submit(RequestOf(Text(1 + random() % 200, random), std::move(continuations),
                                        sinks.back()))
                      .ok());
    }
    while (!sinks.back()->result.has_value()) tiny.engine.Step();
    decoding += tiny.engine.running() > 0;
    while (tiny.engine.Step()) {
    }
    for (const Sink& sink : sinks) {
      ASSERT_TRUE(sink->result->ok()) << sink->result->status();
      EXPECT_EQ((*sink->result)->version, 1);
      ASSERT_EQ((*sink->result)->continuations.size(), 4u);
      ExpectScoredBits(tiny, **sink->result);
    }
    // And those beside it are what they would have been.
    for (const auto& sink : samples) {
      for (const auto& [sample, episode] : sink->episodes) {
        EXPECT_EQ(episode.logprobs, Scored(tiny, episode.prompt_tokens, episode.tokens));
      }
    }
  }
  EXPECT_GT(decoding, 3);  // the rounds in which samples still ran when all was measured
}

TEST(MeasureTest, DecodingGoesOnWithEveryPieceAndAPieceIsNoLongerThanAChunk) {
  TinyRollout tiny({.prefill_chunk = 16});
  tiny.config.eos_token_ids.clear();
  const auto samples = std::make_shared<KeepingSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf({1, 2, 3}, 4, 1000, samples)).ok());
  while (tiny.engine.running() < 4) tiny.engine.Step();
  Random random(5);
  const auto sink = std::make_shared<KeepingMeasureSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf(Text(100, random), {Text(41, random)}, sink)).ok());
  int steps = 0;
  for (; !sink->result.has_value(); ++steps) {
    const int64_t before = tiny.engine.tokens();
    tiny.engine.Step();
    const int64_t measured = tiny.engine.tokens() - before - 4;  // one token of each sample
    EXPECT_GT(measured, 0);
    EXPECT_LE(measured, 16);
  }
  EXPECT_EQ(steps, 7 + 3);  // 100 tokens, then 40 (the last one is only predicted)
  EXPECT_EQ(tiny.engine.running(), 4);
}

TEST(MeasureTest, ContinuationsAreTokenisedAloneAndAsText) {
  TinyRollout tiny;
  const Measurement measured = MeasureAlone(tiny.engine, RequestOf("ab</s>", {"</s>", "c"}, {}));
  EXPECT_THAT(measured.prompt_tokens, ElementsAre('a', 'b', '<', '/', 's', '>'));
  EXPECT_THAT(measured.continuations[0].tokens, ElementsAre('<', '/', 's', '>'));
  EXPECT_THAT(measured.continuations[1].tokens, ElementsAre('c'));
  EXPECT_FALSE(measured.value.has_value());
  ExpectScoredBits(tiny, measured);
}

TEST(MeasureTest, AnExchangeIsMeasuredAsItStandsAndCannotSpellTokens) {
  TinyRollout tiny;
  const auto chat = model::ChatTemplate::Parse(
      "{% for m in messages %}{{ m.role[0] }}{{ m.content }}</s>{% endfor %}"
      "{{ 'A' if add_generation_prompt else '' }}",
      "template", {});
  ASSERT_TRUE(chat.ok()) << chat.status();
  Engine engine({tiny.config, tiny.layout, tiny.tokenizer.get(), *tiny.device, &*chat,
                 /*added_tokens=*/{"</s>", "<s>"}},
                {});
  engine.SetWeights(1, Share(tiny.values));
  const auto prompt = [&](const std::string& json) {
    MeasureRequest request = RequestOf("", {"y"}, nullptr);
    request.chat_json = json;
    return MeasureAlone(engine, std::move(request)).prompt_tokens;
  };
  const std::string user = R"({"role": "user", "content": "q"})";
  const std::string reply = R"({"role": "assistant", "content": "r</s>"})";
  EXPECT_THAT(prompt("[" + user + "]"), ElementsAre('u', 'q', kEos, 'A'));
  EXPECT_THAT(prompt("[" + user + "," + reply + "]"),
              ElementsAre('u', 'q', kEos, 'a', 'r', '<', '/', 's', '>', kEos));
  const std::string open = R"(, "add_generation_prompt": true})";
  EXPECT_EQ(prompt("{\"messages\": [" + user + "," + reply + "]" + open).back(), 'A');
  EXPECT_EQ(prompt("{\"messages\": [" + user + R"(], "add_generation_prompt": false})").back(),
            kEos);
}

TEST(MeasureTest, ARewardHeadGivesItsValueAndNothingElse) {
  model::ModelConfig config = TinyConfig();
  config.reward_head = true;
  const model::ParameterLayout layout(config);
  const std::vector<float> values = LivelyValues(config, layout, 3);
  const auto tokenizer = ByteTokenizer();
  const auto device = kernels::OpenCpuDevice(1);
  Engine engine({config, layout, tokenizer.get(), *device}, {.prefill_chunk = 7});
  engine.SetWeights(4, Share(values));
  const Measurement measured = MeasureAlone(engine, RequestOf("What is 2+2? 4", {}, nullptr));
  EXPECT_EQ(measured.version, 4);
  EXPECT_TRUE(measured.continuations.empty());
  model::HybridModel model(config, layout, *device);
  const model::Weights weights(layout, *device, values, {});
  model::SequenceState state(config, *device);
  const model::Slice slice{&state, measured.prompt_tokens};
  float value = 0;
  model.Extend(weights, {&slice, 1}, kernels::View<float>(&value, 1, 1));
  ASSERT_TRUE(measured.value.has_value());
  EXPECT_EQ(std::memcmp(&*measured.value, &value, sizeof(value)), 0);
  EXPECT_NE(value, 0.0f);

  const absl::Status asked =
      engine.Submit(RequestOf("p", {"yes"}, std::make_shared<KeepingMeasureSink>()));
  EXPECT_EQ(asked.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(asked.message()), HasSubstr("continuations: found 1, expected none"));
  GroupRequest sample = RequestOf({1}, 1, 1, std::make_shared<KeepingSink>());
  sample.version = 4;
  const absl::Status sampled = engine.Submit(std::move(sample));
  EXPECT_EQ(sampled.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(sampled.message()), HasSubstr("has a reward head"));
}

TEST(MeasureTest, RefusesWhatCannotBeMeantAndNamesIt) {
  TinyRollout tiny({.waiting_max = 1, .state_bytes_max = 400 << 10});
  const auto refusal = [&](const std::string& prompt, std::vector<std::string> continuations,
                           std::optional<int64_t> version, absl::StatusCode code) {
    MeasureRequest request =
        RequestOf(prompt, std::move(continuations), std::make_shared<KeepingMeasureSink>());
    request.version = version;
    const absl::Status refused = tiny.engine.Submit(std::move(request));
    EXPECT_EQ(refused.code(), code) << refused;
    return std::string(refused.message());
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(refusal("p", {}, {}, invalid), HasSubstr("continuations: found 0, expected 1 to"));
  EXPECT_THAT(refusal("p", std::vector<std::string>(5000, "x"), {}, invalid),
              HasSubstr("continuations: found 5000"));
  EXPECT_THAT(refusal("p", {"a", ""}, {}, invalid), HasSubstr("continuations[1]: no tokens"));
  EXPECT_THAT(refusal("", {"a"}, {}, invalid), HasSubstr("prompt \"m\": no tokens"));
  EXPECT_THAT(refusal("p", {"a"}, 2, absl::StatusCode::kFailedPrecondition),
              HasSubstr("version 2 is wanted, version 1 is current"));
  EXPECT_THAT(refusal(std::string(100'000, 'x'), {"a"}, 1, absl::StatusCode::kResourceExhausted),
              HasSubstr("a prompt of 100000 tokens with continuations of up to 1 needs"));
  const auto first = std::make_shared<KeepingMeasureSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf("p", {"a"}, first)).ok());
  EXPECT_THAT(refusal("p", {"a"}, {}, absl::StatusCode::kResourceExhausted),
              HasSubstr("the waiting line is full (1 measurements)"));
  while (tiny.engine.Step()) {
  }
  EXPECT_TRUE(first->result.has_value() && first->result->ok());
}

// Otherwise small groups would take turns on the memory and it would wait for the last of them.
TEST(MeasureTest, ComesBeforeNewGroupsWhenMemoryIsShort) {
  TinyRollout tiny;
  tiny.config.eos_token_ids.clear();
  // Two groups fit, or this measurement alone: it needs more than one group holds.
  const Accounts all(SizesOf(tiny.config, *tiny.device), {});
  const int64_t group_bytes = all.PromptBytes(64) + all.SampleBytes(64, 40);
  ASSERT_GT(all.PromptBytes(150), group_bytes);
  Engine engine({tiny.config, tiny.layout, tiny.tokenizer.get(), *tiny.device},
                {.state_bytes_max = 2 * group_bytes});
  engine.SetWeights(1, Share(tiny.values));
  std::vector<std::shared_ptr<KeepingSink>> groups;
  for (const int tokens : {20, 40, 40, 40, 40}) {
    groups.push_back(std::make_shared<KeepingSink>());
    ASSERT_TRUE(
        engine.Submit(RequestOf(std::vector<int32_t>(64, 65), 1, tokens, groups.back())).ok());
  }
  while (engine.running() < 2) engine.Step();
  const auto sink = std::make_shared<KeepingMeasureSink>();
  ASSERT_TRUE(engine.Submit(RequestOf(std::string(150, 'x'), {"y"}, sink)).ok());
  while (!sink->result.has_value()) ASSERT_TRUE(engine.Step());
  EXPECT_TRUE(sink->result->ok());
  EXPECT_TRUE(groups[0]->ended.has_value());
  EXPECT_FALSE(groups[2]->ended.has_value());
  while (engine.Step()) {
  }
  for (const auto& group : groups) EXPECT_TRUE(group->ended.has_value() && group->ended->ok());
}

TEST(MeasureTest, CancellingAndAbandoningFreeWhatItHeld) {
  TinyRollout tiny({.prefill_chunk = 4});
  const auto under_way = std::make_shared<KeepingMeasureSink>();
  const auto cancelled = std::make_shared<KeepingMeasureSink>();
  const auto last = std::make_shared<KeepingMeasureSink>();
  for (const Sink& sink : {under_way, cancelled, last}) {
    ASSERT_TRUE(tiny.engine.Submit(RequestOf("a prompt of pieces", {"yes", "no"}, sink)).ok());
  }
  tiny.engine.Step();
  cancelled->cancel = true;
  tiny.engine.Step();
  ASSERT_TRUE(cancelled->result.has_value());
  EXPECT_EQ(cancelled->result->status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(under_way->result.has_value());
  under_way->cancel = true;
  tiny.engine.Step();
  EXPECT_EQ(under_way->result->status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(last->result.has_value());
  tiny.engine.Abandon(absl::UnavailableError("stopping"));
  EXPECT_EQ(last->result->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(tiny.engine.idle());
  EXPECT_EQ(MeasureAlone(tiny.engine, RequestOf("p", {"q"}, {})).continuations.size(), 1u);
}

TEST(MeasureTest, BrokenWeightsEndItWithWordsNotTheProcess) {
  TinyRollout tiny;
  std::vector<float> broken = tiny.values;
  broken[tiny.layout.final_norm()] = std::numeric_limits<float>::quiet_NaN();
  tiny.engine.SetWeights(2, Share(broken));
  const auto sink = std::make_shared<KeepingMeasureSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf("p", {"yes"}, sink)).ok());
  while (tiny.engine.Step()) {
  }
  EXPECT_EQ(sink->result->status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(
      std::string(sink->result->status().message()),
      HasSubstr("version 2: the log-probability of token 0 of continuation 0 is not finite"));
}

}  // namespace
}  // namespace temper::rollout
