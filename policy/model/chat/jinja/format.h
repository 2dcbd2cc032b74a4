// "%s of %d" % values, and "{} of {name}".format(values).
#pragma once

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// %s %r %d %i %u %x %X %o %f %F %e %E %g %G %c %% with flags, width and precision, and %(key)s.
absl::StatusOr<Value> FormatPercent(Meter& meter, const Text& format, const Value& values);
// {} {0} {name} {name.field} {0[key]} and !s !r; of format specifications: fill, alignment, width,
// precision, and the types s d f e g x.
absl::StatusOr<Value> FormatBraces(Meter& meter, const Text& format, const Arguments& arguments);

}  // namespace temper::model::jinja
