// ASCII only: what a letter is elsewhere is no business of a vote.
#include "agents/select/normal_text.h"

#include "absl/strings/ascii.h"
#include "base/trim.h"

namespace temper::agents {

std::string NormalText(std::string_view text) {
  std::string normal;
  bool blank = false;
  for (const char c : Trimmed(text)) {
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      blank = true;
      continue;
    }
    if (blank) normal.push_back(' ');
    blank = false;
    normal.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  while (!normal.empty() && (normal.back() == '.' || normal.back() == ' ')) normal.pop_back();
  return normal;
}

}  // namespace temper::agents
