// Tracking on CPU threads.
#pragma once
#include "passage.h"

// Track particles begin .. end-1 for all turns; backwards undoes them.
extern "C" void gputrack_track(const Run* run, Integer begin, Integer end, int backwards) {
  const Passage<Pack, double, true> passage = {
      *run, run->constants, run->reference, {run->coordinates}, {run->records}};
  if (backwards)
    run_turns<true>(passage, begin, end);
  else
    run_turns<false>(passage, begin, end);
}

// Particles of a pack; ranges in multiples of it leave no lane empty, except in the last pack.
extern "C" int gputrack_lanes() { return LANES; }
