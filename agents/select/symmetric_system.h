// Linear equations with a symmetric positive definite matrix, for Newton's steps.
#pragma once

#include <optional>
#include <vector>

namespace temper::agents {

// The x with matrix x = right, by Cholesky's factorisation. matrix: [n, n] by rows, of which the
// lower half is read; right: [n]. Nothing when the matrix is not positive definite.
std::optional<std::vector<double>> SolveSymmetric(std::vector<double> matrix,
                                                  std::vector<double> right);

}  // namespace temper::agents
