// Trace events: named tracks, spans with their lengths, valid JSON whatever the names hold.
#include "orchestrator/trace_events.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace temper::orchestrator {
namespace {

using nlohmann::json;

v1::Span& Add(v1::GetTimelineResponse& timeline, const std::string& worker, const std::string& kind,
              int64_t from_us, int64_t to_us) {
  v1::Span& span = *timeline.add_spans();
  span.set_worker(worker);
  span.set_kind(kind);
  span.set_name(kind + " of " + worker);
  span.set_from_us(from_us);
  span.set_to_us(to_us);
  return span;
}

TEST(TraceEventsTest, EachWorkerHasANamedTrackWithItsSpans) {
  v1::GetTimelineResponse timeline;
  timeline.set_step(7);
  Add(timeline, "rollout-1", "generate", 2'000'500, 2'003'000);
  Add(timeline, "rollout-0", "generate", 2'000'000, 2'004'000).set_error("lease given back");
  Add(timeline, "rollout-1", "weights", 2'003'000, 2'003'250);

  const json document = json::parse(TraceEvents(timeline, "arithmetic"), nullptr, false);
  ASSERT_FALSE(document.is_discarded());
  EXPECT_EQ(document["otherData"]["step"], 7);
  std::map<int, std::string> tracks;
  std::map<std::string, json> spans;
  for (const json& event : document["traceEvents"]) {
    if (event["name"] == "thread_name") tracks[event["tid"]] = event["args"]["name"];
    if (event["name"] == "process_name") {
      EXPECT_EQ(event["args"]["name"], "run arithmetic, step 7");
    }
    if (event["ph"] == "X") spans[event["name"]] = event;
  }
  EXPECT_THAT(tracks,
              testing::ElementsAre(testing::Pair(1, "rollout-1"), testing::Pair(2, "rollout-0")));
  ASSERT_EQ(spans.size(), 3u);
  const json& first = spans["generate of rollout-0"];
  EXPECT_EQ(first["tid"], 2);
  EXPECT_EQ(first["ts"], 0);
  EXPECT_EQ(first["dur"], 4000);
  EXPECT_EQ(first["args"]["error"], "lease given back");
  EXPECT_EQ(spans["generate of rollout-1"]["ts"], 500);
  EXPECT_EQ(spans["weights of rollout-1"]["tid"], 1);
  EXPECT_FALSE(spans["weights of rollout-1"].contains("args"));
}

TEST(TraceEventsTest, NamesThatAreNoJsonOrNoUtf8AreEscaped) {
  v1::GetTimelineResponse timeline;
  Add(timeline, "a\"b\\c\n", "wait", 10, 5).set_name("\xff\xfe");
  const json document = json::parse(TraceEvents(timeline, "\x01"), nullptr, false);
  ASSERT_FALSE(document.is_discarded());
  EXPECT_EQ(document["traceEvents"].back()["dur"], 0);  // clocks may step back
}

TEST(TraceEventsTest, AStepWithoutSpansIsStillADocument) {
  const json document = json::parse(TraceEvents({}, "r"), nullptr, false);
  ASSERT_FALSE(document.is_discarded());
  EXPECT_EQ(document["traceEvents"].size(), 1u);
}

}  // namespace
}  // namespace temper::orchestrator
