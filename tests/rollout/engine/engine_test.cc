// What the engine samples, when it ends, and that neither depends on the company a sample keeps.
#include "rollout/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/rollout/rollout_fixture.h"

namespace temper::rollout {
namespace {

using ::testing::HasSubstr;
using Random = std::mt19937;

void RunAll(Engine& engine) {
  while (engine.Step()) {
  }
}

// One group, alone in the engine.
std::map<int32_t, Episode> SampleAlone(Engine& engine, GroupRequest request) {
  const auto sink = std::make_shared<KeepingSink>();
  request.sink = sink;
  EXPECT_TRUE(engine.Submit(std::move(request)).ok());
  RunAll(engine);
  EXPECT_TRUE(sink->ended.has_value() && sink->ended->ok());
  return std::move(sink->episodes);
}

bool Same(const Episode& a, const Episode& b) {
  return a.group_id == b.group_id && a.sample == b.sample && a.tokens == b.tokens &&
         a.prompt_tokens == b.prompt_tokens && a.finish_reason == b.finish_reason &&
         a.text == b.text && a.version == b.version &&
         std::memcmp(&a.entropy_sum, &b.entropy_sum, sizeof(double)) == 0 &&
         a.logprobs.size() == b.logprobs.size() &&
         std::memcmp(a.logprobs.data(), b.logprobs.data(), a.logprobs.size() * sizeof(float)) == 0;
}

std::vector<int32_t> Prompt(int length, uint64_t seed) {
  std::vector<int32_t> tokens(length);
  for (int i = 0; i < length; ++i) tokens[i] = static_cast<int32_t>(UniformAt(seed, 1, i) * 256);
  return tokens;
}

TEST(EngineTest, DeliversEverySampleOnceWithALogProbabilityForEveryToken) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(20, 1), 5, 12, nullptr);
  request.samples = {4, 0, 7};
  const auto episodes = SampleAlone(tiny.engine, request);
  ASSERT_EQ(episodes.size(), 3u);
  for (const int32_t sample : {0, 4, 7}) {
    const Episode& episode = episodes.at(sample);
    EXPECT_EQ(episode.group_id, 5);
    EXPECT_EQ(episode.version, 1);
    EXPECT_EQ(episode.prompt_tokens, request.prompt_tokens);
    EXPECT_EQ(episode.logprobs.size(), episode.tokens.size());
    EXPECT_GT(episode.entropy_sum, 0.0);
    for (const float logprob : episode.logprobs) EXPECT_LT(logprob, 0.0f);
  }
  EXPECT_NE(episodes.at(0).tokens, episodes.at(4).tokens);
}

TEST(EngineTest, TellsEveryTokenAsItComesWithTheDistributionItCameFrom) {
  struct Watching : KeepingSink {
    void Progress(const SampledToken& token) override {
      EXPECT_FALSE(episodes.contains(token.sample));
      ASSERT_EQ(token.logprobs.size(), static_cast<size_t>(kVocab));
      EXPECT_EQ(token.logprobs[token.token], token.logprob);
      EXPECT_FALSE(token.forced);
      tokens[token.sample].push_back(token.token);
      logprobs[token.sample].push_back(token.logprob);
    }
    bool wants_distribution() const override { return true; }
    std::map<int32_t, std::vector<int32_t>> tokens;
    std::map<int32_t, std::vector<float>> logprobs;
  };
  TinyRollout tiny;
  const auto sink = std::make_shared<Watching>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf(Prompt(20, 1), 3, 40, sink)).ok());
  RunAll(tiny.engine);
  ASSERT_EQ(sink->episodes.size(), 3u);
  for (const auto& [sample, episode] : sink->episodes) {
    EXPECT_EQ(sink->tokens[sample], episode.tokens);
    EXPECT_EQ(sink->logprobs[sample], episode.logprobs);
  }
}

