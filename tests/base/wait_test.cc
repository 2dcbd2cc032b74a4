// Waits are on the list while they last, with name, owner, age, deadline and policy.
#include "base/wait.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "base/blocking.h"
#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/stop.h"
#include "base/thread.h"
#include "base/wait_list.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kLong = absl::Seconds(60);  // no test gets there

std::vector<WaitReport> Named(const std::string& name) {
  std::vector<WaitReport> found = CurrentWaits(absl::ZeroDuration());
  std::erase_if(found, [&](const WaitReport& each) { return each.name != name; });
  return found;
}

// Until `count` waits of that name are listed; what is listed then.
std::vector<WaitReport> AwaitListed(const std::string& name, size_t count) {
  const Waiting waiting(Wait::OrFail("the list", kLong));
  std::vector<WaitReport> found = Named(name);
  while (found.size() != count && waiting.Nap(absl::Milliseconds(1))) found = Named(name);
  EXPECT_THAT(found, SizeIs(count)) << name;
  return found;
}

TEST(WaitTest, AWaitForAQueueIsListedWhileItLastsAndGoneAfter) {
  BoundedQueue<int> queue(1);
  Thread reader("reader", [&queue] { EXPECT_EQ(queue.Pop(Wait::OrRetry("a number", kLong)), 7); });
  EXPECT_THAT(
      AwaitListed("a number", 1),
      ElementsAre(AllOf(Field(&WaitReport::owner, "reader"), Field(&WaitReport::timeout, kLong),
                        Field(&WaitReport::policy, WaitPolicy::kRetry))));
  EXPECT_TRUE(queue.TryPush(7));
  reader.Join(kLong, WaitPolicy::kFail);
  EXPECT_THAT(Named("a number"), IsEmpty());
}

TEST(WaitTest, WhatIsThereAlreadyIsNotWaitedFor) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.TryPush(7));
  EXPECT_EQ(queue.Pop(Wait::OrFail("a number", kLong)), 7);
  EXPECT_EQ(queue.Pop(Wait::OrFail("a number", absl::ZeroDuration())), std::nullopt);
}

TEST(WaitTest, TheAgeIsCountedFromTheBeginningAndTheYoungAreLeftOut) {
  const absl::Duration before = WaitClockNow();
  const Waiting waiting(Wait::OrDrop(std::string("a made name"), absl::Seconds(3)));
  const absl::Duration after = WaitClockNow();
  const std::vector<WaitReport> later = CurrentWaits(absl::Seconds(99), after + absl::Seconds(100));
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_EQ(later[0].name, "a made name");
  EXPECT_GE(later[0].age, absl::Seconds(100));
  EXPECT_LE(later[0].age, absl::Seconds(100) + (after - before));
  EXPECT_THAT(CurrentWaits(absl::Seconds(101), before + absl::Seconds(100)), IsEmpty());
}

TEST(WaitTest, TheOldestComesFirstAndAnInnerWaitIsListedBesideTheOuterOne) {
  const Waiting outer(Wait::OrFail("the outer", kLong));
  {
    const Waiting inner(Wait::OrFail("the inner", kLong));
    const auto both = CurrentWaits(absl::ZeroDuration());
    ASSERT_THAT(both, SizeIs(2));
    EXPECT_GE(both[0].age, both[1].age);
  }
  EXPECT_THAT(CurrentWaits(absl::ZeroDuration()),
              ElementsAre(Field(&WaitReport::name, "the outer")));
}

TEST(WaitTest, AThreadsNameOwnsItsWaitsAndIsGivenBack) {
  const Waiting waiting(Wait::OrFail("something", kLong));
  const std::string before = Named("something").at(0).owner;
  EXPECT_FALSE(before.empty());
  {
    const ThreadName name("run arithmetic", "arithmetic");
    EXPECT_THAT(Named("something"), ElementsAre(AllOf(Field(&WaitReport::owner, "run arithmetic"),
                                                      Field(&WaitReport::run, "arithmetic"))));
  }
  EXPECT_THAT(Named("something"),
              ElementsAre(AllOf(Field(&WaitReport::owner, before), Field(&WaitReport::run, ""))));
}

TEST(WaitTest, ManyThreadsComeWaitAndGoWhileTheListIsRead) {
  constexpr int kThreads = 16;
  constexpr int kWaits = 300;
  std::atomic<bool> reading = true;
  Thread reader("reader", [&reading] {
    while (reading) {
      for (const WaitReport& each : CurrentWaits(absl::ZeroDuration())) {
        EXPECT_FALSE(each.name.empty());
        EXPECT_FALSE(each.owner.empty());
      }
    }
  });
  BoundedQueue<int> nothing(1);
  std::vector<Thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back("waiter", [&nothing, i] {
      for (int wait = 0; wait < kWaits; ++wait) {
        (void)nothing.Pop(
            Wait::OrDrop(std::string("nothing ") + std::to_string(i), absl::Microseconds(20)));
      }
    });
  }
  for (Thread& thread : threads) thread.Join(kLong, WaitPolicy::kFail);
  reading = false;
  reader.Join(kLong, WaitPolicy::kFail);
  EXPECT_THAT(CurrentWaits(absl::ZeroDuration()), IsEmpty());
}

TEST(WaitTest, WithoutADeadlineThereIsNoWait) {
  EXPECT_DEATH((void)Wait::OrFail("godot", absl::InfiniteDuration()), "check failed");
}

