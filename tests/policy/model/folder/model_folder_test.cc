// Model folders are read as others write them, written whole, and refused with every reason.
#include "policy/model/folder/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/file.h"
#include "nlohmann/json.hpp"
#include "policy/model/folder/model_folder_writer.h"
#include "policy/model/folder/safetensors.h"
#include "policy/model/folder/safetensors_writer.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] = R"({"model_type": "nemotron_h", "hybrid_override_pattern": "M-*",
  "vocab_size": 272, "hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2,
  "num_key_value_heads": 1, "head_dim": 4, "mamba_num_heads": 2, "mamba_head_dim": 4,
  "ssm_state_size": 4, "n_groups": 1, "conv_kernel": 4, "eos_token_id": 2})";

constexpr char kTokenizer[] = TEMPER_SOURCE_DIR "/examples/arithmetic/tokenizer.json";

class ModelFolderTest : public testing::Test {
 protected:
  ModelFolderTest() : config_(*ParseModelConfig(kConfig, "c.json")), layout_(config_) {
    root_ = fs::temp_directory_path() / ("model_folder_test-" + std::to_string(getpid()));
    fs::create_directories(root_ / "source");
    fs::copy_file(kTokenizer, root_ / "source/tokenizer.json");
    Put("source/tokenizer_config.json", "{\"eos_token\": \"</s>\"}");
    Put("source/unrelated.txt", "stays behind");
    values_.resize(layout_.size());
    Initialize(config_, layout_, 3, values_);
  }
  ~ModelFolderTest() override { fs::remove_all(root_); }

  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  void Put(const std::string& name, std::string_view text) const {
    ASSERT_TRUE(WriteFileAtomically(Path(name), text).ok());
  }
  void Write(const std::string& name) const {
    const absl::Status status =
        WriteModelFolder(Path(name), Path("source"), config_, layout_, values_);
    ASSERT_TRUE(status.ok()) << status;
  }

  // The layout's tensors, to be changed and written by hand.
  std::vector<TensorToWrite> Tensors() const {
    std::vector<TensorToWrite> tensors;
    for (const ParameterSpec& spec : layout_.specs()) {
      tensors.push_back(
          {spec.name, spec.shape, std::span(values_).subspan(spec.offset, spec.size)});
    }
    return tensors;
  }
  void WriteTensors(const std::string& name, std::span<const TensorToWrite> tensors) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    ASSERT_TRUE(WriteSafetensors(Path(name), {}, tensors).ok());
  }
  std::string Refusal(const std::string& name) const {
    std::vector<float> values(layout_.size());
    const absl::Status status = ReadWeights(Path(name), layout_, values);
    return status.ok() ? "" : std::string(status.message());
  }

  fs::path root_;
  const ModelConfig config_;
  const ParameterLayout layout_;
  std::vector<float> values_;
};

TEST_F(ModelFolderTest, WhatIsWrittenIsReadBackBitForBit) {
  Write("m");
  const auto folder = OpenModelFolder(Path("m"));
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(folder->config.Pattern(), "M-*");
  ASSERT_NE(folder->tokenizer, nullptr);
  EXPECT_EQ(folder->tokenizer->TokenId("</s>"), 2);
  std::vector<float> values(layout_.size(), NAN);
  ASSERT_TRUE(ReadWeights(Path("m"), layout_, values).ok());
  EXPECT_EQ(values, values_);
}

TEST_F(ModelFolderTest, TheSameWeightsGiveTheSameFiles) {
  Write("a");
  Write("b");
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"}) {
    EXPECT_EQ(*Sha256HexOfFile(Path(std::string("a/") + name)),
              *Sha256HexOfFile(Path(std::string("b/") + name)));
  }
  EXPECT_EQ(*ReadFile(Path("a/config.json")), kConfig);
  EXPECT_EQ(*ReadFile(Path("a/tokenizer.json")), *ReadFile(kTokenizer));
  EXPECT_EQ(*ReadFile(Path("a/tokenizer_config.json")), "{\"eos_token\": \"</s>\"}");
  EXPECT_FALSE(Exists(Path("a/unrelated.txt")));
}

TEST_F(ModelFolderTest, AnEmptyFolderIsFilledAndAFullOneIsLeftAlone) {
  fs::create_directories(root_ / "m");
  Write("m");
  const absl::Status again = WriteModelFolder(Path("m"), "", config_, layout_, values_);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Exists(Path("m/tokenizer.json")));
}

TEST_F(ModelFolderTest, AFailedWriteLeavesNothing) {
  Put("file", "in the way");
  EXPECT_FALSE(WriteModelFolder(Path("file/m"), "", config_, layout_, values_).ok());
  fs::create_directories(root_ / "broken/tokenizer.json");  // a folder where a file should be
  EXPECT_FALSE(WriteModelFolder(Path("m"), Path("broken"), config_, layout_, values_).ok());
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("tmp")));
  }
  EXPECT_FALSE(Exists(Path("m")));
}

