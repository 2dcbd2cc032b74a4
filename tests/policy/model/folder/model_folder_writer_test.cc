// What was read and not changed is written back with the same bytes, in the same places.
#include "policy/model/folder/model_folder_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>

#include "base/digest.h"
#include "policy/model/folder/number_formats.h"
#include "policy/model/folder/weight_source.h"
#include "tests/policy/model/folder/raw_folder.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] =
    "{\n  \"model_type\": \"nemotron_h\",\n  \"time_step_limit\": [0.0, Infinity],\n"
    "  \"torch_dtype\": \"bfloat16\",\n  \"quantization_config\": {\"quant_method\": "
    "\"modelopt\"}\n}\n";

std::vector<ParameterSpec> Specs(bool head) {
  std::vector<ParameterSpec> specs = {
      SpecOf("backbone.embeddings.weight", {6, 4}), SpecOf("backbone.layers.0.norm.weight", {4}),
      SpecOf("backbone.layers.0.mixer.gate.e_score_correction_bias", {2})};
  for (const char* expert : {"0", "1"}) {
    const std::string name = std::string("backbone.layers.0.mixer.experts.") + expert;
    specs.push_back(SpecOf(name + ".up_proj.weight", {5, 4}));
    specs.push_back(SpecOf(name + ".down_proj.weight", {4, 5}));
  }
  specs.push_back(SpecOf("backbone.layers.1.mixer.conv1d.weight", {3, 1, 4}));
  if (head) specs.push_back(SpecOf("lm_head.weight", {6, 4}));
  return specs;
}

RawTensor Floats(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  return {name, "F32", std::move(shape), BytesOf(values)};
}

class ModelFolderWriterTest : public RawFolderTest {
 protected:
  // What another program published: two shards, fused experts, "model." names, an MTP layer.
  void PutPublished(const std::string& folder) const {
    PutShards(folder,
              {{"model-00001-of-00002.safetensors",
                {RawBrains("model.embedding.weight", {6, 4}, 1),
                 RawBrains("model.layers.0.mixer.experts.down_proj", {2, 4, 5}, 2),
                 RawBrains("model.layers.0.mixer.experts.up_proj", {2, 5, 4}, 3),
                 Floats("model.layers.0.mixer.gate.e_score_correction_bias", {2}, {0.1f, -3e-9f})}},
               {"model-00002-of-00002.safetensors",
                {RawBrains("lm_head.weight", {6, 4}, 4),
                 {"model.layers.0.norm.weight",
                  "F16",
                  {4},
                  BytesOf(std::vector<uint16_t>{0x3C00, 0x8000, 0x0001, 0xFBFF})},
                 RawBrains("model.layers.1.mixer.conv1d.weight", {3, 1, 4}, 5),
                 RawBrains("mtp.layers.0.norm.weight", {4}, 6),
                 {"mtp.layers.0.order", "I64", {2}, std::string(16, '\7')}}}});
    Put(folder + "/config.json", kConfig);
  }

  // Reads one folder and writes another in its form.
  absl::Status Again(const std::string& from, const std::string& to, SaveDtype dtype,
                     const std::vector<ParameterSpec>& specs) const {
    const auto source = WeightSource::Open(Path(from), specs);
    if (!source.ok()) return source.status();
    const FolderForm form{.source = Path(from), .like_source = true, .dtype = dtype};
    return WriteModelFolder(Path(to), form, *ReadFile(Path(from + "/config.json")), specs,
                            [&](size_t i, int64_t first, kernels::View<float> values) {
                              return source->Read(i, first, values);
                            });
  }
  absl::Status Again(const std::string& from, const std::string& to, SaveDtype dtype) const {
    return Again(from, to, dtype, Specs(true));
  }

