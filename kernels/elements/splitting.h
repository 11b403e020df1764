// Symmetric splittings, with the coefficients of gputrack/elements/splitting.py; its twin.
#pragma once
#include "../target.h"

constexpr int SCHEMES = 7, ALL_STAGES = 36;
// First stage of each scheme in INNER; OUTER has one more stage for each preceding scheme.
GT_CONSTANT int FIRST_STAGE[SCHEMES + 1] = {0, 1, 4, 11, 13, 16, 22, 36};
GT_CONSTANT double OUTER[ALL_STAGES + SCHEMES] = {
    // leap-frog
    0.5, 0.5,
    // Forest and Ruth
    0.6756035959798289, -0.17560359597982889, -0.17560359597982889, 0.6756035959798289,
    // Yoshida
    0.39225680523878, 0.5100434119184585, -0.47105338540975655, 0.0687531682525181, 0.0687531682525181,
    -0.47105338540975655, 0.5100434119184585, 0.39225680523878,
    // LaskarRobutel(stages=2)
    0.21132486540518713, 0.5773502691896257, 0.21132486540518713,
    // LaskarRobutel(stages=3)
    0.1127016653792583, 0.3872983346207417, 0.3872983346207417, 0.1127016653792583,
    // BlanesMoan(order=4)
    0.0792036964311957, 0.353172906049774, -0.0420650803577195, 0.21937695575349958, -0.0420650803577195,
    0.353172906049774, 0.0792036964311957,
    // BlanesMoan(order=6)
    0.0378593198406116, 0.102635633102435, -0.0258678882665587, 0.314241403071447, -0.130144459517415,
    0.106417700369543, -0.00879424312851058, 0.20730506905689539, -0.00879424312851058, 0.106417700369543,
    -0.130144459517415, 0.314241403071447, -0.0258678882665587, 0.102635633102435, 0.0378593198406116,
};
GT_CONSTANT double INNER[ALL_STAGES] = {
    // leap-frog
    1.0,
    // Forest and Ruth
    1.3512071919596578, -1.7024143839193155, 1.3512071919596578,
    // Yoshida
    0.78451361047756, 0.235573213359357, -1.17767998417887, 1.3151863206839063, -1.17767998417887, 0.235573213359357,
    0.78451361047756,
    // LaskarRobutel(stages=2)
    0.5, 0.5,
    // LaskarRobutel(stages=3)
    0.2777777777777778, 0.4444444444444444, 0.2777777777777778,
    // BlanesMoan(order=4)
    0.209515106613362, -0.143851773179818, 0.434336666566456, 0.434336666566456, -0.143851773179818,
    0.209515106613362,
    // BlanesMoan(order=6)
    0.09171915262446165, 0.183983170005006, -0.05653436583288827, 0.004914688774712854, 0.143761127168358,
    0.328567693746804, -0.19641146648645424, -0.19641146648645424, 0.328567693746804, 0.143761127168358,
    0.004914688774712854, -0.05653436583288827, 0.183983170005006, 0.09171915262446165,
};

GT_INLINE int stage_number(int scheme) { return FIRST_STAGE[scheme + 1] - FIRST_STAGE[scheme]; }

// Outer steps are numbered from the end of a slice, 0, to its middle, as the other half is the same; the last number is
// the step between two slices, twice the first.
GT_INLINE int last_outer(int scheme) { return stage_number(scheme) / 2 + 1; }
GT_INLINE double outer_part(int scheme, int number) { return OUTER[FIRST_STAGE[scheme] + scheme + number]; }

// outer(part, number) and inner(part) are steps over a fraction of the length.
template <class Outer, class Inner>
GT_INLINE void compose(int scheme, int slices, Outer outer, Inner inner) {
  const int stages = stage_number(scheme);
  const double scale = 1.0 / slices;
  for (int left = slices * stages, j = 0;; --left) {
    const int number = 2 * j > stages ? stages - j : j;
    const bool between = left && j == stages;
    const double part = outer_part(scheme, number) * scale;
    outer(between ? 2.0 * part : part, between ? stages / 2 + 1 : number);
    if (!left) break;
    if (j == stages) j = 0;
    inner(INNER[FIRST_STAGE[scheme] + j++] * scale);
  }
}

#include "fast/splitting.h"
