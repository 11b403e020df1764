// Rows with one number per particle, a pack at a time, on the host.
#pragma once
#include "../target.h"

// Unaligned vector in memory. Copies by memcpy use half registers, which stalls the next load.
typedef double Loose __attribute__((vector_size(8 * WIDTH), aligned(8), may_alias));

GT_OUT_OF_LINE void load_some(const double* numbers, Integer count, Number& r) {
  r = broadcast(0.0);
  std::memcpy(&r, numbers, sizeof(double) * count);
}

GT_OUT_OF_LINE void save_some(double* numbers, Integer count, const Number& value) {
  std::memcpy(numbers, &value, sizeof(double) * count);
}

// Zeros beyond the last particle.
GT_INLINE Number load(const double* row, Integer i, Integer end) {
  Number r;
  if (__builtin_expect(end - i >= LANES, 1)) {
    GT_UNROLL for (int k = 0; k < PARTS; ++k) r.part[k] = *(const Loose*)(row + i + k * WIDTH);
    return r;
  }
  Number some;
  load_some(row + i, end - i, some);
  return some;
}

GT_INLINE void save(double* row, Integer i, Integer end, const Number& value) {
  if (__builtin_expect(end - i >= LANES, 1)) {
    GT_UNROLL for (int k = 0; k < PARTS; ++k) *(Loose*)(row + i + k * WIDTH) = value.part[k];
  } else {
    const Number some = value;  // keeps `value` in a register
    save_some(row + i, end - i, some);
  }
}