  std::vector<std::string> Names(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path(folder))) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  // Name, dtype, shape and bytes of every tensor of a folder.
  std::map<std::string, RawTensor> Contents(const std::string& folder) const {
    std::map<std::string, RawTensor> contents;
    const auto shards = WeightShards::Open(Path(folder));
    EXPECT_TRUE(shards.ok()) << shards.status();
    for (const SafetensorsFile& file : shards->files()) {
      const std::string bytes = *ReadFile(file.path());
      for (const TensorEntry& entry : file.entries()) {
        contents[entry.name] = {file.path().substr(Path(folder).size()) + ":" + entry.name,
                                entry.dtype, entry.shape,
                                bytes.substr(entry.begin, entry.end - entry.begin)};
      }
    }
    return contents;
  }
};

TEST_F(ModelFolderWriterTest, UnchangedWeightsAreWrittenBackByteForByte) {
  PutPublished("a");
  ASSERT_EQ(Again("a", "b", SaveDtype::kSource), absl::OkStatus());
  EXPECT_THAT(Names("b"),
              ElementsAre("config.json", "model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors", "model.safetensors.index.json"));
  const auto before = Contents("a"), after = Contents("b");
  ASSERT_EQ(before.size(), 9u);
  ASSERT_EQ(after.size(), 9u);
  for (const auto& [name, tensor] : before) {
    const RawTensor& written = after.at(name);
    EXPECT_EQ(written.name, tensor.name);  // with its file
    EXPECT_EQ(written.dtype, tensor.dtype) << name;
    EXPECT_EQ(written.shape, tensor.shape) << name;
    EXPECT_EQ(written.bytes, tensor.bytes) << name;
  }
  // Even the whole files: header, order, padding.
  for (const char* file :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    EXPECT_EQ(*ReadFile(Path(std::string("a/") + file)), *ReadFile(Path(std::string("b/") + file)));
  }
  const Json index = Json::parse(*ReadFile(Path("b/model.safetensors.index.json")));
  EXPECT_EQ(index["weight_map"],
            Json::parse(*ReadFile(Path("a/model.safetensors.index.json")))["weight_map"]);
  int64_t total = 0;
  for (const auto& [name, tensor] : before) total += static_cast<int64_t>(tensor.bytes.size());
  EXPECT_EQ(index["metadata"]["total_size"], total);
}

TEST_F(ModelFolderWriterTest, ChangedWeightsAreRoundedToTheDtypeOfTheirTensor) {
  PutPublished("a");
  const std::vector<ParameterSpec> specs = Specs(true);
  const FolderForm form{.source = Path("a"), .like_source = true, .dtype = SaveDtype::kSource};
  const float value = 1.0f + 0x1p-8f + 0x1p-20f;  // just above a tie of bfloat16
  ASSERT_TRUE(WriteModelFolder(Path("b"), form, kConfig, specs,
                               [&](size_t, int64_t, kernels::View<float> values) {
                                 std::fill_n(values.data, values.rows * values.cols, value);
                                 return absl::OkStatus();
                               })
                  .ok());
  const auto source = WeightSource::Open(Path("b"), specs);
  ASSERT_TRUE(source.ok()) << source.status();
  for (size_t i = 0; i < specs.size(); ++i) {
    std::vector<float> values(source->cols(i));
    ASSERT_TRUE(source->Read(i, source->rows(i) - 1, {values.data(), 1, source->cols(i)}).ok());
    const std::string dtype = source->Format(i);
    EXPECT_EQ(values[0], dtype == "F32"    ? value
                         : dtype == "BF16" ? 1.0f + 0x1p-7f
                                           : 1.0f + 0x1p-8f)
        << specs[i].name;
  }
}

