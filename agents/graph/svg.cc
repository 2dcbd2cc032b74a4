// Boxes and curves; colours that can be read on white and on dark paper alike.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "agents/graph/drawing.h"
#include "agents/graph/layout.h"
#include "agents/graph/picture.h"

namespace temper::agents {
namespace {

using Shape = DrawnNode::Shape;

constexpr const char* kHead =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
    "viewBox=\"0 0 %.0f %.0f\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" "
    "font-size=\"12\">\n"
    "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
    "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
    "fill=\"#5b6573\"/></marker></defs>\n"
    "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"\t", " "}});
}

struct Paint {
  const char* fill;
  const char* stroke;
};

Paint PaintOf(const DrawnNode& node) {
  if (node.shape == Shape::kLoop) return {"#f7f8fa", "#98a2b3"};
  if (node.shape == Shape::kCarry) return {"#ffffff", "#98a2b3"};
  if (node.shape != Shape::kNode) return {"#344054", "#344054"};
  switch (node.kind) {
    case NodeKind::kGenerate:
      return {"#e3f0ff", "#2f6fb3"};
    case NodeKind::kScore:
    case NodeKind::kSelect:
      return {"#e6f6e6", "#3b8a45"};
    case NodeKind::kFilter:
      return {"#fff6d8", "#a8841a"};
    default:
      return {"#f3e9fb", "#7d4fa8"};
  }
}

std::string Box(const DrawnNode& node, const LaidBox& box) {
  const Paint paint = PaintOf(node);
  const bool ends = node.shape == Shape::kInput || node.shape == Shape::kOutput;
  const bool round = ends || node.shape == Shape::kCarry;
  std::string out = absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.0f\" fill=\"%s\" "
      "stroke=\"%s\"%s/>\n",
      box.x, box.y, box.width, box.height, round ? box.height / 2 : 7, paint.fill, paint.stroke,
      node.shape == Shape::kLoop ? " stroke-dasharray=\"5 3\"" : "");
  const double top =
      node.shape == Shape::kLoop
          ? box.y + kLoopHead
          : box.y + (box.height - kLineHeight * static_cast<double>(node.lines.size())) / 2;
  for (size_t i = 0; i < node.lines.size(); ++i) {
    absl::StrAppendFormat(
        &out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"%s\"%s>%s</text>\n",
        box.x + box.width / 2, top + kLineHeight * static_cast<double>(i) + 12.5,
        ends     ? "#ffffff"
        : i == 0 ? "#101828"
                 : "#475467",
        i == 0 ? " font-weight=\"600\" font-size=\"13\"" : "", Escaped(node.lines[i]));
  }
  return out;
}

std::string Line(const LaidEdge& edge) {
  std::string path = absl::StrFormat("M%.1f %.1f", edge.points[0].first, edge.points[0].second);
  for (size_t i = 1; i < edge.points.size(); ++i) {
    const auto [x0, y0] = edge.points[i - 1];
    const auto [x1, y1] = edge.points[i];
    if (edge.back || y0 == y1) {
      absl::StrAppendFormat(&path, "L%.1f %.1f", x1, y1);
    } else {
      const double bend = (x1 - x0) / 2;
      absl::StrAppendFormat(&path, "C%.1f %.1f %.1f %.1f %.1f %.1f", x0 + bend, y0, x1 - bend, y1,
                            x1, y1);
    }
  }
  return absl::StrFormat(
      "<path d=\"%s\" fill=\"none\" stroke=\"#5b6573\" stroke-width=\"1.3\"%s "
      "marker-end=\"url(#tip)\"/>\n",
      path,
      edge.order  ? " stroke-dasharray=\"2 3\""
      : edge.back ? " stroke-dasharray=\"6 4\""
                  : "");
}

}  // namespace

std::string Svg(const Graph& graph) {
  const Drawing drawing = Draw(graph);
  const Layout layout = LayOut(drawing);
  std::string out =
      absl::StrFormat(kHead, layout.width, layout.height, layout.width, layout.height);
  absl::StrAppend(&out, "<title>", Escaped(graph.name), "</title>\n");
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    if (drawing.nodes[i].shape == Shape::kLoop)
      absl::StrAppend(&out, Box(drawing.nodes[i], layout.boxes[i]));
  }
  for (const LaidEdge& edge : layout.edges) absl::StrAppend(&out, Line(edge));
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    if (drawing.nodes[i].shape != Shape::kLoop)
      absl::StrAppend(&out, Box(drawing.nodes[i], layout.boxes[i]));
  }
  return out + "</svg>\n";
}

}  // namespace temper::agents
