// Tracking with tangents on CPU threads, as track_host.h without.
#pragma once
#include "tangent_block.h"

struct DualRun : TangentRun {
  ReferenceConstants<Dual<double>> reference;
};

// Take lanes out of a pack: their last good coordinates are stored with the tangents of these.
static __attribute__((noinline)) void lose(const DualRun& t, TangentBlock& b, int p, unsigned lost,
                                           const Tangent* before, Integer turn, int op, int code) {
  State<Tangent>& s = b.states[p];
  put(before, t.run.coordinates + b.first[p], t.tangents + b.first[p], t.run.n, lost);
  alignas(64) double now[6][LANES];
  for (int c = 0; c < 6; ++c) std::memcpy(now[c], &coordinate_of(s, c)->value, sizeof now[c]);
  for (int lane = 0; lane < LANES; ++lane) {
    if (!(lost >> lane & 1u)) continue;
    const Integer i = b.first[p] + lane;
    const double coordinates[6] = {now[0][lane], now[1][lane], now[2][lane], now[3][lane], now[4][lane], now[5][lane]};
    t.run.loss_code[i] = code ? code : loss_code(coordinates, t.run.limit);
    t.run.loss_turn[i] = turn;
    t.run.loss_op[i] = op;
  }
  b.alive[p] &= ~lost;
  b.any = 0;
  for (int q = 0; q < b.packs; ++q) b.any |= b.alive[q];
  const Tangent zero = broadcast(0.0);
  for (int c = 0; c < 6; ++c) *coordinate_of(s, c) = choose(b.alive[p], *coordinate_of(s, c), zero);
  refresh(s, t.reference);
}

// One op on every pack of the block.
template <class Map>
GT_INLINE void pass(const DualRun& t, TangentBlock& b, Integer turn, int op, Map map) {
  const double limit_squared = t.run.limit * t.run.limit;
  for (int p = 0; p < b.packs; ++p) {
    State<Tangent>& s = b.states[p];
    const Tangent before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
    map(s);
    const unsigned lost = b.alive[p] & ~acceptable(s, limit_squared);
    if (__builtin_expect(lost, 0)) lose(t, b, p, lost, before, turn, op, 0);
  }
}

static void check_aperture(const DualRun& t, TangentBlock& b, Integer turn, int op, const ApertureOp& limits) {
  for (int p = 0; p < b.packs; ++p) {
    State<Tangent>& s = b.states[p];
    const unsigned lost = b.alive[p] & ~inside(s, limits);
    if (!lost) continue;
    const Tangent before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
    lose(t, b, p, lost, before, turn, op, LOST_APERTURE);
  }
}

static void record(const DualRun& t, TangentBlock& b, Integer turn, const RecordOp& op) {
  double* place = record_place(t.run, op, turn);
  if (!place) return;
  double* const tangents = t.record_tangents + (place - t.run.records);
  for (int p = 0; p < b.packs; ++p)
    put(&b.states[p].x, place + b.first[p], tangents + b.first[p], t.run.n, b.alive[p]);
}

// One function per kind of map, as in track_host.h.
#define GT_KIND(name, Op, code)                                                                                \
  template <class Constants>                                                                                   \
  static __attribute__((noinline)) void pass_##name(const DualRun& t, TangentBlock& b, Integer turn, int k, \
                                                    const Constants& op) {                                     \
    pass(t, b, turn, k, [&](State<Tangent>& s) GT_LAMBDA { name(s, op, t.reference); });                       \
  }
GT_FORWARD_KINDS
#undef GT_KIND

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pass_##name(t, b, turn, k, unpack_##Op(integers, constants));
static void apply(const DualRun& t, TangentBlock& b, Integer turn, int k) {
  const int* integers = t.run.ops + (Integer)k * OP_INTEGERS;
  const Dual<double>* constants = t.constants + integers[1];
  switch (integers[0]) {
    GT_FORWARD_KINDS
    case CODE_aperture:
      return check_aperture(t, b, turn, k, unpack_ApertureOp(integers, t.run.constants + integers[1]));
    case CODE_record:
      return record(t, b, turn, unpack_RecordOp(integers, t.run.constants));
  }
}
#undef GT_KIND

// Track particles begin .. end-1 and their tangents for all turns.
extern "C" void gputrack_tangent(const TangentRun* run_pointer, Integer begin, Integer end) {
  const DualRun t = {*run_pointer, dual_reference(*run_pointer)};
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    TangentBlock b;
    enter(t.run, t.tangents, t.reference, b, i, end);
    pass(t, b, t.run.first_turn, t.run.first_op, [](State<Tangent>&) {});  // who starts beyond the limits is lost at once
    for (Integer done = 0; done < t.run.turns && b.any; ++done)
      for (int k = t.run.first_op; k < t.run.n_ops && b.any; ++k) apply(t, b, t.run.first_turn + done, k);
    leave(t.run, t.tangents, b);
  }
}