TEST_F(ModelFolderWriterTest, AnotherDtypeMayBeAskedFor) {
  PutPublished("a");
  ASSERT_TRUE(Again("a", "f", SaveDtype::kFloat32).ok());
  for (const auto& [name, tensor] : Contents("f")) {
    EXPECT_EQ(tensor.dtype, name == "mtp.layers.0.norm.weight" ? "BF16"
                            : name == "mtp.layers.0.order"     ? "I64"
                                                               : "F32");
  }
  EXPECT_THAT(*ReadFile(Path("f/config.json")), HasSubstr("\"torch_dtype\": \"float32\""));
  // bfloat16 again: as published, but for the F16 tensor.
  ASSERT_TRUE(Again("f", "g", SaveDtype::kBfloat16).ok());
  const auto before = Contents("a"), after = Contents("g");
  for (const auto& [name, tensor] : before) {
    if (tensor.dtype == "F16") {
      EXPECT_EQ(after.at(name).dtype, "BF16");
    } else {
      EXPECT_EQ(after.at(name).dtype, tensor.dtype) << name;
      EXPECT_EQ(after.at(name).bytes, tensor.bytes) << name;
    }
  }
}

TEST_F(ModelFolderWriterTest, QuantisedWeightsAreWrittenAsBrainFloatsWithoutTheirScales) {
  const std::vector<ParameterSpec> specs = {
      SpecOf("backbone.embeddings.weight", {2, 2}),
      SpecOf("backbone.layers.0.mixer.up_proj.weight", {2, 16}),
      SpecOf("backbone.layers.0.mixer.down_proj.weight", {1, 2})};
  const std::string up = "backbone.layers.0.mixer.up_proj.";
  const std::string down = "backbone.layers.0.mixer.down_proj.";
  PutWhole("q", {RawBrains(specs[0].name, {2, 2}, 0),
                 {up + "weight", "U8", {2, 8}, std::string(16, '\x52')},
                 {up + "weight_scale", "F8_E4M3", {2, 1}, "\x38\x40"},
                 Floats(up + "weight_scale_2", {}, {0.5f}),
                 Floats(up + "input_scale", {}, {0.1f}),
                 {down + "weight", "F8_E4M3", {1, 2}, "\x38\xC0"},
                 Floats(down + "weight_scale", {}, {0.25f}),
                 {"mtp.layers.0.x.weight", "F8_E4M3", {1, 2}, "\x40\x38"},
                 Floats("mtp.layers.0.x.weight_scale", {}, {3.0f})});
  Put("q/config.json", kConfig);
  Put("q/hf_quant_config.json", "{}");
  ASSERT_EQ(Again("q", "b", SaveDtype::kSource, specs), absl::OkStatus());
  EXPECT_THAT(Names("b"), ElementsAre("config.json", "model.safetensors"));
  const auto contents = Contents("b");
  ASSERT_EQ(contents.size(), 4u);
  EXPECT_THAT(contents.at(up + "weight").shape, ElementsAre(2, 16));
  for (const auto& [name, tensor] : contents) EXPECT_EQ(tensor.dtype, "BF16") << name;
  EXPECT_EQ(contents.at(down + "weight").bytes,
            BytesOf(std::vector<uint16_t>{ToBf16(0.25f), ToBf16(-0.5f)}));
  EXPECT_EQ(contents.at("mtp.layers.0.x.weight").bytes,
            BytesOf(std::vector<uint16_t>{ToBf16(6.0f), ToBf16(3.0f)}));
  EXPECT_EQ(contents.at(up + "weight").bytes.substr(0, 4),
            BytesOf(std::vector<uint16_t>{ToBf16(0.5f), ToBf16(1.5f)}));
  EXPECT_EQ(*ReadFile(Path("b/config.json")),
            "{\n  \"model_type\": \"nemotron_h\",\n  \"time_step_limit\": [0.0, Infinity],\n"
            "  \"torch_dtype\": \"bfloat16\"\n}\n");
}

TEST_F(ModelFolderWriterTest, ATiedHeadIsWrittenAgainOnlyWhereTheSourceHasOne) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.embed_tokens.weight", {3, 4})};
  PutWhole("with", {RawBrains("lm_head.weight", {3, 4}, 9), RawBrains(specs[0].name, {3, 4}, 9)});
  PutWhole("without", {RawBrains(specs[0].name, {3, 4}, 9)});
  Put("with/config.json", "{}");
  Put("without/config.json", "{}");
  ASSERT_TRUE(Again("with", "a", SaveDtype::kSource, specs).ok());
  ASSERT_TRUE(Again("without", "b", SaveDtype::kSource, specs).ok());
  EXPECT_EQ(*ReadFile(Path("a/model.safetensors")), *ReadFile(Path("with/model.safetensors")));
  EXPECT_EQ(*ReadFile(Path("b/model.safetensors")), *ReadFile(Path("without/model.safetensors")));
}

