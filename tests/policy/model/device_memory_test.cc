// What a model needs on a device, and the words when there is less.
#include "policy/model/device_memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/ops.h"

namespace temper::model {
namespace {

using ::testing::HasSubstr;

// A device with so much free memory of its own.
class SmallDevice : public kernels::Device {
 public:
  explicit SmallDevice(int64_t free, bool shares = false) : free_(free), shares_(shares) {}
  const kernels::Ops& ops() const override { return kernels::CpuOps(); }
  kernels::Stream& stream() override { return cpu_->stream(); }
  int threads() const override { return 1; }
  bool shares_host_memory() const override { return shares_; }
  int64_t free_bytes() const override { return free_; }
  kernels::Memory Allocate(int64_t bytes, kernels::Place place) override {
    return cpu_->Allocate(bytes, place);
  }
  void Copy(void* to, const void* from, int64_t bytes) override { cpu_->Copy(to, from, bytes); }
  void Zero(void* at, int64_t bytes) override { cpu_->Zero(at, bytes); }
  void Finish() override {}

 private:
  const std::unique_ptr<kernels::Device> cpu_ = kernels::OpenCpuDevice(1);
  const int64_t free_;
  const bool shares_;
};

// hidden 1000, vocabulary 5000, one MLP of 4000: 5 M twice, 8 M, and two norms.
ModelConfig Config() {
  ModelConfig config;
  config.vocab_size = 5000;
  config.hidden_size = 1000;
  config.layers = {{.kind = LayerKind::kMlp, .intermediate = 4000}};
  return config;
}

TEST(DeviceMemoryTest, CountsPackedMatricesTheTableAndVectors) {
  const ModelConfig config = Config();
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.parameters(), 18'002'000);
  EXPECT_EQ(WeightBytes(layout, kernels::Dtype::kFloat32), 4 * 18'002'000);
  EXPECT_EQ(WeightBytes(layout, kernels::Dtype::kBFloat16), 2 * 13'000'000 + 4 * 5'002'000);
  EXPECT_EQ(TrainingBytes(layout, kernels::Dtype::kBFloat16),
            2 * 13'000'000 + 16 * layout.size());
}

TEST(DeviceMemoryTest, SaysHowMuchIsNeededFreeAndWouldFit) {
  const ModelConfig config = Config();
  const ParameterLayout layout(config);
  const int64_t needed = WeightBytes(layout, kernels::Dtype::kFloat32);
  EXPECT_TRUE(CheckRoom(SmallDevice(needed), layout, needed, "sampling").ok());
  EXPECT_TRUE(CheckRoom(SmallDevice(1, /*shares=*/true), layout, needed, "sampling").ok());
  const absl::Status refused = CheckRoom(SmallDevice(40'000'000), layout, needed, "sampling");
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("sampling needs 0.07 GB of the device's memory before any activation, and "
                        "0.04 GB are free; there, 0.01 billion parameters would fit"));
}

TEST(DeviceMemoryTest, StatesHaveWhatIsLeft) {
  EXPECT_EQ(StateBytes(SmallDevice(1000), 600, 7), 360);
  EXPECT_EQ(StateBytes(SmallDevice(500), 600, 7), 0);
  EXPECT_EQ(StateBytes(SmallDevice(1000, /*shares=*/true), 600, 7), 7);
}

}  // namespace
}  // namespace temper::model
