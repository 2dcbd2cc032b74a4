// Edits of texts that methods and filters share; marks of input are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

enum class Side { kBoth, kLeft, kRight };
// Without the characters of `chars` at the ends; null: without white space.
Text Strip(const Text& text, Side side, const std::string* chars);

// At most `count` times when count >= 0.
absl::StatusOr<Text> Replace(Meter& meter, const Text& text, const Text& from, const Text& to,
                             int64_t count);

// By a separator, which is not empty; null: by runs of white space, without empty parts.
absl::StatusOr<std::vector<Text>> Split(Meter& meter, const Text& text,
                                        const std::string* separator, int64_t splits_max,
                                        bool from_right);
// Without the line ends, or with them.
absl::StatusOr<std::vector<Text>> SplitLines(Meter& meter, const Text& text, bool keep_ends);

absl::StatusOr<Text> Join(Meter& meter, const Text& separator, const std::vector<Text>& parts);

// Spaces put around up to `width` characters.
Text Centered(const Text& text, int64_t width);

// How many words: runs of letters, digits and underscores.
int64_t CountWords(std::string_view text);

}  // namespace temper::model::jinja
