// Reads config.json as transformers and NVIDIA write it, and says what is wrong with others.
#include "policy/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json Good() {
  return {{"model_type", "nemotron_h"}, {"hybrid_override_pattern", "M-*"},
          {"vocab_size", 100},          {"hidden_size", 32},
          {"intermediate_size", 64},    {"num_attention_heads", 4},
          {"num_key_value_heads", 2},   {"head_dim", 8},
          {"mamba_num_heads", 8},       {"mamba_head_dim", 16},
          {"ssm_state_size", 24},       {"n_groups", 4},
          {"conv_kernel", 4},           {"eos_token_id", 2}};
}

ModelConfig Parsed(const std::string& text) {
  auto config = ParseModelConfig(text, "c.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ModelConfig();
}

template <class Change>
ModelConfig With(Change change) {
  Json json = Good();
  change(json);
  return Parsed(json.dump());
}

// The message for the good config with one field replaced.
std::string Refusal(const std::string& key, const Json& value) {
  Json json = Good();
  if (value.is_discarded()) {
    json.erase(key);
  } else {
    json[key] = value;
  }
  const auto config = ParseModelConfig(json.dump(), "c.json");
  return config.ok() ? "" : std::string(config.status().message());
}
const Json kAbsent = Json(Json::value_t::discarded);

TEST(ConfigTest, ReadsEveryKindOfLayer) {
  const ModelConfig config = Parsed(Good().dump());
  EXPECT_EQ(config.Pattern(), "M-*");
  ASSERT_EQ(config.layers.size(), 3u);
  const LayerConfig& mamba = config.layers[0];
  EXPECT_EQ(mamba.inner(), 128);
  EXPECT_EQ(mamba.conv_channels(), 128 + 2 * 4 * 24);
  EXPECT_EQ(mamba.projection(), 2 * 128 + 2 * 4 * 24 + 8);
  EXPECT_TRUE(mamba.conv_bias);
  EXPECT_EQ(config.layers[1].intermediate, 64);
  EXPECT_EQ(config.layers[2].q_heads, 4);
  EXPECT_EQ(config.layers[2].kv_heads, 2);
  EXPECT_EQ(config.layers[2].attention_head_dim, 8);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
  EXPECT_EQ(config.bos_token_id, -1);
  EXPECT_EQ(config.json, Good().dump());
}

TEST(ConfigTest, AListOfLayersWinsOverThePattern) {
  for (const char* key : {"layers_block_type", "layer_types"}) {
    const ModelConfig config = With([key](Json& json) {
      json[key] = {"linear_attention", "mamba", "full_attention", "attention", "mlp"};
    });
    EXPECT_EQ(config.Pattern(), "MM**-");
  }
}

TEST(ConfigTest, ReadsOtherSpellings) {
  const ModelConfig config = With([](Json& json) {
    for (const auto& [from, to] :
         std::vector<std::pair<const char*, const char*>>{{"head_dim", "attention_head_dim"},
                                                          {"n_groups", "mamba_n_groups"},
                                                          {"conv_kernel", "mamba_d_conv"}}) {
      json[to] = json[from];
      json.erase(from);
    }
    json["mamba_conv_bias"] = false;
    json["rms_norm_eps"] = 1e-6;
    json["eos_token_id"] = {2, 11};
  });
  EXPECT_EQ(config.layers[2].attention_head_dim, 8);
  EXPECT_EQ(config.layers[0].groups, 4);
  EXPECT_EQ(config.layers[0].conv_taps, 4);
  EXPECT_FALSE(config.layers[0].conv_bias);
  EXPECT_FLOAT_EQ(config.norm_epsilon, 1e-6f);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2, 11));
}

TEST(ConfigTest, ReadsEveryWayToWriteInfinity) {
  const float unlimited = LayerConfig().dt_max;
  for (const char* limit : {R"([0.0, {"__float__": "Infinity"}])", "[0, Infinity]",
                            R"([0.0, "inf"])", "[0.0, 1.797e308]", "null"}) {
    std::string text = Good().dump();
    text.insert(text.size() - 1, std::string(", \"time_step_limit\": ") + limit);
    const ModelConfig config = Parsed(text);
    ASSERT_EQ(config.layers.size(), 3u) << limit;
    EXPECT_EQ(config.layers[0].dt_min, 0.0f) << limit;
    EXPECT_EQ(config.layers[0].dt_max, unlimited) << limit;
  }
  const ModelConfig bounded = With([](Json& json) { json["time_step_limit"] = {0.001, 0.5}; });
  EXPECT_FLOAT_EQ(bounded.layers[0].dt_min, 0.001f);
  EXPECT_FLOAT_EQ(bounded.layers[0].dt_max, 0.5f);
  EXPECT_THAT(Refusal("time_step_limit", {0.5, 0.1}),
              HasSubstr("c.json: time_step_limit: found [0.5,0.1], expected two rising bounds"));
}

