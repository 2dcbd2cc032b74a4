// Reward models in the making: pairs to tokens, the loss and its slope, and steps as LearnerService
// promises them.
#include "policy/learner/preference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "policy/learner/objective.h"
#include "policy/learner/preference_pass.h"
#include "policy/model/reward_folder.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

using testing::HasSubstr;

constexpr char kTemplate[] =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}";

TEST(PreferenceTermTest, IsTheLogisticLossWithItsSlope) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> margin(-20, 20);
  for (int i = 0; i < 2000; ++i) {
    const double m = margin(random), step = 1e-5;
    const auto value = [](double x) { return -std::log(1 / (1 + std::exp(-x))); };
    const PairTerm term = PreferenceTerm(m);
    EXPECT_NEAR(term.value, value(m), 1e-9 * (1 + value(m)));
    const double difference =
        (PreferenceTerm(m + step).value - PreferenceTerm(m - step).value) / (2 * step);
    EXPECT_NEAR(term.slope, difference, 1e-8);
  }
}

TEST(PreferenceTermTest, IsFiniteHoweverFarTheValuesAreApart) {
  EXPECT_EQ(PreferenceTerm(0).value, std::log(2.0));
  EXPECT_EQ(PreferenceTerm(0).slope, -0.5);
  EXPECT_EQ(PreferenceTerm(1e6).value, 0.0);
  EXPECT_EQ(PreferenceTerm(-1e6).value, 1e6);
  EXPECT_EQ(PreferenceTerm(-1e6).slope, -1.0);
  EXPECT_TRUE(std::isnan(PreferenceTerm(std::nan("")).value));
}

v1::PreferencePair PairOf(const std::string& prompt, const std::string& chosen,
                          const std::string& rejected, double weight = 1) {
  v1::PreferencePair pair;
  pair.set_prompt(prompt);
  pair.set_chosen(chosen);
  pair.set_rejected(rejected);
  pair.set_weight(weight);
  return pair;
}

// A model folder with a reward head, and, if wanted, a chat template.
class PreferenceTest : public testing::Test {
 protected:
  void MakeFolder(bool with_template) {
    MakeModelFolder(folder_ / "language");
    if (with_template) {
      ASSERT_EQ(absl::OkStatus(),
                WriteFileAtomically(folder_ / "language/chat_template.jinja", kTemplate));
    }
    ASSERT_EQ(absl::OkStatus(),
              model::MakeRewardFolder(folder_ / "language", 5, folder_ / "model"));
    std::filesystem::create_directories(folder_ / "shared");
  }
  std::unique_ptr<Learner> Open(const std::string& run = "run", int threads = 1) {
    return Learner::Open(folder_ / run, folder_ / "model", folder_ / "shared", threads);
  }

  TemporaryFolder folder_;
};

TEST_F(PreferenceTest, APairIsTwoExchangesAsTheyAreMeasured) {
  MakeFolder(/*with_template=*/true);
  const auto folder = model::OpenModelFolder(folder_ / "model");
  const auto words = model::FolderWords::Read(folder_ / "model", true);
  ASSERT_TRUE(folder.ok() && words.ok()) << folder.status() << words.status();
  const auto text_of = [&](const std::vector<int32_t>& tokens) {
    std::string text;
    for (const int32_t token : tokens) {
      text += folder->tokenizer->TokenBytes(token, /*skip_special_tokens=*/false);
    }
    return text;
  };
  const model::PromptEncoder chats(folder->tokenizer.get(), &*words->chat, words->added_tokens);
  const model::PromptEncoder texts(folder->tokenizer.get(), nullptr, {});
  v1::PreferenceBatch batch;
  *batch.add_pairs() = PairOf("q", "yes", "no</s>", 2.5);
  *batch.add_pairs() = PairOf("", "b", "c");
  batch.mutable_pairs(1)->set_chat_json(
      R"({"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"},
                       {"role": "user", "content": "3"}]})");
  const auto pairs = EncodePairs(batch.pairs(), chats);
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  EXPECT_EQ(text_of((*pairs)[0].chosen), "u:q</s>a:yes</s>");
  EXPECT_EQ(text_of((*pairs)[0].rejected), "u:q</s>a:no</s></s>");
  EXPECT_EQ((*pairs)[0].rejected.size(), 2u + 1 + 1 + 2 + 2 + 4 + 1);  // no response ends its turn
  EXPECT_EQ((*pairs)[0].weight, 2.5);
  EXPECT_EQ(text_of((*pairs)[1].chosen), "u:1</s>a:2</s>u:3</s>a:b</s>");
  batch.mutable_pairs()->RemoveLast();
  const auto plain = EncodePairs(batch.pairs(), texts);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(text_of((*plain)[0].chosen), "qyes");
  batch.mutable_pairs(0)->set_chat_json(R"({"messages": [{"role": "user", "content": "q"}]})");
  EXPECT_EQ(text_of((*EncodePairs(batch.pairs(), texts))[0].rejected), "qno</s>");

  *batch.mutable_pairs(0) = PairOf("q", "yes", "no", 0);
  EXPECT_THAT(std::string(EncodePairs(batch.pairs(), chats).status().message()),
              HasSubstr("pair 0: weight: found 0"));
  *batch.mutable_pairs(0) = PairOf("", "", "no");
  EXPECT_THAT(std::string(EncodePairs(batch.pairs(), texts).status().message()),
              HasSubstr("\"pair 0\": no tokens"));
}

