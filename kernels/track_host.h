// Tracking on CPU threads: blocks of packs pass each op together, so that its constants are read once.
#pragma once
#include "losses.h"
#include "run.h"

constexpr int BLOCK = 8;  // packs that travel together; their states fit the first-level cache

struct Block {
  State<Pack> states[BLOCK];
  unsigned alive[BLOCK];
  Integer first[BLOCK];  // particle of lane 0
  int packs;
  unsigned any;
};

GT_INLINE Pack* coordinate_of(State<Pack>& s, int c) { return &s.x + c; }

static void load(const Run& run, Block& b, Integer begin, Integer end) {
  b.packs = 0;
  b.any = 0;
  for (Integer i = begin; i < end && b.packs < BLOCK; i += LANES, ++b.packs) {
    State<Pack>& s = b.states[b.packs];
    unsigned alive = 0;
    alignas(64) double lanes[6][LANES] = {};
    for (int lane = 0; lane < LANES && i + lane < end; ++lane) {
      if (run.loss_code[i + lane] != ALIVE) continue;
      alive |= 1u << lane;
      for (int c = 0; c < 6; ++c) lanes[c][lane] = run.coordinates[c * run.n + i + lane];
    }
    for (int c = 0; c < 6; ++c) std::memcpy(coordinate_of(s, c), lanes[c], sizeof lanes[c]);
    refresh(s, run.reference);
    b.alive[b.packs] = alive;
    b.first[b.packs] = i;
    b.any |= alive;
  }
}

static void store(const Run& run, Block& b) {
  for (int p = 0; p < b.packs; ++p) {
    alignas(64) double lanes[LANES];
    for (int c = 0; c < 6; ++c) {
      std::memcpy(lanes, coordinate_of(b.states[p], c), sizeof lanes);
      for (int lane = 0; lane < LANES; ++lane)
        if (b.alive[p] >> lane & 1u) run.coordinates[c * run.n + b.first[p] + lane] = lanes[lane];
    }
  }
}

// Take lanes out of a pack: their last good coordinates are stored, zeros travel on in their place.
static __attribute__((noinline)) void lose(const Run& run, Block& b, int p, unsigned lost, const Pack* before,
                                           Integer turn, int op, int code) {
  State<Pack>& s = b.states[p];
  alignas(64) double last[6][LANES], now[6][LANES];
  for (int c = 0; c < 6; ++c) {
    std::memcpy(last[c], before + c, sizeof last[c]);
    std::memcpy(now[c], coordinate_of(s, c), sizeof now[c]);
  }
  for (int lane = 0; lane < LANES; ++lane) {
    if (!(lost >> lane & 1u)) continue;
    const Integer i = b.first[p] + lane;
    double coordinates[6];
    for (int c = 0; c < 6; ++c) {
      coordinates[c] = now[c][lane];
      run.coordinates[c * run.n + i] = last[c][lane];
    }
    run.loss_code[i] = code ? code : loss_code(coordinates, run.limit);
    run.loss_turn[i] = turn;
    run.loss_op[i] = op;
  }
  b.alive[p] &= ~lost;
  b.any = 0;
  for (int q = 0; q < b.packs; ++q) b.any |= b.alive[q];
  for (int c = 0; c < 6; ++c) *coordinate_of(s, c) = keep_lanes(*coordinate_of(s, c), b.alive[p]);
  refresh(s, run.reference);
}

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
    check_start(run, b, start, backwards ? run.n_ops - 1 : 0);
    for (Integer done = 0; done < run.turns && b.any; ++done) {
      const Integer turn = backwards ? start - done : start + done;
      if (backwards)
        for (int k = run.n_ops - 1; k >= 0 && b.any; --k) unapply(run, b, turn, k);
      else
        for (int k = 0; k < run.n_ops && b.any; ++k) apply(run, b, turn, k);
    }
    store(run, b);
  }
}

// Particles of a pack; ranges that begin with a whole one leave no lane empty but in the last.
extern "C" int gputrack_lanes() { return LANES; }
