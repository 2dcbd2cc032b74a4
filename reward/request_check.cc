// Only the shape is checked here; what a verifier asks of its metadata it says itself, in a worker.
#include "reward/request_check.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::reward {
namespace {

absl::Status Wrong(int index, const char* field, const std::string& words) {
  return absl::InvalidArgumentError(absl::StrCat("items[", index, "].", field, ": ", words));
}

bool Blank(const std::string& text) { return absl::StripAsciiWhitespace(text).empty(); }

}  // namespace

absl::Status CheckItem(const temper::v1::ScoreItem& item, int index, const Rubric& rubric) {
  const size_t bytes = item.response().size() + item.prompt().size() + item.answer().size() +
                       item.chat_json().size() + item.metadata_json().size();
  if (bytes > kItemBytesMax) {
    return Wrong(index, "response",
                 absl::StrCat("the item has ", bytes, " bytes, expected at most ", kItemBytesMax));
  }
  if (item.tokens() < 0) {
    return Wrong(index, "tokens", absl::StrCat("found ", item.tokens(), ", expected 0 or more"));
  }
  if (item.tokens_max() < 0) {
    return Wrong(index, "tokens_max",
                 absl::StrCat("found ", item.tokens_max(), ", expected 0 or more"));
  }
  if (!temper::v1::FinishReason_IsValid(item.finish_reason())) {
    return Wrong(index, "finish_reason",
                 absl::StrCat("found ", static_cast<int>(item.finish_reason()),
                              ", expected a value of FinishReason"));
  }
  if (!item.metadata_json().empty() &&
      (item.metadata_json().front() != '{' || !nlohmann::json::accept(item.metadata_json()))) {
    return Wrong(index, "metadata_json",
                 absl::StrCat("found ", Quoted(item.metadata_json()), ", expected a JSON object"));
  }
  for (size_t i = 0; i < rubric.parts().size(); ++i) {
    const Rubric::Part& part = rubric.parts()[i];
    if (part.kind.needs_gold && rubric.Applies(i, item.task()) && Blank(item.answer())) {
      return Wrong(index, "answer",
                   absl::StrCat("is empty; \"", part.name,
                                "\" needs a gold answer: check the dataset's \"answer\" field"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Rubric>> CheckRequest(
    const temper::v1::ScoreRequest& request) {
  TEMPER_ASSIGN_OR_RETURN(Rubric made, Rubric::Create(request.rubric()));
  auto rubric = std::make_shared<const Rubric>(std::move(made));
  for (int i = 0; i < request.items_size(); ++i) {
    TEMPER_RETURN_IF_ERROR(CheckItem(request.items(i), i, *rubric));
  }
  return rubric;
}

}  // namespace temper::reward