TEST(PackPairsTest, KeepsPairsTogetherAndInOrder) {
  std::vector<Pair> pairs;
  for (const size_t length : {3, 4, 30, 2}) {
    pairs.push_back({std::vector<int32_t>(length, 1), std::vector<int32_t>(length + 1, 2)});
  }
  const std::vector<PairBatch> batches = PackPairs(pairs, 16);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].first, 0);
  EXPECT_EQ(batches[0].packed.segments.size(), 4u);
  EXPECT_EQ(batches[0].packed.tokens.size(), 16u);
  EXPECT_EQ(batches[1].first, 2);  // longer than the budget
  EXPECT_EQ(batches[1].packed.segments.size(), 2u);
  EXPECT_EQ(batches[2].first, 3);
}

// A lively model with a reward head, and five pairs.
class PreferencePassTest : public testing::Test {
 protected:
  void SetUp() override {
    config_ = *model::WithRewardHead(*model::ParseModelConfig(TinyConfig(), "tiny"), "tiny");
    layout_ = std::make_unique<model::ParameterLayout>(config_);
    values_.resize(layout_->size());
    model::Initialize(config_, *layout_, 7, values_);
    std::mt19937 random(5);
    std::normal_distribution<float> noise(0, 0.3f);
    for (const model::ParameterSpec& spec : layout_->specs()) {
      if (!spec.decayed) continue;
      for (int64_t i = 0; i < spec.size; ++i) values_[spec.offset + i] += noise(random);
    }
    for (int i = 0; i < 5; ++i) {
      Pair& pair = pairs_.emplace_back();
      for (int t = 0; t < 4 + i; ++t) pair.chosen.push_back(random() % kVocab);
      for (int t = 0; t < 9 - i; ++t) pair.rejected.push_back(random() % kVocab);
      pair.weight = 0.5 + i;
    }
    device_ = kernels::OpenCpuDevice(2);
    model_ = std::make_unique<model::HybridModel>(config_, *layout_, *device_);
  }

  PreferenceTotals Run(int64_t tokens_max, std::vector<float>& gradients) {
    const model::Weights weights(*layout_, *device_, values_, {.backward = true});
    gradients.assign(values_.size(), 0.0f);
    return PreferencePass(*model_, weights, progress_).Train(pairs_, tokens_max, gradients);
  }
  double LossAt(std::span<const float> direction, double distance) {
    const std::vector<float> centre = values_;
    for (size_t i = 0; i < values_.size(); ++i) {
      values_[i] = static_cast<float>(centre[i] + distance * direction[i]);
    }
    std::vector<float> unused;
    const double loss = Run(1000, unused).loss;
    values_ = centre;
    return loss;
  }
  // One sequence by itself, as a worker that measures it.
  float ValueOf(const model::Weights& weights, const std::vector<int32_t>& tokens) {
    model::SequenceState state(config_, *device_);
    const model::Slice slice{&state, tokens};
    float value = 0;
    model_->Extend(weights, {&slice, 1}, kernels::View<float>(&value, 1, 1));
    return value;
  }

  model::ModelConfig config_;
  std::unique_ptr<model::ParameterLayout> layout_;
  std::unique_ptr<kernels::Device> device_;
  std::unique_ptr<model::HybridModel> model_;
  std::vector<float> values_;
  std::vector<Pair> pairs_;
  std::atomic<int64_t> progress_{0};
};

