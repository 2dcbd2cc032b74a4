// What people write as inputs of a graph.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph_session.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

std::string IdOf(const json& line, size_t number) {
  const auto id = line.find("id");
  if (id == line.end()) return absl::StrCat(number);
  return id->is_string() ? id->get<std::string>() : id->dump();
}

}  // namespace

absl::StatusOr<json> InputsOf(const json& line, const agents::Graph& graph) {
  if (!line.is_object()) return absl::InvalidArgumentError("expected a JSON object");
  json inputs = json::object();
  for (const std::string& name : graph.inputs) {
    if (const auto found = line.find(name); found != line.end()) {
      inputs[name] = *found;
    } else if (const auto prompt = line.find("prompt");
               prompt != line.end() && graph.inputs.size() == 1) {
      if (!prompt->is_string()) return absl::InvalidArgumentError("\"prompt\" is no text");
      inputs[name] = json::array({{{"role", "user"}, {"content", *prompt}}});
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("the graph's input \"", name, "\" is missing",
                       graph.inputs.size() == 1 ? "; \"prompt\" may stand for it" : ""));
    }
  }
  return inputs;
}

absl::StatusOr<std::vector<GraphInput>> ReadGraphInputs(const std::string& path,
                                                        const agents::Graph& graph) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<GraphInput> all;
  size_t number = 0;
  for (const absl::string_view part : absl::StrSplit(text, '\n')) {
    const std::string_view line(part.data(), part.size());
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = absl::StrCat(path, ":", number);
    TEMPER_ASSIGN_OR_RETURN(const json parsed, ParseOrderedJson(line, place));
    const absl::StatusOr<json> inputs = InputsOf(parsed, graph);
    if (!inputs.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", std::string(inputs.status().message())));
    }
    all.push_back({IdOf(parsed, number), *inputs});
  }
  if (all.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": holds no inputs"));
  return all;
}

}  // namespace temper::cli
