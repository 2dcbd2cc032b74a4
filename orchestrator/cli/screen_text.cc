// Escaping, measuring and setting text.
#include "orchestrator/cli/screen_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/utf8.h"

namespace temper::cli {
namespace {

bool MovesOrHides(utf8proc_int32_t code) {
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

// Calls `use(code, bytes)` for each character of valid UTF-8.
template <class Use>
void ForEachCharacter(std::string_view text, Use use) {
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(&text[at]),
                                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    if (size <= 0) return;
    if (!use(code, text.substr(at, size))) return;
    at += size;
  }
}

}  // namespace

std::string Printable(std::string_view text) {
  const std::string valid = ValidUtf8(text);
  std::string printable;
  ForEachCharacter(valid, [&](utf8proc_int32_t code, std::string_view bytes) {
    if (code == '\n') {
      printable += "\\n";
    } else if (code == '\t') {
      printable += "\\t";
    } else if (MovesOrHides(code)) {
      absl::StrAppend(&printable, absl::StrFormat("\\u{%X}", code));
    } else {
      printable += bytes;
    }
    return true;
  });
  return printable;
}

int Columns(std::string_view text) {
  int columns = 0;
  ForEachCharacter(text, [&](utf8proc_int32_t code, std::string_view) {
    columns += utf8proc_charwidth(code);
    return true;
  });
  return columns;
}

std::string Clip(std::string_view text, int columns) {
  if (Columns(text) <= columns) return std::string(text);
  std::string clipped;
  int used = 0;
  ForEachCharacter(text, [&](utf8proc_int32_t code, std::string_view bytes) {
    used += utf8proc_charwidth(code);
    if (used > columns - 1) return false;
    clipped += bytes;
    return true;
  });
  return columns > 0 ? clipped + "…" : "";
}

std::string Pad(std::string_view text, int columns) {
  return absl::StrCat(std::string(text), std::string(std::max(0, columns - Columns(text)), ' '));
}

std::string Table(const std::vector<std::string>& headings,
                  std::span<const std::vector<std::string>> rows) {
  std::vector<std::string> names;
  std::vector<bool> right;
  std::vector<int> widths;
  for (const std::string& heading : headings) {
    right.push_back(heading.starts_with('>'));
    names.push_back(right.back() ? heading.substr(1) : heading);
    widths.push_back(Columns(names.back()));
  }
  for (const auto& row : rows) {
    for (size_t i = 0; i < names.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) line += "  ";
      const bool last = i + 1 == names.size();
      const std::string gap(widths[i] - Columns(row[i]), ' ');
      absl::StrAppend(&line, right[i] ? gap : "", row[i], right[i] || last ? "" : gap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  };
  add(names);
  for (const auto& row : rows) add(row);
  return text;
}

std::string DurationText(double seconds) {
  if (seconds < 10) return absl::StrFormat("%.1f s", std::max(0.0, seconds));
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return absl::StrCat(whole, " s");
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  if (whole < 86400) return absl::StrFormat("%d h %02d min", whole / 3600, whole / 60 % 60);
  return absl::StrFormat("%d d %d h", whole / 86400, whole / 3600 % 24);
}

std::string TimeOfDay(int64_t time_ms) {
  return absl::FormatTime("%H:%M:%S", absl::FromUnixMillis(time_ms), absl::LocalTimeZone());
}

std::string DateAndTime(int64_t time_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(time_ms),
                          absl::LocalTimeZone());
}

std::string BytesText(int64_t bytes) {
  if (bytes < int64_t{1} << 30) {
    return absl::StrFormat("%.0f MiB", static_cast<double>(bytes) / (1 << 20));
  }
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / (1 << 30));
}

std::string Sparkline(std::span<const double> values, int columns) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.size() < 2 || columns < 2) return "";
  const int count = std::min<int>(columns, static_cast<int>(finite.size()));
  std::vector<double> means(count);
  for (int i = 0; i < count; ++i) {  // each column is the mean of its share
    const size_t from = finite.size() * i / count, to = finite.size() * (i + 1) / count;
    for (size_t k = from; k < to; ++k) means[i] += finite[k] / static_cast<double>(to - from);
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  const double range = *high - *low;
  std::string line;
  for (const double mean : means) {
    line += kBlocks[range > 0 ? std::lround((mean - *low) / range * 7) : 0];
  }
  return line;
}

}  // namespace temper::cli
