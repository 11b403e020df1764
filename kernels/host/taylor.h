// Maps of a lattice as power series on the host: each tile of LANES maps passes all ops once.
#pragma once
#include "../taylor/one_thread.h"
#include "../taylor/products_by_blocks.h"
#include "../taylor/run.h"

// Propagate the maps of tiles begin .. end-1 through the program, in place. `buffer`: memory for max_constants
// Constants.
extern "C" void gputrack_series(const SeriesRun* run, Integer begin, Integer end, void* buffer) {
  for (Integer tile = begin; tile < end; ++tile) pass_tile(*run, tile, static_cast<Constant*>(buffer));
}

extern "C" int gputrack_lanes() { return LANES; }
extern "C" Integer gputrack_constant_bytes() { return (Integer)sizeof(Constant); }
