// Arb's own, and those made of them.
#include "reward/math/ball_functions.h"

#include "absl/container/flat_hash_map.h"

namespace temper::reward::math {
namespace {

void Secant(acb_t out, const acb_t x, slong bits) {
  acb_cos(out, x, bits);
  acb_inv(out, out, bits);
}
void Cosecant(acb_t out, const acb_t x, slong bits) {
  acb_sin(out, x, bits);
  acb_inv(out, out, bits);
}
// f(x) = g(1/x)
template <BallFunction inverse>
void OfReciprocal(acb_t out, const acb_t x, slong bits) {
  acb_inv(out, x, bits);
  inverse(out, out, bits);
}
void ArcCotangent(acb_t out, const acb_t x, slong bits) {
  // In (0, pi): pi/2 - arctan x.
  acb_t half_pi;
  acb_init(half_pi);
  acb_const_pi(half_pi, bits);
  acb_mul_2exp_si(half_pi, half_pi, -1);
  acb_atan(out, x, bits);
  acb_sub(out, half_pi, out, bits);
  acb_clear(half_pi);
}
void CosPlusISin(acb_t out, const acb_t x, slong bits) {
  acb_mul_onei(out, x);
  acb_exp(out, out, bits);
}
void Factorial(acb_t out, const acb_t x, slong bits) {
  acb_add_ui(out, x, 1, bits);
  acb_gamma(out, out, bits);
}

const absl::flat_hash_map<std::string_view, BallFunction>& Table() {
  static const auto& table =
      *new absl::flat_hash_map<std::string_view, BallFunction>{{"sin", acb_sin},
                                                               {"cos", acb_cos},
                                                               {"tan", acb_tan},
                                                               {"cot", acb_cot},
                                                               {"sec", Secant},
                                                               {"csc", Cosecant},
                                                               {"arcsin", acb_asin},
                                                               {"arccos", acb_acos},
                                                               {"arctan", acb_atan},
                                                               {"arccot", ArcCotangent},
                                                               {"arcsec", OfReciprocal<acb_acos>},
                                                               {"arccsc", OfReciprocal<acb_asin>},
                                                               {"sinh", acb_sinh},
                                                               {"cosh", acb_cosh},
                                                               {"tanh", acb_tanh},
                                                               {"coth", acb_coth},
                                                               {"sech", acb_sech},
                                                               {"csch", acb_csch},
                                                               {"arcsinh", acb_asinh},
                                                               {"arccosh", acb_acosh},
                                                               {"arctanh", acb_atanh},
                                                               {"exp", acb_exp},
                                                               {"cis", CosPlusISin},
                                                               {"factorial", Factorial}};
  return table;
}

}  // namespace

BallFunction FindBallFunction(std::string_view name) {
  const auto it = Table().find(name);
  return it == Table().end() ? nullptr : it->second;
}

}  // namespace temper::reward::math