// On a GPU tokens are drawn there unless somebody asks for more.
TEST(EngineTest, TheSameTokensComeWhetherTheDistributionIsWantedOrNot) {
  struct Wanting : KeepingSink {
    bool wants_distribution() const override { return true; }
  };
  TinyRollout with, without;
  const auto wanting = std::make_shared<Wanting>();
  const auto plain = std::make_shared<KeepingSink>();
  for (auto& [tiny, sink] : {std::pair<TinyRollout&, std::shared_ptr<KeepingSink>>{with, wanting},
                             {without, plain}}) {
    GroupRequest request = RequestOf(Prompt(12, 3), 5, 40, sink);
    request.sampling.temperature = 0.8;
    ASSERT_TRUE(tiny.engine.Submit(std::move(request)).ok());
    RunAll(tiny.engine);
  }
  ASSERT_EQ(plain->episodes.size(), 5u);
  for (const auto& [sample, episode] : plain->episodes) {
    EXPECT_EQ(episode.tokens, wanting->episodes.at(sample).tokens);
    EXPECT_EQ(episode.logprobs, wanting->episodes.at(sample).logprobs);
    EXPECT_EQ(episode.entropy_sum, wanting->episodes.at(sample).entropy_sum);
  }
}

TEST(EngineTest, EndsAtTheLimitWithTheReasonLength) {
  TinyRollout tiny;
  for (const auto& [sample, episode] :
       SampleAlone(tiny.engine, RequestOf(Prompt(9, 2), 4, 6, nullptr))) {
    if (episode.tokens.back() == kEos) continue;
    EXPECT_EQ(episode.tokens.size(), 6u);
    EXPECT_EQ(episode.finish_reason, FinishReason::kLength);
  }
}

TEST(EngineTest, ALimitOfOneTokenNeedsNoDecoding) {
  TinyRollout tiny;
  const auto episodes = SampleAlone(tiny.engine, RequestOf(Prompt(9, 2), 70, 1, nullptr));
  EXPECT_EQ(episodes.size(), 70u);
  EXPECT_EQ(tiny.engine.tokens(), 9);
}

TEST(EngineTest, EndsAtAnEndTokenAndKeepsIt) {
  TinyRollout tiny;
  const auto longest = SampleAlone(tiny.engine, RequestOf(Prompt(9, 3), 1, 30, nullptr)).at(0);
  // Whatever comes fifth becomes an end token of the same model.
  ASSERT_GT(longest.tokens.size(), 5u);
  TinyRollout other;
  other.config.eos_token_ids = {longest.tokens[4]};
  const auto ended = SampleAlone(other.engine, RequestOf(Prompt(9, 3), 1, 30, nullptr)).at(0);
  const size_t at = std::find(longest.tokens.begin(), longest.tokens.end(), longest.tokens[4]) -
                    longest.tokens.begin();
  EXPECT_EQ(ended.tokens,
            std::vector<int32_t>(longest.tokens.begin(), longest.tokens.begin() + at + 1));
  EXPECT_EQ(ended.finish_reason, FinishReason::kStop);
}

TEST(EngineTest, EndsWhenTheTextContainsAStopStringAcrossTokens) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(9, 3), 1, 40, nullptr);
  const Episode whole = SampleAlone(tiny.engine, request).at(0);
  ASSERT_GT(whole.tokens.size(), 10u);
  // Bytes 5..7 of what was sampled, one token a byte.
  std::string stop;
  for (int i = 5; i <= 7; ++i) {
    ASSERT_LT(whole.tokens[i], 256);
    stop += static_cast<char>(whole.tokens[i]);
  }
  request.sampling.stop = {"never said", stop};
  const Episode stopped = SampleAlone(tiny.engine, request).at(0);
  EXPECT_EQ(stopped.finish_reason, FinishReason::kStop);
  EXPECT_EQ(stopped.tokens, std::vector<int32_t>(whole.tokens.begin(), whole.tokens.begin() + 8));
}

