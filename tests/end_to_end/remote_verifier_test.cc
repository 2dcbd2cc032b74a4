// The Python example is a verifier as it stands.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using testing::HasSubstr;

int Shell(const std::string& command) { return std::system(command.c_str()); }

class RemoteVerifierTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Shell("/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null") != 0 ||
        Shell("protoc --version >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "needs python3-grpcio, python3-protobuf and protoc: the Python example was "
                      "not run";
    }
    std::string name = "/tmp/temper_remote_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    const std::string source = TEMPER_SOURCE_DIR;
    ASSERT_EQ(Shell(absl::StrCat("cp ", source, "/examples/verifier.py ", folder_, " && protoc -I ",
                                 source, "/proto --python_out=", folder_, " ", source,
                                 "/proto/temper/v1/access.proto ", source,
                                 "/proto/temper/v1/remote_verifiers.proto")),
              0);
  }
  void TearDown() override {
    if (server_ > 0) {
      kill(server_, SIGKILL);
      waitpid(server_, nullptr, 0);
    }
    if (!folder_.empty()) EXPECT_TRUE(RemoveAll(folder_).ok());
  }

  // The example at a unix socket in the test's own folder; waits until it serves.
  std::string StartServer() {
    const std::string address = absl::StrCat("unix:", folder_, "/verifier.sock");
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    server_ = fork();
    if (server_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execl("/usr/bin/python3", "python3", absl::StrCat(folder_, "/verifier.py").c_str(),
            address.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    char first = 0;
    EXPECT_EQ(read(ends[0], &first, 1), 1) << "the server ended before it served";
    close(ends[0]);
    return address;
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(folder_, "/", name);
    std::ofstream(path) << text;
    return path;
  }

  std::string folder_;
  pid_t server_ = -1;
};

TEST_F(RemoteVerifierTest, ThePythonExampleJudgesAndItsAbsenceIsNoScore) {
  const std::string address = StartServer();
  const std::string config = Write("part.json", absl::StrCat(R"({"remote": {"address": ")", address,
                                                             R"("}, "timeout_seconds": 5})"));
  const std::string input = Write("lines.jsonl",
                                  "{\"gold\": \"red blue\", \"response\": \"Blue and red\"}\n"
                                  "{\"gold\": \"red blue\", \"response\": \"Only red\"}\n");
  const std::vector<std::string> command = {"verify", "--verifier", "remote", "--config",
                                            config,   "--input",    input};
  const Outcome judged = Temper(command);
  EXPECT_EQ(judged.exit_code, 0) << judged.errors;
  EXPECT_EQ(judged.output,
            "{\"verdict\":\"pass\",\"score\":1.0,\"reason\":\"2 of 2 words\"}\n"
            "{\"verdict\":\"partial\",\"score\":0.5,\"reason\":\"1 of 2 words\"}\n");
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
  server_ = -1;
  const Outcome alone = Temper(command);
  EXPECT_EQ(alone.exit_code, 1) << alone.output;
  EXPECT_THAT(alone.output, HasSubstr("\"verdict\":\"internal_error\""));
  EXPECT_THAT(alone.output, testing::Not(HasSubstr("\"score\"")));
}

}  // namespace
}  // namespace temper::end_to_end
