// Quantised weights give the values of their definition, in double precision rounded once.
#include "policy/model/folder/stored_tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "policy/model/folder/number_formats.h"
#include "tests/policy/model/folder/raw_folder.h"

namespace temper::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kE2m1[8] = {0, .5, 1, 1.5, 2, 3, 4, 6};

// A file in memory and its tensors.
class Opened {
 public:
  explicit Opened(const std::vector<RawTensor>& tensors) : bytes_(RawFile(tensors)) {
    auto file = SafetensorsFile::OfBytes("f", std::as_bytes(std::span(bytes_)));
    EXPECT_TRUE(file.ok()) << file.status();
    files_.push_back(*std::move(file));
    tensors_ = JoinScales(files_, problems_);
  }

  const std::vector<std::string>& problems() const { return problems_; }
  const StoredTensor& tensor(size_t i = 0) const { return tensors_.at(i); }
  size_t size() const { return tensors_.size(); }
  absl::StatusOr<std::vector<float>> Read(int64_t first, int64_t rows) const {
    std::vector<float> values(rows * tensor().cols());
    const absl::Status status = tensor().ReadRows(first, {values.data(), rows, tensor().cols()});
    if (!status.ok()) return status;
    return values;
  }

 private:
  std::string bytes_;
  std::vector<SafetensorsFile> files_;
  std::vector<std::string> problems_;
  std::vector<StoredTensor> tensors_;
};

// Every pattern but the two NaNs, shuffled: [2, 127].
RawTensor EveryE4m3() {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 256; ++i) {
    const uint8_t bits = static_cast<uint8_t>(i * 77);
    if ((bits & 0x7F) != 0x7F) bytes.push_back(bits);
  }
  return {"x.weight", "F8_E4M3", {2, 127}, BytesOf(bytes)};
}

TEST(StoredTensorTest, Float8WithOneScaleOrOneForEachRow) {
  const RawTensor weight = EveryE4m3();
  const std::vector<float> scales = {0.0123456789f, -3.1e-7f};
  for (const size_t count : {size_t{1}, size_t{2}}) {
    for (const bool column : {false, true}) {
      const std::vector<int64_t> shape = column
                                             ? std::vector<int64_t>{static_cast<int64_t>(count), 1}
                                         : count == 1 ? std::vector<int64_t>{}
                                                      : std::vector<int64_t>{2};
      const std::vector<float> used(scales.begin(), scales.begin() + count);
      const Opened opened({weight, {"x.weight_scale", "F32", shape, BytesOf(used)}});
      ASSERT_THAT(opened.problems(), IsEmpty());
      ASSERT_EQ(opened.size(), 1u);
      EXPECT_EQ(opened.tensor().Format(), "F8_E4M3");
      for (int64_t row = 0; row < 2; ++row) {
        const auto values = opened.Read(row, 1);
        ASSERT_TRUE(values.ok()) << values.status();
        for (int64_t i = 0; i < 127; ++i) {
          const double stored = FromE4m3(static_cast<uint8_t>(weight.bytes[row * 127 + i]));
          const float expected =
              static_cast<float>(stored * static_cast<double>(used[row % used.size()]));
          ASSERT_EQ(std::bit_cast<uint32_t>((*values)[i]), std::bit_cast<uint32_t>(expected));
        }
      }
    }
  }
}

TEST(StoredTensorTest, Float8WithoutScalesIsPlain) {
  const Opened opened({EveryE4m3()});
  const auto values = opened.Read(0, 2);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ((*values)[5], FromE4m3(static_cast<uint8_t>(5 * 77)));
  const Opened wide({{"x.weight", "F8_E5M2", {1, 3}, std::string("\x3C\xC0\x01", 3)}});
  EXPECT_THAT(*wide.Read(0, 1), ElementsAre(1.0f, -2.0f, 0x1p-16f));
}

// Two rows of 16 * 127 columns: every nibble under every scale but NaN and its negative.
std::vector<RawTensor> EveryNvfp4() {
  std::vector<uint8_t> packed, blocks;
  for (int row = 0; row < 2; ++row) {
    for (int block = 0; block < 127; ++block) {
      blocks.push_back(static_cast<uint8_t>(row * 128 + block));
      for (int i = 0; i < 8; ++i) {  // even columns ascend, odd ones descend
        packed.push_back(static_cast<uint8_t>((2 * i + row) % 16 | (15 - 2 * i) << 4));
      }
    }
  }
  return {{"x.weight", "U8", {2, 8 * 127}, BytesOf(packed)},
          {"x.weight_scale", "F8_E4M3", {2, 127}, BytesOf(blocks)},
          {"x.weight_scale_2", "F32", {}, BytesOf(std::vector<float>{0.00123f})}};
}

TEST(StoredTensorTest, Nvfp4IsNibbleTimesBlockScaleTimesScaleRoundedOnce) {
  const std::vector<RawTensor> raw = EveryNvfp4();
  const Opened opened(raw);
  ASSERT_THAT(opened.problems(), IsEmpty());
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened.tensor().Format(), "NVFP4");
  EXPECT_THAT(opened.tensor().shape, ElementsAre(2, 16 * 127));
  const auto all = opened.Read(0, 2);
  ASSERT_TRUE(all.ok()) << all.status();
  const int64_t cols = 16 * 127;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t col = 0; col < cols; ++col) {
      const uint8_t pair = static_cast<uint8_t>(raw[0].bytes[(row * cols + col) / 2]);
      const uint8_t nibble = col % 2 == 0 ? pair & 15 : pair >> 4;
      const double value = (nibble & 8 ? -1.0 : 1.0) * kE2m1[nibble & 7];
      const double block = FromE4m3(static_cast<uint8_t>(raw[1].bytes[(row * cols + col) / 16]));
      const float expected = static_cast<float>(value * block * static_cast<double>(0.00123f));
      ASSERT_EQ(std::bit_cast<uint32_t>((*all)[row * cols + col]),
                std::bit_cast<uint32_t>(expected))
          << row << ", " << col;
    }
  }
  const auto second = opened.Read(1, 1);  // a row alone is the same row
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(std::equal(second->begin(), second->end(), all->begin() + cols));
}

