// The sums over particles on a host: particles side by side in vector registers, blocks of them in the first cache.
#pragma once
#include "pipe_modes.h"

constexpr int BLOCK = 16;  // packs whose waves are kept while products of them are added up
constexpr int PAIR = 2;   // packs that share each number of phi

struct PipeCounts {
  int horizontal;
  int vertical;
};

// Numbers of scratch memory for one call; the largest needs are those of the adjoint's deposition.
extern "C" Integer pipe_scratch(int horizontal, int vertical) {
  return (Integer)LANES * (3 * horizontal * vertical + BLOCK * (2 * horizontal + 3 * vertical) + horizontal + vertical);
}

// Beyond the last particle there are zeros.
GT_INLINE Number load(const double* row, Integer i, Integer end) {
  Number r = broadcast(0.0);
  if (__builtin_expect(end - i >= LANES, 1))
    std::memcpy(&r, row + i, sizeof r);
  else
    std::memcpy(&r, row + i, sizeof(double) * (end - i));
  return r;
}

GT_INLINE void save(double* row, Integer i, Integer end, const Number& value) {
  if (__builtin_expect(end - i >= LANES, 1))
    std::memcpy(row + i, &value, sizeof value);
  else
    std::memcpy(row + i, &value, sizeof(double) * (end - i));
}

// sums_lm += left_l right_m over columns, in tiles of ROWS times ROWS that stay in registers.
GT_INLINE void add_products(const PipeCounts& counts, const Number* left, const Number* right, int columns,
                            Number* sums) {
  for (int l = 0; l < counts.horizontal; l += ROWS)
    for (int m = 0; m < counts.vertical; m += ROWS, sums += ROWS * ROWS) {
      Number tile[ROWS][ROWS];
      GT_UNROLL for (int i = 0; i < ROWS; ++i)
        GT_UNROLL for (int j = 0; j < ROWS; ++j) tile[i][j] = sums[ROWS * i + j];
      const Number *a = left + l, *b = right + m;
      for (int k = 0; k < columns; ++k, a += counts.horizontal, b += counts.vertical)
        GT_UNROLL for (int i = 0; i < ROWS; ++i)
          GT_UNROLL for (int j = 0; j < ROWS; ++j) tile[i][j] += a[i] * b[j];
      GT_UNROLL for (int i = 0; i < ROWS; ++i)
        GT_UNROLL for (int j = 0; j < ROWS; ++j) sums[ROWS * i + j] = tile[i][j];
    }
}

// Tiles of vectors to a matrix of numbers; lanes are added up in their order.
GT_INLINE void add_lanes(const PipeCounts& counts, const Number* sums, double* out) {
  for (int l = 0; l < counts.horizontal; l += ROWS)
    for (int m = 0; m < counts.vertical; m += ROWS)
      for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < ROWS; ++j, ++sums) {
          double lanes[LANES], total = 0.0;
          std::memcpy(lanes, sums, sizeof lanes);
          for (int lane = 0; lane < LANES; ++lane) total += lanes[lane];
          out[(l + i) * counts.vertical + m + j] = total;
        }
}

GT_INLINE void clear(Number* sums, int count) {
  for (int i = 0; i < count; ++i) sums[i] = broadcast(0.0);
}

// density_lm = sum w_j sin_l sin_m over the particles from first to end.
GT_FUNCTION void deposit(const PipeRun& run, Integer first, Integer end, double* density, Number* scratch) {
  const PipeCounts counts = {run.horizontal, run.vertical};
  const int nx = counts.horizontal, ny = counts.vertical;
  Number *sums = scratch, *left = sums + nx * ny, *right = left + BLOCK * nx, *tx = right + BLOCK * ny, *ty = tx + nx;
  clear(sums, nx * ny);
  for (Integer start = first; start < end; start += BLOCK * LANES) {
    int columns = 0;
    for (Integer i = start; i < end && columns < BLOCK; i += LANES, ++columns) {
      Number sx, sy, cx, cy;
      first_wave(load(run.coordinates, i, end) * run.inverse_width, sx, cx);
      first_wave(load(run.coordinates + 2 * run.n, i, end) * run.inverse_height, sy, cy);
      cosines(nx / 2, cx, tx);
      cosines(ny / 2, cy, ty);
      sines(nx, sx, tx, left + columns * nx);
      sines(ny, sy * load(run.weights, i, end), ty, right + columns * ny);
    }
    add_products(counts, left, right, columns, sums);
  }
  add_lanes(counts, sums, density);
}

