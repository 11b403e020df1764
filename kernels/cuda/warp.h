// The threads of a warp work on one map together: thread t owns the coefficients t, t + 32, ... of all series.
//
// Reasons against one map per thread: with its series on the stack, NVRTC's assembler counts 42, 121, 301 kB of local
// memory per thread at orders 2, 3, 4 (drifts, multipoles, quadrupoles; sm_80). The driver reserves that for all
// threads that a device can run, 270 000 on an H100, and no cache holds the data of a single warp. Tens of thousands of
// lattices would be required. With one warp per map, 32 rows of a product are summed at a time, hundreds of maps fill
// the device, and threads do not diverge, since all have the same degrees. The stack is 4 kB at any order. A single map
// uses only one warp of the GPU. Not yet timed on a GPU.
//
// A team has a pool of SLOTS series in global memory; a series takes the first free slot and frees it when it is
// destroyed. All threads of a team do the same bookkeeping independently.
#pragma once
#include "../target.h"

#ifndef GT_THREADS
#define GT_THREADS 128
#endif
#ifndef GT_TEAM
#define GT_TEAM 32  // a warp; tests, which run threads one after the other, use fewer
#endif
#ifndef GT_SLOTS
#define GT_SLOTS 96
#endif

constexpr int MAP_THREADS = GT_TEAM, SLOTS = GT_SLOTS, SLOT_WORDS = SLOTS / 32;
static_assert((MAP_THREADS & (MAP_THREADS - 1)) == 0 && GT_THREADS % MAP_THREADS == 0, "whole teams in a block");
static_assert(SLOTS % 32 == 0, "a bit for each slot");

__shared__ double* team_rooms[GT_THREADS / MAP_THREADS];
__shared__ unsigned slots_taken[SLOT_WORDS][GT_THREADS];
__shared__ int* slots_missing;  // set to 1 if a team has no free slot: its results are invalid

GT_INLINE int team_thread() { return threadIdx.x % MAP_THREADS; }
GT_INLINE void meet() { __syncwarp(); }  // makes values written before visible to the whole team

GT_INLINE void open_room(double* room, int* missing) {
  team_rooms[threadIdx.x / MAP_THREADS] = room;
  slots_missing = missing;
  for (int w = 0; w < SLOT_WORDS; ++w) slots_taken[w][threadIdx.x] = 0u;
  __syncthreads();
}

GT_APART int take_slot() {
  for (int w = 0; w < SLOT_WORDS; ++w) {
    const unsigned taken = slots_taken[w][threadIdx.x];
    if (taken == ~0u) continue;
    const int bit = __ffs(~taken) - 1;
    slots_taken[w][threadIdx.x] = taken | 1u << bit;
    return 32 * w + bit;
  }
  *slots_missing = 1;
  return SLOTS - 1;
}
GT_APART void give_slot(int slot) { slots_taken[slot / 32][threadIdx.x] &= ~(1u << slot % 32); }

GT_INLINE double* slot_place(int slot) {
  return team_rooms[threadIdx.x / MAP_THREADS] + (Integer)slot * SERIES_SIZE;
}

template <class V>
struct Coefficients {
  int slot;
  GT_INLINE Coefficients() : slot(take_slot()) {}
  GT_INLINE ~Coefficients() { give_slot(slot); }
  Coefficients(const Coefficients&) = delete;
  Coefficients& operator=(const Coefficients&) = delete;
  GT_INLINE operator V*() { return slot_place(slot); }
  GT_INLINE operator const V*() const { return slot_place(slot); }
};

GT_INLINE bool owns(int row) { return row % MAP_THREADS == team_thread(); }
GT_INLINE int own_from(int row) { return row + ((team_thread() - row) & (MAP_THREADS - 1)); }
GT_INLINE bool any_of_team(bool own) { return __any_sync(~0u, own); }

template <class V>
GT_INLINE void set_constant(Coefficients<V>& c, const V& value) {
  if (owns(0)) c[0] = value;
}
// From its owner, through registers, without synchronisation of memory.
template <class V>
GT_INLINE V shared(const Coefficients<V>& c, int row) {
  return __shfl_sync(~0u, c[row], row % MAP_THREADS);
}