TEST(StoredTensorTest, ValuesThatAreNotFiniteAreNamedWithTheirPlace) {
  std::vector<RawTensor> raw = EveryNvfp4();
  raw[1].bytes[127 + 3] = 0x7F;
  EXPECT_THAT(std::string(Opened(raw).Read(1, 1).status().message()),
              HasSubstr("f: tensor \"x.weight\" at [1, 48]: found "));
  RawTensor weight = EveryE4m3();
  weight.bytes[130] = static_cast<char>(0xFF);
  EXPECT_THAT(std::string(Opened({weight}).Read(0, 2).status().message()),
              HasSubstr("tensor \"x.weight\" at [1, 3]: found "));
  // Infinities of E5M2; overflow of a product; a scale that is no number.
  EXPECT_THAT(
      std::string(
          Opened({{"x.weight", "F8_E5M2", {1, 2}, "\x3C\x7C"}}).Read(0, 1).status().message()),
      HasSubstr("at [0, 1]: found inf"));
  const Opened large(
      {EveryE4m3(), {"x.weight_scale", "F32", {}, BytesOf(std::vector<float>{3e38f})}});
  EXPECT_THAT(std::string(large.Read(0, 2).status().message()), HasSubstr("found "));
  const Opened nan({EveryE4m3(), {"x.weight_scale", "F32", {}, BytesOf(std::vector<float>{NAN})}});
  EXPECT_THAT(nan.problems(), ElementsAre(HasSubstr("tensor \"x.weight_scale\" at []: found nan")));
}

TEST(StoredTensorTest, ScalesThatDoNotFitAreNamed) {
  const RawTensor fp8 = EveryE4m3();
  std::vector<RawTensor> nvfp4 = EveryNvfp4();
  const RawTensor three = {"x.weight_scale", "F32", {3}, std::string(12, '\0')};
  EXPECT_THAT(Opened({fp8, three}).problems(),
              ElementsAre("x.weight_scale has shape [3], expected one number, or one for each of "
                          "2 rows"));
  const RawTensor two = {"x.weight_scale_2", "F32", {2}, std::string(8, '\0')};
  EXPECT_THAT(Opened({nvfp4[0], nvfp4[1], two}).problems(),
              ElementsAre("x.weight_scale_2 has shape [2], expected one number"));
  EXPECT_THAT(Opened({nvfp4[0], nvfp4[1]}).problems(),
              ElementsAre("x.weight_scale_2 is missing, expected one number"));
  EXPECT_THAT(Opened({nvfp4[0], three, nvfp4[2]}).problems(),
              ElementsAre("x.weight_scale is F32 of shape [3], expected F8_E4M3 of shape "
                          "[2, 127]"));
  EXPECT_THAT(Opened({{"x.weight", "U8", {4}, "abcd"}, three}).problems(),
              ElementsAre(HasSubstr("x.weight has shape [4], expected bytes of pairs of columns")));
  EXPECT_THAT(Opened({RawBrains("x.weight", {2, 2}, 1), three}).problems(),
              ElementsAre(AllOf(HasSubstr("x.weight is BF16 beside x.weight_scale"),
                                HasSubstr("expected F8_E4M3 with weight_scale or U8"))));
  EXPECT_THAT(Opened({nvfp4[0], nvfp4[2]}).problems(),
              ElementsAre(HasSubstr("x.weight is U8 beside x.weight_scale_2")));
  // A scale of nothing stays a tensor, to be refused by who knows the names.
  EXPECT_EQ(Opened({three}).size(), 1u);
  EXPECT_THAT(Opened({nvfp4[0]}).tensor().Unreadable(),
              HasSubstr("x.weight is U8, expected floating-point numbers, or NVFP4"));
}

TEST(StoredTensorTest, AMatrixIsItsLastDimensionByAllTheOthers) {
  const Opened opened({RawBrains("a", {2, 3, 4}, 1), RawBrains("b", {5}, 2), RawBrains("c", {}, 3),
                       RawBrains("d", {0, 4}, 4)});
  EXPECT_EQ(opened.tensor(0).rows(), 6);
  EXPECT_EQ(opened.tensor(0).cols(), 4);
  EXPECT_EQ(opened.tensor(1).rows(), 1);
  EXPECT_EQ(opened.tensor(1).cols(), 5);
  EXPECT_EQ(opened.tensor(2).rows(), 1);
  EXPECT_EQ(opened.tensor(2).cols(), 1);
  EXPECT_EQ(opened.tensor(3).rows(), 0);
  // Into rows that stand apart.
  std::vector<float> wide(2 * 10, -1.0f);
  ASSERT_TRUE(opened.tensor(0).ReadRows(3, {wide.data(), 2, 4, 10}).ok());
  const std::vector<uint16_t> stored = Brains(24, 1);
  EXPECT_EQ(wide[0], FromBf16(stored[12]));
  EXPECT_EQ(wide[13], FromBf16(stored[19]));
  EXPECT_EQ(wide[4], -1.0f);
}

}  // namespace
}  // namespace temper::model
