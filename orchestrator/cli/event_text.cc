// Words for each kind of event.
#include "orchestrator/cli/event_text.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/progress.h"

namespace temper::cli {
namespace {

std::string By(const v1::RunEvent& event) {
  return event.who().empty() ? "" : absl::StrCat(" by ", Printable(event.who()));
}

std::string Because(const std::string& reason) {
  return reason.empty() ? "" : absl::StrCat(": ", Printable(reason));
}

std::string StepLine(const v1::StepMetrics& step, const v1::RunSpec& spec) {
  const orchestrator::Progress words(spec, orchestrator::Progress::Style::kLines, stdout);
  std::string line = words.StepLine(step);
  if (step.has_eval_accuracy()) {
    absl::StrAppend(&line, absl::StrFormat("  accuracy %.3f", step.eval_accuracy()));
  }
  return line;
}

std::string EvaluationText(const v1::EvaluationResult& evaluation) {
  return absl::StrFormat("evaluation after step %d: %.1f %% of %d problems, length %.1f",
                         evaluation.step(), 100 * evaluation.accuracy(), evaluation.problems(),
                         evaluation.length_mean());
}

std::string CheckpointText(const v1::CheckpointKept& kept) {
  return absl::StrCat("checkpoint of version ", kept.version(), " kept in ",
                      Printable(kept.path()));
}

}  // namespace

std::string EventText(const v1::RunEvent& event, const v1::RunSpec& spec) {
  switch (event.event_case()) {
    case v1::RunEvent::kStep:
      return StepLine(event.step(), spec);
    case v1::RunEvent::kNote:
      return Printable(event.note());
    case v1::RunEvent::kEvaluation:
      return EvaluationText(event.evaluation());
    case v1::RunEvent::kEnded:
      return absl::StrCat("ended as ", StateWord(event.ended().state()),
                          Because(event.ended().reason()));
    case v1::RunEvent::kWarmStart:
      return absl::StrFormat("warm start: loss %.4f", event.warm_start().loss());
    case v1::RunEvent::kStateChange:
      return absl::StrCat(StateWord(event.state_change().after()), By(event),
                          Because(event.state_change().reason()));
    case v1::RunEvent::kAltered:
      return absl::StrCat("from step ", event.altered().from_step(), ": ",
                          ChangesText(event.altered()), By(event),
                          Because(event.altered().reason()));
    case v1::RunEvent::kStall:
      return absl::StrCat("stall: ", Printable(event.stall().name()), ", ",
                          DurationText(event.stall().age_seconds()), " of ",
                          DurationText(event.stall().deadline_seconds()));
    case v1::RunEvent::kCheckpoint:
      return CheckpointText(event.checkpoint());
    case v1::RunEvent::kQuarantined:
      return absl::StrCat("prompt ", Printable(event.quarantined().prompt_id()), " quarantined",
                          By(event), Because(event.quarantined().reason()));
    case v1::RunEvent::kForked:
      return absl::StrCat("forked as ", Printable(event.forked().run()), " at step ",
                          event.forked().step(), By(event));
    case v1::RunEvent::EVENT_NOT_SET:
      break;
  }
  return "an event of a kind that this program does not know";
}

std::string EventLine(const v1::RunEvent& event, const v1::RunSpec& spec) {
  return absl::StrCat(TimeOfDay(event.time_ms()), "  ", EventText(event, spec));
}

}  // namespace temper::cli
