// Derivatives of transfer matrices with respect to a displacement of the orbit, on nested dual numbers.
//
// Two independent infinitesimals, e^2 = h^2 = 0: x = o + e v + h d + e h w before a map F becomes
//   F(x) = F(o) + e J v + h J d + e h (J w + J'[d] v),  J'[d] the derivative of the matrix J along d.
// v are columns of the unit matrix, d is the same for all and w = 0: the last part is J'[d] v.
#pragma once
#include "rates.h"
#include "passage.h"

// Once through a program, starting from the parts in the arrays; invalid orbits become NaN.
extern "C" void gputrack_matrix_rates(const RatesRun* r) {
  const Places<Rate> records = {{}, {{}, {r->record_rates}}};
  const Passage<Rate, double, false> passage = {r->run, r->run.constants, r->run.reference, parts_of(*r), records};
  run_turns<false>(passage, 0, r->run.n);
}