TEST(EngineTest, GreedyTakesTheMostLikelyTokenAndReportsItAtTemperatureOne) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(15, 4), 2, 10, nullptr);
  request.sampling.temperature = 0.0;
  const auto episodes = SampleAlone(tiny.engine, request);
  EXPECT_EQ(episodes.at(0).tokens, episodes.at(1).tokens);

  model::HybridModel model(tiny.config, tiny.layout, *tiny.device);
  const model::Weights weights(tiny.layout, *tiny.device, tiny.values, {});
  model::SequenceState state(tiny.config, *tiny.device);
  std::vector<float> row(kVocab);
  std::vector<int32_t> next = request.prompt_tokens;
  for (size_t i = 0; i < episodes.at(0).tokens.size(); ++i) {
    const model::Slice slice{&state, next};
    model.Extend(weights, std::span(&slice, 1), kernels::View<float>(row.data(), 1, kVocab));
    const int32_t best = Greediest(row);
    tiny.device->ops().log_softmax(tiny.device->stream(),
                                   kernels::View<float>(row.data(), 1, kVocab), 1.0f, nullptr);
    EXPECT_EQ(episodes.at(0).tokens[i], best);
    EXPECT_EQ(episodes.at(0).logprobs[i], row[best]);
    next = {best};
  }
}

TEST(EngineTest, TruncationChangesTheDrawsButNotTheLogProbabilities) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(15, 4), 8, 1, nullptr);
  request.sampling.top_p = 0.05;
  GroupRequest greedy = request;
  greedy.sampling.temperature = 0.0;
  const Episode likeliest = SampleAlone(tiny.engine, greedy).at(0);
  bool met = false;
  for (const auto& [sample, episode] : SampleAlone(tiny.engine, request)) {
    if (episode.tokens != likeliest.tokens) continue;
    met = true;
    EXPECT_EQ(episode.logprobs, likeliest.logprobs);
    EXPECT_LT(episode.logprobs[0], 0.0f) << "renormalised to the truncated set";
  }
  EXPECT_TRUE(met);
}

// The contract: random company, places, chunks, threads and orders; the same episodes.
TEST(EngineTest, TheSameSampleComesOutWhereverItIsGenerated) {
  std::vector<GroupRequest> requests;
  std::vector<std::map<int32_t, Episode>> alone;
  TinyRollout reference;
  for (int i = 0; i < 8; ++i) {
    GroupRequest request =
        RequestOf(Prompt(1 + 23 * i, 20 + i), 1 + i % 4, 4 + 5 * (i % 3), nullptr);
    request.group_id = i;
    request.prompt_id = absl::StrCat("p", i);
    request.sampling.temperature = i % 3 == 2 ? 0.7 : 1.0;
    if (i == 5) request.sampling.top_p = 0.8;
    if (i == 6) request.sampling.temperature = 0.0;
    requests.push_back(request);
    alone.push_back(SampleAlone(reference.engine, request));
  }
  Random random(1);
  for (int round = 0; round < kernels::Rounds(12, 2); ++round) {
    const Engine::Options options{.sequences_max = std::vector<int>{1, 2, 5, 64}[random() % 4],
                                  .prefill_chunk = std::vector<int>{1, 7, 64, 512}[random() % 4]};
    TinyRollout tiny(options, /*threads=*/1 + round % 2);
    std::vector<size_t> order(requests.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<std::shared_ptr<KeepingSink>> sinks(requests.size());
    for (const size_t i : order) {
      sinks[i] = std::make_shared<KeepingSink>();
      GroupRequest request = requests[i];
      request.sink = sinks[i];
      std::shuffle(request.samples.begin(), request.samples.end(), random);
      ASSERT_TRUE(tiny.engine.Submit(std::move(request)).ok());
      for (int steps = random() % 3; steps > 0; --steps) tiny.engine.Step();
    }
    RunAll(tiny.engine);
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_EQ(sinks[i]->episodes.size(), alone[i].size());
      for (const auto& [sample, episode] : alone[i]) {
        EXPECT_TRUE(Same(episode, sinks[i]->episodes.at(sample)))
            << "round " << round << " group " << i << " sample " << sample << " places "
            << options.sequences_max << " chunk " << options.prefill_chunk;
      }
    }
  }
}

