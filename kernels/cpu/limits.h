// Measures what this machine can do at most: the denominators of every benchmark.
#pragma once

namespace temper::kernels {

// float32 operations per second (a fused multiply-add is two) of `threads` threads in registers or
// in cache, the better of bare arithmetic and our own matrix product. About 0.1 s on an idle
// machine.
double MeasureGemmPeak(int threads);

// Bytes per second that `threads` threads read from memory beyond every cache. About 0.3 s on an
// idle machine.
double MeasureReadBandwidth(int threads);

}  // namespace temper::kernels
