// Access of ops to a run. The members of `Run` are those of the table in gputrack/backends/structs.py.
#pragma once
#include "state.h"

constexpr int OP_INTEGERS = 10;  // code, place of the constants, integers of the op

// Row of a monitor's op in this turn, counted from that of the first turn; -1 in turns without a record.
GT_INLINE Integer record_row(Integer first_turn, const RecordOp& op, Integer turn) {
  if (turn % op.every != 0) return -1;
  // rounded up: C++ rounds towards zero
  const Integer first = (first_turn > 0 ? first_turn + op.every - 1 : first_turn) / op.every;
  return (turn / op.every - first) * op.places + op.place;
}

// Address for coordinate 0 of particle 0 in the record of a monitor's op in this turn; null in turns without a record,
// or without a buffer.
GT_INLINE double* record_place(const Run& run, const RecordOp& op, Integer turn) {
  const Integer row = record_row(run.first_turn, op, turn), start = run.record_starts[op.monitor];
  return row < 0 || start < 0 ? nullptr : run.records + start + row * 6 * run.n;
}
