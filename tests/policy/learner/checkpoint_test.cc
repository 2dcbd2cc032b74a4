// Checkpoints are whole or invisible: every flipped bit is found, and the one before is taken.
#include "policy/learner/checkpoint.h"

#include <numeric>
#include <random>

#include "base/digest.h"
#include "gmock/gmock.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeModelFolder(folder_ / "model");
    config_ = *model::ParseModelConfig(TinyConfig(), "tiny");
    layout_ = std::make_unique<model::ParameterLayout>(config_);
    checkpoints_ = std::make_unique<CheckpointFolder>(folder_ / "checkpoints", folder_ / "model",
                                                      config_, *layout_);
    values_.resize(layout_->size());
    first_.resize(layout_->size());
    second_.resize(layout_->size());
  }

  // Arrays that tell versions apart; the gaps between tensors stay 0.
  void Fill(int64_t version) {
    for (const model::ParameterSpec& spec : layout_->specs()) {
      for (int64_t i = spec.offset; i < spec.offset + spec.size; ++i) {
        values_[i] = static_cast<float>(version) + 1e-3f * static_cast<float>(i);
        first_[i] = -values_[i];
        second_[i] = values_[i] * values_[i];
      }
    }
  }
  absl::Status Save(int64_t version, const CheckpointFolder::Keeping& keeping = {}) {
    Fill(version);
    return checkpoints_
        ->Save({.version = version, .updates = version - 1, .request_digest = "\x01\xff digest"},
               {.values = values_, .first_moment = first_, .second_moment = second_}, keeping)
        .status();
  }
  absl::StatusOr<std::optional<CheckpointRecord>> Load() {
    return checkpoints_->LoadNewest(
        {.values = values_, .first_moment = first_, .second_moment = second_});
  }
  int64_t LoadedVersion() {
    const auto record = Load();
    EXPECT_TRUE(record.ok()) << record.status();
    return record.ok() && record->has_value() ? (*record)->version : -1;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "checkpoints")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TemporaryFolder folder_;
  model::ModelConfig config_;
  std::unique_ptr<model::ParameterLayout> layout_;
  std::unique_ptr<CheckpointFolder> checkpoints_;
  std::vector<float> values_, first_, second_;
};

TEST_F(CheckpointTest, WhatIsLoadedIsWhatWasSaved) {
  EXPECT_EQ(LoadedVersion(), -1);
  ASSERT_EQ(Save(1), absl::OkStatus());
  ASSERT_EQ(Save(100), absl::OkStatus());
  const auto values = values_, first = first_, second = second_;
  Fill(7);
  const auto record = Load();
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ((*record)->version, 100);
  EXPECT_EQ((*record)->updates, 99);
  EXPECT_EQ((*record)->request_digest, "\x01\xff digest");
  EXPECT_EQ((*record)->sha256,
            *Sha256HexOfFile(folder_ / "checkpoints/step-000100/model.safetensors"));
  EXPECT_EQ(values_, values);
  EXPECT_EQ(first_, first);
  EXPECT_EQ(second_, second);
}

TEST_F(CheckpointTest, KeepsTheNewestAndPrunesTheRest) {
  for (int64_t version = 1; version <= 4; ++version) {
    ASSERT_EQ(Save(version, {.keep = 2}), absl::OkStatus());
  }
  EXPECT_THAT(Names(), testing::UnorderedElementsAre("step-000003", "step-000004"));
}

TEST_F(CheckpointTest, NeverPrunesWhatIsPinned) {
  for (int64_t version = 1; version <= 5; ++version) {
    ASSERT_EQ(Save(version, {.keep = 1, .pinned = {2, 4, 77}}), absl::OkStatus());
  }
  EXPECT_THAT(Names(), testing::UnorderedElementsAre("step-000002", "step-000004", "step-000005"));
  ASSERT_EQ(Save(6, {.keep = 2, .pinned = {2}}), absl::OkStatus());
  EXPECT_THAT(Names(), testing::UnorderedElementsAre("step-000002", "step-000005", "step-000006"));
}

