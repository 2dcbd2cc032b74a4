// Text for a terminal: escaped, measured in columns, cut, padded, set in tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace temper::cli {

// What others wrote (models, datasets, reasons) as one line that cannot move the cursor: control
// and format characters become \n, \t or \u{XX}, bytes that are no UTF-8 become U+FFFD.
std::string Printable(std::string_view text);

// How many columns Printable text takes.
int Columns(std::string_view text);
// At most `columns` wide; what is cut ends in "…".
std::string Clip(std::string_view text, int columns);
std::string Pad(std::string_view text, int columns);

// Rows under their headings, columns as wide as their widest cell; the last is not padded. A
// heading that begins with '>' sets its column to the right.
std::string Table(const std::vector<std::string>& headings,
                  std::span<const std::vector<std::string>> rows);

// "0.4 s", "42 s", "3 min 05 s", "2 h 10 min", "3 d 4 h".
std::string DurationText(double seconds);
// "14:02:11" of today's clock, in this machine's time zone.
std::string TimeOfDay(int64_t time_ms);
// "2026-11-29 14:02:11".
std::string DateAndTime(int64_t time_ms);
// "512 MiB", "3.9 GiB".
std::string BytesText(int64_t bytes);

// One row of block characters, resampled to `columns`; "" of fewer than two values.
std::string Sparkline(std::span<const double> values, int columns);

}  // namespace temper::cli
