// Mermaid's flowchart language.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "agents/graph/drawing.h"
#include "agents/graph/picture.h"

namespace temper::agents {
namespace {

using Shape = DrawnNode::Shape;

std::string Quoted(const std::vector<std::string>& lines) {
  return absl::StrReplaceAll(absl::StrJoin(lines, "\n"), {{"&", "&amp;"},
                                                          {"<", "&lt;"},
                                                          {">", "&gt;"},
                                                          {"\"", "&quot;"},
                                                          {"#", "&#35;"},
                                                          {"\n", "<br>"}});
}

void AppendNode(const Drawing& drawing, int index, const std::string& indent, std::string& out) {
  const DrawnNode& node = drawing.nodes[index];
  const std::string label = Quoted(node.lines);
  if (node.shape != Shape::kLoop) {
    const bool round = node.shape != Shape::kNode;
    absl::StrAppend(&out, indent, node.id, round ? "([\"" : "[\"", label, round ? "\"])" : "\"]",
                    "\n");
    return;
  }
  absl::StrAppend(&out, indent, "subgraph ", node.id, "[\"", label, "\"]\n");
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    if (drawing.nodes[i].loop == index) {
      AppendNode(drawing, static_cast<int>(i), indent + "  ", out);
    }
  }
  absl::StrAppend(&out, indent, "end\n");
}

}  // namespace

std::string Mermaid(const Graph& graph) {
  const Drawing drawing = Draw(graph);
  std::string out = "flowchart LR\n";
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    if (drawing.nodes[i].loop < 0) AppendNode(drawing, static_cast<int>(i), "  ", out);
  }
  for (const DrawnEdge& edge : drawing.edges) {
    const char* arrow = edge.back ? " -. next round .-> " : edge.order ? " -.-> " : " --> ";
    absl::StrAppend(&out, "  ", drawing.nodes[edge.from].id, arrow, drawing.nodes[edge.to].id,
                    "\n");
  }
  return out;
}

}  // namespace temper::agents
