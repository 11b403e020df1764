// Cotangents of the moments that a monitor records; twin of `seeded` in gputrack/beam/moment_rules.py.
#pragma once
#include "run.h"

// Seeds of one record: cotangents b of the mean, the mean m, and B, the cotangent of sigma plus its transpose; b and B
// are divided by the sum of the survivors' weights.
constexpr int MOMENT_SEEDS = 6 + 6 + 36;

// g += w (b + B (c - m)) for surviving particles with coordinates c and weights w.
template <class T>
GT_INLINE void add_moment_seed(const State<T>& s, Costate<T>& g, unsigned alive, const T& weight, const double* seed) {
  const double* const mean = seed + 6;
  const T offset[6] = {s.x - mean[0],  s.px - mean[1], s.y - mean[2],
                       s.py - mean[3], s.z - mean[4],  s.delta - mean[5]};
  Cotangent<T>* const bars[6] = {&g.x, &g.px, &g.y, &g.py, &g.z, &g.delta};
  GT_UNROLL for (int i = 0; i < 6; ++i) {
    const double* const row = seed + 12 + 6 * i;
    T sum = row[0] * offset[0] + seed[i];
    GT_UNROLL for (int j = 1; j < 6; ++j) sum += row[j] * offset[j];
    *bars[i] += keep_lanes(weight * sum, alive);
  }
}

// Seeds of a monitor of moments for this record; null if it records coordinates, or not in this turn.
template <class Sweep>
GT_INLINE const double* moment_seeds_of(const Sweep& sweep, const RecordOp& op, Integer turn) {
  if (!sweep.moment_starts || sweep.moment_starts[op.monitor] < 0) return nullptr;
  const Integer row = record_row(sweep.moment_turn, op, turn);
  return row < 0 ? nullptr : sweep.moment_seeds + sweep.moment_starts[op.monitor] + row * MOMENT_SEEDS;
}
