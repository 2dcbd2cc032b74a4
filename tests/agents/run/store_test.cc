#include "agents/run/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace temper::agents {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    path_ = absl::StrCat(testing::TempDir(), "/store-", getpid(), "-",
                         testing::UnitTest::GetInstance()->current_test_info()->name(), ".db");
    EXPECT_TRUE(RemoveAll(path_).ok());
  }
  ~StoreTest() override { EXPECT_TRUE(RemoveAll(path_).ok()); }

  std::unique_ptr<GraphStore> Open() {
    auto store = GraphStore::Open(path_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static Result Full() {
    Result result;
    result.text = "an answer \xc3\xa9";
    result.reasoning = "because";
    result.finish_reason = "length";
    result.prompt_tokens = {1, 2, 3};
    result.tokens = {7, -1};
    result.logprobs = {-0.5f, -1.25f};
    result.version = 12;
    result.first_token = {{"Yes", -0.1}, {"No", -2.5}};
    result.score = -3.75;
    result.value = {{"count", 3}};
    result.usage = {.tokens_in = 5, .tokens_out = 2, .estimated = true};
    return result;
  }

  std::string path_;
  const std::string key_ = std::string("0123456789abcde\0", 16);
};

TEST_F(StoreTest, AResultComesBackAsItWas) {
  const Result result = Full();
  {
    auto store = Open();
    StoreBatch batch;
    batch.results.push_back({.key = key_, .execution = 1, .path = "edit", .result = &result});
    ASSERT_TRUE(store->Commit(batch).ok());
  }
  const auto found = Open()->Find(key_);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ(ToBytes(**found), ToBytes(result));
  EXPECT_EQ((*found)->tokens, result.tokens);
  EXPECT_EQ((*found)->logprobs, result.logprobs);
  EXPECT_EQ((*found)->first_token, result.first_token);
  EXPECT_EQ((*found)->value, result.value);
  EXPECT_EQ((*found)->score, result.score);
  EXPECT_TRUE((*found)->usage.estimated);
}

TEST_F(StoreTest, BytesThatAreNoResultAreRefused) {
  Result result;
  for (const std::string& bytes : {std::string(), std::string("\xff\xff"), std::string("text"),
                                   ToBytes(Full()).substr(0, 20)}) {
    EXPECT_FALSE(FromBytes(bytes, result).ok()) << bytes;
  }
}

TEST_F(StoreTest, TheFirstResultOfAKeyStays) {
  auto store = Open();
  Result first, second;
  first.text = "first";
  second.text = "second";
  for (const Result* one : {&first, &second}) {
    StoreBatch batch;
    batch.results.push_back({.key = key_, .result = one});
    ASSERT_TRUE(store->Commit(batch).ok());
  }
  EXPECT_EQ((*store->Find(key_))->text, "first");
}

TEST_F(StoreTest, ThatEnoughWereThereIsNoResultAndGivesWayToOne) {
  auto store = Open();
  StoreBatch enough;
  enough.results.push_back({.key = key_});
  ASSERT_TRUE(store->Commit(enough).ok());
  EXPECT_TRUE(absl::IsCancelled((*store->Find(key_))->status));
  const Result late = Full();
  StoreBatch batch;
  batch.results.push_back({.key = key_, .result = &late});
  ASSERT_TRUE(store->Commit(batch).ok());
  EXPECT_EQ((*store->Find(key_))->text, late.text);
}

TEST_F(StoreTest, CallsThatWereOpenWhenTheProcessDiedCountWhole) {
  {
    auto store = Open();
    StoreBatch batch;
    batch.opened.push_back({.id = 1,
                            .execution = 7,
                            .role = "critic",
                            .samples = 4,
                            .reserved = {.tokens = 150, .usd = 0.5, .calls = 1}});
    batch.opened.push_back({.id = 2,
                            .execution = 7,
                            .role = "critic",
                            .samples = 4,
                            .reserved = {.tokens = 150, .usd = 0.5, .calls = 1}});
    ASSERT_TRUE(store->Commit(batch).ok());
    StoreBatch settled;
    settled.settled.push_back({.id = 1,
                               .ok = true,
                               .requests = 1,
                               .tokens_in = 50,
                               .tokens_out = 10,
                               .cost = {.tokens = 60, .usd = 0.2, .calls = 1}});
    ASSERT_TRUE(store->Commit(settled).ok());
  }
  auto store = Open();
  const auto spent = store->Spent(7);
  ASSERT_TRUE(spent.ok());
  EXPECT_EQ(spent->tokens, 60 + 150);
  EXPECT_DOUBLE_EQ(spent->usd, 0.7);
  EXPECT_EQ(spent->calls, 2);
  const auto usage = store->Usage(7);
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->at("critic").lost, 1);
  EXPECT_EQ(store->next_call(), 3);
  EXPECT_EQ(store->Spent(8)->tokens, 0);
}

TEST_F(StoreTest, AFailureIsKnownUntilThereIsAResult) {
  auto store = Open();
  StoreBatch batch;
  batch.failures.push_back({.key = key_, .path = "edit", .error = "UNAVAILABLE: no route"});
  ASSERT_TRUE(store->Commit(batch).ok());
  EXPECT_EQ(*store->FailureOf(key_), "UNAVAILABLE: no route");
  EXPECT_FALSE(store->Find(key_)->has_value());
  const Result result = Full();
  StoreBatch again;
  again.results.push_back({.key = key_, .result = &result});
  ASSERT_TRUE(store->Commit(again).ok());
  EXPECT_EQ(*store->FailureOf(key_), "");
}

TEST_F(StoreTest, ADamagedPageIsSeen) {
  const Result result = Full();
  {
    auto store = Open();
    StoreBatch batch;
    for (int i = 0; i < 200; ++i) {
      batch.results.push_back(
          {.key = absl::StrCat("key number ", 10000 + i), .path = "edit", .result = &result});
    }
    ASSERT_TRUE(store->Commit(batch).ok());
  }
  auto bytes = ReadFile(path_);
  ASSERT_TRUE(bytes.ok());
  // In the middle of the file: a page of results, or of their index.
  (*bytes)[bytes->size() / 2 + 100] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path_, *bytes).ok());
  auto store = GraphStore::Open(path_);
  absl::Status status = store.status();
  if (status.ok()) status = (*store)->Keys().status();
  for (int i = 0; i < 200 && status.ok(); ++i) {
    status = (*store)->Find(absl::StrCat("key number ", 10000 + i)).status();
  }
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(StoreTest, AnotherFileIsRefusedWithWords) {
  ASSERT_TRUE(WriteFileAtomically(path_, std::string(8192, 'x')).ok());
  const auto store = GraphStore::Open(path_);
  EXPECT_FALSE(store.ok());
  EXPECT_NE(store.status().message().find(path_), std::string::npos) << store.status();
}

}  // namespace
}  // namespace temper::agents
