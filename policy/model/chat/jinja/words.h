// Messages put together from pieces. Debian's absl::StrCat knows std::string but no
// std::string_view.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace temper::model::jinja {

template <typename Piece>
void AppendPiece(std::string& text, const Piece& piece) {
  if constexpr (std::is_arithmetic_v<Piece>) {
    text += std::to_string(piece);
  } else if constexpr (std::is_convertible_v<const Piece&, std::string_view>) {
    text += std::string_view(piece);
  } else {
    text.append(piece.data(), piece.size());  // absl::string_view
  }
}

template <typename... Pieces>
std::string Words(const Pieces&... pieces) {
  std::string text;
  (AppendPiece(text, pieces), ...);
  return text;
}

}  // namespace temper::model::jinja