TEST_F(ModelFolderTest, ShardsAndOtherSpellingsAreRead) {
  std::vector<TensorToWrite> tensors = Tensors();
  Json map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    std::string& name = tensors[i].name;
    if (name.starts_with("backbone.")) name.replace(0, 8, "model");
    if (name == "model.embeddings.weight") name = "model.embed_tokens.weight";
    map[name] = i % 2 == 0 ? "one.safetensors" : "two.safetensors";
  }
  std::vector<TensorToWrite> one, two;
  for (size_t i = 0; i < tensors.size(); ++i) (i % 2 == 0 ? one : two).push_back(tensors[i]);
  WriteTensors("m/one.safetensors", one);
  WriteTensors("m/two.safetensors", two);
  Put("m/model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  std::vector<float> values(layout_.size());
  const absl::Status status = ReadWeights(Path("m"), layout_, values);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(values, values_);

  fs::resize_file(Path("m/two.safetensors"), fs::file_size(Path("m/two.safetensors")) - 100);
  EXPECT_THAT(Refusal("m"), AllOf(HasSubstr("two.safetensors: expected "), HasSubstr("truncated")));
  fs::remove(Path("m/two.safetensors"));
  EXPECT_THAT(Refusal("m"), HasSubstr("two.safetensors"));
  Put("m/model.safetensors.index.json", R"({"weight_map": {"x": "../../etc/passwd"}})");
  EXPECT_THAT(Refusal("m"), HasSubstr("expected the name of a safetensors file in this folder"));
  Put("m/model.safetensors.index.json", R"({"weight_map": []})");
  EXPECT_THAT(Refusal("m"), HasSubstr("weight_map: expected tensor names"));
}

TEST_F(ModelFolderTest, EveryTensorThatDoesNotFitIsListedInOneMessage) {
  std::vector<TensorToWrite> tensors = Tensors();
  const std::string missing = tensors[3].name, misshapen = tensors[2].name;
  tensors[2].shape = {tensors[2].shape[1], tensors[2].shape[0]};
  tensors[3].name = "layers.0.norm.weight";
  WriteTensors("m/model.safetensors", tensors);
  EXPECT_THAT(Refusal("m"),
              AllOf(HasSubstr("3 tensor(s) do not fit"), HasSubstr(missing + " is missing"),
                    HasSubstr("layers.0.norm.weight is not expected by config.json"),
                    HasSubstr(misshapen + " has shape [8, 26], expected [26, 8]")));
}

TEST_F(ModelFolderTest, AWeightThatIsNoNumberIsNamed) {
  values_[layout_.layers()[1].up_proj + 8 * 5 + 3] = NAN;
  Write("m");
  EXPECT_THAT(Refusal("m"),
              HasSubstr("tensor \"backbone.layers.1.mixer.up_proj.weight\" at [5, 3]: "
                        "found nan, expected finite numbers"));
}

TEST_F(ModelFolderTest, OtherFormatsAreToBeConvertedFirst) {
  Put("source/model.gguf", "GGUF");
  EXPECT_THAT(Refusal("source"),
              HasSubstr("found model.gguf, expected model.safetensors; convert"));
  EXPECT_THAT(Refusal("nowhere"), HasSubstr("found neither model.safetensors nor"));
}

TEST_F(ModelFolderTest, EndTokensOfTheGenerationConfigAreAdded) {
  Write("m");
  Put("m/generation_config.json", R"({"eos_token_id": [2, 11]})");
  const auto folder = OpenModelFolder(Path("m"));
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(folder->config.eos_token_ids, ElementsAre(2, 11));
  Put("m/generation_config.json", R"({"eos_token_id": 272})");
  EXPECT_THAT(std::string(OpenModelFolder(Path("m")).status().message()),
              HasSubstr("eos_token_id: found 272, expected a token id below 272"));
}

TEST_F(ModelFolderTest, ATokenizerLargerThanTheModelIsRefused) {
  Write("m");
  Json json = Json::parse(kConfig);
  json["vocab_size"] = 258;
  Put("m/config.json", json.dump());
  EXPECT_THAT(std::string(OpenModelFolder(Path("m")).status().message()),
              HasSubstr("found token ids up to 258, expected ids below vocab_size = 258"));
}

TEST_F(ModelFolderTest, AFolderThatIsNotThereIsSaidToBe) {
  EXPECT_EQ(OpenModelFolder(Path("nowhere")).status().code(), absl::StatusCode::kNotFound);
  fs::create_directories(root_ / "empty");
  EXPECT_THAT(std::string(OpenModelFolder(Path("empty")).status().message()),
              HasSubstr("config.json"));
}

TEST_F(ModelFolderTest, CountsWhatLiesOnDisk) {
  Write("m");
  const auto counts = CountWeights(Path("m"), layout_);
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_THAT(*counts, ElementsAre(testing::Pair("F32", layout_.parameters())));
}

}  // namespace
}  // namespace temper::model
