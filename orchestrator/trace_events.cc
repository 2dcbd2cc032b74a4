// Trace Event Format: "M" events name things, "X" events have a beginning and a duration.
#include "orchestrator/trace_events.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace temper::orchestrator {
namespace {

using nlohmann::ordered_json;

ordered_json Naming(const char* what, int track, const std::string& name) {
  return {{"ph", "M"}, {"pid", 1}, {"tid", track}, {"name", what}, {"args", {{"name", name}}}};
}

}  // namespace

std::string TraceEvents(const temper::v1::GetTimelineResponse& timeline, const std::string& run) {
  ordered_json events = ordered_json::array();
  events.push_back(
      Naming("process_name", 0, absl::StrCat("run ", run, ", step ", timeline.step())));
  int64_t begin = timeline.spans_size() == 0 ? 0 : timeline.spans(0).from_us();
  for (const temper::v1::Span& span : timeline.spans()) begin = std::min(begin, span.from_us());

  std::map<std::string, int> tracks;
  for (const temper::v1::Span& span : timeline.spans()) {
    const int next = static_cast<int>(tracks.size()) + 1;
    const auto [track, is_new] = tracks.emplace(span.worker(), next);
    if (is_new) {
      events.push_back(Naming("thread_name", next, span.worker()));
      events.push_back({{"ph", "M"},
                        {"pid", 1},
                        {"tid", next},
                        {"name", "thread_sort_index"},
                        {"args", {{"sort_index", next}}}});
    }
    ordered_json event = {{"ph", "X"},
                          {"pid", 1},
                          {"tid", track->second},
                          {"ts", span.from_us() - begin},
                          {"dur", std::max<int64_t>(0, span.to_us() - span.from_us())},
                          {"name", span.name().empty() ? span.kind() : span.name()},
                          {"cat", span.kind()}};
    if (!span.error().empty()) event["args"] = {{"error", span.error()}};
    events.push_back(std::move(event));
  }
  const ordered_json document = {
      {"displayTimeUnit", "ms"},
      {"otherData", {{"run", run}, {"step", timeline.step()}, {"begin_us", begin}}},
      {"traceEvents", std::move(events)}};
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace temper::orchestrator
