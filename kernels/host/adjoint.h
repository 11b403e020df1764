// Backward sweep of tracking on CPU threads.
#pragma once
#include "sweep.h"

// Sweep back over all turns, for particles begin .. end-1.
extern "C" void gputrack_sweep(const Sweep* sweep, Integer begin, Integer end) {
  const Run& run = sweep->run;
  const Passage<Pack, double, true> passage = {run, run.constants, run.reference, {run.coordinates}, {nullptr}};
  // seeds are not changed
  const Pullback<Pack> pullback = {
      passage,        {sweep->cotangents}, {const_cast<double*>(sweep->seeds)}, sweep->gradient,   sweep->reference,
      sweep->weights, sweep->moment_seeds, sweep->moment_starts,                sweep->moment_turn};
  sweep_turns(pullback, begin, end);
}