// The first promise, seen from the engine: what it reports is what the learner computes.
TEST(EngineTest, LogProbabilitiesHaveTheBitsThatScoringGives) {
  Random random(2);
  for (int round = 0; round < kernels::Rounds(10, 2); ++round) {
    TinyRollout tiny({.sequences_max = 1 + static_cast<int>(random() % 9),
                      .prefill_chunk = 1 + static_cast<int64_t>(random() % 80)},
                     /*threads=*/1 + round % 2);
    const double temperature = std::vector<double>{1.0, 0.6, 1.3}[round % 3];
    std::vector<std::shared_ptr<KeepingSink>> sinks;
    for (int i = 0; i < 4; ++i) {
      sinks.push_back(std::make_shared<KeepingSink>());
      GroupRequest request = RequestOf(Prompt(1 + random() % 90, random()), 1 + random() % 4,
                                       1 + random() % 80, sinks.back());
      request.sampling.temperature = temperature;
      ASSERT_TRUE(tiny.engine.Submit(std::move(request)).ok());
    }
    RunAll(tiny.engine);

    model::PackedBatch batch{.temperature = static_cast<float>(temperature)};
    std::vector<float> reported;
    for (const auto& sink : sinks) {
      for (const auto& [sample, episode] : sink->episodes) {
        std::vector<int32_t> tokens = episode.prompt_tokens;
        tokens.insert(tokens.end(), episode.tokens.begin(), episode.tokens.end());
        const int64_t begin = batch.tokens.size();
        batch.segments.push_back({begin, static_cast<int64_t>(tokens.size()), 0});
        for (size_t i = episode.prompt_tokens.size(); i < tokens.size(); ++i) {
          batch.prediction_rows.push_back(static_cast<int32_t>(begin + i - 1));
          batch.prediction_targets.push_back(tokens[i]);
        }
        batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
        reported.insert(reported.end(), episode.logprobs.begin(), episode.logprobs.end());
      }
    }
    model::HybridModel model(tiny.config, tiny.layout, *tiny.device);
    const model::Weights weights(tiny.layout, *tiny.device, tiny.values, {});
    std::vector<float> scored(reported.size());
    model.Score(weights, batch, scored, {});
    for (size_t i = 0; i < scored.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(scored[i]), std::bit_cast<uint32_t>(reported[i]))
          << "round " << round << " token " << i << ": " << scored[i] << " " << reported[i];
    }
  }
}

TEST(EngineTest, FirstTokensOfAGroupFollowTheOneDistributionOfItsPrompt) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(30, 9), 4000, 1, nullptr);
  std::map<int32_t, int> seen;
  std::map<int32_t, float> logprob;
  for (const auto& [sample, episode] : SampleAlone(tiny.engine, request)) {
    ++seen[episode.tokens[0]];
    const auto [place, fresh] = logprob.emplace(episode.tokens[0], episode.logprobs[0]);
    EXPECT_EQ(place->second, episode.logprobs[0]);
  }
  for (const auto& [token, count] : seen) {
    const double expected = 4000 * std::exp(logprob[token]);
    EXPECT_NEAR(count, expected, 5.0 * std::sqrt(expected) + 1.0) << "token " << token;
  }
}

