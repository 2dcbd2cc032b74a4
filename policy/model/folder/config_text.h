// Changes single members of somebody's config.json in its text: all else stays byte for byte.
//
// A parser would lose the order of the keys, the digits of numbers, and Python's bare Infinity.
#pragma once

#include <string>
#include <string_view>

namespace temper::model {

// json: an object {...} that has been parsed before. Keys of inner objects do not count.
bool HasMember(std::string_view json, std::string_view key);
std::string WithoutMember(std::string_view json, std::string_view key);
// The text is `json` where there is no such member. value: JSON, quotes included.
std::string WithMemberSet(std::string_view json, std::string_view key, std::string_view value);
// There is one afterwards, the first where it is new.
std::string WithMember(std::string_view json, std::string_view key, std::string_view value);

}  // namespace temper::model
