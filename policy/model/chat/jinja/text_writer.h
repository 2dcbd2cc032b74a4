// Makes one text piece by piece, and pays for it as it grows.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/limits.h"
#include "policy/model/chat/jinja/text.h"

namespace temper::model::jinja {

class TextWriter {
 public:
  explicit TextWriter(Meter& meter) : meter_(meter) {}

  absl::Status Add(std::string_view bytes) {
    text_.Append(bytes);
    return Pay();
  }
  absl::Status Add(std::string_view bytes, const Text& source) {
    text_.Append(bytes, source);
    return Pay();
  }
  Meter& meter() { return meter_; }
  Text Take() { return std::move(text_); }

 private:
  static constexpr int kCharged = 1 << 10;  // bytes between two looks at the meter

  absl::Status Pay() {
    if (text_.size() < paid_ + kCharged) return absl::OkStatus();
    TEMPER_RETURN_IF_ERROR(
        meter_.Steps(static_cast<int64_t>((text_.size() - paid_) / kBytesPerStep)));
    paid_ = text_.size();
    if (paid_ <= meter_.limits().text_bytes) return absl::OkStatus();
    return meter_.Text(paid_);
  }

  Meter& meter_;
  Text text_;
  size_t paid_ = 0;
};

}  // namespace temper::model::jinja
