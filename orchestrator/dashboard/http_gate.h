// Who is let in: the checks that keep pages of others from operating a run through a person's
// browser.
//
// Besides what base/http/browser_gate.h refuses, what is posted must be JSON under a header of
// ours, which no page of others can set without asking first. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>

#include "base/http/browser_gate.h"

namespace httplib {
struct Request;
}  // namespace httplib

namespace temper::orchestrator {

// Specs are the largest bodies.
inline constexpr size_t kBodyBytesMax = 1 << 20;
inline constexpr char kOwnHeader[] = "X-Temper-Dashboard";

// Looks at the head of a request only. Empty: it may come in.
std::optional<Refusal> Refuse(const httplib::Request& request);

}  // namespace temper::orchestrator
