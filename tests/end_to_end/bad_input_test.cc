// What the program says when something is wrong, and that it leaves nothing half-made.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() : folder_(::testing::TempDir() + "/temper_bad_input_test") {
    EXPECT_TRUE(RemoveAll(folder_).ok());
    spec_ = WriteTinyJob(folder_);
  }
  ~BadInputTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  // The command refuses with code 2, one message that holds all of `words`, and no run folder
  // behind it.
  void ExpectRefused(const std::vector<std::string>& arguments,
                     const std::vector<std::string>& words) {
    const Outcome outcome = Temper(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    for (const std::string& word : words) {
      EXPECT_NE(outcome.errors.find(word), std::string::npos) << word << " in: " << outcome.errors;
    }
    EXPECT_FALSE(Exists(Path("run")));
  }
  void ExpectRunRefused(const std::string& setting, const std::vector<std::string>& words) {
    ExpectRefused({"run", spec_, "--dir", Path("run"), "--set", setting}, words);
  }

  const std::string folder_;
  std::string spec_;
};

TEST_F(BadInputTest, AnUnknownVerbAndAnUnknownKeyNameTheNearest) {
  ExpectRefused({"rum"}, {"unknown verb \"rum\"", "run"});
  ExpectRunRefused("fleet.rolout_workers=2", {"fleet.rolout_workers", "rollout_workers"});
  ASSERT_TRUE(WriteFileAtomically(Path("typo.json"), "{\"name\": \"x\", \"temprature\": 1}").ok());
  ExpectRefused({"run", Path("typo.json"), "--dir", Path("run")},
                {"typo.json", "temprature", "did you mean \"temperature\""});
  ASSERT_TRUE(WriteFileAtomically(Path("broken.json"), "{\"name\": \"x\",\n \"seed\" 1}").ok());
  ExpectRefused({"run", Path("broken.json"), "--dir", Path("run")}, {"broken.json:2:"});
}

TEST_F(BadInputTest, DataThatIsMissingOrBadIsNamedByFileAndLine) {
  ExpectRunRefused("dataset.path=nowhere.jsonl", {"dataset.path", "nowhere.jsonl"});
  const auto good = ReadFile(Path("problems.jsonl"));
  ASSERT_TRUE(good.ok());
  ASSERT_TRUE(
      WriteFileAtomically(Path("bad.jsonl"), absl::StrCat(*good, "{\"prompt\": 1}\n")).ok());
  ExpectRunRefused("dataset.path=bad.jsonl", {"bad.jsonl:31"});
}

TEST_F(BadInputTest, ADeviceThatIsNotHereIsRefusedWithWhatToDo) {
  ExpectRunRefused("device=gpu", {"device", "\"gpu\"", "auto, cpu, cuda:0"});
  ASSERT_EQ(Temper({"init", Path("config.json"), Path("model")}).exit_code, 0);
  EXPECT_NE(Temper({"score", Path("model"), "--device", "cuda:x", "--input", spec_}).exit_code, 0);
  // A number that no machine has: refused by the driver, or for want of one.
  ExpectRefused({"score", Path("model"), "--device", "cuda:999", "--input", Path("problems.jsonl")},
                {"cuda"});
  const Outcome doctor = Temper({"doctor", "--json"});
  if (doctor.output.find("cuda:0") != std::string::npos) GTEST_SKIP() << "skipped: a GPU is here";
  ExpectRunRefused("device=cuda:0", {"device cuda:0", "choose the device \"cpu\""});
}

TEST_F(BadInputTest, AModelFolderThatIsDamagedIsRefused) {
  ASSERT_EQ(Temper({"init", Path("config.json"), Path("model")}).exit_code, 0);
  const std::string weights = Path("model/model.safetensors");
  std::filesystem::resize_file(weights, std::filesystem::file_size(weights) - 100);
  ExpectRefused({"score", Path("model"), "--input", Path("problems.jsonl")}, {"model.safetensors"});
  std::string tokenizer = *ReadFile(Path("tokenizer.json"));
  tokenizer.resize(tokenizer.size() / 2);
  ASSERT_TRUE(WriteFileAtomically(Path("model/tokenizer.json"), tokenizer).ok());
  ExpectRefused({"tokenize", Path("model")}, {"tokenizer.json"});
}

