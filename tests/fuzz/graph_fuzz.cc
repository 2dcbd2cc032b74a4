// Feeds arbitrary bytes to the reader of graph files, which reads prompts and sub-graphs out of the
// same bytes; what is accepted must have a plan and a picture.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agents/graph/graph_file.h"
#include "agents/graph/picture.h"
#include "agents/graph/plan.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // Behind a NUL: the text of every prompt file and of every sub-graph.
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t nul = text.find('\0');
  const std::string other(nul == text.npos ? "" : text.substr(nul + 1));
  const auto read = [&](const std::string& path) -> absl::StatusOr<std::string> {
    if (path.find("absent") != path.npos) return absl::NotFoundError(path + ": no such file");
    return other;
  };
  const auto graph = temper::agents::ParseGraph(text.substr(0, nul), "g/graph.json", read);
  if (!graph.ok()) {
    TEMPER_CHECK(!graph.status().message().empty());
    return 0;
  }
  const temper::agents::Graph& sound = **graph;
  const temper::agents::Plan plan = temper::agents::MakePlan(sound, {});
  TEMPER_CHECK(plan.nodes.size() == sound.nodes.size());
  TEMPER_CHECK(!temper::agents::PlanJson(sound, plan).empty());
  TEMPER_CHECK(!temper::agents::Mermaid(sound).empty());
  if (sound.nodes.size() < 50) TEMPER_CHECK(!temper::agents::Svg(sound).empty());
  return 0;
}
