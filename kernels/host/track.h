// Tracking on CPU threads: blocks of packs pass each op together, so that its constants are read once.
#pragma once
#include "block.h"

// One op on every pack of the block.
template <class Map>
GT_INLINE void pass(const Run& run, Block& b, Integer turn, int op, Map map) {
  const double limit_squared = run.limit * run.limit;
  for (int p = 0; p < b.packs; ++p) {
    State<Pack>& s = b.states[p];
    const Pack before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
    map(s);
    const unsigned lost = b.alive[p] & ~acceptable(s, limit_squared);
    if (__builtin_expect(lost, 0)) lose(run, b, p, lost, before, turn, op, 0);
  }
}

static void check_aperture(const Run& run, Block& b, Integer turn, int op, const ApertureOp& limits) {
  for (int p = 0; p < b.packs; ++p) {
    State<Pack>& s = b.states[p];
    const unsigned lost = b.alive[p] & ~inside(s, limits);
    if (!lost) continue;
    const Pack before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
    lose(run, b, p, lost, before, turn, op, LOST_APERTURE);
  }
}

static void record(const Run& run, Block& b, Integer turn, const RecordOp& op) {
  double* place = record_place(run, op, turn);
  if (!place) return;
  for (int p = 0; p < b.packs; ++p) {
    alignas(64) double lanes[LANES];
    for (int c = 0; c < 6; ++c) {
      std::memcpy(lanes, coordinate_of(b.states[p], c), sizeof lanes);
      for (int lane = 0; lane < LANES; ++lane)
        if (b.alive[p] >> lane & 1u) place[c * run.n + b.first[p] + lane] = lanes[lane];
    }
  }
}

// A particle that starts beyond the limits is lost before the first op that would act.
static void check_start(const Run& run, Block& b, Integer turn, int op) {
  pass(run, b, turn, op, [](State<Pack>&) {});
}

// One function per kind of map: small functions keep the compiler's register allocation good.
#define GT_KIND(name, Op, code)                                                                                 \
  static __attribute__((noinline)) void pass_##name(const Run& run, Block& b, Integer turn, int k, const Op& op) { \
    pass(run, b, turn, k, [&](State<Pack>& s) { name(s, op, run.reference); });                                  \
  }
GT_FORWARD_KINDS
GT_INVERSE_KINDS
#undef GT_KIND

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pass_##name(run, b, turn, k, unpack_##Op(integers, constants));
static void apply(const Run& run, Block& b, Integer turn, int k) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = run.constants + integers[1];
  switch (integers[0]) {
    GT_FORWARD_KINDS
    case CODE_aperture:
      return check_aperture(run, b, turn, k, unpack_ApertureOp(integers, constants));
    case CODE_record:
      return record(run, b, turn, unpack_RecordOp(integers, constants));
  }
}
static void unapply(const Run& run, Block& b, Integer turn, int k) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = run.constants + integers[1];
  switch (integers[0]) {
    GT_INVERSE_KINDS
    case CODE_record:
      return record(run, b, turn, unpack_RecordOp(integers, constants));
  }
}
#undef GT_KIND

// Track particles begin .. end-1 for all turns; backwards undoes them, last turn and last op first.
extern "C" void gputrack_track(const Run* run_pointer, Integer begin, Integer end, int backwards) {
  const Run run = *run_pointer;
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    Block b;
    load(run, b, i, end);
    const Integer start = backwards ? run.first_turn + run.turns - 1 : run.first_turn;
    check_start(run, b, start, backwards ? run.n_ops - 1 : run.first_op);
    for (Integer done = 0; done < run.turns && b.any; ++done) {
      const Integer turn = backwards ? start - done : start + done;
      if (backwards)
        for (int k = run.n_ops - 1; k >= run.first_op && b.any; --k) unapply(run, b, turn, k);
      else
        for (int k = run.first_op; k < run.n_ops && b.any; ++k) apply(run, b, turn, k);
    }
    store(run, b);
  }
}

// Particles of a pack; ranges that begin with a whole one leave no lane empty but in the last.
extern "C" int gputrack_lanes() { return LANES; }
