// Measures what this machine can do at most: the denominators of every benchmark.
#pragma once

namespace temper::kernels {

// float32 operations per second (a fused multiply-add is two) of `threads` threads working in
// registers or in cache, the better of pure arithmetic and our own matrix product; takes about 0.3
// s.
double MeasureGemmPeak(int threads);

// Bytes per second that `threads` threads read from memory beyond every cache; takes about 0.3 s on
// an idle machine.
double MeasureReadBandwidth(int threads);

}  // namespace temper::kernels
