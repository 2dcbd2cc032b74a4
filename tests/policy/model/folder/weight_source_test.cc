// What lies in a folder under any of its names is what the model reads; the rest is refused.
#include "policy/model/folder/weight_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "policy/model/folder/number_formats.h"
#include "tests/policy/model/folder/raw_folder.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Role = WeightSource::Role;

constexpr int64_t kExperts = 3;

// A hybrid with a layer of experts; the last tensor is the head when there is one.
std::vector<ParameterSpec> HybridSpecs(bool head) {
  std::vector<ParameterSpec> specs = {SpecOf("backbone.embeddings.weight", {6, 4}),
                                      SpecOf("backbone.layers.0.norm.weight", {4})};
  for (int64_t j = 0; j < kExperts; ++j) {
    const std::string expert = "backbone.layers.0.mixer.experts." + std::to_string(j);
    specs.push_back(SpecOf(expert + ".up_proj.weight", {5, 4}));
    specs.push_back(SpecOf(expert + ".down_proj.weight", {4, 5}));
  }
  if (head) specs.push_back(SpecOf("lm_head.weight", {6, 4}));
  return specs;
}

// The tensors of these specs; tensor i has seed i.
std::vector<RawTensor> RawOf(const std::vector<ParameterSpec>& specs) {
  std::vector<RawTensor> tensors;
  for (size_t i = 0; i < specs.size(); ++i) {
    tensors.push_back(RawBrains(specs[i].name, specs[i].shape, static_cast<uint32_t>(i)));
  }
  return tensors;
}

class WeightSourceTest : public RawFolderTest {
 protected:
  std::string Refusal(const std::string& folder, const std::vector<ParameterSpec>& specs) const {
    const auto source = WeightSource::Open(Path(folder), specs);
    return source.ok() ? "" : std::string(source.status().message());
  }

  // Every tensor reads as the one with its own seed.
  void ExpectSeeds(const std::string& folder, const std::vector<ParameterSpec>& specs) const {
    const auto source = WeightSource::Open(Path(folder), specs);
    ASSERT_TRUE(source.ok()) << source.status();
    for (size_t i = 0; i < specs.size(); ++i) {
      const std::vector<uint16_t> stored = Brains(specs[i].size, static_cast<uint32_t>(i));
      ASSERT_EQ(source->rows(i) * source->cols(i), specs[i].size) << specs[i].name;
      std::vector<float> values(specs[i].size);
      ASSERT_TRUE(source->Read(i, 0, {values.data(), source->rows(i), source->cols(i)}).ok());
      for (size_t k = 0; k < stored.size(); ++k) ASSERT_EQ(values[k], FromBf16(stored[k]));
      ASSERT_TRUE(source->HasBfloat16(i));
      const auto brains = source->Bfloat16(i, 0, source->rows(i));
      ASSERT_TRUE(brains.ok()) << brains.status();
      ASSERT_EQ(std::memcmp(brains->data, stored.data(), stored.size() * 2), 0) << specs[i].name;
      source->Release(i, 0, source->rows(i));
    }
  }
};

TEST_F(WeightSourceTest, EverySpellingOfAHybridIsRead) {
  const std::vector<ParameterSpec> specs = HybridSpecs(true);
  const std::vector<RawTensor> raw = RawOf(specs);
  PutWhole("published", raw);
  ExpectSeeds("published", specs);
  int number = 0;
  for (const char* embeddings : {"backbone.embedding.weight", "model.embeddings.weight",
                                 "model.embedding.weight", "model.embed_tokens.weight"}) {
    std::vector<RawTensor> spelled = raw;
    const bool model = std::string(embeddings).starts_with("model.");
    for (RawTensor& tensor : spelled) {
      if (model && tensor.name.starts_with("backbone.")) tensor.name.replace(0, 8, "model");
    }
    spelled[0].name = embeddings;
    const std::string folder = std::to_string(number++);
    PutWhole(folder, spelled);
    ExpectSeeds(folder, specs);
  }
  std::vector<RawTensor> twice = raw;
  twice.push_back(RawBrains("model.embed_tokens.weight", {6, 4}, 0));
  PutWhole("twice", twice);
  EXPECT_THAT(Refusal("twice", specs), HasSubstr("model.embed_tokens.weight stands there twice"));
}

