// Layers by the longest way, order in a layer by the mean of the neighbours'; long edges get a
// place of their own in every layer that they pass.
#include "agents/graph/layout.h"

#include <algorithm>

namespace temper::agents {
namespace {

using Shape = DrawnNode::Shape;

constexpr double kCharacter = 6.7;
constexpr double kGapX = 56;
constexpr double kGapY = 20;
constexpr double kPadding = 16;
constexpr int kSweeps = 8;

// One place in a layer: a node, or the passing of an edge.
struct Cell {
  int node = -1;
  int layer = 0;
  double y = 0;  // of its middle
  double height = 10;
  std::vector<int> before, after;  // cells
};

struct Way {
  size_t edge = 0;
  std::vector<int> cells;  // from the first to the last
};

double Characters(const std::string& text) {
  return static_cast<double>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The nodes of one box, or of the whole picture.
class Level {
 public:
  Level(const Drawing& drawing, int loop, Layout& layout)
      : drawing_(drawing), loop_(loop), layout_(layout), cell_of_(drawing.nodes.size(), -1) {}

  // Places its boxes from (0, 0); returns the size.
  std::pair<double, double> Place() {
    MakeCells();
    SetLayers();
    MakeWays();
    for (int sweep = 0; sweep < kSweeps; ++sweep) Sweep(sweep % 2 == 0);
    Straighten();
    return PlaceBoxes();
  }

  // The ways between boxes; once everything stands where it stays. `x`, `y`: of this level.
  void Trace(double x, double y) const {
    for (const Way& way : ways_) {
      const int target = Entrance(drawing_.edges[way.edge].to);
      LaidEdge edge{.order = drawing_.edges[way.edge].order};
      const LaidBox& from = layout_.boxes[drawing_.edges[way.edge].from];
      const LaidBox& to = layout_.boxes[target];
      const bool whole = target == drawing_.edges[way.edge].to;
      edge.points.emplace_back(from.x + from.width, from.y + from.height / 2);
      for (size_t i = 1; i + 1 < way.cells.size(); ++i) {
        const Cell& cell = cells_[way.cells[i]];
        edge.points.emplace_back(x + layer_x_[cell.layer], y + cell.y);
        edge.points.emplace_back(x + layer_x_[cell.layer] + layer_width_[cell.layer], y + cell.y);
      }
      edge.points.emplace_back(to.x, to.y + (whole ? to.height / 2 : kLoopHead + kLineHeight / 2));
      layout_.edges.push_back(std::move(edge));
    }
  }

 private:
  // The node of this level in whose box `node` stands; -1: outside.
  int Lift(int node) const {
    while (node >= 0 && drawing_.nodes[node].loop != loop_) node = drawing_.nodes[node].loop;
    return node;
  }

  // Where an edge to `node` ends: a way into a body ends at the box, but for those to the carries,
  // which stand first in it.
  int Entrance(int node) const {
    return drawing_.nodes[node].shape == Shape::kCarry ? node : Lift(node);
  }

  void MakeCells() {
    for (size_t i = 0; i < drawing_.nodes.size(); ++i) {
      if (drawing_.nodes[i].loop != loop_) continue;
      cell_of_[i] = static_cast<int>(cells_.size());
      cells_.push_back({.node = static_cast<int>(i), .height = layout_.boxes[i].height});
    }
  }

  bool Here(const DrawnEdge& edge, int& from, int& to) const {
    if (edge.back) return false;
    from = Lift(edge.from);
    to = Lift(edge.to);
    return from >= 0 && to >= 0 && from != to;
  }

  void SetLayers() {
    bool moved = true;
    for (size_t round = 0; moved && round <= cells_.size(); ++round) {
      moved = false;
      for (const DrawnEdge& edge : drawing_.edges) {
        int from = 0, to = 0;
        if (!Here(edge, from, to)) continue;
        Cell& reader = cells_[cell_of_[to]];
        const int least = cells_[cell_of_[from]].layer + 1;
        if (reader.layer >= least) continue;
        reader.layer = least;
        moved = true;
      }
    }
    int last = 0;
    for (const Cell& cell : cells_) last = std::max(last, cell.layer);
    for (Cell& cell : cells_) {
      if (drawing_.nodes[cell.node].shape == Shape::kOutput) cell.layer = std::max(last, 1);
    }
    layers_.resize(std::max(last, 1) + 1);
    for (size_t i = 0; i < cells_.size(); ++i) {
      layers_[cells_[i].layer].push_back(static_cast<int>(i));
    }
  }

  void MakeWays() {
    for (size_t e = 0; e < drawing_.edges.size(); ++e) {
      int from = 0, to = 0;
      if (!Here(drawing_.edges[e], from, to)) continue;
      // Several nodes of a body that read the same: one way.
      const int target = Entrance(drawing_.edges[e].to);
      const auto same = [&](const Way& other) {
        return drawing_.edges[other.edge].from == drawing_.edges[e].from &&
               Entrance(drawing_.edges[other.edge].to) == target;
      };
      if (std::any_of(ways_.begin(), ways_.end(), same)) continue;
      Way way{e, {cell_of_[from]}};
      for (int layer = cells_[cell_of_[from]].layer + 1; layer < cells_[cell_of_[to]].layer;
           ++layer) {
        way.cells.push_back(static_cast<int>(cells_.size()));
        layers_[layer].push_back(static_cast<int>(cells_.size()));
        cells_.push_back({.layer = layer});
      }
      way.cells.push_back(cell_of_[to]);
      for (size_t i = 0; i + 1 < way.cells.size(); ++i) {
        cells_[way.cells[i]].after.push_back(way.cells[i + 1]);
        cells_[way.cells[i + 1]].before.push_back(way.cells[i]);
      }
      ways_.push_back(std::move(way));
    }
    for (const auto& layer : layers_) Stack(layer);
  }

  // One under the other, the whole about the middle.
  void Stack(const std::vector<int>& layer) {
    double height = -kGapY;
    for (const int cell : layer) height += cells_[cell].height + kGapY;
    double y = -height / 2;
    for (const int cell : layer) {
      cells_[cell].y = y + cells_[cell].height / 2;
      y += cells_[cell].height + kGapY;
    }
  }

  double Wanted(const Cell& cell, bool forward) const {
    const std::vector<int>& next = forward ? cell.before : cell.after;
    if (next.empty()) return cell.y;
    double sum = 0;
    for (const int other : next) sum += cells_[other].y;
    return sum / static_cast<double>(next.size());
  }

  void Sweep(bool forward) {
    for (size_t i = 0; i < layers_.size(); ++i) {
      std::vector<int>& layer = layers_[forward ? i : layers_.size() - 1 - i];
      std::stable_sort(layer.begin(), layer.end(), [&](int a, int b) {
        return Wanted(cells_[a], forward) < Wanted(cells_[b], forward);
      });
      Stack(layer);
    }
  }

  // Every cell as near to its neighbours as those above and below it in its layer let it.
  void Straighten() {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (size_t l = 0; l < layers_.size(); ++l) {
        const bool forward = sweep % 2 == 0;
        const std::vector<int>& layer = layers_[forward ? l : layers_.size() - 1 - l];
        for (size_t i = 0; i < layer.size(); ++i) {
          Cell& cell = cells_[layer[i]];
          double y = Wanted(cell, forward);
          if (i + 1 < layer.size())
            y = std::min(y, cells_[layer[i + 1]].y - Apart(cell, layer[i + 1]));
          if (i > 0) y = std::max(y, cells_[layer[i - 1]].y + Apart(cell, layer[i - 1]));
          cell.y = y;
        }
      }
    }
  }
  double Apart(const Cell& cell, int other) const {
    return (cell.height + cells_[other].height) / 2 + kGapY;
  }

  std::pair<double, double> PlaceBoxes() {
    double top = 0, bottom = 0;
    for (const Cell& cell : cells_) {
      top = std::min(top, cell.y - cell.height / 2);
      bottom = std::max(bottom, cell.y + cell.height / 2);
    }
    double x = 0;
    for (const auto& layer : layers_) {
      double width = 0;
      for (const int cell : layer) {
        if (cells_[cell].node >= 0) width = std::max(width, layout_.boxes[cells_[cell].node].width);
      }
      layer_x_.push_back(x);
      layer_width_.push_back(width);
      for (const int at : layer) {
        Cell& cell = cells_[at];
        cell.y -= top;
        if (cell.node < 0) continue;
        LaidBox& box = layout_.boxes[cell.node];
        box.x = x + (width - box.width) / 2;
        box.y = cell.y - box.height / 2;
      }
      x += width + kGapX;
    }
    return {x - kGapX, bottom - top};
  }

  const Drawing& drawing_;
  const int loop_;
  Layout& layout_;
  std::vector<int> cell_of_;
  std::vector<Cell> cells_;
  std::vector<std::vector<int>> layers_;
  std::vector<Way> ways_;
  std::vector<double> layer_x_, layer_width_;
};

class LayingOut {
 public:
  explicit LayingOut(const Drawing& drawing) : drawing_(drawing) {
    layout_.boxes.resize(drawing.nodes.size());
  }

