// Sums over the threads of a block, constant by constant, in a fixed order.
#pragma once
#include "threads.h"

#ifndef GT_CONSTANTS
#define GT_CONSTANTS 64  // largest number of an op with series in the program
#endif

constexpr int CHUNK = 8;                     // constants that the block sums at a time
constexpr int TEAM = GT_THREADS / CHUNK;     // threads that sum one constant
static_assert(TEAM * CHUNK == GT_THREADS && TEAM <= 32 && (TEAM & (TEAM - 1)) == 0, "a team is part of a warp");

// Buffers for the sums of a block: two in turn, so that one barrier per chunk suffices.
struct Board {
  double* numbers;  // shared memory (2, CHUNK, GT_THREADS)
  double* row;      // of this block in global memory: (constants + REFERENCE_MEMBERS,)
  int half;
};

// row[i] += the sum of bars[i] over the block. All threads of the block must call it together.
GT_INLINE void add_up(const double* bars, int size, int place, Board& board) {
  const int constant = threadIdx.x / TEAM, member = threadIdx.x % TEAM;
  for (int start = 0; start < size; start += CHUNK) {
    double* numbers = board.numbers + board.half * CHUNK * GT_THREADS;
    board.half ^= 1;
    double* const target = board.row + place + start + constant;
    const bool mine = start + constant < size, writes = mine && member == 0;
    const double before = writes ? *target : 0.0;  // loaded early to hide the latency
    GT_UNROLL for (int i = 0; i < CHUNK; ++i)
      if (start + i < size) numbers[i * GT_THREADS + threadIdx.x] = bars[start + i];
    __syncthreads();
    double total = 0.0;
    if (mine) {
      GT_UNROLL for (int i = 0; i < CHUNK; ++i) total += numbers[constant * GT_THREADS + i * TEAM + member];
    }
    GT_UNROLL for (int step = TEAM / 2; step > 0; step /= 2) total += __shfl_down_sync(~0u, total, step, TEAM);
    if (writes) *target = before + total;
  }
}
