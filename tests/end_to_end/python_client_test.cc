// The Python client does what the verbs do, with Debian's packages and in a virtual environment.
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/live_fleet.h"
#include "tests/end_to_end/program.h"
#include "tests/fakes/recording_controller.h"

namespace temper::end_to_end {
namespace {

constexpr char kDebianPython[] = "/usr/bin/python3";

int Shell(const std::string& command) { return std::system(command.c_str()); }

class PythonClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/temper_python_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    // A run must outlast the script; it moves only while somebody watches.
    controller_.set_step_time(absl::Milliseconds(100));
    v1::Sample sample;
    sample.set_step(1);
    sample.set_state("trained");
    controller_.AddSample(sample);
    std::ofstream(folder_ + "/spec.json")
        << R"({"name": "tiny", "steps": 100000, "learning_rate": 0.0002, "temperature": 1})";
  }
  void TearDown() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  // Runs a script with the messages made by `python` itself; its words are printed when it fails.
  int Run(const std::string& python, const std::string& script, const std::string& arguments) {
    const std::string log = folder_ + "/log";
    const int code = Shell(absl::StrCat(
        "cd ", folder_, " && PYTHON=", python, " ", kExamples, "/make_stubs.sh ", folder_,
        "/stubs > ", log, " 2>&1 && env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=", kExamples,
        " TEMPER_STUBS=", folder_, "/stubs timeout 300 ", python, " ", script, " ", arguments,
        " >> ", log, " 2>&1"));
    const auto words = ReadFile(log);
    EXPECT_EQ(code, 0) << (words.ok() ? *words : "");
    return code;
  }
  void RunScenario(const std::string& python) {
    Run(python, kScenario, absl::StrCat(controller_.address(), " ", folder_, "/spec.json"));
    // What the controller saw: done once each, whatever was said twice.
    EXPECT_EQ(controller_.effects("Submit"), 1);
    EXPECT_EQ(controller_.effects("Pause"), 2);
    EXPECT_EQ(controller_.effects("Alter"), 1);
    EXPECT_EQ(controller_.effects("Fork"), 1);
    EXPECT_EQ(controller_.effects("CordonWorker"), 2);
    EXPECT_EQ(controller_.run("scenario").state(), v1::RUN_STATE_STOPPED);
  }
  void RunScenarioOnADaemon(const std::string& python) {
    const std::string spec = WriteTinyJob(folder_ + "/job");
    auto text = ReadFile(spec);
    ASSERT_TRUE(text.ok()) << text.status();
    // It must outlast the script.
    ASSERT_TRUE(WriteFileAtomically(
                    spec, absl::StrReplaceAll(*text, {{"\"steps\": 12", "\"steps\": 5000"}}))
                    .ok());
    const LiveFleet fleet(folder_ + "/runs");
    ASSERT_NE(fleet.address(), "") << fleet.Condition();
    Run(python, kScenario, absl::StrCat(fleet.address(), " ", spec));
  }
  static bool DebianCan() {
    return Shell(absl::StrCat(kDebianPython,
                              " -c 'import grpc, google.protobuf' 2>/dev/null && protoc --version "
                              ">/dev/null 2>&1")) == 0;
  }

  static constexpr char kScenario[] =
      TEMPER_SOURCE_DIR "/tests/end_to_end/live_control_scenario.py";
  static constexpr char kExamples[] = TEMPER_SOURCE_DIR "/examples/python";
  std::string folder_;
  fakes::RecordingController controller_;
};

TEST_F(PythonClientTest, OperatesARunWithDebiansPackages) {
  if (!DebianCan()) {
    GTEST_SKIP() << "needs python3-grpcio, python3-protobuf and protoc: the Python client was not "
                    "run with Debian's packages";
  }
  RunScenario(kDebianPython);
}

TEST_F(PythonClientTest, OperatesARunFromAVirtualEnvironment) {
  const char* const wanted = std::getenv("TEMPER_TEST_PYPI");
  if (wanted == nullptr || std::string(wanted) != "1") {
    GTEST_SKIP() << "TEMPER_TEST_PYPI=1 would fetch grpcio and grpcio-tools from PyPI: the Python "
                    "client was not run from a virtual environment";
  }
  const std::string venv = folder_ + "/venv";
  ASSERT_EQ(Shell(absl::StrCat("python3 -m venv ", venv, " && ", venv, "/bin/pip -q install -r ",
                               kExamples, "/requirements.txt")),
            0)
      << "the virtual environment could not be made";
  RunScenario(venv + "/bin/python");
  RunScenarioOnADaemon(venv + "/bin/python");
}

TEST_F(PythonClientTest, ResumesAWatchThatBreaksAndSendsLostCallsAgain) {
  if (!DebianCan()) GTEST_SKIP() << "needs python3-grpcio, python3-protobuf and protoc";
  controller_.BreakWatches(3, 2);
  controller_.LoseAnswers("Pause", 1);
  controller_.LoseAnswers("Submit", 2);
  RunScenario(kDebianPython);
  EXPECT_EQ(controller_.calls("Submit").size(), 5u);  // two lost, one repeated, one refused, one
}

TEST_F(PythonClientTest, OperatesARunOfARealDaemon) {
  if (!DebianCan()) GTEST_SKIP() << "needs python3-grpcio, python3-protobuf and protoc";
  RunScenarioOnADaemon(kDebianPython);
}

TEST_F(PythonClientTest, TheNotebookRunsFromTopToBottom) {
  if (!DebianCan()) GTEST_SKIP() << "needs python3-grpcio, python3-protobuf and protoc";
  Run(kDebianPython, absl::StrCat(kExamples, "/live_control.py"),
      absl::StrCat("--controller ", controller_.address(), " --spec ", folder_,
                   "/spec.json --name live --look 2"));
  EXPECT_EQ(controller_.run("live").state(), v1::RUN_STATE_STOPPED);
  EXPECT_EQ(controller_.run("live").spec().learning_rate(), 3e-4);
}

}  // namespace
}  // namespace temper::end_to_end
