// Curves in braille.
#include "orchestrator/curves.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace temper::orchestrator {
namespace {

// Dots of one cell by (column, row), as Unicode numbers them.
constexpr int kDots[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

std::string BrailleCell(int dots) {
  const int code = 0x2800 + dots;
  return {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
          static_cast<char>(0x80 | (code & 0x3F))};
}

class Canvas {
 public:
  explicit Canvas(CurveSize size)
      : size_(size), cells_(static_cast<size_t>(size.columns) * size.rows) {}

  int width() const { return size_.columns * 2; }
  int height() const { return size_.rows * 4; }
  void Set(int x, int y) { cells_[(y / 4) * size_.columns + x / 2] |= kDots[x % 2][y % 4]; }
  std::string Row(int row) const {
    std::string text;
    for (int column = 0; column < size_.columns; ++column) {
      text += BrailleCell(cells_[row * size_.columns + column]);
    }
    return text;
  }

 private:
  const CurveSize size_;
  std::vector<int> cells_;
};

double ValueAt(std::span<const double> values, double position) {
  const size_t left = std::min(static_cast<size_t>(position), values.size() - 2);
  const double share = position - static_cast<double>(left);
  return values[left] * (1 - share) + values[left + 1] * share;
}

}  // namespace

std::string DrawCurve(std::string_view title, std::span<const double> values, CurveSize size) {
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.size() < 2) {
    return absl::StrCat(std::string(title), ": fewer than two steps, no curve\n");
  }
  auto [low_place, high_place] = std::minmax_element(finite.begin(), finite.end());
  const double low = *low_place;
  const double high = *high_place > low ? *high_place : low + 1;

  Canvas canvas(size);
  int previous = -1;
  for (int x = 0; x < canvas.width(); ++x) {
    const double position =
        static_cast<double>(x) * static_cast<double>(finite.size() - 1) / (canvas.width() - 1);
    const double share = (ValueAt(finite, position) - low) / (high - low);
    const int y = static_cast<int>(std::lround((1 - share) * (canvas.height() - 1)));
    for (int at = std::min(y, previous < 0 ? y : previous); at <= std::max(y, previous); ++at) {
      canvas.Set(x, at);
    }
    canvas.Set(x, y);
    previous = y;
  }

  std::string text = absl::StrCat(std::string(title), "\n");
  for (int row = 0; row < size.rows; ++row) {
    std::string label;
    if (row == 0) label = absl::StrFormat("%.4g", high);
    if (row == size.rows - 1) label = absl::StrFormat("%.4g", low);
    absl::StrAppend(&text, absl::StrFormat("%9s |", label), canvas.Row(row), "\n");
  }
  const std::string last = absl::StrCat(finite.size());
  const int gap = std::max(1, size.columns - 1 - static_cast<int>(last.size()));
  absl::StrAppend(&text, "           1", std::string(gap, ' '), last, "  step\n");
  return text;
}

}  // namespace temper::orchestrator
