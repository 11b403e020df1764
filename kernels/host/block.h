// Blocks of packs on the host: how particles come into them, leave them, and are lost from them.
#pragma once
#include "../program/losses.h"
#include "../program/run.h"

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
[[maybe_unused]] static __attribute__((noinline)) void lose(const Run& run, Block& b, int p, unsigned lost,
                                                            const Pack* before, Integer turn, int op, int code) {
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
