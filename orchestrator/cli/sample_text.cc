// Text for `temper samples`.
#include "orchestrator/cli/sample_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "orchestrator/cli/screen_text.h"

namespace temper::cli {
namespace {

std::string Facts(const v1::Sample& sample) {
  std::vector<std::string> facts = {
      absl::StrCat(sample.evaluation() ? "evaluation after step " : "step ", sample.step()),
      absl::StrCat("prompt ", Printable(sample.prompt_id()), " sample ", sample.number()),
      Printable(sample.state())};
  if (sample.has_score()) facts.push_back(absl::StrFormat("score %.3f", sample.score().value()));
  if (sample.has_advantage())
    facts.push_back(absl::StrFormat("advantage %+.3f", sample.advantage()));
  facts.push_back(absl::StrCat(sample.token_count(), " tokens",
                               sample.finish_reason() == v1::FINISH_REASON_LENGTH ? ", cut" : ""));
  if (sample.versions_size() > 0) {
    facts.push_back(absl::StrCat("version ", absl::StrJoin(sample.versions(), ", ")));
  }
  if (!sample.worker().empty()) facts.push_back(Printable(sample.worker()));
  if (!sample.dropped_reason().empty()) {
    facts.push_back(absl::StrCat("dropped: ", Printable(sample.dropped_reason())));
  }
  return absl::StrJoin(facts, "  ");
}

// Lines of the text stay lines.
std::string Block(const char* title, const std::string& text) {
  std::string block;
  const char* head = title;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    absl::StrAppend(&block, absl::StrFormat("  %-9s %s\n", head, Printable(line)));
    head = "";
  }
  return block;
}

std::string ScoreText(const v1::Score& score) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::ScorePart& part : score.parts()) {
    rows.push_back({absl::StrFormat("%.3f", part.value()), Printable(part.verifier()),
                    Printable(part.verdict()), Printable(part.reason())});
  }
  if (rows.empty()) return score.reason().empty() ? "" : Block("score", score.reason());
  std::string table = Table({">score", "part", "verdict", "reason"}, rows);
  table.pop_back();
  return Block("score", table);
}

std::string TokensText(const v1::Sample& sample) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::SampleToken& token : sample.tokens()) {
    rows.push_back({absl::StrCat(rows.size()), absl::StrCat(token.id()),
                    token.forced() ? "put in" : absl::StrFormat("%.6f", token.logprob()),
                    absl::StrCat("\"", Printable(token.text()), "\"")});
  }
  std::string table = Table({">at", ">id", ">logprob", "text"}, rows);
  table.pop_back();
  return Block("tokens", table);
}

}  // namespace

std::string SampleText(const v1::Sample& sample) {
  std::string text = absl::StrCat(Facts(sample), "\n", Block("prompt", sample.prompt()),
                                  Block("response", sample.response()));
  if (!sample.answer().empty()) absl::StrAppend(&text, Block("answer", sample.answer()));
  if (sample.has_score()) absl::StrAppend(&text, ScoreText(sample.score()));
  if (sample.tokens_size() > 0) absl::StrAppend(&text, TokensText(sample));
  return text;
}

}  // namespace temper::cli
