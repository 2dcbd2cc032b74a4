// A sample of a run as text for people; everything a model or a dataset wrote is escaped.
#pragma once

#include <string>

#include "temper/v1/controller.pb.h"

namespace temper::cli {

// A line of facts, then prompt, response and score, indented; with its tokens when it has them.
std::string SampleText(const v1::Sample& sample);

}  // namespace temper::cli
