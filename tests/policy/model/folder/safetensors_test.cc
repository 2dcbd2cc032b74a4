// Reads what the format allows, bit for bit, and nothing else.
#include "policy/model/folder/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "policy/model/folder/safetensors_writer.h"

namespace temper::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string FileOf(std::string_view header, std::string_view values) {
  std::string bytes(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + std::string(header) + std::string(values);
}

std::string Refusal(std::string_view file) {
  const auto entries = ParseSafetensors(std::as_bytes(std::span(file)), "f");
  return entries.ok() ? "" : std::string(entries.status().message());
}

std::string Refusal(std::string_view header, size_t bytes) {
  return Refusal(FileOf(header, std::string(bytes, '\0')));
}

class SafetensorsTest : public testing::Test {
 protected:
  SafetensorsTest() {
    folder_ =
        std::filesystem::temp_directory_path() / ("safetensors_test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~SafetensorsTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // The floats of the only tensor of a file.
  absl::StatusOr<std::vector<float>> Read(std::string_view header, std::string_view bytes) const {
    const absl::Status written = WriteFileAtomically(Path("one"), FileOf(header, bytes));
    if (!written.ok()) return written;
    const auto file = SafetensorsFile::Open(Path("one"));
    if (!file.ok()) return file.status();
    std::vector<float> values(file->entries()[0].elements);
    const absl::Status status = file->ReadFloats(file->entries()[0], values);
    if (!status.ok()) return status;
    return values;
  }

  std::filesystem::path folder_;
};

template <class T>
std::string BytesOf(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

TEST_F(SafetensorsTest, WhatIsWrittenComesBack) {
  const std::vector<float> a = {1, -2.5f, 0, 1e-38f, 3e38f, -0.0f}, b = {7};
  const std::vector<TensorToWrite> tensors = {
      {"second", {2, 3}, a}, {"first", {}, b}, {"empty", {0, 4}, {}}};
  ASSERT_TRUE(WriteSafetensors(Path("m"), {{"format", "pt"}}, tensors).ok());
  const auto file = SafetensorsFile::Open(Path("m"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->entries().size(), 3u);
  for (const TensorEntry& entry : file->entries()) {
    std::vector<float> values(entry.elements);
    ASSERT_TRUE(file->ReadFloats(entry, values).ok());
    if (entry.name == "second") {
      EXPECT_THAT(entry.shape, ElementsAre(2, 3));
      EXPECT_EQ(std::memcmp(values.data(), a.data(), sizeof(float) * 6), 0);
    } else if (entry.name == "first") {
      EXPECT_THAT(entry.shape, IsEmpty());
      EXPECT_EQ(values, b);
    } else {
      EXPECT_THAT(values, IsEmpty());
    }
  }
}

TEST_F(SafetensorsTest, TheSameTensorsGiveTheSameBytesAndAFileIsNeverOverwritten) {
  const std::vector<float> a = {1, 2, 3};
  const std::vector<TensorToWrite> tensors = {{"t", {3}, a}};
  ASSERT_TRUE(WriteSafetensors(Path("x"), {{"format", "pt"}}, tensors).ok());
  ASSERT_TRUE(WriteSafetensors(Path("y"), {{"format", "pt"}}, tensors).ok());
  EXPECT_EQ(*ReadFile(Path("x")), *ReadFile(Path("y")));
  EXPECT_EQ(WriteSafetensors(Path("x"), {}, tensors).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SafetensorsTest, HalvesAndBrainFloatsWidenExactly) {
  const auto halves =
      Read(R"({"t":{"dtype":"F16","shape":[7],"data_offsets":[0,14]}})",
           BytesOf<uint16_t>({0x3C00, 0xC000, 0x0001, 0x83FF, 0x7BFF, 0x8000, 0x0400}));
  ASSERT_TRUE(halves.ok()) << halves.status();
  EXPECT_THAT(*halves, ElementsAre(1.0f, -2.0f, 0x1p-24f, -0x3FFp-24f, 65504.0f, -0.0f, 0x1p-14f));
  EXPECT_TRUE(std::signbit((*halves)[5]));
  const auto brains = Read(R"({"t":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}})",
                           BytesOf<uint16_t>({0x3F80, 0xC049, 0x0001}));
  ASSERT_TRUE(brains.ok()) << brains.status();
  EXPECT_THAT(*brains, ElementsAre(1.0f, -3.140625f, std::bit_cast<float>(0x10000)));
}

TEST_F(SafetensorsTest, ValuesThatAreNotFiniteAreNamedWithTheirPlace) {
  const auto nan = Read(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})",
                        BytesOf<float>({0, 0, 0, 0, NAN, 0}));
  EXPECT_THAT(std::string(nan.status().message()),
              HasSubstr("tensor \"w\" at [1, 1]: found nan, expected finite numbers"));
  const auto inf = Read(R"({"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                        BytesOf<uint16_t>({0, 0xFC00}));
  EXPECT_THAT(std::string(inf.status().message()), HasSubstr("at [1]: found -inf"));
}

TEST_F(SafetensorsTest, OtherTypesOfNumbersAreNotFloats) {
  const auto ints =
      Read(R"({"w":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", std::string(8, '\0'));
  EXPECT_THAT(std::string(ints.status().message()),
              HasSubstr("tensor \"w\": found I64, expected floating-point numbers"));
}

TEST_F(SafetensorsTest, FilesOfOtherFormatsAreNamed) {
  EXPECT_THAT(Refusal(std::string("GGUF\3\0\0\0", 8) + std::string(64, '\1')),
              HasSubstr("this is a GGUF file; convert it to safetensors first"));
  EXPECT_THAT(Refusal(std::string("PK\3\4\0\0\x08\x08", 8) + std::string(64, '\1')),
              HasSubstr("this is a pickle of PyTorch, which is never loaded; convert it"));
  EXPECT_THAT(Refusal("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20"), HasSubstr("a pickle of PyTorch"));
  EXPECT_THAT(Refusal("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n"),
              HasSubstr("run `git lfs pull`"));
  EXPECT_THAT(Refusal(std::string(64, 'x')), HasSubstr("this is no safetensors file"));
  // A header of 640 bytes begins as a pickle does.
  EXPECT_THAT(Refusal(FileOf("{}" + std::string(638, ' '), "")), IsEmpty());
}

TEST_F(SafetensorsTest, ATruncatedFileSaysHowLongItShouldBe) {
  const std::string header = R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  EXPECT_THAT(Refusal(header, 10),
              HasSubstr("f: expected " + std::to_string(8 + header.size() + 16) +
                        " bytes by its header, found " + std::to_string(8 + header.size() + 10) +
                        ": the file is truncated"));
  EXPECT_THAT(Refusal(header, 20), HasSubstr("there is more after the last tensor"));
  EXPECT_THAT(Refusal(FileOf(header, "").substr(0, 20)), HasSubstr("the file is truncated"));
  EXPECT_THAT(Refusal("abc"), HasSubstr("expected a safetensors file, found 3 bytes"));
  EXPECT_THAT(Refusal(""), HasSubstr("found 0 bytes"));
  EXPECT_THAT(Refusal(std::string(64, '\xff')), HasSubstr("expected at most 100000000"));
}

TEST_F(SafetensorsTest, HeadersThatContradictThemselvesAreRefused) {
  const auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  EXPECT_THAT(Refusal(two("[0,4]", "[4,8]"), 8), IsEmpty());
  EXPECT_THAT(Refusal(two("[4,8]", "[0,4]"), 8), IsEmpty());
  EXPECT_THAT(Refusal(two("[0,4]", "[5,9]"), 9), HasSubstr("there is a hole before it"));
  EXPECT_THAT(Refusal(two("[0,4]", "[2,6]"), 6), HasSubstr("it overlaps another"));
  EXPECT_THAT(Refusal(two("[1,5]", "[5,9]"), 9), HasSubstr("expected 0"));
  EXPECT_THAT(Refusal(two("[0,3]", "[3,7]"), 7),
              HasSubstr("span 3 bytes, but U8 of shape [4] takes 4"));
  EXPECT_THAT(Refusal(two("[4,0]", "[4,8]"), 8), HasSubstr("expected [begin, end]"));
  EXPECT_THAT(Refusal(two("[-4,0]", "[0,4]"), 8), HasSubstr("data_offsets: found [-4,0]"));
  EXPECT_THAT(Refusal(two("null", "[0,4]"), 4), HasSubstr("data_offsets: found null"));
  EXPECT_THAT(Refusal(R"({"a":{},"a":{}})", 0), HasSubstr("key \"a\" stands twice"));
  EXPECT_THAT(Refusal("[]", 0), HasSubstr("the header is no JSON object"));
  EXPECT_THAT(Refusal(" {}", 0), HasSubstr("the header is no JSON object"));
  EXPECT_THAT(Refusal("{} ", 0), IsEmpty());
  EXPECT_THAT(Refusal("{", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(Refusal("{}{", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(Refusal("{\"\xff\":{}}", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(Refusal("{\"\xc0\xaf\":{}}", 0), HasSubstr("not valid JSON"));  // an overlong "/"
  EXPECT_THAT(Refusal(R"({"a":5})", 0),
              HasSubstr("tensor \"a\": found 5, expected an object with dtype"));
  EXPECT_THAT(Refusal(R"({"__metadata__":5})", 0),
              HasSubstr("__metadata__: found 5, expected an object of texts"));
  EXPECT_THAT(Refusal(R"({"__metadata__":{"format":["pt"]}})", 0),
              HasSubstr("__metadata__: \"format\": found [\"pt\"], expected a text"));
  EXPECT_THAT(Refusal(R"({"a\nb":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2),
              HasSubstr("f: tensor \"a\\nb\" starts at byte 1"));  // one line in the log
}

TEST_F(SafetensorsTest, SizesThatOverflowAreRefused) {
  const auto shaped = [](const char* shape) {
    return std::string(R"({"a":{"dtype":"F32","shape":)") + shape + R"(,"data_offsets":[0,4]}})";
  };
  EXPECT_THAT(Refusal(shaped("[4294967296,4294967296]"), 4), HasSubstr("too large"));
  EXPECT_THAT(Refusal(shaped("[4611686018427387904]"), 4), HasSubstr("span 4 bytes"));
  EXPECT_THAT(Refusal(shaped("[-1]"), 4), HasSubstr("found [-1]"));
  EXPECT_THAT(Refusal(shaped("[1.5]"), 4), HasSubstr("found [1.5]"));
  EXPECT_THAT(Refusal(shaped("4"), 4), HasSubstr("expected a list of sizes"));
  EXPECT_THAT(
      Refusal(
          R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})",
          4),
      HasSubstr("the file is truncated"));
  EXPECT_THAT(Refusal(R"({"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}})", 16),
              HasSubstr("tensor \"a\": dtype: found \"F128\", expected one of F32, BF16"));
}

}  // namespace
}  // namespace temper::model