TEST_F(WeightSourceTest, OtherFamiliesHaveOneSpelling) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.embed_tokens.weight", {6, 4}),
                                            SpecOf("model.norm.weight", {4})};
  std::vector<RawTensor> raw = RawOf(specs);
  PutWhole("m", raw);
  ExpectSeeds("m", specs);
  raw[1].name = "backbone.norm.weight";
  PutWhole("n", raw);
  EXPECT_THAT(Refusal("n", specs),
              AllOf(HasSubstr("model.norm.weight is missing"),
                    HasSubstr("backbone.norm.weight is not expected by config.json")));
}

TEST_F(WeightSourceTest, FusedExpertsAreSlicesOfOneTensor) {
  const std::vector<ParameterSpec> specs = HybridSpecs(true);
  std::vector<RawTensor> raw = RawOf(specs);
  RawTensor up{"model.layers.0.mixer.experts.up_proj", "BF16", {kExperts, 5, 4}, ""};
  RawTensor down{"model.layers.0.mixer.experts.down_proj", "BF16", {kExperts, 4, 5}, ""};
  for (int64_t j = 0; j < kExperts; ++j) {
    up.bytes += raw[2 + 2 * j].bytes;
    down.bytes += raw[3 + 2 * j].bytes;
  }
  PutWhole("m", {raw[0], raw[1], up, down, raw.back()});
  ExpectSeeds("m", specs);

  up.shape = {kExperts + 1, 5, 3};
  PutWhole("n", {raw[0], raw[1], up, down, raw.back()});
  EXPECT_THAT(Refusal("n", specs),
              AllOf(HasSubstr("1 tensor(s) do not fit"),
                    HasSubstr("experts.up_proj has shape [4, 5, 3], expected [3, 5, 4]")));
}

TEST_F(WeightSourceTest, ATiedModelMayStoreItsHeadWhenItIsTheSame) {
  const std::vector<ParameterSpec> specs = HybridSpecs(false);
  std::vector<RawTensor> raw = RawOf(specs);
  raw.push_back(RawBrains("lm_head.weight", {6, 4}, 0));
  PutWhole("same", raw);
  ExpectSeeds("same", specs);
  const auto source = WeightSource::Open(Path("same"), specs);
  EXPECT_EQ(source->members().back().role, Role::kTiedHead);

  // The same values in another dtype are the same.
  std::vector<float> wide;
  for (const uint16_t value : Brains(24, 0)) wide.push_back(FromBf16(value));
  raw.back() = {"lm_head.weight", "F32", {6, 4}, BytesOf(wide)};
  PutWhole("wide", raw);
  EXPECT_THAT(Refusal("wide", specs), IsEmpty());

  wide[4 * 3 + 2] += 1.0f;
  raw.back().bytes = BytesOf(wide);
  PutWhole("other", raw);
  EXPECT_THAT(Refusal("other", specs),
              HasSubstr("lm_head.weight differs from backbone.embeddings.weight in row 3, expected "
                        "the same values because tie_word_embeddings is true"));
  raw.back() = RawBrains("lm_head.weight", {4, 6}, 0);
  PutWhole("shape", raw);
  EXPECT_THAT(Refusal("shape", specs),
              HasSubstr("lm_head.weight has shape [4, 6], expected [6, 4]"));

  raw.pop_back();
  PutWhole("missing", raw);
  EXPECT_THAT(Refusal("missing", HybridSpecs(true)),
              HasSubstr("lm_head.weight is missing, expected shape [6, 4] because "
                        "tie_word_embeddings is false"));
}

