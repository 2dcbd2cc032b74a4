#include "agents/run/world.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agents/run/tool_process.h"
#include "base/file.h"
#include "base/mutex.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

constexpr absl::Duration kLong = absl::Seconds(60);

TEST(ToolProcessTest, GivesItsInputAndTakesItsOutput) {
  const StopToken stop;
  const auto output = RunTool({"tr", "a-z", "A-Z"}, std::string(200000, 'q'), kLong, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(*output, std::string(200000, 'Q'));
}

TEST(ToolProcessTest, MayIgnoreItsInput) {
  const StopToken stop;
  const auto output = RunTool({"echo", "done"}, std::string(1 << 20, 'x'), kLong, stop);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(*output, "done\n");
}

TEST(ToolProcessTest, TellsWhatWentWrong) {
  const StopToken stop;
  const absl::Status failed =
      RunTool({"sh", "-c", "echo no luck >&2; exit 3"}, "", kLong, stop).status();
  EXPECT_TRUE(absl::IsAborted(failed));
  EXPECT_NE(failed.message().find("code 3: no luck"), std::string::npos) << failed;
  const absl::Status absent = RunTool({"no-such-program-here"}, "", kLong, stop).status();
  EXPECT_TRUE(absl::IsInvalidArgument(absent)) << absent;
  const absl::Status slow = RunTool({"sleep", "600"}, "", absl::Milliseconds(200), stop).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(slow)) << slow;
  const absl::Status loud = RunTool({"yes"}, "", kLong, stop).status();
  EXPECT_TRUE(absl::IsResourceExhausted(loud)) << loud;
  // A child of its own does not outlive it.
  const absl::Status children =
      RunTool({"sh", "-c", "sleep 600 & sleep 600"}, "", absl::Milliseconds(200), stop).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(children)) << children;
}

TEST(ToolProcessTest, EndsWhenItIsStopped) {
  StopToken stop;
  stop.Stop();
  EXPECT_TRUE(absl::IsCancelled(RunTool({"sleep", "600"}, "", kLong, stop).status()));
}

// What came back, waited for.
class Waiter {
 public:
  OutsideWorld::Done done() {
    return [this](const absl::Status& status, Json value) {
      MutexLock lock(mutex_);
      ++calls_;
      status_ = status;
      value_ = std::move(value);
      mutex_.Changed();
    };
  }
  Json Value() {
    MutexLock lock(mutex_);
    EXPECT_TRUE(mutex_.Await(Wait::OrFail("an answer", kLong), [&] { return calls_ > 0; }));
    EXPECT_TRUE(status_.ok()) << status_;
    return value_;
  }
  absl::Status Status() {
    MutexLock lock(mutex_);
    EXPECT_TRUE(mutex_.Await(Wait::OrFail("an answer", kLong), [&] { return calls_ > 0; }));
    return status_;
  }

 private:
  Mutex mutex_;
  int calls_ = 0;
  absl::Status status_;
  Json value_;
};

class WorldTest : public testing::Test {
 protected:
  WorldTest() {
    folder_ = absl::StrCat(testing::TempDir(), "/world-", getpid(), "-",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    EXPECT_TRUE(MakeDirectories(folder_).ok());
  }
  ~WorldTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  Question Ask(double timeout, Json default_answer) {
    node_.kind = NodeKind::kAsk;
    node_.timeout_seconds = timeout;
    node_.default_answer = std::move(default_answer);
    Question question;
    question.kind = Question::Kind::kAsk;
    question.node = &node_;
    question.path = "review";
    question.inputs = {{"text", "good?"}};
    return question;
  }

  SystemClock clock_;
  std::string folder_;
  Node node_;
  const std::string key_ = "0123456789abcdef";
};

TEST_F(WorldTest, AToolsOutputIsJsonOrText) {
  World world(folder_, clock_, 2);
  Node node;
  node.kind = NodeKind::kTool;
  Question question;
  question.kind = Question::Kind::kTool;
  question.node = &node;
  question.inputs = {{"n", 3}};
  node.command = {"cat"};
  Waiter echoed;
  world.Start(1, key_, question, echoed.done());
  EXPECT_EQ(echoed.Value()["n"], 3);
  node.command = {"echo", "plain words"};
  Waiter plain;
  world.Start(2, key_, question, plain.done());
  EXPECT_EQ(plain.Value(), "plain words");
}

TEST_F(WorldTest, APersonAnswersThroughAFileAlsoBeforeTheQuestion) {
  World world(folder_, clock_, 1);
  const std::string path = AnswerPath(folder_, absl::BytesToHexString(key_));
  Waiter answer;
  world.Start(1, key_, Ask(0, Json()), answer.done());
  EXPECT_TRUE(Exists(absl::StrCat(folder_, "/asks/", absl::BytesToHexString(key_), ".json")));
  ASSERT_TRUE(WriteFileAtomically(path, "yes").ok());
  EXPECT_EQ(answer.Value(), "yes");
  Waiter again;
  world.Start(2, key_, Ask(0, Json()), again.done());
  EXPECT_EQ(again.Value(), "yes");
}

TEST_F(WorldTest, NobodyNeedsToAnswerWhereThereIsADefault) {
  World world(folder_, clock_, 1);
  Waiter defaulted;
  world.Start(1, key_, Ask(0.2, "no"), defaulted.done());
  EXPECT_EQ(defaulted.Value(), "no");
  Waiter late;
  world.Start(2, key_ + "2", Ask(0.2, Json()), late.done());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Status())) << late.Status();
  Waiter cancelled;
  world.Start(3, key_ + "3", Ask(0, Json()), cancelled.done());
  world.Cancel(3);
  EXPECT_TRUE(absl::IsCancelled(cancelled.Status()));
}

}  // namespace
}  // namespace temper::agents