TEST_F(CheckpointTest, EveryFlippedBitAndEveryCutIsFoundAndTheOneBeforeIsTaken) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  ASSERT_EQ(Save(2), absl::OkStatus());
  const std::string whole = folder_ / "checkpoints/step-000002";
  const std::string kept = folder_ / "kept";
  std::filesystem::copy(whole, kept);
  std::mt19937_64 random(11);
  const char* files[] = {"config.json", "tokenizer.json", "model.safetensors",
                         "optimizer.safetensors", "manifest.json"};
  for (int round = 0; round < 200; ++round) {
    const std::string path = JoinPath(whole, files[round % 5]);
    const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
    const auto byte = static_cast<int64_t>(random() % size);
    const bool cut = round % 8 == 7;
    // A manifest without its last line break is still the manifest.
    if (path.ends_with("manifest.json") && byte >= size - 1) continue;
    const std::string before = ContentOf(path);
    if (cut) {
      std::filesystem::resize_file(path, byte);
    } else {
      FlipBit(path, byte, static_cast<int>(random() % 8));
    }
    if (path.ends_with("manifest.json") && !cut && isspace(before[byte]) &&
        isspace(ContentOf(path)[byte])) {
      continue;  // another kind of blank: nothing that was said has changed
    }
    ASSERT_EQ(LoadedVersion(), 1) << path << " byte " << byte << (cut ? " cut" : " flipped");
    ASSERT_TRUE(Exists(whole + ".corrupt"));
    std::filesystem::remove_all(whole + ".corrupt");
    std::filesystem::copy(kept, whole);
  }
  EXPECT_EQ(LoadedVersion(), 2);
}

TEST_F(CheckpointTest, AMissingFileAndASwappedFileAreFound) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  ASSERT_EQ(Save(2), absl::OkStatus());
  ASSERT_EQ(Save(3), absl::OkStatus());
  std::filesystem::remove(folder_ / "checkpoints/step-000003/manifest.json");
  std::filesystem::copy(folder_ / "checkpoints/step-000001/optimizer.safetensors",
                        folder_ / "checkpoints/step-000002/optimizer.safetensors",
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(LoadedVersion(), 1);
}

TEST_F(CheckpointTest, ACorruptCheckpointIsReplacedWhenItsVersionIsMadeAgain) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  ASSERT_EQ(Save(2), absl::OkStatus());
  FlipBit(folder_ / "checkpoints/step-000002/model.safetensors", 4000, 0);
  ASSERT_EQ(Save(2), absl::OkStatus());
  EXPECT_EQ(LoadedVersion(), 2);
}

TEST_F(CheckpointTest, WhatACrashLeftHalfWrittenIsInvisibleAndCleared) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  std::filesystem::copy(folder_ / "checkpoints/step-000001",
                        folder_ / "checkpoints/.writing-step-000002");
  std::filesystem::copy(folder_ / "checkpoints/step-000001",
                        folder_ / "checkpoints/.writing-step-000002.tmp-77");
  EXPECT_EQ(LoadedVersion(), 1);
  EXPECT_THAT(Names(), testing::ElementsAre("step-000001"));
}

TEST_F(CheckpointTest, AFailureLeavesNothingHalfWritten) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  std::filesystem::remove(folder_ / "model/tokenizer.json");
  std::filesystem::create_directory(folder_ / "model/tokenizer.json");  // cannot be read as a file
  EXPECT_FALSE(Save(2).ok());
  EXPECT_THAT(Names(), testing::ElementsAre("step-000001"));
  EXPECT_EQ(LoadedVersion(), 1);
}

TEST_F(CheckpointTest, AnotherModelsCheckpointIsRefusedNotSetAside) {
  ASSERT_EQ(Save(1), absl::OkStatus());
  std::string wider = TinyConfig();
  wider.replace(wider.find("\"intermediate_size\": 24"), 23, "\"intermediate_size\": 32");
  const auto config = model::ParseModelConfig(wider, "wider");
  ASSERT_TRUE(config.ok());
  const model::ParameterLayout layout(*config);
  CheckpointFolder other(folder_ / "checkpoints", folder_ / "model", *config, layout);
  std::vector<float> values(layout.size());
  EXPECT_EQ(other.LoadNewest({.values = values}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Names(), testing::ElementsAre("step-000001"));
}

}  // namespace
}  // namespace temper::learner
