// Many texts give the ids that the tokenizers library gives: tests/golden/make_tokenizer_digests.py
// says what the files hold. tokenizer_test has fewer texts, with the ids written out.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/normalizer.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::model {
namespace {

using Json = nlohmann::json;
using Special = Tokenizer::Special;

const std::string kFolder = std::string(TEMPER_TEST_DATA) + "/golden/tokenizer/";

std::string FileBytes(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t Below(uint64_t limit) {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % limit;
  }

 private:
  uint64_t state_;
};

std::string Utf8(uint32_t point) {
  const auto tail = [point](int shift) {
    return static_cast<char>(0x80 | (point >> shift & 0x3F));
  };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

// As random_string() in the script.
std::string RandomString(const Json& rule, uint64_t seed) {
  SplitMix random(seed);
  const Json &ranges = rule["ranges"], &snippets = rule["snippets"];
  std::string text;
  for (uint64_t parts = 1 + random.Below(30); parts > 0; --parts) {
    std::string part;
    if (const uint64_t kind = random.Below(4); kind == 0) {
      part = snippets[random.Below(snippets.size())];
    } else {
      const Json whole = {0, 0x10FFFF};
      const Json& range = kind == 1 ? whole : ranges[random.Below(ranges.size())];
      const uint32_t first = range[0], last = range[1];
      const uint32_t point = first + static_cast<uint32_t>(random.Below(last - first + 1));
      part = Utf8(point);
      for (const Json& out : rule["excluded"]) {
        if (out[0] <= point && point <= out[1]) part = "?";
      }
    }
    const uint64_t times = 1 + (random.Below(6) == 0 ? random.Below(5) : 0);
    for (uint64_t i = 0; i < times; ++i) text += part;
  }
  return text;
}

uint32_t Fnv(uint32_t value, uint8_t byte) { return (value ^ byte) * 0x01000193; }

const std::vector<std::string>& RandomStrings() {
  static const auto& strings = *[] {
    const Json rule = Json::parse(FileBytes(kFolder + "styles/random_strings.json"));
    auto* list = new std::vector<std::string>;
    uint32_t digest = 0x811C9DC5;
    for (uint64_t seed = 0; seed < 10'000; ++seed) {
      for (const char c : list->emplace_back(RandomString(rule, seed))) digest = Fnv(digest, c);
    }
    EXPECT_EQ(absl::StrCat(absl::Hex(digest, absl::kZeroPad8)), rule["digest"].get<std::string>())
        << "the strings are not those that the script drew";
    return list;
  }();
  return strings;
}

std::vector<std::string> Lines() {
  std::vector<std::string> lines = absl::StrSplit(FileBytes(kFolder + "lines.txt"), '\n');
  lines.pop_back();
  return lines;
}

std::vector<std::string> Blocks() {
  std::vector<std::string> blocks;
  const std::vector<std::string> lines = Lines();
  for (size_t i = 0; i < lines.size(); ++i) {
    i % 10 == 0 ? blocks.push_back(lines[i]) : absl::StrAppend(&blocks.back(), "\n", lines[i]);
  }
  return blocks;
}

std::vector<std::string> Gsm8k() {
  std::vector<std::string> texts;
  const std::string file = FileBytes(std::string(TEMPER_TEST_DATA) + "/gsm8k_sample.jsonl");
  for (const absl::string_view line : absl::StrSplit(file, '\n', absl::SkipEmpty())) {
    const Json row = Json::parse(line);
    texts.insert(texts.end(), {row["question"], row["answer"]});
  }
  return texts;
}

std::string DigestOfIds(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> ids = tokenizer.Encode(text, Special::kParse, true);
  ids.push_back(-1);
  for (const int32_t id : tokenizer.Encode(text, Special::kAsText, false)) ids.push_back(id);
  uint32_t digest = 0x811C9DC5;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      digest = Fnv(digest, static_cast<uint8_t>(static_cast<uint32_t>(id) >> shift));
    }
  }
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad8));
}

class ParityTest : public testing::TestWithParam<const char*> {
 protected:
  ParityTest() {
    const std::string path = absl::StrCat(kFolder, "styles/", GetParam());
    auto read = Tokenizer::Read(path + ".json");
    EXPECT_TRUE(read.ok()) << read.status();
    if (read.ok()) tokenizer_ = *std::move(read);
    digests_ = Json::parse(FileBytes(path + ".digests.json"));
  }

  // At most a few failures are shown.
  void Compare(const std::string& name, const std::vector<std::string>& texts) {
    ASSERT_NE(tokenizer_, nullptr);
    std::string expected;
    for (const std::string row : digests_[name]) expected += row;
    ASSERT_EQ(expected.size(), 8 * texts.size());
    const bool composes = std::string_view(GetParam()) == "qwen2";
    int wrong = 0;
    for (size_t i = 0; i < texts.size() && wrong < 5; ++i) {
      const std::string& text = texts[i];
      const bool same = DigestOfIds(*tokenizer_, text) == expected.substr(8 * i, 8);
      const auto tokens = tokenizer_->Encode(text, Special::kAsText, false);
      const bool whole = tokenizer_->Decode(tokens, false) ==
                         (composes ? Normalized(text, NormalForm::kNfc) : text);
      wrong += !same || !whole;
      EXPECT_TRUE(same) << name << " " << i << ": " << Json(text).dump(-1, ' ', true);
      EXPECT_TRUE(whole) << name << " " << i << ": " << Json(text).dump(-1, ' ', true);
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  Json digests_;
};

TEST_P(ParityTest, TenThousandRandomStringsGiveTheLibrarysIds) {
  Compare("strings", RandomStrings());
}
TEST_P(ParityTest, LinesInTwentyScriptsAndCodeGiveTheLibrarysIds) { Compare("lines", Lines()); }
TEST_P(ParityTest, TextsOfManyLinesGiveTheLibrarysIds) { Compare("blocks", Blocks()); }

TEST_P(ParityTest, WordProblemsGiveTheLibrarysIds) { Compare("gsm8k", Gsm8k()); }

INSTANTIATE_TEST_SUITE_P(Styles, ParityTest, testing::Values("tekken", "llama3", "qwen2"),
                         [](const auto& style) { return std::string(style.param); });

}  // namespace
}  // namespace temper::model
