// Nested dual numbers of orbits: o + e J v + h (J d + e J'[d] v), see matrix_derivatives.h.
#pragma once
#include "dual_block.h"

using Rate = Dual<Dual<Pack>>;

GT_INLINE Places<Rate> parts_of(const RatesRun& r) {
  return {{{r.run.coordinates}, {r.tangents}}, {{r.along}, {r.rates}}};
}
