// OpenAI's own Python client against `temper serve`.
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/served_folder.h"

namespace temper::end_to_end {
namespace {

constexpr char kKey[] = "sk-temper-0123456789abcdef";
constexpr char kKeyVariable[] = "TEMPER_TEST_API_KEY";

int Shell(const std::string& command) { return std::system(command.c_str()); }

class OpenAiClientTest : public ::testing::Test {
 protected:
  OpenAiClientTest() : folder_(::testing::TempDir() + "/temper_openai_client_test") {
    setenv(kKeyVariable, kKey, 1);
  }

  void RunScenario(const std::string& python) {
    const std::string address = folder_.Serve({"--requests", "2", "--api-key-env", kKeyVariable});
    const std::string log = folder_.path("log");
    const int code = Shell(absl::StrCat("timeout 600 ", python, " ", TEMPER_SOURCE_DIR,
                                        "/tests/end_to_end/openai_client_scenario.py http://",
                                        address, "/v1 ", kKey, " tiny > ", log, " 2>&1"));
    const auto words = ReadFile(log);
    EXPECT_EQ(code, 0) << (words.ok() ? *words : "") << folder_.server().Errors();
    EXPECT_EQ(folder_.server().Errors().find(kKey), std::string::npos);
  }

  ServedFolder folder_;
};

TEST_F(OpenAiClientTest, UnderstandsTheServer) {
  const char* const named = std::getenv("TEMPER_TEST_OPENAI_PYTHON");
  const std::string python = named != nullptr ? named : "python3";
  if (Shell(python + " -c 'import openai' 2>/dev/null") != 0) {
    GTEST_SKIP() << "the package openai is not here (TEMPER_TEST_OPENAI_PYTHON may name a Python "
                    "that has it; TEMPER_TEST_PYPI=1 fetches it): OpenAI's client was not run";
  }
  RunScenario(python);
}

TEST_F(OpenAiClientTest, UnderstandsTheServerFromAVirtualEnvironment) {
  const char* const wanted = std::getenv("TEMPER_TEST_PYPI");
  if (wanted == nullptr || std::string(wanted) != "1") {
    GTEST_SKIP()
        << "TEMPER_TEST_PYPI=1 would fetch openai from PyPI: its newest client was not run";
  }
  const std::string venv = folder_.path("venv");
  ASSERT_EQ(
      Shell(absl::StrCat("python3 -m venv ", venv, " && ", venv, "/bin/pip -q install openai")), 0)
      << "the virtual environment could not be made";
  RunScenario(venv + "/bin/python");
}

}  // namespace
}  // namespace temper::end_to_end
