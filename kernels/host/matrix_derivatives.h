// How transfer matrices change where the orbit is displaced, on nested dual numbers.
//
// Two independent infinitesimals, e^2 = h^2 = 0: with x = o + e v + h d + e h w before a map F, after it is
//   F(x) = F(o) + e J v + h J d + e h (J w + J'[d] v),  J'[d] the derivative of the matrix J along d.
// v are columns of the unit matrix, d is one direction for all and w = 0: the last part is J'[d] v.
#pragma once
#include "../numbers/dual.h"
#include "../program/run.h"

using Rate = Dual<Dual<Pack>>;

GT_INLINE Rate* coordinate_of(State<Rate>& s, int c) { return &s.x + c; }

// Numbers of the first lanes from and to an array, of which `at` is that of lane 0.
static Pack gathered(const double* at, int lanes) {
  alignas(64) double numbers[LANES] = {};
  for (int lane = 0; lane < lanes; ++lane) numbers[lane] = at[lane];
  Pack r;
  std::memcpy(&r, numbers, sizeof r);
  return r;
}
static void scatter(const Pack& a, double* at, int lanes) {
  alignas(64) double numbers[LANES];
  std::memcpy(numbers, &a, sizeof numbers);
  for (int lane = 0; lane < lanes; ++lane) at[lane] = numbers[lane];
}

static void enter(const RatesRun& r, State<Rate>& s, Integer first, int lanes) {
  for (int c = 0; c < 6; ++c) {
    const Integer at = c * r.run.n + first;
    *coordinate_of(s, c) = {{gathered(r.run.coordinates + at, lanes), gathered(r.tangents + at, lanes)},
                            {gathered(r.along + at, lanes), gathered(r.rates + at, lanes)}};
  }
  refresh(s, r.run.reference);
}

static void leave(const RatesRun& r, State<Rate>& s, Integer first, int lanes) {
  for (int c = 0; c < 6; ++c) {
    const Integer at = c * r.run.n + first;
    const Rate& a = *coordinate_of(s, c);
    scatter(a.value.value, r.run.coordinates + at, lanes);
    scatter(a.value.tangent, r.tangents + at, lanes);
    scatter(a.tangent.value, r.along + at, lanes);
    scatter(a.tangent.tangent, r.rates + at, lanes);
  }
}

#define GT_KIND(name, Op, code)                                                                  \
  static __attribute__((noinline)) void pass_##name(const RatesRun& r, State<Rate>& s, const Op& op) { \
    name(s, op, r.run.reference);                                                                \
  }
GT_FORWARD_KINDS
#undef GT_KIND

static void record(const RatesRun& r, State<Rate>& s, const RecordOp& op, Integer first, int lanes) {
  const double* place = record_place(r.run, op, r.run.first_turn);
  if (!place || !r.record_rates) return;
  double* to = r.record_rates + (place - r.run.records) + first;
  for (int c = 0; c < 6; ++c) scatter(coordinate_of(s, c)->tangent.tangent, to + c * r.run.n, lanes);
}

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pass_##name(r, s, unpack_##Op(integers, constants));
static void apply(const RatesRun& r, State<Rate>& s, int k, Integer first, int lanes) {
  const int* integers = r.run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = r.run.constants + integers[1];
  switch (integers[0]) {
    GT_FORWARD_KINDS
    case CODE_record:
      return record(r, s, unpack_RecordOp(integers, constants), first, lanes);
  }
}
#undef GT_KIND

// Once through a program, from whatever parts the arrays hold; no losses, whoever fails becomes NaN.
extern "C" void gputrack_matrix_rates(const RatesRun* pointer) {
  const RatesRun& r = *pointer;
  for (Integer first = 0; first < r.run.n; first += LANES) {
    const int lanes = r.run.n - first < LANES ? (int)(r.run.n - first) : LANES;
    State<Rate> s;
    enter(r, s, first, lanes);
    for (int k = r.run.first_op; k < r.run.n_ops; ++k) apply(r, s, k, first, lanes);
    leave(r, s, first, lanes);
  }
}
