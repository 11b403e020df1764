// Blocks of packs with tangents on the host: how particles come into them and leave them.
#pragma once
#include "../program/losses.h"
#include "../program/tangent.h"

constexpr int BLOCK = 8;  // packs that travel together

using Tangent = Dual<Pack>;

struct TangentBlock {
  State<Tangent> states[BLOCK];
  unsigned alive[BLOCK];
  Integer first[BLOCK];  // particle of lane 0
  int packs;
  unsigned any;
};

GT_INLINE Tangent* coordinate_of(State<Tangent>& s, int c) { return &s.x + c; }

// Numbers of the given lanes from and to an array, of which `at` is that of lane 0.
static Pack gathered(const double* at, unsigned lanes) {
  alignas(64) double numbers[LANES] = {};
  for (int lane = 0; lane < LANES; ++lane)
    if (lanes >> lane & 1u) numbers[lane] = at[lane];
  Pack r;
  std::memcpy(&r, numbers, sizeof r);
  return r;
}
static void scatter(const Pack& a, double* at, unsigned lanes) {
  alignas(64) double numbers[LANES];
  std::memcpy(numbers, &a, sizeof numbers);
  for (int lane = 0; lane < LANES; ++lane)
    if (lanes >> lane & 1u) at[lane] = numbers[lane];
}

// Coordinates and their tangents into arrays (6, n).
static void put(const Tangent* coordinates, double* values, double* tangents, Integer n, unsigned lanes) {
  for (int c = 0; c < 6; ++c) {
    scatter(coordinates[c].value, values + c * n, lanes);
    scatter(coordinates[c].tangent, tangents + c * n, lanes);
  }
}

template <class C>
static void enter(const Run& run, const double* tangents, const ReferenceConstants<C>& ref, TangentBlock& b,
                  Integer begin, Integer end) {
  b.packs = 0;
  b.any = 0;
  for (Integer i = begin; i < end && b.packs < BLOCK; i += LANES, ++b.packs) {
    State<Tangent>& s = b.states[b.packs];
    unsigned alive = 0;
    for (int lane = 0; lane < LANES && i + lane < end; ++lane)
      if (run.loss_code[i + lane] == ALIVE) alive |= 1u << lane;
    for (int c = 0; c < 6; ++c) {
      const Integer place = c * run.n + i;
      *coordinate_of(s, c) = {gathered(run.coordinates + place, alive), gathered(tangents + place, alive)};
    }
    refresh(s, ref);
    b.alive[b.packs] = alive;
    b.first[b.packs] = i;
    b.any |= alive;
  }
}

static void leave(const Run& run, double* tangents, TangentBlock& b) {
  for (int p = 0; p < b.packs; ++p)
    put(&b.states[p].x, run.coordinates + b.first[p], tangents + b.first[p], run.n, b.alive[p]);
}