TEST_F(WeightSourceTest, TensorsForOthersAreKeptOrKnownAndNothingElse) {
  std::vector<ParameterSpec> specs = HybridSpecs(true);
  specs.push_back(SpecOf("backbone.layers.1.mixer.k_proj.weight", {2, 4}));
  std::vector<RawTensor> raw = RawOf(specs);
  const std::string one = BytesOf(std::vector<float>{1.5f});
  const std::string layer = "backbone.layers.1.mixer.";
  raw.push_back(RawBrains("mtp.layers.0.norm.weight", {4}, 7));
  raw.push_back({layer + "k_proj.k_scale", "F32", {}, one});
  raw.push_back({layer + "k_proj.input_scale", "F32", {1}, one});
  raw.push_back({layer + "rotary_emb.inv_freq", "F32", {1}, one});
  PutWhole("m", raw);
  ExpectSeeds("m", specs);
  const auto source = WeightSource::Open(Path("m"), specs);
  std::vector<Role> roles;
  for (const auto& member : source->members().last(4)) roles.push_back(member.role);
  EXPECT_THAT(roles, ElementsAre(Role::kKept, Role::kDropped, Role::kDropped, Role::kDropped));

  raw.push_back({layer + "q_proj.input_scale", "F32", {}, one});       // a scale of nothing
  raw.push_back({layer + "k_proj.v_scale", "F32", {2}, one + one});    // no single number
  raw.push_back({layer + "k_proj.weight_scale_inv", "F32", {}, one});  // another scheme
  PutWhole("n", raw);
  EXPECT_THAT(Refusal("n", specs),
              AllOf(HasSubstr("3 tensor(s) do not fit"), HasSubstr("q_proj.input_scale is not "),
                    HasSubstr("k_proj.v_scale is not"), HasSubstr("weight_scale_inv is not exp")));
}

TEST_F(WeightSourceTest, EverythingThatDoesNotFitIsInOneMessage) {
  const std::vector<ParameterSpec> specs = HybridSpecs(true);
  std::vector<RawTensor> raw = RawOf(specs);
  raw[1] = {"backbone.layers.0.norm.weight", "I32", {4}, std::string(16, '\0')};
  raw[2].shape = {4, 5};
  raw[3].name = "backbone.layers.7.mixer.up_proj.weight";
  raw.push_back({"lm_head.weight_scale", "F32", {}, std::string(4, '\0')});
  PutWhole("m", raw);
  EXPECT_THAT(Refusal("m", specs),
              AllOf(HasSubstr("/m: 5 tensor(s) do not fit: "), Not(HasSubstr("\n")),
                    HasSubstr("norm.weight is I32, expected floating-point numbers"),
                    HasSubstr("experts.0.up_proj.weight has shape [4, 5], expected [5, 4]"),
                    HasSubstr("experts.0.down_proj.weight is missing, expected shape [4, 5]"),
                    HasSubstr("layers.7.mixer.up_proj.weight is not expected by config.json"),
                    HasSubstr("lm_head.weight is BF16 beside lm_head.weight_scale")));
}

TEST_F(WeightSourceTest, QuantisedExpertsAreDequantised) {
  const std::vector<ParameterSpec> specs = {
      SpecOf("backbone.embeddings.weight", {2, 2}),
      SpecOf("backbone.layers.0.mixer.experts.0.up_proj.weight", {2, 16})};
  const std::string name = specs[1].name;
  PutWhole("m", {RawBrains(specs[0].name, {2, 2}, 0),
                 {name, "U8", {2, 8}, std::string(16, '\x52')},     // 1 and 3
                 {name + "_scale", "F8_E4M3", {2, 1}, "\x38\x40"},  // 1 and 2
                 {name + "_scale_2", "F32", {}, BytesOf(std::vector<float>{0.5f})},
                 {"backbone.layers.0.mixer.experts.0.up_proj.input_scale", "F32", {}, "abcd"}});
  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->Format(1), "NVFP4");
  EXPECT_FALSE(source->HasBfloat16(1));
  std::vector<float> row(16);
  ASSERT_TRUE(source->Read(1, 1, {row.data(), 1, 16}).ok());
  for (int i = 0; i < 16; ++i) EXPECT_EQ(row[i], i % 2 == 0 ? 1.0f : 3.0f);
}

TEST_F(WeightSourceTest, InfinitiesAreNamedInPlaceToo) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.norm.weight", {4, 3})};
  std::vector<uint16_t> values = Brains(12, 1);
  values[7] = 0x7F80;
  PutWhole("m", {{specs[0].name, "BF16", {4, 3}, BytesOf(values)}});
  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE(source->Bfloat16(0, 0, 2).ok());
  EXPECT_THAT(std::string(source->Bfloat16(0, 1, 3).status().message()),
              HasSubstr("m/model.safetensors: tensor \"model.norm.weight\" at [2, 1]: found inf, "
                        "expected finite numbers"));
}

