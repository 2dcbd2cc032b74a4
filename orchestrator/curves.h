// Draws curves with text, for a terminal or a pasted report.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace temper::orchestrator {

// A line chart of `values` over steps 1..n: axis labels on the left, the range of steps below.
// Braille dots: each character holds 2 x 4 points. Fewer than two values: a line that says so.
struct CurveSize {
  int columns = 64;
  int rows = 8;
};
std::string DrawCurve(std::string_view title, std::span<const double> values,
                      CurveSize size = CurveSize());

}  // namespace temper::orchestrator
