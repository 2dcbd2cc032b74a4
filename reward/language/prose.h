// What of a text is language: not code, not mathematics, not addresses.
#pragma once

#include <string>
#include <string_view>

namespace temper::reward {

// Every such piece becomes a blank: ``` fences, `code`, $...$, $$...$$,
// \(...\), \[...\], \boxed{...}, \commands and their names, <tags>, addresses with "://". A fence
// that never closes is prose: nobody hides behind it. One pass, linear.
std::u32string Prose(std::u32string_view text);

}  // namespace temper::reward
