// Beside the tests where they are linked with CUDA: a GPU chooses the order of its threads itself.
namespace temper::kernels {

void TakeTurnsBackwards(bool) {}

}  // namespace temper::kernels
