// The layout counts what a model has, and fresh weights follow their recipe.
#include "policy/model/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace temper::model {
namespace {

// Sizes of NVIDIA's releases, with the counts of model.md section 1.4.
std::string Config(const std::string& pattern, int hidden, int mamba_heads, int mamba_dim,
                   int q_heads, int width, bool tied = false) {
  return R"({"model_type": "nemotron_h", "vocab_size": 131072, "n_groups": 8, "conv_kernel": 4,
             "ssm_state_size": 128, "head_dim": 128, "num_key_value_heads": 8,)"
         R"("hybrid_override_pattern": ")" +
         pattern + R"(", "hidden_size": )" + std::to_string(hidden) + R"(, "mamba_num_heads": )" +
         std::to_string(mamba_heads) + R"(, "mamba_head_dim": )" + std::to_string(mamba_dim) +
         R"(, "num_attention_heads": )" + std::to_string(q_heads) + R"(, "intermediate_size": )" +
         std::to_string(width) + R"(, "tie_word_embeddings": )" + (tied ? "true}" : "false}");
}

ModelConfig Parsed(const std::string& text) {
  auto config = ParseModelConfig(text, "c.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

ModelConfig WithFewTokens(ModelConfig config) {
  config.vocab_size = 4096;
  return config;
}

ModelConfig Small(bool tied) {
  return WithFewTokens(Parsed(Config("M-*", 64, 16, 8, 8, 96, tied)));
}

TEST(ParametersTest, CountsOfReleasedModelsComeOut) {
  const std::string p8 = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-";
  const std::string p9 = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-";
  const std::string p4 = "M-M-M-MM-M-M*-M-M*-M-M-M*-M-M-MM*-MMM-M-M-";
  const auto billions = [](const std::string& text) {
    return std::round(ParameterLayout(Parsed(text)).parameters() / 1e6) / 1e3;
  };
  EXPECT_EQ(billions(Config(p8, 4096, 128, 64, 32, 21504)), 8.101);
  EXPECT_EQ(billions(Config(p9, 4480, 128, 80, 40, 15680)), 8.888);
  EXPECT_EQ(billions(Config(p4, 3136, 96, 80, 40, 12544)), 3.974);
}

TEST(ParametersTest, NamesAndShapesAreThoseOnDisk) {
  const ModelConfig config = Small(false);
  const ParameterLayout layout(config);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const ParameterSpec& spec : layout.specs()) shapes[spec.name] = spec.shape;
  const int64_t inner = 16 * 8, channels = inner + 2 * 8 * 128;
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"backbone.embeddings.weight", {4096, 64}},
      {"backbone.layers.0.norm.weight", {64}},
      {"backbone.layers.0.mixer.in_proj.weight", {inner + channels + 16, 64}},
      {"backbone.layers.0.mixer.conv1d.weight", {channels, 1, 4}},
      {"backbone.layers.0.mixer.conv1d.bias", {channels}},
      {"backbone.layers.0.mixer.A_log", {16}},
      {"backbone.layers.0.mixer.D", {16}},
      {"backbone.layers.0.mixer.dt_bias", {16}},
      {"backbone.layers.0.mixer.norm.weight", {inner}},
      {"backbone.layers.0.mixer.out_proj.weight", {64, inner}},
      {"backbone.layers.1.norm.weight", {64}},
      {"backbone.layers.1.mixer.up_proj.weight", {96, 64}},
      {"backbone.layers.1.mixer.down_proj.weight", {64, 96}},
      {"backbone.layers.2.norm.weight", {64}},
      {"backbone.layers.2.mixer.q_proj.weight", {1024, 64}},
      {"backbone.layers.2.mixer.k_proj.weight", {1024, 64}},
      {"backbone.layers.2.mixer.v_proj.weight", {1024, 64}},
      {"backbone.layers.2.mixer.o_proj.weight", {64, 1024}},
      {"backbone.norm_f.weight", {64}},
      {"lm_head.weight", {4096, 64}}};
  EXPECT_EQ(shapes, expected);
}

TEST(ParametersTest, TensorsAreAlignedDisjointAndDecayedOnlyWhenMatrices) {
  const ModelConfig config = Small(false);
  const ParameterLayout layout(config);
  int64_t end = 0, sum = 0;
  for (const ParameterSpec& spec : layout.specs()) {
    EXPECT_EQ(spec.offset % 16, 0) << spec.name;
    EXPECT_GE(spec.offset, end) << spec.name;
    EXPECT_EQ(spec.decayed, spec.shape.size() == 2) << spec.name;
    end = spec.offset + spec.size;
    sum += spec.size;
  }
  EXPECT_GE(layout.size(), end);
  EXPECT_EQ(layout.parameters(), sum);
  EXPECT_EQ(layout.layers()[0].q_proj, -1);
  EXPECT_EQ(layout.layers()[1].in_proj, -1);
}

