// What a replay found, as text.
#pragma once

#include <string>

#include "temper/v1/controller.pb.h"

namespace temper::cli {

// A row for each kind of thing that was compared, and one line that says the result.
std::string ReplayText(const v1::ReplayReport& report);

}  // namespace temper::cli