  Layout Do() {
    const auto [width, height] = Place(-1);
    layout_.width = width + 2 * kPadding;
    layout_.height = height + 2 * kPadding;
    Move(-1, kPadding, kPadding);
    for (const auto& [loop, level] : levels_) {
      if (loop < 0) {
        level.Trace(kPadding, kPadding);
      } else {
        const LaidBox& box = layout_.boxes[loop];
        level.Trace(box.x + kPadding, box.y + Head(loop));
      }
    }
    for (const DrawnEdge& edge : drawing_.edges) {
      if (edge.back) TraceBack(edge);
    }
    return std::move(layout_);
  }

 private:
  double Head(int loop) const {
    return kLoopHead + kLineHeight * static_cast<double>(drawing_.nodes[loop].lines.size()) + 10;
  }

  std::pair<double, double> Place(int loop) {
    for (size_t i = 0; i < drawing_.nodes.size(); ++i) {
      if (drawing_.nodes[i].loop == loop) Measure(static_cast<int>(i));
    }
    levels_.emplace_back(loop, Level(drawing_, loop, layout_));
    // Inner levels were added before: the vector may have moved, its last is this one.
    return levels_.back().second.Place();
  }

  void Measure(int index) {
    const DrawnNode& node = drawing_.nodes[index];
    LaidBox& box = layout_.boxes[index];
    double characters = 0;
    for (const std::string& line : node.lines) characters = std::max(characters, Characters(line));
    box.width = std::max(64.0, characters * kCharacter + 24);
    box.height = kLineHeight * static_cast<double>(node.lines.size()) + 16;
    if (node.shape != Shape::kLoop) return;
    const auto [width, height] = Place(index);
    box.width = std::max(box.width, width + 2 * kPadding);
    box.height = Head(index) + height + kPadding + kGapY;  // below: the way back
  }

