// Blocks of packs on the host: loading, storing and loss of particles. Packs of a block pass each op together, so that
// its constants are read once.
//
// T is the number type of the coordinates: Pack, or dual numbers of packs (host/dual_block.h). C is that of the
// constants: double, or dual numbers of doubles.
#pragma once
#include "../program/losses.h"
#include "../program/run.h"

constexpr int BLOCK = 8;  // packs that are tracked together; their states fit in the L1 cache

// Arrays with consecutive numbers of the lanes, one for each part of T. Null: read as 0, not written.
template <class T>
struct Places;
template <>
struct Places<Pack> {
  double* at;
};

// Part of a bar that is the derivative with respect to a constant: of a dual number, its tangent.
GT_INLINE const Pack& last_part(const Pack& bar) { return bar; }

// Load numbers i, i + 1, ... of an array into the lanes, 0 where a lane's bit is not set; and store them.
GT_INLINE Pack gathered(const Places<Pack>& from, Integer i, unsigned lanes) {
  alignas(64) double numbers[LANES] = {};
  if (from.at)
    for (int lane = 0; lane < LANES; ++lane)
      if (lanes >> lane & 1u) numbers[lane] = from.at[i + lane];
  Pack r;
  std::memcpy(&r, numbers, sizeof r);
  return r;
}
GT_INLINE void scatter(const Pack& a, const Places<Pack>& to, Integer i, unsigned lanes) {
  if (!to.at) return;
  alignas(64) double numbers[LANES];
  std::memcpy(numbers, &a, sizeof numbers);
  for (int lane = 0; lane < LANES; ++lane)
    if (lanes >> lane & 1u) to.at[i + lane] = numbers[lane];
}

// Run with numbers T. Without LOSSES no particle is lost: invalid coordinates become NaN.
template <class T, class C, bool LOSSES>
struct Passage {
  Run run;
  const C* constants;
  ReferenceConstants<C> reference;
  Places<T> coordinates, records;  // (6, n), and laid out as run.records
};

template <class T>
struct Block {
  State<T> states[BLOCK];
  unsigned alive[BLOCK];  // one bit per lane
  Integer first[BLOCK];   // particle of lane 0
  int packs;
  unsigned any;  // not 0 if any particle survives
};

template <class T>
GT_INLINE T* coordinate_of(State<T>& s, int c) {
  return &s.x + c;
}

// Load the surviving particles of begin .. end-1, as many as fit.
template <class T, class C, bool LOSSES>
static void load(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer begin, Integer end) {
  const Run& run = passage.run;
  b.packs = 0;
  b.any = 0;
  for (Integer i = begin; i < end && b.packs < BLOCK; i += LANES, ++b.packs) {
    State<T>& s = b.states[b.packs];
    unsigned alive = 0;
    for (int lane = 0; lane < LANES && i + lane < end; ++lane)
      if (run.loss_code[i + lane] == ALIVE) alive |= 1u << lane;
    for (int c = 0; c < 6; ++c) *coordinate_of(s, c) = gathered(passage.coordinates, c * run.n + i, alive);
    refresh(s, passage.reference);
    b.alive[b.packs] = alive;
    b.first[b.packs] = i;
    b.any |= alive;
  }
}

template <class T, class C, bool LOSSES>
static void store(const Passage<T, C, LOSSES>& passage, Block<T>& b) {
  for (int p = 0; p < b.packs; ++p)
    for (int c = 0; c < 6; ++c)
      scatter(*coordinate_of(b.states[p], c), passage.coordinates, c * passage.run.n + b.first[p], b.alive[p]);
}

// Remove lanes from a pack: their last valid coordinates, `before`, are stored; zeros are tracked in their place.
template <class T, class C, bool LOSSES>
GT_APART void lose(const Passage<T, C, LOSSES>& passage, Block<T>& b, int p, unsigned lost, const T* before,
                   Integer turn, int op, int code) {
  const Run& run = passage.run;
  State<T>& s = b.states[p];
  alignas(64) double now[6][LANES];
  for (int c = 0; c < 6; ++c) {
    const Pack value = value_of(*coordinate_of(s, c));
    std::memcpy(now[c], &value, sizeof now[c]);
    scatter(before[c], passage.coordinates, c * run.n + b.first[p], lost);
  }
  for (int lane = 0; lane < LANES; ++lane) {
    if (!(lost >> lane & 1u)) continue;
    const Integer i = b.first[p] + lane;
    const double coordinates[6] = {now[0][lane], now[1][lane], now[2][lane], now[3][lane], now[4][lane], now[5][lane]};
    run.loss_code[i] = code ? code : loss_code(coordinates, run.limit);
    run.loss_turn[i] = turn;
    run.loss_op[i] = op;
  }
  b.alive[p] &= ~lost;
  b.any = 0;
  for (int q = 0; q < b.packs; ++q) b.any |= b.alive[q];
  const T zero = broadcast(0.0);
  for (int c = 0; c < 6; ++c) *coordinate_of(s, c) = choose(b.alive[p], *coordinate_of(s, c), zero);
  refresh(s, passage.reference);
}
