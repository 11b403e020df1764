// Backward sweep over one turn for columns of transfer matrices: kernels/host/sweep.h, on one block of a GPU.
#pragma once
#include "block_sums.h"
#include "columns.h"

// Part of a bar that is the derivative with respect to a constant: of a dual number, its tangent.
GT_INLINE double last_part(double bar) { return bar; }
template <class T>
GT_INLINE double last_part(const Dual<T>& bar) {
  return last_part(bar.tangent);
}

// Local memory for the derivatives with respect to the constants of one op.
template <class T>
struct Storage {
  T bars[GT_CONSTANTS];
  double sums[GT_CONSTANTS];
};

// Action at an op; all threads of the block are at the same op.
template <class T>
struct Pull {
  const Run& run;
  State<T>& s;
  Costate<T>& g;
  const Places<T>& seeds;
  bool own;  // whether the thread has a column
  Integer i;
  int place;  // of the op's constants
  Storage<T>& storage;
  Board& board;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    const int size = size_of(op);
    for (int j = 0; j < size; ++j) storage.bars[j] = broadcast(0.0);
    if (own) Map::pull(s, g, op, bars(op, storage.bars), run.reference);
    for (int j = 0; j < size; ++j) storage.sums[j] = last_part(storage.bars[j]);
    add_up(storage.sums, size, place, board);
  }
  GT_INLINE void aperture(const ApertureOp&) const {}
  GT_INLINE void record(const RecordOp& op) const {
    const Integer at = record_start(run, op, i);
    if (own && at >= 0)
      for (int c = 0; c < 6; ++c) *coordinate_of(g, c) += gathered(seeds, at + c * run.n);
  }
};

// Sweep one column, with its cotangents, from after the program to before it.
template <class T>
GT_INLINE void sweep_column(const Run& run, const Places<T>& places, const Places<T>& cotangents, const Places<T>& seeds,
                            Integer i, int reference, Storage<T>& storage, Board& board) {
  const bool own = i < run.n;
  State<T> s = {};
  Costate<T> g = {};
  if (own) {
    enter(run, places, i, s);
    for (int c = 0; c < 6; ++c) *coordinate_of(g, c) = gathered(cotangents, c * run.n + i);
  }
  for (int k = run.n_ops - 1; k >= run.first_op; --k) {
    const int* integers = run.ops + (Integer)k * OP_INTEGERS;
    const Pull<T> pull = {run, s, g, seeds, own, i, integers[1], storage, board};
    at_op(integers, run.constants + integers[1], pull);
  }
  if (own) {
    fold(s, g, run.reference);
    leave(run, s, places, i);
    for (int c = 0; c < 6; ++c) scatter(*coordinate_of(g, c), cotangents, c * run.n + i);
  }
  for (int j = 0; j < REFERENCE_MEMBERS; ++j) storage.sums[j] = last_part((&g.beta0)[j]);
  add_up(storage.sums, REFERENCE_MEMBERS, reference, board);
}

// All columns, one block of them at a time. Adds to `gradient` (constants,) and to `reference`, which follows it.
template <class T>
GT_INLINE void sweep_columns(const Run& run, const Places<T>& places, const Places<T>& cotangents,
                             const Places<T>& seeds, double* gradient, double* reference) {
  __shared__ double numbers[2 * CHUNK * GT_THREADS];
  Storage<T> storage;
  Board board = {numbers, gradient, 0};
  for (Integer first = 0; first < run.n; first += GT_THREADS)
    sweep_column(run, places, cotangents, seeds, first + threadIdx.x, (int)(reference - gradient), storage, board);
}