TEST(StopTokenTest, AStopEndsItsWait) {
  StopToken stop;
  EXPECT_FALSE(stop.WaitFor(Wait::ForWork("the stop", absl::Milliseconds(1))));
  std::atomic<bool> seen = false;
  Thread waiter("waiter", [&] { seen = stop.WaitFor(Wait::ForWork("the stop", kLong)); });
  AwaitListed("the stop", 1);
  stop.Stop();
  waiter.Join(kLong, WaitPolicy::kFail);
  EXPECT_TRUE(seen);
  EXPECT_TRUE(stop.WaitFor(Wait::ForWork("the stop", kLong)));  // and all later ones
}

StopToken* raised_by_signal = nullptr;

TEST(StopTokenTest, ASignalMayRaiseIt) {
  StopToken stop;
  raised_by_signal = &stop;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { raised_by_signal->Stop(); };
  sigaction(SIGUSR1, &action, &before);
  Thread waiter("waiter", [&] { EXPECT_TRUE(stop.WaitFor(Wait::ForWork("the signal", kLong))); });
  AwaitListed("the signal", 1);
  kill(getpid(), SIGUSR1);
  waiter.Join(kLong, WaitPolicy::kFail);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(BlockingTest, PollSeesNewsAndDeadlines) {
  const UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  pollfd event{bell.get(), POLLIN, 0};
  const absl::Span<pollfd> events = absl::MakeSpan(&event, 1);
  EXPECT_EQ(PollNow(events), 0);
  EXPECT_EQ(PollFor(Wait::ForWork("the bell", absl::Milliseconds(2)), events), 0);
  const uint64_t one = 1;
  ASSERT_EQ(write(bell.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_EQ(PollFor(Wait::ForWork("the bell", kLong), events), 1);
  EXPECT_EQ(PollNow(events), 1);
}

TEST(BlockingTest, AChildIsWaitedForUntilTheDeadlineAndTellsItsStatusOnce) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  EXPECT_EQ(AwaitChild(Wait::OrDrop("the child", absl::Milliseconds(2)), child), std::nullopt);
  EXPECT_EQ(AwaitChild(Wait::OrDrop("the child", absl::ZeroDuration()), child), std::nullopt);
  kill(child, SIGKILL);
  EXPECT_EQ(AwaitChild(Wait::OrDrop("the child", kLong), child), SIGKILL);
  EXPECT_EQ(AwaitChild(Wait::OrDrop("the child", kLong), child), 0);  // not ours any more
}

TEST(ThreadTest, AThreadThatDoesNotEndIsNamedAndEndsTheProcess) {
  EXPECT_DEATH(
      {
        StopToken never;
        Thread stuck("stuck loop",
                     [&] { (void)never.WaitFor(Wait::ForWork("a stop", absl::Seconds(30))); });
        stuck.Join(absl::Milliseconds(1), WaitPolicy::kFail);
      },
      "check failed");
}

TEST(ThreadTest, RetryWaitsOnForAThreadThatTakesLonger) {
  StopToken stop;
  bool ended = false;
  Thread slow("slow", [&] {
    (void)stop.WaitFor(Wait::ForWork("a stop", kLong));
    ended = true;
  });
  Thread ender("ender", [&stop] {
    AwaitListed("the end of thread \"slow\"", 1);
    stop.Stop();
  });
  slow.Join(absl::Milliseconds(1), WaitPolicy::kRetry);
  EXPECT_TRUE(ended);
  ender.Join(kLong, WaitPolicy::kFail);
}

TEST(ParallelTest, EachItemIsDoneOnceBeforeItReturns) {
  std::vector<int> done(1000);
  ForEachInParallel(1000, 8, [&done](int64_t i) { ++done[static_cast<size_t>(i)]; });
  EXPECT_EQ(std::count(done.begin(), done.end(), 1), 1000);
}

TEST(WaitListTest, WaitsGoOnTheWireWithoutThoseForWorkUnlessTheyAreWanted) {
  const ThreadName name("engine", "arithmetic");
  const Waiting work(Wait::ForWork("an order", kLong));
  const Waiting answer(Wait::OrFail("the answer", absl::Seconds(4)));
  google::protobuf::RepeatedPtrField<temper::v1::Wait> waits;
  AddWaits("rollout-2", absl::ZeroDuration(), waits);
  ASSERT_EQ(waits.size(), 1);
  EXPECT_EQ(waits[0].name(), "the answer");
  EXPECT_EQ(waits[0].owner(), "rollout-2 engine");
  EXPECT_EQ(waits[0].run(), "arithmetic");
  EXPECT_EQ(waits[0].deadline_seconds(), 4);
  EXPECT_EQ(waits[0].policy(), temper::v1::WAIT_POLICY_FAIL);
  EXPECT_GE(waits[0].age_seconds(), 0);
  AddWaits("rollout-2", absl::ZeroDuration(), waits, IdleWaits::kTell);
  ASSERT_EQ(waits.size(), 3);
  EXPECT_EQ(waits[1].policy(), temper::v1::WAIT_POLICY_IDLE);
  AddWaits("rollout-2", absl::Hours(1), waits, IdleWaits::kTell);
  EXPECT_EQ(waits.size(), 3);
}

}  // namespace
}  // namespace temper
