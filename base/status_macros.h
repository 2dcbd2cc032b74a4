// Passes a failed Status up with one line.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define TEMPER_RETURN_IF_ERROR(expression)                    \
  do {                                                        \
    if (absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

#define TEMPER_STATUS_JOIN_INNER(a, b) a##b
#define TEMPER_STATUS_JOIN(a, b) TEMPER_STATUS_JOIN_INNER(a, b)

// TEMPER_ASSIGN_OR_RETURN(Weights weights, ReadWeights(path));
#define TEMPER_ASSIGN_OR_RETURN(target, expression) \
  TEMPER_ASSIGN_OR_RETURN_AS(TEMPER_STATUS_JOIN(statusor_, __LINE__), target, expression)
#define TEMPER_ASSIGN_OR_RETURN_AS(statusor, target, expression) \
  auto statusor = (expression);                                  \
  if (!statusor.ok()) {                                          \
    return std::move(statusor).status();                         \
  }                                                              \
  target = *std::move(statusor)