TEST_F(PreferencePassTest, TheLossIsTheFormulaOnTheValuesThatAWorkerMeasures) {
  const model::Weights weights(*layout_, *device_, values_, {.backward = true});
  double loss = 0, margins = 0, right = 0;
  for (const Pair& pair : pairs_) {
    const double margin =
        double{ValueOf(weights, pair.chosen)} - double{ValueOf(weights, pair.rejected)};
    loss += pair.weight * std::log(1 + std::exp(-margin)) / 5;
    margins += margin;
    right += margin > 0 ? 1 : 0;
  }
  std::vector<float> unused;
  PreferencePass pass(*model_, weights, progress_);
  for (const PreferenceTotals& totals : {Run(1000, unused), pass.Measure(pairs_, 20)}) {
    EXPECT_NEAR(totals.loss, loss, 1e-12 * loss);
    EXPECT_EQ(totals.margin(), margins / 5);
    EXPECT_EQ(totals.accuracy(), right / 5);
    EXPECT_EQ(totals.pairs, 5);
    EXPECT_EQ(totals.tokens, 5 * 13);
  }
}

TEST_F(PreferencePassTest, TheGradientIsTheSlopeOfTheLoss) {
  std::vector<float> gradients;
  Run(1000, gradients);
  const double norm =
      std::sqrt(std::inner_product(gradients.begin(), gradients.end(), gradients.begin(), 0.0));
  ASSERT_GT(norm, 0);
  std::vector<float> direction(gradients.size());
  std::ranges::transform(gradients, direction.begin(),
                         [norm](float g) { return static_cast<float>(g / norm); });
  const double step = 5e-3;
  EXPECT_NEAR((LossAt(direction, step) - LossAt(direction, -step)) / (2 * step), norm, 0.01 * norm);
  // Every tensor by itself: the head, the final norm and each layer's.
  for (const model::ParameterSpec& spec : layout_->specs()) {
    const std::span<const float> own(gradients.data() + spec.offset, spec.size);
    const double length = std::sqrt(std::inner_product(own.begin(), own.end(), own.begin(), 0.0));
    ASSERT_GT(length, 0) << spec.name;
    std::fill(direction.begin(), direction.end(), 0.0f);
    for (int64_t i = 0; i < spec.size; ++i) {
      direction[spec.offset + i] = static_cast<float>(own[i] / length);
    }
    const double slope = (LossAt(direction, step) - LossAt(direction, -step)) / (2 * step);
    EXPECT_NEAR(slope, length, 0.02 * length + 2e-4) << spec.name;
  }
}

TEST_F(PreferencePassTest, PackingChangesNoValueAndHardlyAGradient) {
  std::vector<float> one, many, again;
  const PreferenceTotals whole = Run(1000, one);
  EXPECT_EQ(progress_.load(), 1);
  const PreferenceTotals cut = Run(1, many);
  EXPECT_EQ(progress_.load(), 1 + 5);
  EXPECT_EQ(whole.loss, cut.loss);
  EXPECT_EQ(whole.margins, cut.margins);
  for (size_t i = 0; i < one.size(); ++i) {
    ASSERT_NEAR(one[i], many[i], 1e-5 + 1e-4 * std::abs(one[i]));
  }
  Run(1000, again);
  EXPECT_EQ(std::memcmp(one.data(), again.data(), one.size() * sizeof(float)), 0);
}

v1::TrainRequest PairsRequest(int64_t step, bool held_out = false) {
  v1::TrainRequest request;
  request.set_step(step);
  *request.mutable_options() = Options();
  request.mutable_options()->set_tokens_per_micro_batch(64);
  for (int i = 0; i < 4; ++i) {
    const std::string prompt = absl::StrCat("What is ", step % 3, " + ", i, "? ");
    *request.mutable_preference()->add_pairs() =
        PairOf(prompt, absl::StrCat("It is ", i + step % 3, "."), "Why?");
  }
  if (held_out) {
    *request.mutable_preference()->add_held_out() = PairOf("What is 4 + 4? ", "It is 8.", "Why?");
  }
  return request;
}

TEST_F(PreferenceTest, StepsTeachAModelToPrefer) {
  MakeFolder(/*with_template=*/true);
  const auto learner = Open();
  std::vector<v1::TrainMetrics> steps;
  for (int step = 0; step < 12; ++step) {
    const auto response = learner->trainer->Train(PairsRequest(step, step % 4 == 3));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->metrics().has_held_out_accuracy(), step % 4 == 3);
    steps.push_back(response->metrics());
  }
  EXPECT_NEAR(steps.front().loss(), std::log(2.0), 0.2);
  EXPECT_LT(steps.back().loss(), 0.5 * steps.front().loss());
  EXPECT_EQ(steps.back().pair_accuracy(), 1.0);
  EXPECT_GT(steps.back().pair_margin(), 0.5);
  EXPECT_EQ(steps.back().held_out_accuracy(), 1.0);
  EXPECT_EQ(steps.back().logprob_mismatch(), 0);
}