// The same, and p_lm = sum p_i 2 cos_l sin_m, q_lm = sum q_i sin_l 2 cos_m with the bars p, q of px, py.
GT_FUNCTION void deposit_adjoint(const PipeRun& run, Integer first, Integer end, double* density, double* p_sums,
                                 double* q_sums, Number* scratch) {
  const PipeCounts counts = {run.horizontal, run.vertical};
  const int nx = counts.horizontal, ny = counts.vertical, modes = nx * ny;
  Number *sums = scratch, *sx = sums + 3 * modes, *tx = sx + BLOCK * nx, *weighted = tx + BLOCK * nx,
         *p_sines = weighted + BLOCK * ny, *q_cosines = p_sines + BLOCK * ny, *ty = q_cosines + BLOCK * ny;
  clear(sums, 3 * modes);
  for (Integer start = first; start < end; start += BLOCK * LANES) {
    int columns = 0;
    for (Integer i = start; i < end && columns < BLOCK; i += LANES, ++columns) {
      Number sy, cy;
      waves(load(run.coordinates, i, end), run.inverse_width, nx, sx + columns * nx, tx + columns * nx);
      first_wave(load(run.coordinates + 2 * run.n, i, end) * run.inverse_height, sy, cy);
      cosines(ny / 2, cy, ty);
      sines(ny, sy * load(run.weights, i, end), ty, weighted + columns * ny);
      sines(ny, sy * load(run.cotangents + run.n, i, end), ty, p_sines + columns * ny);
      scaled_cosines(ny, load(run.cotangents + 3 * run.n, i, end), ty, q_cosines + columns * ny);
    }
    add_products(counts, sx, weighted, columns, sums);
    add_products(counts, tx, p_sines, columns, sums + modes);
    add_products(counts, sx, q_cosines, columns, sums + 2 * modes);
  }
  add_lanes(counts, sums, density);
  add_lanes(counts, sums + modes, p_sums);
  add_lanes(counts, sums + 2 * modes, q_sums);
}

// Waves of PAIR packs from `start` on; where there is one pack less it comes twice.
GT_INLINE void pair_of_waves(const PipeRun& run, Integer start, Integer end, Number* scratch) {
  const int nx = run.horizontal, ny = run.vertical;
  Number *sx = scratch, *tx = sx + PAIR * nx, *sy = tx + PAIR * nx, *ty = sy + PAIR * ny;
  for (int k = 0; k < PAIR; ++k) {
    const Integer i = start + k * LANES < end ? start + k * LANES : start;
    waves(load(run.coordinates, i, end), run.inverse_width, nx, sx + k * nx, tx + k * nx);
    waves(load(run.coordinates + 2 * run.n, i, end), run.inverse_height, ny, sy + k * ny, ty + k * ny);
  }
}

// Momenta of a pack after a kick, but for those particles that could not go forward with them. How many these are.
GT_FUNCTION int save_kick(const PipeRun& run, Integer i, Integer end, const Number& fx, const Number& fy) {
  double *row = run.coordinates + run.n, *other = run.coordinates + 3 * run.n;
  const Number old_x = load(row, i, end), old_y = load(other, i, end);
  const Number opd = 1.0 + load(run.coordinates + 5 * run.n, i, end);
  const Number px = old_x - fx * run.strength, py = old_y - fy * run.strength;
  const unsigned good = less_equal(px * px + py * py, opd * opd) & less_equal(opd * 0.0, opd);
  save(row, i, end, px);
  save(other, i, end, py);
  if (__builtin_expect(good == (1u << LANES) - 1u, 1)) return 0;
  int count = 0;
  for (int lane = 0; lane < LANES && i + lane < end; ++lane) {
    if (good >> lane & 1u) continue;
    const double sum = 0.0 * (row[i + lane] + other[i + lane] + run.coordinates[5 * run.n + i + lane]);
    run.lost[i + lane] = sum == 0.0 ? LOST_UNPHYSICAL : LOST_NOT_FINITE;
    row[i + lane] = old_x.part[lane / WIDTH][lane % WIDTH];
    other[i + lane] = old_y.part[lane / WIDTH][lane % WIDTH];
    ++count;
  }
  return count;
}

