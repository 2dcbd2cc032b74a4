// The automaton of CPython's _csv, in its default dialect.
#include "reward/instruction/csv_reader.h"

#include <utility>

namespace temper::reward {
namespace {

constexpr size_t kFieldMax = 131072;

class Reader {
 public:
  explicit Reader(char32_t delimiter) : delimiter_(delimiter) {}

  // False where Python raises.
  bool Take(char32_t c) {
    switch (state_) {
      case State::kAfterReturn:
        return c == U'\n' || c == U'\r';
      case State::kStartRow:
        if (IsEnd(c)) break;
        [[fallthrough]];
      case State::kStartField:
        if (c == U'"') {
          state_ = State::kQuoted;
          return true;
        }
        [[fallthrough]];
      case State::kField:
        if (IsEnd(c) || c == delimiter_) return EndField(c);
        state_ = State::kField;
        return Add(c);
      case State::kQuoted:
        if (c != U'"') return Add(c);
        state_ = State::kQuoteInQuoted;
        return true;
      case State::kQuoteInQuoted:
        if (IsEnd(c) || c == delimiter_) return EndField(c);
        state_ = c == U'"' ? State::kQuoted : State::kField;
        return Add(c);
    }
    state_ = State::kAfterReturn;
    return true;
  }

  void EndLine() {
    if (state_ == State::kQuoted) return;
    if (state_ != State::kStartRow && state_ != State::kAfterReturn) EndField(U'\n');
    EndRow();
  }

  std::vector<std::vector<std::u32string>> End() {
    if (state_ == State::kQuoted) {
      row_.push_back(std::move(field_));
      EndRow();
    }
    return std::move(rows_);
  }

 private:
  enum class State { kStartRow, kStartField, kField, kQuoted, kQuoteInQuoted, kAfterReturn };

  static bool IsEnd(char32_t c) { return c == U'\n' || c == U'\r'; }

  bool Add(char32_t c) {
    field_ += c;
    return field_.size() <= kFieldMax;
  }
  bool EndField(char32_t c) {
    row_.push_back(std::move(field_));
    field_.clear();
    state_ = IsEnd(c) ? State::kAfterReturn : State::kStartField;
    return true;
  }
  void EndRow() {
    rows_.push_back(std::move(row_));
    row_.clear();
    field_.clear();
    state_ = State::kStartRow;
  }

  const char32_t delimiter_;
  State state_ = State::kStartRow;
  std::u32string field_;
  std::vector<std::u32string> row_;
  std::vector<std::vector<std::u32string>> rows_;
};

}  // namespace

std::optional<std::vector<std::vector<std::u32string>>> ReadCsv(std::u32string_view text,
                                                                char32_t delimiter) {
  Reader reader(delimiter);
  for (size_t i = 0; i < text.size(); ++i) {
    if (!reader.Take(text[i])) return std::nullopt;
    if (text[i] == U'\n' || i + 1 == text.size()) reader.EndLine();
  }
  return reader.End();
}

}  // namespace temper::reward