TEST(ParametersTest, TiedEmbeddingsHaveNoTensorOfTheirOwn) {
  const ModelConfig config = Small(true);
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.head(), layout.embeddings());
  for (const ParameterSpec& spec : layout.specs()) EXPECT_NE(spec.name, "lm_head.weight");
}

struct Moments {
  double mean = 0, deviation = 0, least = 1e30, most = -1e30;
};

Moments MomentsOf(std::span<const float> values) {
  Moments m;
  double squares = 0;
  for (const float v : values) {
    m.mean += v;
    squares += static_cast<double>(v) * v;
    m.least = std::min<double>(m.least, v);
    m.most = std::max<double>(m.most, v);
  }
  m.mean /= values.size();
  m.deviation = std::sqrt(squares / values.size() - m.mean * m.mean);
  return m;
}

class InitializeTest : public testing::Test {
 protected:
  InitializeTest() : config_(Small(false)), layout_(config_), values_(layout_.size()) {
    Initialize(config_, layout_, 5, values_);
  }
  std::span<const float> Values(const std::string& name) const {
    for (const ParameterSpec& spec : layout_.specs()) {
      if (spec.name == name) return std::span(values_).subspan(spec.offset, spec.size);
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }

  const ModelConfig config_;
  const ParameterLayout layout_;
  std::vector<float> values_;
};

TEST_F(InitializeTest, MatricesAreNormalAndThoseOfTheResidualSmaller) {
  const Moments embeddings = MomentsOf(Values("backbone.embeddings.weight"));
  EXPECT_NEAR(embeddings.mean, 0, 2e-4);
  EXPECT_NEAR(embeddings.deviation, 0.02, 1e-4);
  EXPECT_GT(embeddings.most, 0.02 * 4.0);
  const double scaled = 0.02 / std::sqrt(2.0 * 3);
  EXPECT_NEAR(MomentsOf(Values("backbone.layers.0.mixer.in_proj.weight")).deviation, 0.02, 4e-4);
  for (const char* name :
       {"backbone.layers.0.mixer.out_proj.weight", "backbone.layers.1.mixer.down_proj.weight",
        "backbone.layers.2.mixer.o_proj.weight"}) {
    EXPECT_NEAR(MomentsOf(Values(name)).deviation, scaled, scaled * 0.05) << name;
  }
}

TEST_F(InitializeTest, VectorsFollowTheRecipeOfMamba) {
  const Moments conv = MomentsOf(Values("backbone.layers.0.mixer.conv1d.weight"));
  EXPECT_NEAR(conv.deviation, 0.5 / std::sqrt(3.0), 0.01);  // uniform in (-1/2, 1/2)
  EXPECT_GT(conv.least, -0.5);
  EXPECT_LT(conv.most, 0.5);
  for (const float a : Values("backbone.layers.0.mixer.A_log")) {
    EXPECT_GE(a, 0);
    EXPECT_LE(a, std::log(16.0f));
  }
  for (const float bias : Values("backbone.layers.0.mixer.dt_bias")) {
    const double dt = std::log1p(std::exp(bias));  // softplus
    EXPECT_GE(dt, 0.00099);
    EXPECT_LE(dt, 0.101);
  }
  for (const char* name : {"backbone.layers.0.mixer.D", "backbone.layers.0.mixer.norm.weight",
                           "backbone.layers.0.norm.weight", "backbone.norm_f.weight"}) {
    EXPECT_EQ(MomentsOf(Values(name)).least, 1) << name;
    EXPECT_EQ(MomentsOf(Values(name)).most, 1) << name;
  }
}

TEST_F(InitializeTest, TheSameSeedGivesTheSameBitsAndAnotherSeedDoesNot) {
  std::vector<float> again(layout_.size(), NAN), other(layout_.size());
  Initialize(config_, layout_, 5, again);
  EXPECT_EQ(again, values_);  // gaps between tensors too
  Initialize(config_, layout_, 6, other);
  EXPECT_NE(other, values_);
}

TEST_F(InitializeTest, ATensorDependsOnItsNameAlone) {
  const ModelConfig deeper = WithFewTokens(Parsed(Config("M-*", 64, 16, 8, 8, 128)));
  const ParameterLayout layout(deeper);
  std::vector<float> values(layout.size());
  Initialize(deeper, layout, 5, values);
  const auto q = Values("backbone.layers.2.mixer.q_proj.weight");
  const auto moved = std::span<const float>(values).subspan(layout.layers()[2].q_proj, q.size());
  ASSERT_NE(layout.layers()[2].q_proj, layout_.layers()[2].q_proj);
  EXPECT_TRUE(std::ranges::equal(q, moved));
}

}  // namespace
}  // namespace temper::model
