// Event files: known checksums, and records that read back.
#include "orchestrator/controller/tensorboard.h"

#include <bit>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

TEST(TensorboardTest, ChecksumsAreTheStandardOnes) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

uint32_t Masked(std::string_view bytes) { return std::rotr(Crc32c(bytes), 15) + 0xA282EAD8u; }

template <class T>
T Take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  bytes.remove_prefix(sizeof(value));
  return value;
}

TEST(TensorboardTest, RecordsReadBackWithTheirChecksums) {
  const std::string folder = ::testing::TempDir() + "/temper_tensorboard_test";
  ASSERT_TRUE(RemoveAll(folder).ok());
  auto file = EventFile::Create(folder, absl::UnixEpoch());
  ASSERT_TRUE(file.ok()) << file.status();
  const std::pair<std::string, double> scalars[] = {{"reward_mean", 0.5}, {"entropy", 1.25}};
  ASSERT_TRUE(file->Write(7, absl::UnixEpoch(), scalars).ok());

  const auto path = std::filesystem::directory_iterator(folder)->path().string();
  const std::string text = *ReadFile(path);
  std::string_view rest = text;
  std::vector<std::string> events;
  while (!rest.empty()) {
    const std::string_view length_bytes = rest.substr(0, 8);
    const uint64_t length = Take<uint64_t>(rest);
    EXPECT_EQ(Take<uint32_t>(rest), Masked(length_bytes));
    events.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
    EXPECT_EQ(Take<uint32_t>(rest), Masked(events.back()));
  }
  ASSERT_EQ(events.size(), 2u);
  EXPECT_NE(events[0].find("brain.Event:2"), std::string::npos);
  EXPECT_NE(events[1].find("reward_mean"), std::string::npos);
  const float half = 0.5f;
  EXPECT_NE(events[1].find(std::string(reinterpret_cast<const char*>(&half), 4)),
            std::string::npos);
  ASSERT_TRUE(RemoveAll(folder).ok());
}

}  // namespace
}  // namespace temper::orchestrator
