// Versions come whole, carry true digests, and go when they are old.
#include "policy/learner/weight_store.h"

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
  EXPECT_EQ(FilesIn("shared"), 1) << "another run's file stays";
}

}  // namespace
}  // namespace temper::learner
