// What of a text is language: not code, not mathematics, not addresses.
#pragma once

#include <string>
#include <string_view>

namespace temper::reward {

// Every such piece becomes a blank: ``` fences (an open one to the end), `code`, $...$, $$...$$,
// \(...\), \[...\], \boxed{...}, \commands and their names, <tags>, addresses with "://". One pass,
// linear.
std::u32string Prose(std::u32string_view text);

}  // namespace temper::reward