TEST(ConfigTest, TheWordInfinityInsideTextIsLeftAlone) {
  const ModelConfig config =
      With([](Json& json) { json["_name_or_path"] = "to \"Infinity\" and back"; });
  EXPECT_EQ(config.Pattern(), "M-*");
}

TEST(ConfigTest, MlpLayersMayDiffer) {
  const ModelConfig config = With([](Json& json) {
    json["hybrid_override_pattern"] = "-M-";
    json["intermediate_size"] = {64, 96};
  });
  EXPECT_EQ(config.layers[0].intermediate, 64);
  EXPECT_EQ(config.layers[2].intermediate, 96);
  EXPECT_THAT(Refusal("intermediate_size", Json::array()), HasSubstr("fewer than there are MLP"));
}

TEST(ConfigTest, OtherModelsAreRefusedWithWhatIsSupported) {
  EXPECT_THAT(Refusal("model_type", "gpt2"),
              AllOf(HasSubstr("c.json: model_type: found \"gpt2\""),
                    HasSubstr("supported: nemotron_h, qwen2, qwen3, llama, nemotron-nas")));
  EXPECT_THAT(Refusal("hybrid_override_pattern", "M-X*"),
              HasSubstr("c.json: hybrid_override_pattern: found 'X' at place 2, expected M, *, - "
                        "or E"));
  EXPECT_THAT(Refusal("layers_block_type", {"mamba", "rwkv"}),
              HasSubstr("c.json: layers_block_type[1]: found \"rwkv\", expected mamba, attention, "
                        "mlp or moe"));
  EXPECT_THAT(Refusal("attention_bias", true), HasSubstr("attention_bias: found true"));
  EXPECT_THAT(Refusal("mlp_bias", true), HasSubstr("mlp_bias: found true"));
  EXPECT_THAT(Refusal("use_bias", true), HasSubstr("use_bias: found true"));
  EXPECT_THAT(Refusal("mlp_hidden_act", "silu"), HasSubstr("expected \"relu2\""));
  EXPECT_THAT(Refusal("sliding_window", 4096), HasSubstr("sliding_window: found 4096"));
  EXPECT_THAT(Refusal("quantization_config", {{"quant_algo", "FP8"}}),
              HasSubstr("expected quant_method \"modelopt\""));
}

TEST(ConfigTest, MissingFieldsAreNamed) {
  for (const char* key :
       {"model_type", "hybrid_override_pattern", "vocab_size", "hidden_size", "intermediate_size",
        "num_attention_heads", "head_dim", "mamba_num_heads", "mamba_head_dim", "ssm_state_size"}) {
    EXPECT_THAT(Refusal(key, kAbsent), HasSubstr("c.json: " + std::string(key) + ": missing"));
  }
}

