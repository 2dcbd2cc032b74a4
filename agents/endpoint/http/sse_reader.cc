// Line by line; whole lines of a piece are not copied.
#include "agents/endpoint/http/sse_reader.h"

namespace temper::agents {

void SseReader::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (after_return_) {
      after_return_ = false;
      if (bytes.front() == '\n') bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    if (end == std::string_view::npos) {
      open_ += bytes;
      return;
    }
    if (open_.empty()) {
      Line(bytes.substr(0, end));
    } else {
      open_ += bytes.substr(0, end);
      Line(open_);
      open_.clear();
    }
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
  }
}

void SseReader::End() {
  if (!open_.empty()) Line(open_);
  open_.clear();
  Dispatch();
}

void SseReader::Line(std::string_view line) {
  if (line.empty()) return Dispatch();
  if (!line.starts_with("data")) return;
  line.remove_prefix(4);
  if (!line.empty() && line.front() != ':') return;
  if (!line.empty()) line.remove_prefix(1);
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  if (has_data_) data_ += '\n';
  has_data_ = true;
  data_ += line;
}

void SseReader::Dispatch() {
  if (!has_data_) return;
  has_data_ = false;
  on_data_(data_);
  data_.clear();
}

}  // namespace temper::agents
