// The small shared rooms: queue, randomness, digests, names, files.
#include <filesystem>
#include <set>
#include <thread>

#include "base/bounded_queue.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/nearest_name.h"
#include "base/philox.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

TEST(BoundedQueueTest, RefusesWhenFullAndWhenClosed) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.TryPop(), 1);
  queue.Close();
  EXPECT_FALSE(queue.TryPush(4));
  EXPECT_EQ(queue.TryPop(), 2);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(BoundedQueueTest, PassesEverythingBetweenTwoThreadsInOrder) {
  BoundedQueue<int> queue(8);
  std::thread writer([&queue] {
    for (int i = 0; i < 1000;) {
      if (queue.TryPush(i)) ++i;
    }
    queue.Close();
  });
  int expected = 0;
  while (const auto item = queue.Pop(Wait::OrFail("the next number", absl::Seconds(10)))) EXPECT_EQ(*item, expected++);
  writer.join();
  EXPECT_EQ(expected, 1000);
}

// Known answers published with the generator (Random123, kat_vectors).
TEST(PhiloxTest, GivesThePublishedNumbers) {
  EXPECT_EQ(Philox(0, 0, 0),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox(~0ull, ~0ull, ~0ull),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(PhiloxTest, NormalsHaveMeanZeroAndVarianceOne) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = NormalAt(7, 3, i);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
}

TEST(PhiloxTest, PermutationsHitEveryItemOnce) {
  for (const uint64_t n : {1ull, 2ull, 7ull, 64ull, 1000ull}) {
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) seen.insert(PermutedIndex(42, n, n, i));
    EXPECT_EQ(seen.size(), n);
    EXPECT_LT(*seen.rbegin(), n);
  }
  int moved = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    moved += PermutedIndex(1, 0, 1000, i) != PermutedIndex(1, 1, 1000, i);
  }
  EXPECT_GT(moved, 900);
}

TEST(DigestTest, KnowsTheStandardVectors) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Xxh3Digest(std::string_view())), "99aa06d3014798d86001c324468d497f");
}

TEST(NearestNameTest, FindsTheTypo) {
  const std::vector<std::string> known = {"learning_rate", "temperature", "seed"};
  EXPECT_EQ(NearestName("learing_rate", known), "learning_rate");
  EXPECT_EQ(NearestName("zzzzzz", known), "");
  EXPECT_EQ(Suggestion("tempratur", known), "; did you mean \"temperature\"?");
}

TEST(FileTest, WritesWholeFilesAndSaysWhyNot) {
  const std::string folder = ::testing::TempDir() + "/temper_file_test";
  ASSERT_TRUE(MakeDirectories(folder).ok());
  ASSERT_TRUE(WriteFileAtomically(folder + "/a", "hello").ok());
  EXPECT_EQ(*ReadFile(folder + "/a"), "hello");
  EXPECT_TRUE(absl::IsNotFound(ReadFile(folder + "/b").status()));
  EXPECT_FALSE(WriteFileAtomically(folder + "/none/a", "x").ok());
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++files;
  EXPECT_EQ(files, 1);
  ASSERT_TRUE(RemoveAll(folder).ok());
}

TEST(JsonTextTest, NamesLineAndColumn) {
  const auto bad = ParseJson("{\n  \"a\": 1,\n  \"b\" 2\n}", "x.json");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message().substr(0, 11), "x.json:3:7:") << bad.status();
  EXPECT_FALSE(ParseJson("{\"a\":1,\"a\":2}", "x.json").ok());
  EXPECT_FALSE(ParseJson(std::string(100, '['), "x.json").ok());
  EXPECT_TRUE(ParseJson("{\"a\":[1,2,{}]}", "x.json").ok());
}

}  // namespace
}  // namespace temper