TEST(ConfigTest, WrongTypesAndSizesSayWhatWasFound) {
  EXPECT_THAT(Refusal("hidden_size", "32"),
              HasSubstr("c.json: hidden_size: found \"32\", expected a whole number from 1 to"));
  EXPECT_THAT(Refusal("hidden_size", 32.5), HasSubstr("found 32.5"));
  EXPECT_THAT(Refusal("hidden_size", -1), HasSubstr("found -1"));
  EXPECT_THAT(Refusal("hidden_size", Json::parse("18446744073709551615")),
              HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(Refusal("vocab_size", int64_t{1} << 40), HasSubstr("found 1099511627776"));
  EXPECT_THAT(Refusal("conv_kernel", 9), HasSubstr("conv_kernel: found 9"));
  EXPECT_THAT(Refusal("use_conv_bias", 1), HasSubstr("found 1, expected true or false"));
  EXPECT_THAT(Refusal("layer_norm_epsilon", "tiny"), HasSubstr("expected a number from"));
  EXPECT_THAT(Refusal("layer_norm_epsilon", 0), HasSubstr("layer_norm_epsilon: found 0"));
  EXPECT_THAT(Refusal("eos_token_id", 100), HasSubstr("eos_token_id: found 100"));
  EXPECT_THAT(Refusal("eos_token_id", {2, "x"}), HasSubstr("eos_token_id: found \"x\""));
  EXPECT_THAT(Refusal("hybrid_override_pattern", 3), HasSubstr("found 3, expected text"));
  EXPECT_THAT(Refusal("hybrid_override_pattern", ""), HasSubstr("found 0 layers"));
  EXPECT_THAT(Refusal("layers_block_type", "mamba"), HasSubstr("expected a list of layer names"));
  EXPECT_THAT(Refusal("num_hidden_layers", 4),
              HasSubstr("num_hidden_layers: found 4, expected 3 as in hybrid_override_pattern"));
}

TEST(ConfigTest, HeadsMustDivide) {
  EXPECT_THAT(Refusal("n_groups", 3),
              HasSubstr("mamba_num_heads: found 8, expected a multiple of n_groups = 3"));
  EXPECT_THAT(
      Refusal("num_key_value_heads", 3),
      HasSubstr("num_attention_heads: found 4, expected a multiple of num_key_value_heads"));
}

TEST(ConfigTest, ReadsExpertsAndWhatMegatronMarksInPatterns) {
  const ModelConfig config = With([](Json& json) {
    json["hybrid_override_pattern"] = "ME|*E/*E";  // '|' cuts pipelines, '/' begins the MTP layers
    json["n_routed_experts"] = 16;
    json["num_experts_per_tok"] = 3;
    json["moe_intermediate_size"] = 24;
    json["moe_shared_expert_intermediate_size"] = 48;
    json["moe_latent_size"] = 12;
    json["routed_scaling_factor"] = 2.5;
    json["n_group"] = 4;
    json["topk_group"] = 2;
  });
  EXPECT_EQ(config.Pattern(), "ME*E");
  const LayerConfig& moe = config.layers[1];
  EXPECT_EQ(moe.experts, 16);
  EXPECT_EQ(moe.experts_chosen, 3);
  EXPECT_EQ(moe.expert_intermediate, 24);
  EXPECT_EQ(moe.shared_intermediate, 48);
  EXPECT_EQ(moe.latent, 12);
  EXPECT_EQ(moe.router_groups, 4);
  EXPECT_EQ(moe.router_groups_chosen, 2);
  EXPECT_FLOAT_EQ(moe.router_scale, 2.5f);
}

TEST(ConfigTest, ExpertsThatCannotBeChosenAreRefused) {
  Json json = Good();
  json.update({{"hybrid_override_pattern", "ME"},
               {"n_routed_experts", 8},
               {"num_experts_per_tok", 5},
               {"moe_intermediate_size", 24},
               {"n_shared_experts", 0},
               {"n_group", 4},
               {"topk_group", 2}});
  EXPECT_THAT(std::string(ParseModelConfig(json.dump(), "c.json").status().message()),
              HasSubstr("num_experts_per_tok: found 5, expected at most the 4 experts"));
  json["n_group"] = 3;
  EXPECT_THAT(std::string(ParseModelConfig(json.dump(), "c.json").status().message()),
              HasSubstr("n_routed_experts: found 8, expected a multiple of n_group = 3"));
}

Json Llama() {
  return {{"model_type", "llama"},    {"num_hidden_layers", 2},  {"vocab_size", 100},
          {"hidden_size", 32},        {"intermediate_size", 64}, {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"rope_theta", 10000.0}};
}

std::string LlamaRefusal(const std::string& key, const Json& value) {
  Json json = Llama();
  json[key] = value;
  return std::string(ParseModelConfig(json.dump(), "c.json").status().message());
}

TEST(ConfigTest, TransformerBlocksAreTwoLayersEach) {
  for (const char* family : {"llama", "qwen2", "qwen3"}) {
    Json json = Llama();
    json["model_type"] = family;
    const ModelConfig config = Parsed(json.dump());
    EXPECT_EQ(config.Pattern(), "*-*-") << family;
    EXPECT_EQ(config.layers[2].block, 1);
    EXPECT_TRUE(config.layers[1].gated);
    EXPECT_EQ(config.layers[0].qkv_bias, family == std::string("qwen2"));
    EXPECT_EQ(config.layers[0].qk_norm, family == std::string("qwen3"));
    EXPECT_EQ(config.layers[0].attention_head_dim, family == std::string("qwen3") ? 128 : 8);
    EXPECT_FLOAT_EQ(config.layers[0].inverse_frequency[0], 1.0f);
    EXPECT_FLOAT_EQ(config.norm_epsilon, 1e-6f);
  }
}

TEST(ConfigTest, WhatNoTransformerLayerDoesIsRefused) {
  EXPECT_THAT(LlamaRefusal("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}}),
              HasSubstr("rope_scaling.rope_type: found \"yarn\"; supported: default, linear, "
                        "llama3"));
  EXPECT_THAT(LlamaRefusal("rope_scaling", {{"rope_type", "llama3"}}),
              HasSubstr("c.json: rope_scaling.factor: missing"));
  EXPECT_THAT(LlamaRefusal("rope_scaling", {{"rope_type", "llama3"},
                                            {"factor", 8},
                                            {"low_freq_factor", 4},
                                            {"high_freq_factor", 1},
                                            {"original_max_position_embeddings", 8192}}),
              HasSubstr("low_freq_factor: found 4, expected less than high_freq_factor = 1"));
  EXPECT_THAT(LlamaRefusal("partial_rotary_factor", 0.5), HasSubstr("only 1 is supported"));
  EXPECT_THAT(LlamaRefusal("head_dim", 7), HasSubstr("head_dim: found 7, expected an even number"));
  EXPECT_THAT(LlamaRefusal("hidden_act", "gelu"), HasSubstr("expected \"silu\""));
  EXPECT_THAT(LlamaRefusal("mlp_bias", true), HasSubstr("mlp_bias: found true"));
  EXPECT_THAT(LlamaRefusal("use_sliding_window", true), HasSubstr("windows are not supported"));
  EXPECT_THAT(LlamaRefusal("layer_types", {"full_attention", "sliding_attention"}),
              HasSubstr("layer_types[1]: found \"sliding_attention\""));
  EXPECT_THAT(LlamaRefusal("num_attention_heads", 5),
              HasSubstr("hidden_size: found 32, expected a multiple of num_attention_heads = 5"));
}

TEST(ConfigTest, NemotronNasBlocksAreCheckedOneByOne) {
  const Json whole = {{"attention", {{"n_heads_in_group", 2}}}, {"ffn", {{"ffn_mult", 2.0}}}};
  Json json = Llama();
  json["model_type"] = "nemotron-nas";
  json["block_configs"] = {whole, {{"attention", {{"no_op", true}}}, {"ffn", {{"no_op", true}}}}};
  const ModelConfig config = Parsed(json.dump());
  EXPECT_EQ(config.Pattern(), "*-");
  EXPECT_EQ(config.layers[0].kv_heads, 2);
  EXPECT_EQ(config.layers[1].intermediate, 256);  // 2 * 2 * 32 / 3 = 42, up to a multiple of 256
  const auto refusal = [&](const Json& blocks) {
    json["block_configs"] = blocks;
    return std::string(ParseModelConfig(json.dump(), "c.json").status().message());
  };
  EXPECT_THAT(refusal(Json::array({whole})), HasSubstr("block_configs: found 1 blocks, expected a list of "
                                          "num_hidden_layers = 2"));
  EXPECT_THAT(refusal({whole, {{"attention", {{"no_op", true}}}}}),
              HasSubstr("block_configs[1].ffn: found nothing"));
  Json windowed = whole;
  windowed["attention"]["window_length"] = 512;
  EXPECT_THAT(refusal({whole, windowed}),
              HasSubstr("block_configs[1].attention.window_length: found 512"));
  Json odd = whole;
  odd["attention"]["n_heads_in_group"] = 3;
  EXPECT_THAT(refusal({odd, whole}), HasSubstr("found 4, expected a multiple of it = 3"));
  const Json empty = {{"attention", {{"no_op", true}}}, {"ffn", {{"no_op", true}}}};
  EXPECT_THAT(refusal({empty, empty}), HasSubstr("every block is empty"));
}

TEST(ConfigTest, SyntaxErrorsSayLineAndColumn) {
  const auto config = ParseModelConfig("{\n  \"vocab_size\": 3,\n  oops\n}", "c.json");
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("c.json:3:"));
  EXPECT_THAT(std::string(ParseModelConfig("[1]", "c.json").status().message()),
              HasSubstr("c.json: found [1], expected an object"));
}

}  // namespace
}  // namespace temper::model
