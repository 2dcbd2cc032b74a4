// Where the parts of a drawing stand: layers from left to right, a loop laid out inside its box.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agents/graph/drawing.h"

namespace temper::agents {

struct LaidBox {
  double x = 0, y = 0, width = 0, height = 0;
};

struct LaidEdge {
  std::vector<std::pair<double, double>> points;  // from the reader's source to the reader
  bool order = false;
  bool back = false;
};

struct Layout {
  std::vector<LaidBox> boxes;  // as Drawing::nodes
  std::vector<LaidEdge> edges;
  double width = 0, height = 0;
};

// Room for the text of a box.
inline constexpr double kLineHeight = 17;
inline constexpr double kLoopHead = 14;  // above the first line of a loop

Layout LayOut(const Drawing& drawing);

}  // namespace temper::agents