TEST_F(ModelFolderWriterTest, FilesAreCarriedUnchangedAndCodeOnlyWithAnAutoMap) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.embed_tokens.weight", {3, 4})};
  PutWhole("a", {RawBrains(specs[0].name, {3, 4}, 9)});
  for (const char* name : {"generation_config.json", "vocab.json", "merges.txt", "tokenizer.model",
                           "modeling_x.py", "notes.txt", "chat_template.jinja"}) {
    Put(std::string("a/") + name, std::string(name) + "\r\n\xff");
  }
  Put("a/config.json", "{}");
  ASSERT_TRUE(Again("a", "b", SaveDtype::kSource, specs).ok());
  EXPECT_THAT(Names("b"),
              ElementsAre("chat_template.jinja", "config.json", "generation_config.json",
                          "merges.txt", "model.safetensors", "tokenizer.model", "vocab.json"));
  EXPECT_EQ(*ReadFile(Path("b/merges.txt")), "merges.txt\r\n\xff");
  Put("a/config.json", "{\"auto_map\": {}}");
  ASSERT_TRUE(Again("a", "c", SaveDtype::kSource, specs).ok());
  EXPECT_EQ(*ReadFile(Path("c/modeling_x.py")), "modeling_x.py\r\n\xff");
}

TEST_F(ModelFolderWriterTest, WithoutASourceTheLayoutIsCutIntoShards) {
  const std::vector<ParameterSpec> specs = Specs(true);
  const auto ones = [](size_t, int64_t, kernels::View<float> values) {
    std::fill_n(values.data, values.rows * values.cols, 1.0f);
    return absl::OkStatus();
  };
  const FolderForm form{.dtype = SaveDtype::kBfloat16, .file_bytes_max = 90};
  ASSERT_TRUE(WriteModelFolder(Path("m"), form, kConfig, specs, ones).ok());
  EXPECT_THAT(Names("m"),
              ElementsAre("config.json", "model-00001-of-00004.safetensors",
                          "model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors",
                          "model-00004-of-00004.safetensors", "model.safetensors.index.json"));
  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok()) << source.status();
  for (const SafetensorsFile& file : source->shards().files()) {
    const auto& entries = file.entries();
    EXPECT_LE(entries.back().end - entries.front().begin, 90);
  }
  EXPECT_EQ(source->Format(0), "BF16");
  EXPECT_EQ(source->Format(2), "F32");  // the router's correction
  const FolderForm one{.dtype = SaveDtype::kFloat32};
  ASSERT_TRUE(WriteModelFolder(Path("n"), one, kConfig, specs, ones).ok());
  EXPECT_THAT(Names("n"), ElementsAre("config.json", "model.safetensors"));
}

TEST_F(ModelFolderWriterTest, ValuesTooLargeForTheirDtypeAreNamedAndNothingIsLeft) {
  PutPublished("a");
  const std::vector<ParameterSpec> specs = Specs(true);
  const FolderForm form{.source = Path("a"), .like_source = true, .dtype = SaveDtype::kSource};
  const absl::Status status = WriteModelFolder(
      Path("b"), form, kConfig, specs, [&](size_t i, int64_t, kernels::View<float> values) {
        std::fill_n(values.data, values.rows * values.cols, 1.0f);
        if (specs[i].shape.size() == 1) values.row(0)[3 % values.cols] = 7e4f;
        return absl::OkStatus();
      });
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tensor \"model.layers.0.norm.weight\" in row 0, column 3: found 70000, "
                        "which F16 cannot hold"));
  EXPECT_FALSE(Exists(Path("b")));
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("tmp")));
  }
}

}  // namespace
}  // namespace temper::model
