// The starter's executable, part of this program.
#pragma once

#include <string_view>

namespace temper::sandbox {

std::string_view StarterProgram();

}  // namespace temper::sandbox
