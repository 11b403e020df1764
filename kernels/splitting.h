// Symmetric splittings as products of leap-frog steps; twin of gputrack/elements/splitting.py.
#pragma once
#include "target.h"

GT_CONSTANT double WEIGHTS_2[1] = {1.0};
GT_CONSTANT double WEIGHTS_4[3] = {1.351207191959657634, -1.702414383919315268, 1.351207191959657634};
GT_CONSTANT double WEIGHTS_6[7] = {0.784513610477560,  0.235573213359357, -1.17767998417887, 1.315186320683906,
                                   -1.17767998417887, 0.235573213359357, 0.784513610477560};

GT_INLINE int weight_number(int order) { return order == 2 ? 1 : order == 4 ? 3 : 7; }
GT_INLINE double weight_at(int order, int j) {
  return order == 2 ? WEIGHTS_2[j] : order == 4 ? WEIGHTS_4[j] : WEIGHTS_6[j];
}

// outer(part, j) and inner(part) act over a fraction of the length; j numbers the distinct outer steps: 0 the first
// and the last, 1 .. m-1 between the stages, m between the slices (m the number of stages).
template <class Outer, class Inner>
GT_INLINE void compose(int order, int slices, Outer outer, Inner inner) {
  const int stages = weight_number(order);
  const double scale = 1.0 / slices;
  double before = 0.0;
  int step = 0;
  for (int slice = 0, j = 0;;) {
    const bool closing = slice == slices;
    const double weight = closing ? 0.0 : weight_at(order, j);
    outer(0.5 * (before + weight) * scale, closing ? 0 : step);
    if (closing) break;
    inner(weight * scale);
    before = weight;
    step = ++j;
    if (j == stages) {
      j = 0;
      ++slice;
    }
  }
}