TEST(EngineTest, ANewVersionChangesWhatIsSampledAndReported) {
  TinyRollout tiny;
  GroupRequest request = RequestOf(Prompt(30, 9), 2, 20, nullptr);
  const auto before = SampleAlone(tiny.engine, request);
  tiny.engine.SetWeights(2, Share(LivelyValues(tiny.config, tiny.layout, 99)));
  request.version = 2;
  const auto after = SampleAlone(tiny.engine, request);
  EXPECT_EQ(after.at(0).version, 2);
  EXPECT_NE(after.at(0).logprobs, before.at(0).logprobs);
  tiny.engine.SetWeights(1, Share(tiny.values));
  request.version = 1;
  EXPECT_TRUE(Same(SampleAlone(tiny.engine, request).at(1), before.at(1)));
}

TEST(EngineTest, RefusesAVersionThatIsNotCurrent) {
  TinyRollout tiny;
  GroupRequest request = RequestOf({1}, 1, 5, std::make_shared<KeepingSink>());
  request.version = 2;
  EXPECT_EQ(tiny.engine.Submit(request).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(EngineTest, RefusesWhatCannotBeMeantAndNamesIt) {
  TinyRollout tiny;
  const GroupRequest good = RequestOf({1, 2}, 2, 5, std::make_shared<KeepingSink>());
  const auto refused = [&](auto change) {
    GroupRequest request = good;
    change(request);
    const absl::Status status = tiny.engine.Submit(std::move(request));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refused([](auto& r) { r.sampling.temperature = -1; }), HasSubstr("temperature -1"));
  EXPECT_THAT(refused([&](auto& r) { r.sampling.temperature = nan; }), HasSubstr("temperature"));
  EXPECT_THAT(refused([](auto& r) { r.sampling.temperature = 1e-9; }), HasSubstr("temperature"));
  EXPECT_THAT(refused([](auto& r) { r.sampling.top_p = 1.5; }), HasSubstr("top_p 1.5"));
  EXPECT_THAT(refused([](auto& r) { r.sampling.max_tokens = 0; }), HasSubstr("max_tokens 0"));
  EXPECT_THAT(refused([](auto& r) { r.sampling.stop = {""}; }), HasSubstr("stop"));
  EXPECT_THAT(refused([](auto& r) { r.samples = {}; }), HasSubstr("samples"));
  EXPECT_THAT(refused([](auto& r) { r.samples = {1, 1}; }), HasSubstr("1 is there twice"));
  EXPECT_THAT(refused([](auto& r) { r.samples = {-3}; }), HasSubstr("-3 is negative"));
  EXPECT_THAT(refused([](auto& r) { r.prompt_tokens = {kVocab}; }), HasSubstr("token 260"));
  EXPECT_THAT(refused([](auto& r) { r.prompt_tokens = {}; }), HasSubstr("no tokens"));
  EXPECT_TRUE(tiny.engine.idle());
}

TEST(EngineTest, TokenisesAPromptAsTextSoThatItCannotSpellASpecialToken) {
  TinyRollout tiny;
  GroupRequest request = RequestOf({}, 1, 1, nullptr);
  request.prompt_text = "a</s>";
  EXPECT_EQ(SampleAlone(tiny.engine, request).at(0).prompt_tokens,
            (std::vector<int32_t>{'a', '<', '/', 's', '>'}));
}

TEST(EngineTest, CancellingFreesTheSequencesAndLeavesTheOthersAlone) {
  TinyRollout tiny({.sequences_max = 4});
  const auto cancelled = std::make_shared<KeepingSink>(), kept = std::make_shared<KeepingSink>();
  GroupRequest request = RequestOf(Prompt(10, 1), 8, 50, cancelled);
  request.sampling.stop = {};
  ASSERT_TRUE(tiny.engine.Submit(request).ok());
  GroupRequest other = RequestOf(Prompt(12, 2), 3, 20, kept);
  ASSERT_TRUE(tiny.engine.Submit(other).ok());
  for (int i = 0; i < 3; ++i) tiny.engine.Step();
  cancelled->cancel = true;
  RunAll(tiny.engine);
  EXPECT_EQ(cancelled->ended->code(), absl::StatusCode::kCancelled);
  EXPECT_LT(cancelled->episodes.size(), 8u);
  ASSERT_TRUE(kept->ended->ok());
  TinyRollout alone;
  for (const auto& [sample, episode] : SampleAlone(alone.engine, other)) {
    EXPECT_TRUE(Same(episode, kept->episodes.at(sample)));
  }
}

TEST(EngineTest, BrokenWeightsEndTheGroupWithWordsNotTheProcess) {
  TinyRollout tiny;
  std::vector<float> broken = tiny.values;
  broken[tiny.layout.final_norm()] = std::numeric_limits<float>::quiet_NaN();
  tiny.engine.SetWeights(1, Share(broken));
  const auto sink = std::make_shared<KeepingSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf({1, 2}, 3, 5, sink)).ok());
  RunAll(tiny.engine);
  EXPECT_EQ(sink->ended->code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(sink->ended->message()), HasSubstr("not finite"));
}

