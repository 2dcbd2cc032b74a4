// The machine's table of algorithms: made with a library on the host's memory, kept, read, in force
// from the first device on.
#include "kernels/cuda/algorithms.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/tuner.h"

namespace temper::kernels {
namespace {

using ::testing::HasSubstr;

std::string Fresh(const std::string& name) {
  const std::string path = testing::TempDir() + "/temper_algorithms_test_" + name;
  std::filesystem::remove(path);
  return path;
}

TEST(AlgorithmsTest, ThePathIsChosenByTheEnvironment) {
  setenv("TEMPER_CUDA_ALGORITHMS", "", 1);
  EXPECT_EQ(AlgorithmTablePath(), "");
  unsetenv("TEMPER_CUDA_ALGORITHMS");
  setenv("XDG_CACHE_HOME", "/c", 1);
  EXPECT_EQ(AlgorithmTablePath(), "/c/temper/cuda_algorithms.txt");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/h", 1);
  EXPECT_EQ(AlgorithmTablePath(), "/h/.cache/temper/cuda_algorithms.txt");
}

TEST(AlgorithmsTest, AddsWhatIsMissing) {
  const std::string path = Fresh("table");
  std::vector<TunedProduct> told;
  const auto tell = [&told](const TunedProduct& one) { told.push_back(one); };
  const std::vector<WeightSides> first = {{24, 24}}, both = {{24, 24}, {24, 32}}, odd = {{9, 5}};
  ASSERT_TRUE(TuneProducts(0, first, path, tell).ok());
  ASSERT_EQ(told.size(), 2u);
  EXPECT_FALSE(told[0].backward);
  EXPECT_TRUE(told[1].backward);
  // The one whose bits sway with the number of rows is not admitted.
  EXPECT_EQ(told[0].candidates, 2);
  EXPECT_EQ(told[0].admitted, 1);
  EXPECT_EQ(told[0].chosen, "steady");

  told.clear();
  ASSERT_TRUE(TuneProducts(0, both, path, tell).ok());
  ASSERT_EQ(told.size(), 2u);  // the new one's
  EXPECT_EQ(told[0].sides, both[1]);
  EXPECT_EQ(told[1].done, 4);
  EXPECT_EQ(told[1].total, 4);

  told.clear();
  ASSERT_TRUE(TuneProducts(0, odd, path, tell).ok());
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].candidates, 0);
  EXPECT_EQ(told[0].chosen, "");
  EXPECT_EQ(cuda::ReadTable(path)->size(), 4u);
}

TEST(AlgorithmsTest, ADamagedTableIsNotWrittenOver) {
  const std::string path = Fresh("damaged");
  std::ofstream(path) << "something else\n";
  const std::vector<WeightSides> one = {{16, 8}};
  const absl::Status refused = TuneProducts(0, one, path, [](const TunedProduct&) {});
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(path));
  std::string text;
  std::getline(std::ifstream(path), text);
  EXPECT_EQ(text, "something else");
}

// In processes of their own: a table is read once.
TEST(AlgorithmsDeathTest, TheFirstDeviceThatIsOpenedPinsTheTable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string path = Fresh("pinned");
  const auto traits = cuda::SelectDevice(0);
  ASSERT_TRUE(traits.ok());
  cuda::AlgorithmKey key{.device = traits->name,
                         .major = traits->major,
                         .minor = traits->minor,
                         .library_version = 1,
                         .out = 16,
                         .in = 8};
  cuda::AlgorithmTable table = {{key, {.record = {1}, .label = "steady"}}};
  key.device = "another";
  key.out = 32;
  table[key] = {.record = {1}, .label = "steady"};
  ASSERT_TRUE(cuda::WriteTable(path, table).ok());
  setenv("TEMPER_CUDA_ALGORITHMS", path.c_str(), 1);
  EXPECT_EXIT(
      {
        const bool opened = OpenCudaDevice(0).ok() && OpenCudaDevice(0).ok();
        const cuda::Algorithm* const own =
            cuda::PinnedAlgorithm(16, 8, cuda::Direction::kForward);
        const bool others = cuda::PinnedAlgorithm(32, 8, cuda::Direction::kForward) != nullptr ||
                            cuda::PinnedAlgorithm(16, 8, cuda::Direction::kBackwardInput) != nullptr;
        std::exit(opened && own != nullptr && own->label == "steady" && !others ? 7 : 1);
      },
      testing::ExitedWithCode(7), "");
}

TEST(AlgorithmsDeathTest, ADeviceIsNotOpenedWithADamagedTable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string path = Fresh("damaged");
  std::ofstream(path) << "something else\n";
  setenv("TEMPER_CUDA_ALGORITHMS", path.c_str(), 1);
  EXPECT_EXIT(
      {
        const auto device = OpenCudaDevice(0);
        std::fprintf(stderr, "%s\n", std::string(device.status().message()).c_str());
        std::exit(absl::IsFailedPrecondition(device.status()) ? 7 : 1);
      },
      testing::ExitedWithCode(7), "temper tune");
}

}  // namespace
}  // namespace temper::kernels
