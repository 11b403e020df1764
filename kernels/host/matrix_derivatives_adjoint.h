// Derivatives of the results of matrix_derivatives.h: the backward sweep on the same nested dual numbers.
//
// Let t(a) be the coefficient of e h. A scalar S of all parts of x has dS = t(<g, dx>) after a map, for one number
// g = g0 + e g1 + h g2 + e h g3 in each coordinate: t picks <g0, dx3> + <g1, dx2> + <g2, dx1> + <g3, dx0>, so that
// the cotangent of each part of x stands in the opposite part of g. The algebra is commutative and dF = J dx holds in
// it, hence dS = t(<J^T g, dx>) before the map: g is pulled back by the text of the adjoints as it is, and the e h part
// of what it gathers for a constant is the derivative of S with respect to that. Here S depends on the last part alone:
// seeds go into g0; at the start g1 is the cotangent of d, and g3 that of the orbit.
#pragma once
#include "rates.h"
#include "sweep.h"

// Back through the program, from all parts as they are after it.
extern "C" void gputrack_matrix_rates_sweep(const RatesRun* r) {
  const Run& run = r->run;
  const Pullback<Rate> pullback = {{run, run.constants, run.reference, parts_of(*r), {}},
                                   {{{r->cotangents}, {r->along_cotangents}}, {{}, {r->orbit_cotangents}}},
                                   {{{const_cast<double*>(r->seeds)}, {}}, {}},
                                   r->gradient,
                                   r->reference};
  sweep_turns(pullback, 0, run.n);
}
