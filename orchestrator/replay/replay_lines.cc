// Writes and reads the lines.
#include "orchestrator/replay/replay_lines.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/json_config.h"
#include "google/protobuf/util/json_util.h"

namespace temper::orchestrator {
namespace {

constexpr std::string_view kError = "error ";

absl::Status ParseError(std::string_view rest, std::string_view line) {
  const size_t space = rest.find(' ');
  int code = 0;
  if (space == std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(rest.data(), space), &code) || code <= 0 || code > 16) {
    return absl::InternalError(absl::StrCat("the replay said: ", std::string(line)));
  }
  return absl::Status(static_cast<absl::StatusCode>(code), std::string(rest.substr(space + 1)));
}

}  // namespace

std::string ReplayLine(const v1::ReplayResponse& response) {
  return ToJson(response, JsonStyle::kLine) + "\n";
}

std::string ErrorLine(const absl::Status& status) {
  std::string message(status.message());
  std::replace(message.begin(), message.end(), '\n', ' ');
  return absl::StrCat(std::string(kError), static_cast<int>(status.code()), " ", message, "\n");
}

absl::StatusOr<v1::ReplayResponse> ParseReplayLine(std::string_view line) {
  if (line.substr(0, kError.size()) == kError) return ParseError(line.substr(kError.size()), line);
  v1::ReplayResponse response;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage({line.data(), line.size()}, &response);
  if (parsed.ok()) return response;
  return absl::InternalError(absl::StrCat("the replay said: ", std::string(line.substr(0, 200))));
}

}  // namespace temper::orchestrator
