// Derivatives of what matrix_rates_host.h computes: the backward sweep on the same nested dual numbers.
//
// Let t(a) be the coefficient of e h. A scalar S of all parts of x has dS = t(<g, dx>) after a map, for one number
// g = g0 + e g1 + h g2 + e h g3 in each coordinate: t picks <g0, dx3> + <g1, dx2> + <g2, dx1> + <g3, dx0>, so that
// the cotangent of each part of x stands in the opposite part of g. The algebra is commutative and dF = J dx holds in
// it, hence dS = t(<J^T g, dx>) before the map: g is pulled back by the text of the adjoints as it is, and the e h part
// of what it gathers for a constant is the derivative of S with respect to that. Here S depends on the last part alone:
// seeds go into g0; at the start g1 is the cotangent of d, and g3 that of the orbit.
#pragma once
#include "matrix_derivatives.h"

static double sum_of(const Pack& a) {
  alignas(64) double numbers[LANES];
  std::memcpy(numbers, &a, sizeof numbers);
  double total = 0.0;
  for (int lane = 0; lane < LANES; ++lane) total += numbers[lane];
  return total;
}

constexpr int MAX_CONSTANTS = 1024;  // of one op

static void add_seeds(const RatesRun& r, Costate<Rate>& g, const RecordOp& op, Integer first, int lanes) {
  const double* place = record_place(r.run, op, r.run.first_turn);
  if (!place || !r.seeds) return;
  const double* from = r.seeds + (place - r.run.records) + first;
  for (int c = 0; c < 6; ++c) (&g.x + c)->value.value += gathered(from + c * r.run.n, lanes);
}

#define GT_KIND(name, Op, code)                                                                               \
  static __attribute__((noinline)) void pull_##name(const RatesRun& r, State<Rate>& s, Costate<Rate>& g,      \
                                                    const Op& op, double* gradient) {                         \
    Rate storage[MAX_CONSTANTS];                                                                              \
    const int size = size_of(op);                                                                             \
    for (int i = 0; i < size; ++i) storage[i] = broadcast(0.0);                                                \
    name(s, g, op, bars(op, storage), r.run.reference);                                                       \
    for (int i = 0; i < size; ++i) gradient[i] += sum_of(storage[i].tangent.tangent);                         \
  }
GT_ADJOINT_KINDS
#undef GT_KIND

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pull_##name(r, s, g, unpack_##Op(integers, constants), r.gradient + integers[1]);
static void pull_op(const RatesRun& r, State<Rate>& s, Costate<Rate>& g, int k, Integer first, int lanes) {
  const int* integers = r.run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = r.run.constants + integers[1];
  switch (integers[0]) {
    GT_ADJOINT_KINDS
    case CODE_record:
      return add_seeds(r, g, unpack_RecordOp(integers, constants), first, lanes);
  }
}
#undef GT_KIND

static void begin_costates(const RatesRun& r, Costate<Rate>& g, Integer first, int lanes) {
  for (int c = 0; c < 6; ++c) {
    *coordinate_of(g, c) = broadcast(0.0);
    coordinate_of(g, c)->value.value = gathered(r.cotangents + c * r.run.n + first, lanes);
  }
  g.opd = g.inverse = g.slip = broadcast(0.0);
  g.beta0 = g.inverse_gamma0_squared = g.charge_over_energy = g.charge_over_momentum = g.radiation = broadcast(0.0);
}

static void end_costates(const RatesRun& r, const State<Rate>& s, Costate<Rate>& g, Integer first, int lanes) {
  fold(s, g, r.run.reference);
  for (int c = 0; c < 6; ++c) {
    const Integer at = c * r.run.n + first;
    const Rate& bar = *coordinate_of(g, c);
    scatter(bar.value.value, r.cotangents + at, lanes);
    scatter(bar.value.tangent, r.along_cotangents + at, lanes);
    scatter(bar.tangent.tangent, r.orbit_cotangents + at, lanes);
  }
  const Rate* bars[] = {&g.beta0, &g.inverse_gamma0_squared, &g.charge_over_energy, &g.charge_over_momentum,
                        &g.radiation};
  for (int i = 0; i < REFERENCE_MEMBERS; ++i) r.reference[i] += sum_of(bars[i]->tangent.tangent);
}

// Back through the program, from all parts as they are after it.
extern "C" void gputrack_matrix_rates_sweep(const RatesRun* pointer) {
  const RatesRun& r = *pointer;
  for (Integer first = 0; first < r.run.n; first += LANES) {
    const int lanes = r.run.n - first < LANES ? (int)(r.run.n - first) : LANES;
    State<Rate> s;
    Costate<Rate> g;
    enter(r, s, first, lanes);
    begin_costates(r, g, first, lanes);
    for (int k = r.run.n_ops - 1; k >= r.run.first_op; --k) pull_op(r, s, g, k, first, lanes);
    leave(r, s, first, lanes);
    end_costates(r, s, g, first, lanes);
  }
}
