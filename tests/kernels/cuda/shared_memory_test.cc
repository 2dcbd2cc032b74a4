// Memory between processes: opened without a copy, with the digests its owner takes, for as long as
// anybody holds it; nothing that is brought as a handle is believed.
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>
#include <random>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/kernels/cuda/harness.h"

extern char** environ;

namespace temper::kernels {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kRole[] = "TEMPER_TEST_OTHER_PROCESS";
constexpr int kChannel = 3;

void WriteLine(int channel, const std::string& line) {
  const std::string bytes = line + "\n";
  ASSERT_EQ(write(channel, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}
// "": the other end is gone.
std::string ReadLine(int channel) {
  std::string line;
  for (char letter; read(channel, &letter, 1) == 1 && letter != '\n';) line += letter;
  return line;
}

std::vector<float> Numbers(int64_t count, float first) {
  std::vector<float> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

Memory SharedNumbers(Device& device, int64_t count, float first) {
  Memory memory = device.AllocateShared(count * int64_t{sizeof(float)});
  const std::vector<float> numbers = Numbers(count, first);
  device.Copy(memory.as<float>(), numbers.data(), memory.bytes());
  device.Finish();
  return memory;
}

uint64_t DigestOf(Device& device, const void* data, int64_t bytes) {
  const DigestPiece piece = {data, bytes};
  uint64_t digest = 0;
  device.Digest(std::span(&piece, 1), &digest);
  return digest;
}
uint64_t DigestOf(const std::vector<float>& numbers) {
  return DigestOfHostBytes(numbers.data(), static_cast<int64_t>(numbers.size() * sizeof(float)));
}

// What the other process does, a line at a time.
class Servant {
 public:
  explicit Servant(std::unique_ptr<Device> device) : device_(std::move(device)) {}

  std::string Answer(const std::string& line) {
    std::istringstream words(line);
    std::string what, handle;
    int64_t number = 0;
    words >> what;
    if (what == "share") {  // COUNT FIRST
      float first = 0;
      words >> number >> first;
      memory_ = SharedNumbers(*device_, number, first);
      const auto shared = device_->Share(memory_);
      return shared.ok() ? absl::BytesToHexString(*shared)
                         : absl::StrCat("-", shared.status().message());
    }
    if (what == "open") {  // HANDLE BYTES
      words >> handle >> number;
      auto opened = device_->OpenShared(absl::HexStringToBytes(handle), number);
      if (!opened.ok()) return absl::StrCat("-", opened.status().message());
      memory_ = *std::move(opened);
    }
    // Else "digest": of what is held.
    return absl::StrCat(DigestOf(*device_, memory_.as<void>(), memory_.bytes()));
  }

 private:
  const std::unique_ptr<Device> device_;
  Memory memory_;
};

// This program started once more is the other process; on a GPU a fork could not compute.
class Role : public testing::Environment {
 public:
  void SetUp() override {
    if (std::getenv(kRole) == nullptr) return;
    auto device = OpenCudaDevice(0);
    if (!device.ok()) std::_Exit(1);
    {
      Servant servant(*std::move(device));
      for (std::string line; !(line = ReadLine(kChannel)).empty();) {
        WriteLine(kChannel, servant.Answer(line));
      }
    }
    std::_Exit(0);
  }
};
const auto* const role = testing::AddGlobalTestEnvironment(new Role);

class OtherProcess {
 public:
  OtherProcess() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    channel_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], kChannel);
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    std::string mark = absl::StrCat(kRole, "=1");
    environment.push_back(mark.data());
    environment.push_back(nullptr);
    std::string name = "other";
    char* arguments[] = {name.data(), nullptr};
    EXPECT_EQ(
        posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments, environment.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~OtherProcess() {
    close(channel_);  // it ends by itself, if it has not
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) sched_yield();
  }
  std::string Ask(const std::string& line) {
    WriteLine(channel_, line);
    return ReadLine(channel_);
  }
  // Returns when its descriptors are closed.
  void Kill() {
    kill(pid_, SIGKILL);
    EXPECT_EQ(ReadLine(channel_), "");
  }

 private:
  pid_t pid_ = -1;
  int channel_ = -1;
};

class CudaSharedMemoryTest : public CudaTest {
 protected:
  std::string HandleOf(const Memory& memory) {
    absl::StatusOr<std::string> handle = device().Share(memory);
    EXPECT_TRUE(handle.ok()) << handle.status();
    return handle.value_or("");
  }
  absl::Status Opened(std::string_view handle, int64_t bytes) {
    return device().OpenShared(handle, bytes).status();
  }
};

constexpr int64_t kCount = 100'003;
constexpr int64_t kBytes = kCount * int64_t{sizeof(float)};

TEST_F(CudaSharedMemoryTest, AnotherProcessReadsWhatIsThereNowWithoutACopy) {
  const Memory memory = SharedNumbers(device(), kCount, 1.0f);
  OtherProcess other;
  EXPECT_EQ(other.Ask(absl::StrCat("open ", absl::BytesToHexString(HandleOf(memory)), " ", kBytes)),
            absl::StrCat(DigestOf(Numbers(kCount, 1.0f))));
  // What the owner writes is seen where it was opened: there is one memory.
  const std::vector<float> later = Numbers(kCount, 5.0f);
  device().Copy(memory.as<float>(), later.data(), kBytes);
  device().Finish();
  EXPECT_EQ(other.Ask("digest"), absl::StrCat(DigestOf(later)));
  // Less than all of it.
  EXPECT_EQ(other.Ask(absl::StrCat("open ", absl::BytesToHexString(HandleOf(memory)), " 4000")),
            absl::StrCat(DigestOf(Numbers(1000, 5.0f))));
}

TEST_F(CudaSharedMemoryTest, WhatWasOpenedOutlivesItsOwnersProcess) {
  Memory memory;
  std::string handle;
  {
    OtherProcess other;
    handle = absl::HexStringToBytes(other.Ask(absl::StrCat("share ", kCount, " 7")));
    auto opened = device().OpenShared(handle, kBytes);
    ASSERT_TRUE(opened.ok()) << opened.status();
    memory = *std::move(opened);
    other.Kill();
  }
  EXPECT_EQ(DigestOf(device(), memory.as<void>(), kBytes), DigestOf(Numbers(kCount, 7.0f)));
  memory = Memory();
  EXPECT_EQ(Opened(handle, kBytes).code(), absl::StatusCode::kUnavailable);  // nobody holds it now
}

TEST_F(CudaSharedMemoryTest, TheOwnersProcessOpensItsOwnAndItLastsAsLongAsAnybodyHoldsIt) {
  Memory memory = SharedNumbers(device(), kCount, 3.0f);
  const std::string handle = HandleOf(memory);
  EXPECT_EQ(HandleOf(memory), handle);
  const auto device_of_another_thread = OpenCudaDevice(0);
  ASSERT_TRUE(device_of_another_thread.ok());
  auto opened = (*device_of_another_thread)->OpenShared(handle, kBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->as<float>(), memory.as<float>());
  memory = Memory();
  EXPECT_EQ(DigestOf(device(), opened->as<void>(), kBytes), DigestOf(Numbers(kCount, 3.0f)));
  *opened = Memory();
  EXPECT_FALSE(Opened(handle, kBytes).ok());
}

TEST_F(CudaSharedMemoryTest, AllocationsAreApartAndAHandleIsOfOneOnly) {
  const Memory first = SharedNumbers(device(), 10, 1.0f),
               second = SharedNumbers(device(), 10, 2.0f);
  EXPECT_NE(HandleOf(first), HandleOf(second));
  OtherProcess other;
  for (const auto& [memory, value] : {std::pair{&first, 1.0f}, {&second, 2.0f}}) {
    EXPECT_EQ(other.Ask(absl::StrCat("open ", absl::BytesToHexString(HandleOf(*memory)), " 40")),
              absl::StrCat(DigestOf(Numbers(10, value))));
  }
}

TEST_F(CudaSharedMemoryTest, MoreBytesThanThereAreAreRefusedWhateverTheHandleSays) {
  const Memory memory = SharedNumbers(device(), kCount, 1.0f);
  const int64_t block = int64_t{2} << 20;  // CUDA's own unit may be larger than what was asked for
  EXPECT_EQ(Opened(HandleOf(memory), kBytes + 4).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Opened(HandleOf(memory), -1).code(), absl::StatusCode::kInvalidArgument);
  OtherProcess other;
  const std::string foreign = absl::HexStringToBytes(other.Ask("share 1000 7"));
  for (const int64_t bytes : {block + 4, int64_t{1} << 62, int64_t{-1}}) {
    EXPECT_EQ(Opened(foreign, bytes).code(), absl::StatusCode::kInvalidArgument) << bytes;
  }
  EXPECT_EQ(Opened(foreign, 4000), absl::OkStatus());
}

TEST_F(CudaSharedMemoryTest, GarbageIsNoHandle) {
  OtherProcess other;
  const std::string good = absl::HexStringToBytes(other.Ask("share 1000 7"));
  EXPECT_EQ(Opened("", 4).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Opened(good.substr(1), 4).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Opened(good + "x", 4).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Opened(std::string(good.size(), 'x'), 4).code(), absl::StatusCode::kInvalidArgument);
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {  // none may stop the process
    std::string bad = good;
    // CUDA's part, which is the last, and more or less of what stands before it.
    for (size_t i = 8 + random() % 33; i < bad.size(); ++i) {
      bad[i] = static_cast<char>(random());
    }
    EXPECT_FALSE(Opened(bad, 4).ok()) << absl::BytesToHexString(bad);
  }
  EXPECT_EQ(Opened(good, 4000), absl::OkStatus());
}

TEST_F(CudaSharedMemoryTest, OpeningAndLettingGoAgainAndAgainLeavesNothing) {
  OtherProcess other;
  const std::string handle = absl::HexStringToBytes(other.Ask("share 1000000 7"));
  ASSERT_EQ(Opened(handle, 4'000'000), absl::OkStatus());
  const int64_t free = device().free_bytes();
  for (int round = 0; round < 100; ++round) {
    auto one = device().OpenShared(handle, 4'000'000), two = device().OpenShared(handle, 400);
    ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  }
  EXPECT_EQ(device().free_bytes(), free);
}

TEST_F(CudaSharedMemoryTest, MemoryOfTheDeviceIsDigestedWhereItLies) {
  const Memory memory = SharedNumbers(device(), kCount, 1.0f);
  const auto* const floats = memory.as<float>();
  const std::vector<float> numbers = Numbers(kCount, 1.0f);
  const std::vector<DigestPiece> pieces = {{floats, kBytes}, {floats + 1, 40}, {floats, 0}};
  std::vector<uint64_t> digests(3);
  device().Digest(pieces, digests.data());
  EXPECT_EQ(digests[0], DigestOf(numbers));
  EXPECT_EQ(digests[1], DigestOfHostBytes(numbers.data() + 1, 40));
  EXPECT_EQ(digests[2], DigestOfHostBytes(nullptr, 0));
}

// The CPU's memory is the process's own; its digests are the same.
TEST(CpuSharedMemoryTest, SharesNothingAndDigestsTheSame) {
  const std::unique_ptr<Device> cpu = OpenCpuDevice(2);
  const Memory memory = SharedNumbers(*cpu, 1100, 1.0f);
  EXPECT_EQ(cpu->Share(memory).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cpu->OpenShared("x", 4).status().code(), absl::StatusCode::kUnimplemented);
  std::vector<DigestPiece> pieces;
  std::vector<uint64_t> want, got(50);
  for (int64_t i = 0; i < 50; ++i) {  // up to float 49 + 20 * 49
    pieces.push_back({memory.as<float>() + i, 80 * i});
    want.push_back(DigestOfHostBytes(memory.as<float>() + i, 80 * i));
  }
  cpu->Digest(pieces, got.data());
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace temper::kernels