TEST_F(PreferenceTest, SixStepsEqualThreeAndThreeAfterARestartBitForBit) {
  MakeFolder(/*with_template=*/false);
  const auto whole = Open("whole");
  for (int step = 0; step < 6; ++step) {
    ASSERT_TRUE(whole->trainer->Train(PairsRequest(step, step == 3)).ok());
  }
  {
    const auto first = Open("halves", /*threads=*/2);
    for (int step = 0; step < 3; ++step) {
      ASSERT_TRUE(first->trainer->Train(PairsRequest(step)).ok());
    }
    v1::SaveCheckpointRequest request;
    request.set_version(3);
    ASSERT_TRUE(first->trainer->SaveCheckpoint(request).ok());
    ASSERT_TRUE(first->trainer->Train(PairsRequest(3)).ok());  // this one is lost
  }
  const auto second = Open("halves");
  EXPECT_EQ(second->trainer->version(), 3);
  for (int step = 3; step < 6; ++step) {
    ASSERT_TRUE(second->trainer->Train(PairsRequest(step, step == 3)).ok());
  }
  EXPECT_EQ(second->weights(), whole->weights());
  const auto again = second->trainer->Train(PairsRequest(5));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->version(), 6);
  EXPECT_EQ(second->trainer->Train(PairsRequest(4)).status().code(),
            absl::StatusCode::kAlreadyExists);
  // What is saved is a reward model's folder again.
  const auto saved = model::OpenModelFolder(folder_ / "halves/checkpoints/step-000003");
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_TRUE(saved->config.reward_head);
}

TEST_F(PreferenceTest, PairsAreForRewardModelsAndTokensForLanguageModels) {
  MakeFolder(/*with_template=*/false);
  const auto reward = Open();
  const absl::Status tokens = reward->trainer->Train(SupervisedRequest(0)).status();
  EXPECT_EQ(tokens.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokens.message()), HasSubstr("has a reward head"));
  v1::TrainRequest none = PairsRequest(0);
  none.mutable_preference()->clear_pairs();
  EXPECT_THAT(std::string(reward->trainer->Train(none).status().message()),
              HasSubstr("expected at least one pair"));
  v1::TrainRequest wrong = PairsRequest(0, true);
  wrong.mutable_preference()->mutable_held_out(0)->set_weight(-1);
  EXPECT_EQ(reward->trainer->Train(wrong).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reward->trainer->version(), 0);
  const auto language = Learner::Open(folder_ / "other", folder_ / "language", folder_ / "shared");
  EXPECT_THAT(std::string(language->trainer->Train(PairsRequest(0)).status().message()),
              HasSubstr("has no reward head"));
}

// An example in a conversation is what a rollout of it would be: its prompt, then its turn's end.
TEST_F(PreferenceTest, AWorkedExampleInAConversationEndsItsTurn) {
  MakeFolder(/*with_template=*/true);
  const auto folder = model::OpenModelFolder(folder_ / "language");
  const auto words = model::FolderWords::Read(folder_ / "language", true);
  const model::PromptEncoder encoder(folder->tokenizer.get(), &*words->chat, words->added_tokens);
  constexpr int32_t kPad = 0, kEnd = 2;
  const std::vector<int32_t> eos = {kPad, kEnd};
  const EndTokens ends = FindEndTokens(encoder, eos);
  EXPECT_EQ(ends.text, kPad);
  EXPECT_EQ(ends.turn, kEnd);
  v1::SupervisedBatch batch;
  batch.add_examples()->set_response("r");
  batch.mutable_examples(0)->set_chat_json(R"({"messages": [{"role": "user", "content": "q"}]})");
  batch.add_examples()->set_response("r");
  batch.mutable_examples(1)->set_prompt("q");
  const auto sequences = SupervisedSequences(batch, *folder->tokenizer, encoder, ends);
  ASSERT_TRUE(sequences.ok()) << sequences.status();
  EXPECT_EQ((*sequences)[0].prompt_tokens, 6);  // u:q</s>a:
  EXPECT_EQ((*sequences)[0].tokens.back(), kEnd);
  EXPECT_EQ((*sequences)[1].prompt_tokens, 1);
  EXPECT_EQ((*sequences)[1].tokens.back(), kPad);
}

}  // namespace
}  // namespace temper::learner
