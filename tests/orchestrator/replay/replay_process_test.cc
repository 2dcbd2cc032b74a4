#include "orchestrator/replay/replay_process.h"

#include <sys/stat.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bounded_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/replay/replay_lines.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Minutes(1);

std::string ProgressLine(const std::string& what) {
  v1::ReplayResponse response;
  response.mutable_progress()->set_what(what);
  return ReplayLine(response);
}

std::string ReportLine() {
  v1::ReplayResponse response;
  response.mutable_report()->set_step(3);
  response.mutable_report()->set_equal(true);
  return ReplayLine(response);
}

// A child that is a shell script.
class ReplayProcessTest : public ::testing::Test {
 protected:
  ReplayProcess::Child Script(const std::string& body) {
    const std::string path = folder_.Write("child.sh", "#!/bin/sh\n" + body);
    EXPECT_EQ(chmod(path.c_str(), 0700), 0);
    return {.program = path, .arguments = {"one", "two"}, .log_path = folder_.Path("log")};
  }
  std::string Cat(const std::string& name, const std::string& text) {
    return "cat " + folder_.Write(name, text) + "\n";
  }

  absl::Status Start(ReplayProcess::Child child) {
    return process_.Start(
        std::move(child),
        [this](const v1::ReplayResponse& response) {
          EXPECT_TRUE(said_.TryPush(response.DebugString()));
        },
        [this](const absl::Status& status) { EXPECT_TRUE(ended_.TryPush(status)); });
  }
  absl::Status End() {
    const auto status = ended_.Pop(Wait::OrFail("the replay", kPatience));
    return status.has_value() ? *status : absl::UnknownError("it did not end");
  }

  TestFolder folder_;
  BoundedQueue<std::string> said_{100};
  BoundedQueue<absl::Status> ended_{10};
  ReplayProcess process_;
};

TEST_F(ReplayProcessTest, DeliversWhatTheChildSaysAndThenItsEnd) {
  ASSERT_TRUE(Start(Script(Cat("a", ProgressLine("loads")) + "echo words >&2\n" +
                           "echo $1 $2 >&2\nnice >&2\n" + Cat("b", ReportLine())))
                  .ok());
  const absl::Status end = End();
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_THAT(*said_.TryPop(), HasSubstr("loads"));
  EXPECT_THAT(*said_.TryPop(), HasSubstr("step: 3"));
  EXPECT_THAT(*ReadFile(folder_.Path("log")), HasSubstr("words\none two\n10\n"));
  EXPECT_FALSE(process_.busy());
}

TEST_F(ReplayProcessTest, AnErrorLineBecomesTheStatus) {
  ASSERT_TRUE(
      Start(Script(Cat("a", ErrorLine(absl::DataLossError("ledger: bad\nbytes"))) + "exit 1\n"))
          .ok());
  const absl::Status end = End();
  EXPECT_TRUE(absl::IsDataLoss(end)) << end;
  EXPECT_EQ(end.message(), "ledger: bad bytes");
}

TEST_F(ReplayProcessTest, AChildThatDiesWithoutAReportIsAnInternalErrorThatNamesItsLog) {
  for (const char* body : {"exit 7\n", "kill -9 $$\n", "echo nonsense\n"}) {
    ASSERT_TRUE(Start(Script(body)).ok());
    const absl::Status end = End();
    EXPECT_TRUE(absl::IsInternal(end)) << end;
    EXPECT_THAT(std::string(end.message()),
                ::testing::AnyOf(HasSubstr("exit code 7"), HasSubstr("signal 9"),
                                 HasSubstr("the replay said: nonsense")));
  }
}

TEST_F(ReplayProcessTest, OneAtATimeAndACancelKillsIt) {
  ASSERT_TRUE(Start(Script(Cat("a", ProgressLine("begun")) + "exec sleep 1000\n")).ok());
  ASSERT_TRUE(said_.Pop(Wait::OrFail("the replay", kPatience)).has_value());
  EXPECT_TRUE(process_.busy());
  EXPECT_TRUE(absl::IsResourceExhausted(Start(Script("exit 0\n"))));
  process_.Cancel();
  const absl::Status end = End();
  EXPECT_TRUE(absl::IsCancelled(end)) << end;
  ASSERT_TRUE(Start(Script(Cat("b", ReportLine()))).ok());
  EXPECT_TRUE(End().ok());
}

TEST_F(ReplayProcessTest, ADeadlineKillsIt) {
  ReplayProcess::Child child = Script("exec sleep 1000\n");
  child.deadline = absl::Milliseconds(20);
  ASSERT_TRUE(Start(std::move(child)).ok());
  const absl::Status end = End();
  EXPECT_TRUE(absl::IsDeadlineExceeded(end)) << end;
}

TEST_F(ReplayProcessTest, AProgramThatIsNotThereIsSaid) {
  ReplayProcess::Child child = Script("exit 0\n");
  child.program = folder_.Path("none");
  ASSERT_TRUE(Start(child).ok());
  EXPECT_TRUE(absl::IsInternal(End()));
  child = Script("exit 0\n");
  child.log_path = folder_.Path("no/such/folder");
  ASSERT_TRUE(Start(child).ok());
  EXPECT_TRUE(absl::IsNotFound(End()));
}

TEST_F(ReplayProcessTest, EndingItsOwnerKillsTheChild) {
  auto process = std::make_unique<ReplayProcess>();
  ASSERT_TRUE(process
                  ->Start(
                      Script("exec sleep 1000\n"), [](const v1::ReplayResponse&) {},
                      [this](const absl::Status& end) { EXPECT_TRUE(ended_.TryPush(end)); })
                  .ok());
  process.reset();
  EXPECT_TRUE(absl::IsCancelled(*ended_.TryPop()));
}

}  // namespace
}  // namespace temper::orchestrator