TEST_F(BadInputTest, AnExportKeepsWhatStandsThereAndWhatItWasGiven) {
  ASSERT_EQ(Temper({"init", Path("config.json"), Path("model")}).exit_code, 0);
  const Outcome half = Temper({"export", Path("model"), Path("half"), "--dtype", "bfloat16"});
  EXPECT_EQ(half.exit_code, 0) << half.errors;
  EXPECT_NE(half.output.find("BF16 "), std::string::npos) << half.output;
  const Outcome again = Temper({"export", Path("half"), Path("again"), "--source", Path("half")});
  EXPECT_EQ(again.exit_code, 0) << again.errors;
  EXPECT_EQ(*ReadFile(Path("again/model.safetensors")), *ReadFile(Path("half/model.safetensors")));
  EXPECT_EQ(*ReadFile(Path("again/tokenizer.json")), *ReadFile(Path("model/tokenizer.json")));
  ExpectRefused({"export", Path("model"), Path("half")}, {"half: stands there already"});
  ExpectRefused({"export", Path("nowhere"), Path("new")}, {"nowhere", "model folder"});
  ExpectRefused({"export", Path("model"), Path("new"), "--dtype", "int4"}, {"--dtype", "bfloat16"});
  EXPECT_FALSE(Exists(Path("new")));
}

TEST_F(BadInputTest, APortInUseAndAForeignAddressAreNamed) {
  // Long enough to be there still.
  LiveRun run(
      {spec_, "--dir", Path("first"), "--listen", "127.0.0.1:47391", "--set", "steps=100000"});
  ASSERT_TRUE(run.WaitFor([](const std::string&) { return true; }));
  const Outcome outcome =
      Temper({"run", spec_, "--dir", Path("second"), "--listen", "127.0.0.1:47391"});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_NE(outcome.errors.find("127.0.0.1:47391"), std::string::npos) << outcome.errors;
  const Outcome foreign = Temper({"controller", "--dir", Path("second"), "--listen", "0.0.0.0:1"});
  EXPECT_EQ(foreign.exit_code, 2);
  EXPECT_NE(foreign.errors.find("others can reach this address"), std::string::npos)
      << foreign.errors;
}

TEST_F(BadInputTest, AFolderInUseIsNotSharedAndAnotherSpecDoesNotResumeIt) {
  {
    LiveRun run({spec_, "--dir", Path("used"), "--set", "steps=100000"});
    ASSERT_TRUE(run.WaitFor([](const std::string&) { return true; }));
    const Outcome second = Temper({"run", spec_, "--dir", Path("used"), "--set", "steps=100000"});
    EXPECT_EQ(second.exit_code, 2);
    EXPECT_NE(second.errors.find("already at work"), std::string::npos) << second.errors;
  }
  const Outcome other = Temper({"run", spec_, "--dir", Path("used"), "--set", "learning_rate=0.5"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.errors.find("learning_rate"), std::string::npos) << other.errors;
}

TEST_F(BadInputTest, AFolderThatCannotBeWrittenIsNamed) {
  const std::string dir = Path("locked");
  ASSERT_TRUE(MakeDirectories(dir).ok());
  const bool mounted = mount("tmpfs", dir.c_str(), "tmpfs", MS_RDONLY, "size=1m") == 0;
  if (!mounted && geteuid() == 0) {
    GTEST_SKIP() << "root may write everywhere, and a read-only tmpfs cannot be mounted here";
  }
  if (!mounted) {
    ASSERT_EQ(chmod(dir.c_str(), 0555), 0);
  }
  const Outcome outcome = Temper({"run", spec_, "--dir", dir + "/run"});
  mounted ? umount(dir.c_str()) : chmod(dir.c_str(), 0755);
  EXPECT_NE(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("locked/run: cannot create"), std::string::npos) << outcome.errors;
}

TEST_F(BadInputTest, AFullDiskStopsTheRunAndItResumesWhenThereIsRoom) {
  const std::string dir = Path("small");
  ASSERT_TRUE(MakeDirectories(dir).ok());
  if (mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "a small tmpfs cannot be mounted here (needs root)";
  }
  const Outcome full = Temper({"run", spec_, "--dir", dir + "/run"});
  EXPECT_NE(full.exit_code, 0);
  EXPECT_NE(full.errors.find("No space left"), std::string::npos) << full.errors;
  ASSERT_EQ(mount("tmpfs", dir.c_str(), "tmpfs", MS_REMOUNT, "size=200m"), 0);
  const Outcome resumed = Temper({"run", spec_, "--dir", dir + "/run"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.errors;
  EXPECT_EQ(Temper({"audit", dir + "/run"}).exit_code, 0);
  umount(dir.c_str());
}

}  // namespace
}  // namespace temper::end_to_end
