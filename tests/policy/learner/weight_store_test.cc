// Versions come whole, carry true digests, and go when they are old.
#include "policy/learner/weight_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <numeric>

#include "base/digest.h"
#include "base/rpc.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

class WeightStoreTest : public testing::Test {
 protected:
  WeightStoreTest()
      : config_(*model::ParseModelConfig(TinyConfig(), "tiny")),
        layout_(config_),
        values_(layout_.size()) {
    std::iota(values_.begin(), values_.end(), 0.5f);
    std::filesystem::create_directories(folder_ / "shared");
  }

  std::unique_ptr<WeightStore> Open(const std::string& shared = "shared") {
    auto store = WeightStore::Open({.run_dir = folder_ / "run",
                                    .shared_dir = folder_ / shared,
                                    .learner_address = "127.0.0.1:5",
                                    .run = "arithmetic"});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  int FilesIn(const std::string& name) const {
    std::error_code error;
    const std::filesystem::directory_iterator files(folder_ / name, error);
    return error ? 0 : static_cast<int>(std::distance(begin(files), end(files)));
  }

  TemporaryFolder folder_;
  const model::ModelConfig config_;
  const model::ParameterLayout layout_;
  std::vector<float> values_;
};

TEST_F(WeightStoreTest, AVersionIsTheFlatArrayWithADigestForEachTensor) {
  const auto store = Open();
  const auto manifest = store->Publish(3, layout_, values_);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ((*manifest)->version(), 3);
  EXPECT_EQ((*manifest)->host_id(), HostId());
  EXPECT_EQ((*manifest)->learner_address(), "127.0.0.1:5");
  EXPECT_EQ((*manifest)->run(), "arithmetic");
  const auto file = MappedFile::Open((*manifest)->shared_path());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(static_cast<int64_t>(file->bytes().size()), (*manifest)->bytes());
  EXPECT_EQ(std::memcmp(file->bytes().data(), values_.data(), file->bytes().size()), 0);
  ASSERT_EQ((*manifest)->tensors_size(), static_cast<int>(layout_.specs().size()));
  for (int i = 0; i < (*manifest)->tensors_size(); ++i) {
    const v1::TensorDigest& tensor = (*manifest)->tensors(i);
    EXPECT_EQ(tensor.name(), layout_.specs()[i].name);
    EXPECT_EQ(tensor.digest(), Xxh3Digest(file->bytes().subspan(tensor.offset(), tensor.bytes())));
  }
}

TEST_F(WeightStoreTest, KeepsTheTwoNewestAndAnOldMappingStaysReadable) {
  const auto store = Open();
  ASSERT_TRUE(store->Publish(0, layout_, values_).ok());
  const auto old = store->Map(0);
  ASSERT_TRUE(old.ok());
  for (int version = 1; version <= 3; ++version) {
    values_[0] = static_cast<float>(version);
    ASSERT_TRUE(store->Publish(version, layout_, values_).ok());
  }
  EXPECT_EQ(FilesIn("shared"), 2);
  EXPECT_EQ(store->newest()->version(), 3);
  EXPECT_EQ(store->Map(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store->Map(2).ok());
  EXPECT_EQ(reinterpret_cast<const float*>(old->bytes().data())[0], 0.5f);
}

TEST_F(WeightStoreTest, TheRunsOfOneProcessDoNotMeetInSharedMemory) {
  const auto mine = Open();
  const auto old = mine->Publish(0, layout_, values_);
  ASSERT_TRUE(old.ok()) << old.status();
  {
    const auto other =
        WeightStore::Open({.run_dir = folder_ / "other", .shared_dir = folder_ / "shared"});
    ASSERT_TRUE(other.ok()) << other.status();
    values_[0] = 9.0f;
    ASSERT_TRUE((*other)->Publish(0, layout_, values_).ok());
    EXPECT_EQ(FilesIn("shared"), 2);
  }
  EXPECT_EQ(FilesIn("shared"), 1) << "a run's files go with its store";
  const auto file = mine->Map(0);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(reinterpret_cast<const float*>(file->bytes().data())[0], 0.5f);
}

TEST_F(WeightStoreTest, WithoutRoomInSharedMemoryTheRunFolderTakesTheWeights) {
  const auto store = Open("absent");
  const auto manifest = store->Publish(1, layout_, values_);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(FilesIn("run/weights"), 1);
  EXPECT_TRUE(store->Map(1).ok());
}

TEST_F(WeightStoreTest, AKilledProcessLeavesNothingForLongAndOthersAreLeftAlone) {
  { Open()->Publish(4, layout_, values_).status().IgnoreError(); }
  EXPECT_EQ(FilesIn("shared"), 0) << "a store takes its files along";
  std::string path;
  {
    const auto killed = Open();
    path = (*killed->Publish(4, layout_, values_))->shared_path();
    std::filesystem::copy(path, path + ".tmp-999");
    std::filesystem::copy(path, folder_ / "shared/temper-0123456789abcdef-v000004.f32");
  }
  EXPECT_EQ(FilesIn("shared"), 2);
  const auto next = Open();
  EXPECT_EQ(FilesIn("shared"), 1) << "another run's young file stays";
}

// What no process holds goes, whoever's run it was; what may still be somebody's stays.
TEST_F(WeightStoreTest, WhatKilledProcessesOfOtherRunsLeftGoesAfterAMinute) {
  const auto store = Open();
  const auto manifest = store->Publish(1, layout_, values_);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  const std::filesystem::path held = (*manifest)->shared_path(), shared = folder_ / "shared";
  const std::filesystem::path left = shared / "temper-0123456789abcdef-v000004.f32",
                              half = shared / "temper-0123456789abcdef-v000005.f32.tmp-999",
                              young = shared / "temper-0123456789abcdee-v000004.f32",
                              other = shared / "somebody.f32",
                              link = shared / "temper-0123456789abcded-v000004.f32",
                              behind = folder_ / "behind";
  for (const auto& path : {left, half, young, other, behind}) std::filesystem::copy(held, path);
  std::filesystem::create_symlink(behind, link);
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::minutes(2);
  for (const auto& path : {held, left, half, other, behind}) {
    std::filesystem::last_write_time(path, long_ago);
  }
  const auto next = WeightStore::Open({.run_dir = folder_ / "other_run", .shared_dir = shared});
  ASSERT_TRUE(next.ok()) << next.status();
  for (const auto& path : {left, half}) EXPECT_FALSE(std::filesystem::exists(path)) << path;
  for (const auto& path : {held, young, other, behind, link}) {
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
  }
}

TEST_F(WeightStoreTest, AVersionPublishedAgainIsHeldAgain) {
  const auto store = Open();
  ASSERT_TRUE(store->Publish(1, layout_, values_).ok());
  values_[0] = -1.0f;
  const auto again = store->Publish(1, layout_, values_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(FilesIn("shared"), 1);
  const auto file = MappedFile::Open((*again)->shared_path());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*reinterpret_cast<const float*>(file->bytes().data()), -1.0f);
  const int fd = open((*again)->shared_path().c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_NE(flock(fd, LOCK_EX | LOCK_NB), 0);
  close(fd);
}

}  // namespace
}  // namespace temper::learner
