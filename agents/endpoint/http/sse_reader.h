// Server-sent events from bytes as they come: https://html.spec.whatwg.org/#event-stream
//
// Only "data" matters here; comments and other fields pass by. One thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace temper::agents {

class SseReader {
 public:
  // `on_data`: the data of one event, its lines joined.
  explicit SseReader(std::function<void(std::string_view data)> on_data)
      : on_data_(std::move(on_data)) {}

  // Lines end with "\n", "\r\n" or "\r".
  void Feed(std::string_view bytes);
  // The stream has ended: an event without its blank line counts, as clients in the wild have it.
  void End();

 private:
  void Line(std::string_view line);
  void Dispatch();

  const std::function<void(std::string_view data)> on_data_;
  std::string open_;  // a line that is not whole yet
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a "\n" that comes now belongs to the line before
};

}  // namespace temper::agents
