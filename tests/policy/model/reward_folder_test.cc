// A reward model made of a language model: the same layers, a head of its own, a folder that reads.
#include "policy/model/reward_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

using ::testing::HasSubstr;

std::string FreshFolder(const std::string& name) {
  const std::string path = ::testing::TempDir() + "/reward_folder_test_" + name;
  std::filesystem::remove_all(path);
  return path;
}

std::vector<float> Weights(const std::string& folder, const ModelConfig& config) {
  const ParameterLayout layout(config);
  std::vector<float> values(layout.size());
  EXPECT_EQ(ReadWeights(folder, layout, values), absl::OkStatus());
  return values;
}

class RewardFolderTest : public ::testing::TestWithParam<const char*> {};

TEST_P(RewardFolderTest, KeepsTheLayersAndDrawsAHead) {
  const Golden language(GetParam());
  const std::string one = FreshFolder("one"), two = FreshFolder("two");
  ASSERT_EQ(MakeRewardFolder(language.folder(), 3, one), absl::OkStatus());
  ASSERT_EQ(MakeRewardFolder(language.folder(), 4, two), absl::OkStatus());
  const auto folder = OpenModelFolder(one);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(folder->config.reward_head);
  const ParameterLayout from(language.Config()), to(folder->config);
  const std::vector<float> before = language.Read("", from);
  const std::vector<float> made = Weights(one, folder->config),
                           other = Weights(two, folder->config);
  ASSERT_EQ(to.specs().back().name, "score.weight");
  for (size_t i = 0; i + 1 < to.specs().size(); ++i) {
    const ParameterSpec& spec = to.specs()[i];
    ASSERT_EQ(spec.name, from.specs()[i].name);
    const auto part = [&](const std::vector<float>& all, int64_t at) {
      return std::span(all).subspan(at, spec.size);
    };
    EXPECT_TRUE(SameBits(part(made, spec.offset), part(before, from.specs()[i].offset)));
    EXPECT_TRUE(SameBits(part(made, spec.offset), part(other, spec.offset)));
  }
  const auto head = [&](const std::vector<float>& all) {
    return std::span(all).subspan(to.head(), folder->config.hidden_size);
  };
  EXPECT_FALSE(SameBits(head(made), head(other)));
  std::vector<float> drawn(to.size());
  Initialize(folder->config, to, 3, drawn);
  EXPECT_TRUE(SameBits(head(made), head(drawn)));  // as in a model that is all fresh
}

INSTANTIATE_TEST_SUITE_P(Golden, RewardFolderTest,
                         ::testing::Values("families/llama", "families/qwen2_tied",
                                           "families/qwen3"),
                         [](const auto& info) { return std::string(info.param).substr(9); });

TEST(RewardConfigTextTest, SaysWhatTransformersReads) {
  const ModelConfig language = Golden("families/llama").Config();
  const auto config = WithRewardHead(language, "c.json");
  ASSERT_TRUE(config.ok()) << config.status();
  nlohmann::json expected = nlohmann::json::parse(language.json);
  expected["architectures"] = {"LlamaForSequenceClassification"};
  expected["id2label"] = {{"0", "LABEL_0"}};
  expected["label2id"] = {{"LABEL_0", 0}};
  EXPECT_EQ(nlohmann::json::parse(config->json), expected);
  const auto again = WithRewardHead(*config, "c.json");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->json, config->json);
}

// The names in a safetensors file.
std::vector<std::string> TensorNames(const std::string& folder) {
  const auto bytes = ReadFile(folder + "/model.safetensors");
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  uint64_t size = 0;
  std::memcpy(&size, bytes->data(), sizeof(size));
  std::vector<std::string> names;
  const auto header = nlohmann::json::parse(bytes->substr(sizeof(size), size));
  for (const auto& [name, tensor] : header.items()) {
    if (name != "__metadata__") names.push_back(name);
  }
  return names;
}

// reward/llama was saved by LlamaForSequenceClassification.
TEST(RewardConfigTextTest, ItsTensorsAreNamedAsTransformersNamesThem) {
  const std::string folder = FreshFolder("names");
  ASSERT_EQ(MakeRewardFolder(Golden("families/llama").folder(), 1, folder), absl::OkStatus());
  EXPECT_EQ(TensorNames(folder), TensorNames(Golden("reward/llama").folder()));
}

TEST(RewardConfigTextTest, ARewardModelIsNotMadeOfARewardModel) {
  const absl::Status status =
      MakeRewardFolder(Golden("reward/llama").folder(), 1, FreshFolder("none"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("has a reward head"));
}

TEST(RewardConfigTextTest, FreshWeightsNeedOnlyAConfig) {
  const std::string folder = FreshFolder("fresh");
  ASSERT_EQ(InitializeRewardFolder(Golden("families/llama").folder() + "/config.json", 9, folder),
            absl::OkStatus());
  const auto opened = OpenModelFolder(folder);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->config.reward_head);
  EXPECT_EQ(Weights(folder, opened->config).size(),
            static_cast<size_t>(ParameterLayout(opened->config).size()));
}

}  // namespace
}  // namespace temper::model
