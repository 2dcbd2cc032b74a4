// Stops the process when arithmetic is asked for something impossible.
//
// A failed check is our fault, never the user's: sizes are validated before they reach a kernel.
#pragma once

#include <cstdio>
#include <cstdlib>

#define TEMPER_KERNEL_CHECK(condition)                                                          \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      std::fprintf(stderr, "%s:%d: kernel check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                             \
    }                                                                                           \
  } while (false)
