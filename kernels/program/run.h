// What a run of a program over particles is given. Arrays are in the memory of the device that runs it.
#pragma once
#include "state.h"

constexpr int OP_INTEGERS = 10;  // code, place of the constants, integers of the op

struct Run {
  double* coordinates;      // (6, n)
  Integer n;
  const int* ops;           // (n_ops, OP_INTEGERS)
  int n_ops, first_op;      // ops first_op .. n_ops - 1 act
  const double* constants;
  Reference reference;
  Integer first_turn, turns;
  int* loss_code;           // (n,), 0 while alive
  Integer* loss_turn;       // (n,)
  int* loss_op;             // (n,)
  double limit;             // on |x| and |y| [m]
  double* records;          // all monitors' buffers, each (recorded turns, places, 6, n)
  const Integer* record_starts;  // start of each monitor's buffer
};

// Where a monitor's op writes coordinate 0 of particle 0 in this turn; null in turns that it does not record.
GT_INLINE double* record_place(const Run& run, const RecordOp& op, Integer turn) {
  if (turn % op.every != 0) return nullptr;
  // rounded up: C++ rounds towards zero
  Integer first = (run.first_turn > 0 ? run.first_turn + op.every - 1 : run.first_turn) / op.every;
  Integer row = (turn / op.every - first) * op.places + op.place;
  return run.records + run.record_starts[op.monitor] + row * 6 * run.n;
}
