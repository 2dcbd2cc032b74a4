// Names a row-major matrix that somebody else owns.
#pragma once

#include <cstdint>

namespace temper::kernels {

// [rows, cols]; row i starts at data + i * stride (in elements). Copying a View copies no data.
template <class T>
struct View {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  View() = default;
  View(T* data, int64_t rows, int64_t cols) : View(data, rows, cols, cols) {}
  View(T* data, int64_t rows, int64_t cols, int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  T* row(int64_t i) const { return data + i * stride; }
  bool empty() const { return data == nullptr; }

  // Rows [begin, begin + count).
  View Rows(int64_t begin, int64_t count) const { return View(row(begin), count, cols, stride); }
  // Columns [begin, begin + count) of every row.
  View Columns(int64_t begin, int64_t count) const {
    return View(data + begin, rows, count, stride);
  }

  operator View<const T>() const { return View<const T>(data, rows, cols, stride); }
};

// Rows [begin, begin + length) of packed matrices are the tokens of one sequence at positions
// position, position + 1, ... Segments of a batch are disjoint, in row order, and cover all rows.
struct Segment {
  int64_t begin = 0;
  int64_t length = 0;
  int64_t position = 0;
};

}  // namespace temper::kernels