TEST_F(WeightSourceTest, BrainFloatsAtAnOddByteAreReadButNotInPlace) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.norm.weight", {3})};
  std::string header = R"({"model.norm.weight":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}})";
  if (header.size() % 2 == 0) header += ' ';
  Put("m/model.safetensors", FileOf(header, BytesOf(Brains(3, 0))));
  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_FALSE(source->HasBfloat16(0));
  std::vector<float> values(3);
  ASSERT_TRUE(source->Read(0, 0, {values.data(), 1, 3}).ok());
  EXPECT_EQ(values[2], FromBf16(Brains(3, 0)[2]));
}

TEST_F(WeightSourceTest, AFileCutShortAfterOpeningIsAnErrorNotACrash) {
  const std::vector<ParameterSpec> specs = {SpecOf("model.norm.weight", {1 << 16, 8})};
  PutWhole("m", {RawBrains(specs[0].name, specs[0].shape, 1)});
  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok());
  fs::resize_file(Path("m/model.safetensors"), 1 << 16);
  std::vector<float> values(8);
  EXPECT_TRUE(source->Read(0, 0, {values.data(), 1, 8}).ok());
  const absl::Status late = source->Read(0, (1 << 16) - 1, {values.data(), 1, 8});
  EXPECT_EQ(late.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(late.message()), HasSubstr("m/model.safetensors: cannot read bytes "));
}

// Kilobytes of anonymous or of file-backed memory that this process holds.
int64_t Resident(const std::string& kind) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != kind) continue;
    int64_t kilobytes = 0;
    status >> kilobytes;
    return kilobytes;
  }
  return -1;
}

TEST_F(WeightSourceTest, ReadingSlabBySlabTakesTheMemoryOfASlab) {
#ifdef TEMPER_TSAN
  GTEST_SKIP() << "what ThreadSanitizer itself allocates would be counted";
#endif
  constexpr int64_t kTensors = 8, kRows = 4096, kCols = 4096, kStep = 256;  // 256 MB
  std::vector<ParameterSpec> specs;
  fs::create_directories(Path("m"));
  nlohmann::json map;
  for (int64_t i = 0; i < kTensors; ++i) {
    const std::string name = "model.layers." + std::to_string(i) + ".weight";
    const std::string file = "part" + std::to_string(i) + ".safetensors";
    specs.push_back(SpecOf(name, {kRows, kCols}));
    const RawTensor tensor = RawBrains(name, {kRows, kCols}, static_cast<uint32_t>(i));
    std::ofstream(Path("m/" + file), std::ios::binary) << RawFile({tensor});
    map[name] = file;
  }
  PutIndex("m", map);

  const auto source = WeightSource::Open(Path("m"), specs);
  ASSERT_TRUE(source.ok()) << source.status();
  std::vector<float> slab(kStep * kCols);
  const int64_t anonymous = Resident("RssAnon:"), mapped = Resident("RssFile:");
  ASSERT_GT(anonymous, 0);
  int64_t anonymous_most = 0, mapped_most = 0;
  double sum = 0, expected = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    for (int64_t first = 0; first < kRows; first += kStep) {
      ASSERT_TRUE(source->Read(i, first, {slab.data(), kStep, kCols}).ok());
      const auto brains = source->Bfloat16(i, first, kStep);
      ASSERT_TRUE(brains.ok());
      sum += slab[kCols + 5];
      expected += FromBf16(brains->row(1)[5]);
      anonymous_most = std::max(anonymous_most, Resident("RssAnon:") - anonymous);
      mapped_most = std::max(mapped_most, Resident("RssFile:") - mapped);
      source->Release(i, first, kStep);
    }
  }
  EXPECT_EQ(sum, expected);
  // The slab of floats is 4 MB, its bytes in the file are 2 MB; the folder is 256 MB.
  EXPECT_LT(anonymous_most, 16 << 10);
  EXPECT_LT(mapped_most, 16 << 10);
  std::printf("most memory beyond the start: %lld kB anonymous, %lld kB of files\n",
              static_cast<long long>(anonymous_most), static_cast<long long>(mapped_most));
}

}  // namespace
}  // namespace temper::model
