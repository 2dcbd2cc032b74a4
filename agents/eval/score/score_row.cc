// A missing number is a dash in the table and null in JSON.
#include "agents/eval/score/score_row.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

std::string Number(const std::optional<double>& number, const char* after = "") {
  return number.has_value() ? absl::StrFormat("%.4g%s", *number, after) : "-";
}

std::string IntervalsOf(const Estimate& estimate) {
  std::string text;
  for (const Interval& interval : estimate.intervals) {
    absl::StrAppendFormat(&text, "%s%.0f %%: [%.4g, %.4g]", text.empty() ? "" : ", ",
                          interval.level * 100, interval.low, interval.high);
  }
  return text.empty() ? "-" : text;
}

Json Optional(const std::optional<double>& number) {
  return number.has_value() ? Json(*number) : Json(nullptr);
}

}  // namespace

std::string ToMarkdown(const std::vector<ScoreRow>& rows) {
  std::string text =
      "| score | value | interval | over | n | invalid | repeats | flips | mean length | USD |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  std::string notes;
  for (const ScoreRow& row : rows) {
    const std::optional<double> flips =
        row.flip_rate.has_value() ? std::optional<double>(*row.flip_rate * 100) : std::nullopt;
    absl::StrAppendFormat(&text, "| %s | %.4g (%s) | %s | %s | %d | %d | %d | %s | %s | %s |\n",
                          row.name, row.estimate.value, row.scale, IntervalsOf(row.estimate),
                          row.interval_over.empty() ? "-" : row.interval_over, row.n, row.invalid,
                          row.repeats, Number(flips, " %"),
                          Number(row.mean_length, absl::StrCat(" ", row.length_unit).c_str()),
                          Number(row.usd));
    for (const std::string& note : row.notes) {
      absl::StrAppend(&notes, "* ", row.name, ": ", note, "\n");
    }
  }
  return notes.empty() ? text : absl::StrCat(text, "\n", notes);
}

Json ToJson(const std::vector<ScoreRow>& rows) {
  Json list = Json::array();
  for (const ScoreRow& row : rows) {
    Json intervals = Json::array();
    for (const Interval& interval : row.estimate.intervals) {
      intervals.push_back(
          {{"level", interval.level}, {"low", interval.low}, {"high", interval.high}});
    }
    list.push_back({{"name", row.name},
                    {"value", row.estimate.value},
                    {"scale", row.scale},
                    {"intervals", intervals},
                    {"interval_over", row.interval_over},
                    {"n", row.n},
                    {"invalid", row.invalid},
                    {"repeats", row.repeats},
                    {"flip_rate", Optional(row.flip_rate)},
                    {"mean_length", Optional(row.mean_length)},
                    {"length_unit", row.length_unit},
                    {"usd", Optional(row.usd)},
                    {"notes", row.notes}});
  }
  return list;
}

}  // namespace temper::agents
