// Derivatives of transfer matrices: the backward sweep on dual numbers, once through a program, for tangents v along
// which orbits are displaced. With cotangents U of J v (J the matrix from the start), the tangents of the bars that the
// sweep gathers are the derivatives of <U, J v>; tangents of cotangents are cotangents of the orbit itself.
#pragma once
#include "tangent_block.h"

constexpr int MAX_CONSTANTS = 1024;  // of one op

struct TangentCoBlock {
  Costate<Tangent> states[BLOCK];
};

GT_INLINE double sum_of(const Pack& a) {
  alignas(64) double lanes[LANES];
  std::memcpy(lanes, &a, sizeof lanes);
  double total = 0.0;
  for (int i = 0; i < LANES; ++i) total += lanes[i];
  return total;
}

static void load_costates(const MatrixSweep& sweep, const TangentBlock& b, TangentCoBlock& co) {
  const Integer n = sweep.run.n;
  for (int p = 0; p < b.packs; ++p) {
    Costate<Tangent>& g = co.states[p];
    for (int c = 0; c < 6; ++c) {
      const Integer place = c * n + b.first[p];
      *coordinate_of(g, c) = {gathered(sweep.cotangents + place, b.alive[p]),
                              gathered(sweep.orbit_cotangents + place, b.alive[p])};
    }
    g.opd = g.inverse = g.slip = broadcast(0.0);
    g.beta0 = g.inverse_gamma0_squared = g.charge_over_energy = g.charge_over_momentum = g.radiation = broadcast(0.0);
  }
}

static void store_costates(const MatrixSweep& sweep, TangentBlock& b, TangentCoBlock& co) {
  const Integer n = sweep.run.n;
  for (int p = 0; p < b.packs; ++p) {
    Costate<Tangent>& g = co.states[p];
    fold(b.states[p], g, sweep.run.reference);
    put(&g.x, sweep.cotangents + b.first[p], sweep.orbit_cotangents + b.first[p], n, b.alive[p]);
    const Tangent* bars[] = {&g.beta0, &g.inverse_gamma0_squared, &g.charge_over_energy, &g.charge_over_momentum,
                             &g.radiation};
    for (int i = 0; i < REFERENCE_MEMBERS; ++i) sweep.reference[i] += sum_of(bars[i]->tangent);
  }
}

static void add_seeds(const MatrixSweep& sweep, TangentBlock& b, TangentCoBlock& co, Integer turn, const RecordOp& op) {
  const Run& run = sweep.run;
  double* place = record_place(run, op, turn);
  if (!place) return;
  const Integer start = place - run.records;
  for (int p = 0; p < b.packs; ++p)
    for (int c = 0; c < 6; ++c) {
      const Integer at = start + c * run.n + b.first[p];
      Tangent& g = *coordinate_of(co.states[p], c);
      g.value += gathered(sweep.seeds + at, b.alive[p]);
      g.tangent += gathered(sweep.orbit_seeds + at, b.alive[p]);
    }
}

#define GT_KIND(name, Op, code)                                                                                \
  static __attribute__((noinline)) void pull_##name(const MatrixSweep& sweep, TangentBlock& b,                 \
                                                    TangentCoBlock& co, const Op& op, double* gradient) {      \
    Tangent storage[MAX_CONSTANTS];                                                                            \
    const int size = size_of(op);                                                                              \
    for (int i = 0; i < size; ++i) storage[i] = broadcast(0.0);                                                \
    for (int p = 0; p < b.packs; ++p)                                                                          \
      name(b.states[p], co.states[p], op, bars(op, storage), sweep.run.reference);                     \
    for (int i = 0; i < size; ++i) gradient[i] += sum_of(storage[i].tangent);                                  \
  }
GT_ADJOINT_KINDS
#undef GT_KIND

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pull_##name(sweep, b, co, unpack_##Op(integers, constants), gradient);
static void pull_op(const MatrixSweep& sweep, TangentBlock& b, TangentCoBlock& co, int k) {
  const Run& run = sweep.run;
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = run.constants + integers[1];
  double* gradient = sweep.gradient + integers[1];
  switch (integers[0]) {
    GT_ADJOINT_KINDS
    case CODE_record:
      return add_seeds(sweep, b, co, run.first_turn, unpack_RecordOp(integers, constants));
  }
}
#undef GT_KIND

// Sweep back for columns begin .. end-1, none of them lost.
extern "C" void gputrack_matrix_sweep(const MatrixSweep* sweep_pointer, Integer begin, Integer end) {
  const MatrixSweep& sweep = *sweep_pointer;
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    TangentBlock b;
    TangentCoBlock co;
    enter(sweep.run, sweep.tangents, sweep.run.reference, b, i, end);
    load_costates(sweep, b, co);
    for (int k = sweep.run.n_ops - 1; k >= sweep.run.first_op; --k) pull_op(sweep, b, co, k);
    leave(sweep.run, sweep.tangents, b);
    store_costates(sweep, b, co);
  }
}
