// The report of a replay.
#include "orchestrator/cli/replay_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/progress.h"

namespace temper::cli {

std::string ReplayText(const v1::ReplayReport& report) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::ReplayComparison& comparison : report.comparisons()) {
    rows.push_back(
        {Printable(comparison.name()), orchestrator::WithCommas(comparison.compared()),
         orchestrator::WithCommas(comparison.differing()),
         comparison.first_difference().empty() ? "-" : Printable(comparison.first_difference())});
  }
  std::string left_out;
  for (const v1::ReplayComparison& comparison : report.comparisons()) {
    if (comparison.left_out() == 0) continue;
    absl::StrAppend(&left_out, Printable(comparison.name()), ": ",
                    orchestrator::WithCommas(comparison.left_out()),
                    " not compared: ", Printable(comparison.left_out_why()), "\n");
  }
  return absl::StrCat(Table({"what", ">compared", ">differing", "first difference"}, rows),
                      left_out, "step ", report.step(), ", made again from version ",
                      report.from_version(), " in ", DurationText(report.seconds()), ": ",
                      report.equal() ? "equal, bit for bit" : "NOT equal", "\n");
}

}  // namespace temper::cli
