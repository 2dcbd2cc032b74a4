// Stops the process when something that cannot happen has happened.
//
// For our own faults only; what the world does wrong comes back as a Status.
#pragma once

#include <cstdio>
#include <cstdlib>

#define TEMPER_CHECK(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
