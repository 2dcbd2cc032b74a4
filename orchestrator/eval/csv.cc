// One pass, one byte at a time.
#include "orchestrator/eval/csv.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::eval {
namespace {

absl::Status Wrong(int line, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool done() const { return at_ >= text_.size(); }
  int line() const { return line_; }

  absl::Status ReadRecord(std::vector<std::string>& fields) {
    for (;;) {
      fields.emplace_back();
      TEMPER_RETURN_IF_ERROR(Peek() == '"' ? ReadQuoted(fields.back()) : ReadBare(fields.back()));
      if (Peek() == ',') {
        ++at_;
        continue;
      }
      if (Peek() == '\r') ++at_;
      if (done()) return absl::OkStatus();
      if (Peek() != '\n') return Wrong(line_, "text follows a closing quote");
      ++at_;
      ++line_;
      return absl::OkStatus();
    }
  }

 private:
  char Peek() const { return done() ? '\n' : text_[at_]; }

  absl::Status ReadBare(std::string& field) {
    while (!done() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') {
      if (text_[at_] == '"') return Wrong(line_, "a quote stands inside a field without quotes");
      field += text_[at_++];
    }
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(std::string& field) {
    const int opened = line_;
    for (++at_; !done(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') {
          ++at_;
          return absl::OkStatus();
        }
        ++at_;
      }
      if (text_[at_] == '\n') ++line_;
      field += text_[at_];
    }
    return Wrong(opened, "a quote opens here and never closes");
  }

  const std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

absl::Status ReadCsv(
    std::string_view text,
    const std::function<absl::Status(int line, std::vector<std::string> fields)>& row) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Reader reader(text);
  while (!reader.done()) {
    const int line = reader.line();
    std::vector<std::string> fields;
    TEMPER_RETURN_IF_ERROR(reader.ReadRecord(fields));
    if (fields.size() == 1 && fields.front().empty()) continue;
    TEMPER_RETURN_IF_ERROR(row(line, std::move(fields)));
  }
  return absl::OkStatus();
}

}  // namespace temper::eval