// px -= c fx, py -= c fy. How many cannot be tracked on.
GT_FUNCTION Integer kick(const PipeRun& run, Integer first, Integer end, Number* scratch) {
  const PipeCounts counts = {run.horizontal, run.vertical};
  const Number *sx = scratch, *tx = sx + PAIR * run.horizontal, *sy = tx + PAIR * run.horizontal,
               *ty = sy + PAIR * run.vertical;
  Integer lost = 0;
  for (Integer start = first; start < end; start += PAIR * LANES) {
    pair_of_waves(run, start, end, scratch);
    Number fx[PAIR], fy[PAIR];
    gather<PAIR>(counts, run.table, sx, tx, sy, ty, fx, fy);
    for (int k = 0; k < PAIR && start + k * LANES < end; ++k)
      lost += save_kick(run, start + k * LANES, end, fx[k], fy[k]);
  }
  return lost;
}

// Undoes the kick and pulls the cotangents back.
GT_FUNCTION void kick_adjoint(const PipeRun& run, Integer first, Integer end, Number* scratch) {
  const PipeCounts counts = {run.horizontal, run.vertical};
  const Integer n = run.n;
  const Number *sx = scratch, *tx = sx + PAIR * run.horizontal, *sy = tx + PAIR * run.horizontal,
               *ty = sy + PAIR * run.vertical;
  double *px = run.coordinates + n, *py = px + 2 * n;
  double *x_bar = run.cotangents, *p = x_bar + n, *y_bar = p + n, *q = y_bar + n;
  for (Integer start = first; start < end; start += PAIR * LANES) {
    pair_of_waves(run, start, end, scratch);
    PipeSums sums[PAIR];
    gather_adjoint<PAIR>(counts, run.kx, run.table, sx, tx, sy, ty, sums);
    for (int k = 0; k < PAIR && start + k * LANES < end; ++k) {
      const Integer i = start + k * LANES;
      Number before_x = load(px, i, end), before_y = load(py, i, end);
      Number bar_x = load(x_bar, i, end), bar_y = load(y_bar, i, end);
      const Number share = load(run.weights, i, end) * run.inverse_total;
      pull_kick(sums[k], run.strength, share, load(p, i, end), load(q, i, end), before_x, before_y, bar_x, bar_y);
      save(px, i, end, before_x);
      save(py, i, end, before_y);
      save(x_bar, i, end, bar_x);
      save(y_bar, i, end, bar_y);
    }
  }
}

// Parts of `size` particles each, from first to end; each has its rows in `sums` (parts, 1 or 3, horizontal, vertical):
// density, and for the adjoint what `deposit_adjoint` adds to it.
extern "C" void pipe_deposit(const PipeRun* run, Integer size, Integer first, Integer end, int adjoint, double* sums,
                             double* scratch) {
  const Integer modes = (Integer)run->horizontal * run->vertical;
  for (Integer part = first; part < end; ++part) {
    const Integer last = (part + 1) * size < run->n ? (part + 1) * size : run->n;
    double* const own = sums + part * modes * (adjoint ? 3 : 1);
    if (adjoint)
      deposit_adjoint(*run, part * size, last, own, own + modes, own + 2 * modes, (Number*)scratch);
    else
      deposit(*run, part * size, last, own, (Number*)scratch);
  }
}

extern "C" Integer pipe_kick(const PipeRun* run, Integer first, Integer end, double* scratch) {
  return kick(*run, first, end, (Number*)scratch);
}

extern "C" Integer pipe_kick_adjoint(const PipeRun* run, Integer first, Integer end, double* scratch) {
  kick_adjoint(*run, first, end, (Number*)scratch);
  return 0;
}