TEST(EngineTest, AbandonEndsWhatRunsAndWhatWaits) {
  TinyRollout tiny({.sequences_max = 1});
  const auto running = std::make_shared<KeepingSink>(), waiting = std::make_shared<KeepingSink>();
  ASSERT_TRUE(tiny.engine.Submit(RequestOf(Prompt(5, 1), 2, 50, running)).ok());
  ASSERT_TRUE(tiny.engine.Submit(RequestOf(Prompt(5, 2), 2, 50, waiting)).ok());
  tiny.engine.Step();
  tiny.engine.Abandon(absl::UnavailableError("bye"));
  EXPECT_TRUE(tiny.engine.idle());
  EXPECT_TRUE(absl::IsUnavailable(*running->ended) && absl::IsUnavailable(*waiting->ended));
}

TEST(EngineTest, TextIsValidUtf8WhateverBytesWereDrawn) {
  TinyRollout tiny;
  for (const auto& [sample, episode] :
       SampleAlone(tiny.engine, RequestOf(Prompt(5, 8), 8, 40, nullptr))) {
    EXPECT_NO_THROW(nlohmann::json(episode.text).dump());
    EXPECT_FALSE(episode.text.empty());
  }
}

TEST(EngineTest, AConversationIsRenderedByTheFoldersTemplate) {
  TinyRollout tiny;
  const auto chat = model::ChatTemplate::Parse(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
      "{{ '<think>' if enable_thinking else '' }}",
      "template", {{"bos_token", "<s>"}});
  ASSERT_TRUE(chat.ok()) << chat.status();
  Engine engine({tiny.config, tiny.layout, tiny.tokenizer.get(), *tiny.device, &*chat}, {});
  engine.SetWeights(1, Share(tiny.values));
  GroupRequest request = RequestOf({}, 1, 3, nullptr);
  request.prompt_text = "hi";
  request.chat_json =
      R"({"messages": [{"role": "user", "content": "hi</s>"}], "enable_thinking": true})";
  std::vector<int32_t> expected = {kBos};
  for (const char c : std::string("[user]hi")) expected.push_back(c);
  expected.push_back(kEos);
  for (const char c : std::string("<think>")) expected.push_back(c);
  EXPECT_EQ(SampleAlone(engine, request).at(0).prompt_tokens, expected);

  // Without a template only a lone text of the user will do, as a plain prompt.
  request.sink = std::make_shared<KeepingSink>();
  EXPECT_THAT(std::string(tiny.engine.Submit(request).message()),
              HasSubstr("the model folder has no chat template"));
  request.chat_json = R"([{"role": "user", "content": "hi"}])";
  EXPECT_EQ(SampleAlone(tiny.engine, request).at(0).prompt_tokens,
            (std::vector<int32_t>{'h', 'i'}));
  request.chat_json = R"({"messages": 3})";
  EXPECT_THAT(std::string(engine.Submit(request).message()), HasSubstr("messages: expected"));
}

}  // namespace
}  // namespace temper::rollout
