// Rows of one number for each particle, a pack at a time, on a host.
#pragma once
#include "../target.h"

// A vector anywhere in memory. Copies by memcpy go through halves of registers, which the next reader waits for.
typedef double Loose __attribute__((vector_size(8 * WIDTH), aligned(8), may_alias));

GT_OUT_OF_LINE void load_some(const double* numbers, Integer count, Number& r) {
  r = broadcast(0.0);
  std::memcpy(&r, numbers, sizeof(double) * count);
}

GT_OUT_OF_LINE void save_some(double* numbers, Integer count, const Number& value) {
  std::memcpy(numbers, &value, sizeof(double) * count);
}

// Beyond the last particle there are zeros.
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
    const Number some = value;  // lest `value` be in memory
    save_some(row + i, end - i, some);
  }
}