  // From places inside their box to places in the picture.
  void Move(int loop, double x, double y) {
    for (size_t i = 0; i < drawing_.nodes.size(); ++i) {
      if (drawing_.nodes[i].loop != loop) continue;
      LaidBox& box = layout_.boxes[i];
      box.x += x;
      box.y += y;
      if (drawing_.nodes[i].shape == Shape::kLoop) {
        Move(static_cast<int>(i), box.x + kPadding, box.y + Head(static_cast<int>(i)));
      }
    }
  }

  // Out of the bottom, along the lower side of the loop's box, up again.
  void TraceBack(const DrawnEdge& edge) {
    const LaidBox& from = layout_.boxes[edge.from];
    const LaidBox& to = layout_.boxes[edge.to];
    const LaidBox& loop = layout_.boxes[drawing_.nodes[edge.to].loop];
    const double y = loop.y + loop.height - 12;
    layout_.edges.push_back({.points = {{from.x + from.width / 2, from.y + from.height},
                                        {from.x + from.width / 2, y},
                                        {to.x + to.width / 2, y},
                                        {to.x + to.width / 2, to.y + to.height}},
                             .back = true});
  }

  const Drawing& drawing_;
  Layout layout_;
  std::vector<std::pair<int, Level>> levels_;
};

}  // namespace

Layout LayOut(const Drawing& drawing) { return LayingOut(drawing).Do(); }

}  // namespace temper::agents
