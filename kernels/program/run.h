// What ops read of a run. The members of `Run` are those of the table in gputrack/backends/structs.py.
#pragma once
#include "state.h"

constexpr int OP_INTEGERS = 10;  // code, place of the constants, integers of the op

// Where a monitor's op writes coordinate 0 of particle 0 in this turn; null in turns that it does not record.
GT_INLINE double* record_place(const Run& run, const RecordOp& op, Integer turn) {
  if (turn % op.every != 0) return nullptr;
  // rounded up: C++ rounds towards zero
  Integer first = (run.first_turn > 0 ? run.first_turn + op.every - 1 : run.first_turn) / op.every;
  Integer row = (turn / op.every - first) * op.places + op.place;
  return run.records + run.record_starts[op.monitor] + row * 6 * run.n;
}
