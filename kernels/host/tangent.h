// Tracking with tangents on CPU threads.
#pragma once
#include "../program/tangent.h"
#include "dual_block.h"
#include "passage.h"

// Track particles begin .. end-1 with their tangents for all turns. Lost particles have the tangents of their last
// valid coordinates.
extern "C" void gputrack_tangent(const TangentRun* t, Integer begin, Integer end) {
  const Run& run = t->run;
  const Passage<Dual<Pack>, Dual<double>, true> passage = {
      run, t->constants, dual_reference(*t), {{run.coordinates}, {t->tangents}}, {{run.records}, {t->record_tangents}}};
  run_turns<false>(passage, begin, end);
}
