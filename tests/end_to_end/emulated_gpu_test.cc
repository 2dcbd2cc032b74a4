// The whole program with an emulated GPU as its cuda:0: learner and workers compute with the
// kernels of the CUDA back end, and the promises hold there.
#include <signal.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

class EmulatedGpuTest : public ::testing::Test {
 protected:
  EmulatedGpuTest() : folder_(::testing::TempDir() + "/temper_emulated_gpu_test") {
    EXPECT_TRUE(RemoveAll(folder_).ok());
    spec_ = WriteTinyJob(folder_, R"("device": "cuda:0", "dtype": "bfloat16",)");
  }
  ~EmulatedGpuTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  std::vector<std::string> Arguments(const std::string& dir, const std::string& device) const {
    std::vector<std::string> arguments = {spec_, "--dir", folder_ + "/" + dir};
    for (const std::string& setting :
         {std::string("steps=4"), std::string("warm_start.steps=3"),
          std::string("evaluate.every=4"), std::string("prompts_per_step=2"), "device=" + device}) {
      arguments.insert(arguments.end(), {"--set", setting});
    }
    return arguments;
  }

  // How often the rollout worker's log says that a version came that way.
  int CameBy(const std::string& dir, const std::string& way) const {
    const auto log = ReadFile(folder_ + "/" + dir + "/logs/rollout-0.log");
    EXPECT_TRUE(log.ok()) << log.status();
    int count = 0;
    const std::string wanted = "WEIGHTS_WAY_" + way + "\"";
    for (size_t at = 0; (at = log->find(wanted, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  const std::string folder_;
  std::string spec_;
};

// A run stops at the first log-probability whose bits differ between worker and learner.
TEST_F(EmulatedGpuTest, RolloutAndLearnerAgreeAndAKillChangesNothing) {
  LiveRun whole(Arguments("whole", "cuda:0"));
  const Outcome undisturbed = whole.Wait();
  ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.errors;
  {
    LiveRun run(Arguments("killed", "cuda:0"));
    ASSERT_TRUE(run.WaitFor([](const std::string& event) {
      return event.find("\"reward_mean\"") != std::string::npos &&
             event.find("\"stage\":\"policy\"") != std::string::npos;
    }));
    for (const char* name : {"learner-0", "rollout-0"}) {
      const pid_t pid = run.Child(name);
      ASSERT_GT(pid, 0) << name;
      EXPECT_EQ(kill(pid, SIGKILL), 0);
    }
    const Outcome killed = run.Wait();
    ASSERT_EQ(killed.exit_code, 0) << killed.errors;
  }
  const std::string sha = FinalModelSha256(folder_ + "/whole");
  EXPECT_FALSE(sha.empty());
  EXPECT_EQ(FinalModelSha256(folder_ + "/killed"), sha);
  // Four policy steps and an evaluation after the last: five versions, all of them by the GPU.
  EXPECT_EQ(CameBy("whole", "DEVICE"), 5);
  EXPECT_GE(CameBy("killed", "DEVICE"), 5);
  for (const char* dir : {"whole", "killed"}) {
    EXPECT_EQ(CameBy(dir, "FILE") + CameBy(dir, "STREAM"), 0) << dir;
  }

  // It was not the CPU all along: that one's bits are others.
  LiveRun cpu(Arguments("cpu", "cpu"));
  ASSERT_EQ(cpu.Wait().exit_code, 0);
  EXPECT_NE(FinalModelSha256(folder_ + "/cpu"), sha);
}

// As on a machine whose GPUs do not reach each other: the learner makes files, and nothing else
// changes.
TEST_F(EmulatedGpuTest, WhereMemoryCannotBeOpenedTheWeightsGoThroughFiles) {
  LiveRun opened(Arguments("opened", "cuda:0"));
  ASSERT_EQ(opened.Wait().exit_code, 0);
  setenv("TEMPER_EMULATED_IPC", "refused", 1);
  {
    LiveRun run(Arguments("refused", "cuda:0"));
    ASSERT_TRUE(run.WaitFor([](const std::string& event) {
      return event.find("\"reward_mean\"") != std::string::npos &&
             event.find("\"stage\":\"policy\"") != std::string::npos;
    }));
    EXPECT_EQ(kill(run.Child("learner-0"), SIGKILL), 0);
    const Outcome refused = run.Wait();
    ASSERT_EQ(refused.exit_code, 0) << refused.errors;
  }
  unsetenv("TEMPER_EMULATED_IPC");
  EXPECT_EQ(FinalModelSha256(folder_ + "/refused"), FinalModelSha256(folder_ + "/opened"));
  EXPECT_EQ(CameBy("refused", "DEVICE"), 0);
  EXPECT_GE(CameBy("refused", "FILE"), 5);
}

// Versions made on a GPU have fingerprints of the GPU's kind: a replay and a fork know them, and a
// fork that goes on on the CPU begins with the same weights all the same.
TEST_F(EmulatedGpuTest, ARunIsReplayedAndForkedAlsoToAnotherDevice) {
  LiveRun parent(Arguments("parent", "cuda:0"));
  ASSERT_EQ(parent.Wait().exit_code, 0);
  const std::string dir = folder_ + "/parent";
  const Outcome replay = Temper({"replay", dir, "--step", "2", "--json"});
  EXPECT_EQ(replay.exit_code, 0) << replay.output << replay.errors;
  for (const auto& [name, device] : {std::pair("same", "cuda:0"), {"elsewhere", "cpu"}}) {
    const Outcome forked = Temper(
        {"fork", dir, "--at", "0", "--name", name, "--set", std::string("device=") + device});
    ASSERT_EQ(forked.exit_code, 0) << forked.errors;
    const Outcome run = Temper({"run", folder_ + "/" + name});
    EXPECT_EQ(run.exit_code, 0) << name << run.output << run.errors;
  }
  EXPECT_EQ(FinalModelSha256(folder_ + "/same"), FinalModelSha256(dir));
  EXPECT_EQ(FinalModelSha256(folder_ + "/elsewhere").size(), 64u);
}

}  // namespace
}  // namespace temper::end_to_end
