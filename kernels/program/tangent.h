// What a run with tangents is given: the maps run on dual numbers, whose constants have tangents too.
#pragma once
#include "../numbers/dual.h"
#include "run.h"

struct TangentRun {
  Run run;
  double* tangents;               // (6, n), of the coordinates
  const Dual<double>* constants;  // those of the run with their tangents
  ReferenceConstants<Dual<double>> reference;
  double* record_tangents;        // laid out as run.records
};
