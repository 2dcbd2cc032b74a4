// Makes any bytes into text that protobuf and JSON accept.
#pragma once

#include <string>
#include <string_view>

namespace temper::rollout {

// `bytes` with U+FFFD for every longest piece that cannot belong to a UTF-8 character: a model may
// end in the middle of one, or sample bytes that are none.
std::string ValidUtf8(std::string_view bytes);

// How many bytes at the end begin a character that is not whole yet; 0 to 3.
size_t OpenUtf8Bytes(std::string_view bytes);

}  // namespace temper::rollout
