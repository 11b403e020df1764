// Sums over particles on the host: particles side by side in vector registers, blocks of them in the L1 cache.
#pragma once
#include "../collective/pipe_modes.h"
#include "row_sums.h"

constexpr bool MANY = WIDTH == 8;  // 32 vector registers instead of 16
constexpr int PAIR = 2;            // packs that share each number of the table
constexpr int TOGETHER = MANY && NX % 6 == 0 ? 6 : ROWS;
constexpr int TILE = MANY && NY % 6 == 0 ? 6 : ROWS;  // ROWS times TILE sums are in registers
constexpr int most(int a, int b) { return a > b ? a : b; }

// Packs in a block, with one column of waves each: they fit in an L1 cache of 48 kB together with the sums, if
// possible, else in the L2 cache. Columns have one additional entry, so that they do not map to the same cache set.
constexpr int COLUMN = NX + NY + 1, BLOCK = most(576 / (NX + NY), 8);
constexpr int ADJOINT_COLUMN = 2 * NX + 3 * NY + 1, ADJOINT_BLOCK = MODES < 200 ? 6 : 16;

constexpr Integer AHEAD = 8 * LANES;  // distance of prefetching, in particles

// Waves of PAIR packs, each kind consecutively.
struct PairWaves {
  Number sx[PAIR * NX], tx[PAIR * NX], sy[PAIR * NY], ty[PAIR * NY];
};

// Size of the scratch memory of one call, in numbers; largest for depositions.
extern "C" Integer pipe_scratch() {
  return (Integer)LANES * (3 * MODES + most(BLOCK * COLUMN, ADJOINT_BLOCK * ADJOINT_COLUMN) + 2 * PAIR * (NX + NY));
}

// sums_lm += left_l right_m over columns, in tiles of ROWS times TILE.
template <int STRIDE>
GT_INLINE void add_products(const Number* left, const Number* right, int columns, Number* sums) {
  for (int l = 0; l < NX; l += ROWS)
    for (int m = 0; m < NY; m += TILE, sums += ROWS * TILE) {
      Number tile[ROWS][TILE];
      GT_UNROLL for (int i = 0; i < ROWS; ++i)
        GT_UNROLL for (int j = 0; j < TILE; ++j) tile[i][j] = sums[TILE * i + j];
      const Number *a = left + l, *b = right + m;
      for (int k = 0; k < columns; ++k, a += STRIDE, b += STRIDE)
        GT_UNROLL for (int i = 0; i < ROWS; ++i)
          GT_UNROLL for (int j = 0; j < TILE; ++j) tile[i][j] += a[i] * b[j];
      GT_UNROLL for (int i = 0; i < ROWS; ++i)
        GT_UNROLL for (int j = 0; j < TILE; ++j) sums[TILE * i + j] = tile[i][j];
    }
}

// Tiles of vectors to a matrix of numbers; lanes are summed in order.
GT_INLINE void add_lanes(const Number* sums, double* out) {
  for (int l = 0; l < NX; l += ROWS)
    for (int m = 0; m < NY; m += TILE)
      for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < TILE; ++j, ++sums) {
          double lanes[LANES], total = 0.0;
          std::memcpy(lanes, sums, sizeof lanes);
          for (int lane = 0; lane < LANES; ++lane) total += lanes[lane];
          out[(l + i) * NY + m + j] = total;
        }
}

GT_INLINE void clear(Number* sums, int count) {
  for (int i = 0; i < count; ++i) sums[i] = broadcast(0.0);
}

// density_lm = sum w_j sin_l sin_m over the particles from first to end.
GT_FUNCTION void deposit(const PipeRun& run, Integer first, Integer end, double* density, double* scratch) {
  Number *const sums = (Number*)scratch, *const block = sums + MODES;
  clear(sums, MODES);
  for (Integer start = first; start < end; start += BLOCK * LANES) {
    int columns = 0;
    Number* own = block;
    for (Integer i = start; i < end && columns < BLOCK; i += LANES, ++columns, own += COLUMN) {
      Number sx, sy, cx, cy, tx[NX / 2], ty[NY / 2];
      first_wave(load(run.coordinates, i, end) * run.inverse_width, sx, cx);
      first_wave(load(run.coordinates + 2 * run.n, i, end) * run.inverse_height, sy, cy);
      cosines(NX / 2, cx, tx);
      sines(NX, sx, tx, own);
      cosines(NY / 2, cy, ty);
      sines(NY, sy * load(run.weights, i, end), ty, own + NX);
    }
    add_products<COLUMN>(block, block + NX, columns, sums);
  }
  add_lanes(sums, density);
}

// The density, and p_lm = sum p_i 2 cos_l sin_m, q_lm = sum q_i sin_l 2 cos_m with the bars p, q of px, py.
GT_FUNCTION void deposit_adjoint(const PipeRun& run, Integer first, Integer end, double* density, double* p_sums,
                                 double* q_sums, double* scratch) {
  Number *const sums = (Number*)scratch, *const block = sums + 3 * MODES;
  Number *sx = block, *tx = sx + NX, *weighted = tx + NX, *p_sines = weighted + NY, *q_cosines = p_sines + NY;
  clear(sums, 3 * MODES);
  for (Integer start = first; start < end; start += ADJOINT_BLOCK * LANES) {
    int columns = 0;
    for (Integer i = start; i < end && columns < ADJOINT_BLOCK; i += LANES, ++columns) {
      const int place = columns * ADJOINT_COLUMN;
      Number sy, cy, ty[NY / 2];
      waves(load(run.coordinates, i, end), run.inverse_width, NX, sx + place, tx + place);
      first_wave(load(run.coordinates + 2 * run.n, i, end) * run.inverse_height, sy, cy);
      cosines(NY / 2, cy, ty);
      sines(NY, sy * load(run.weights, i, end), ty, weighted + place);
      sines(NY, sy * load(run.cotangents + run.n, i, end), ty, p_sines + place);
      scaled_cosines(NY, load(run.cotangents + 3 * run.n, i, end), ty, q_cosines + place);
    }
    add_products<ADJOINT_COLUMN>(sx, weighted, columns, sums);
    add_products<ADJOINT_COLUMN>(tx, p_sines, columns, sums + MODES);
    add_products<ADJOINT_COLUMN>(sx, q_cosines, columns, sums + 2 * MODES);
  }
  add_lanes(sums, density);
  add_lanes(sums + MODES, p_sums);
  add_lanes(sums + 2 * MODES, q_sums);
}

// Waves of PAIR packs from `start` on; a single pack is used twice.
GT_INLINE void pair_of_waves(const PipeRun& run, Integer start, Integer end, PairWaves& w) {
  GT_UNROLL for (int k = 0; k < PAIR; ++k) {
    const Integer i = start + k * LANES < end ? start + k * LANES : start;
    waves(load(run.coordinates, i, end), run.inverse_width, NX, w.sx + k * NX, w.tx + k * NX);
    waves(load(run.coordinates + 2 * run.n, i, end), run.inverse_height, NY, w.sy + k * NY, w.ty + k * NY);
  }
}

// Restore the momenta of invalid lanes and set their loss codes; returns their number.
GT_OUT_OF_LINE int put_back(const PipeRun& run, Integer i, Integer end, unsigned good, const Number& old_x,
                            const Number& old_y) {
  double *row = run.coordinates + run.n, *other = run.coordinates + 3 * run.n;
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

// Store the momenta of a pack after a kick, except for particles that are lost; returns their number.
GT_INLINE int save_kick(const PipeRun& run, Integer i, Integer end, const Number& fx, const Number& fy) {
  double *row = run.coordinates + run.n, *other = run.coordinates + 3 * run.n;
  const Number old_x = load(row, i, end), old_y = load(other, i, end);
  const Number opd = 1.0 + load(run.coordinates + 5 * run.n, i, end);
  const Number px = old_x - fx * run.strength, py = old_y - fy * run.strength;
  const unsigned good = less_equal(px * px + py * py, opd * opd) & less_equal(opd * 0.0, opd);
  save(row, i, end, px);
  save(other, i, end, py);
  if (__builtin_expect(good == ALL_LANES, 1)) return 0;
  const Number lost_x = old_x, lost_y = old_y;  // copies, since their address is taken
  return put_back(run, i, end, good, lost_x, lost_y);
}

// Prefetch pack i of x, px, y, py, and for `count` 5 also of delta: the hardware does not prefetch so many rows at
// once.
GT_INLINE void ask_for(const double* coordinates, Integer n, Integer i, int count) {
  constexpr int rows[5] = {0, 1, 2, 3, 5};
  if (i >= n) return;
  for (int k = 0; k < count; ++k) __builtin_prefetch(coordinates + rows[k] * n + i);
}

// px -= c fx, py -= c fy; returns the number of particles lost.
extern "C" Integer pipe_kick(const PipeRun* arguments, Integer first, Integer end, double* scratch) {
  const PipeRun run = *arguments;
  PairWaves& w = *(PairWaves*)scratch;
  Integer lost = 0;
  for (Integer start = first; start < end; start += PAIR * LANES) {
    for (int k = 0; k < PAIR; ++k) ask_for(run.coordinates, run.n, start + k * LANES + AHEAD, 5);
    pair_of_waves(run, start, end, w);
    Number fx[PAIR], fy[PAIR];
    gather<PAIR, TOGETHER>(run.table, w.sx, w.tx, w.sy, w.ty, fx, fy);
    for (int k = 0; k < PAIR && start + k * LANES < end; ++k)
      lost += save_kick(run, start + k * LANES, end, fx[k], fy[k]);
  }
  return lost;
}

// Undo the kick and pull cotangents back.
extern "C" Integer pipe_kick_adjoint(const PipeRun* arguments, Integer first, Integer end, double* scratch) {
  const PipeRun run = *arguments;
  const Integer n = run.n;
  PairWaves& w = *(PairWaves*)scratch;
  double *px = run.coordinates + n, *py = px + 2 * n;
  double *x_bar = run.cotangents, *p = x_bar + n, *y_bar = p + n, *q = y_bar + n;
  for (Integer start = first; start < end; start += PAIR * LANES) {
    for (int k = 0; k < PAIR; ++k) {
      ask_for(run.coordinates, n, start + k * LANES + AHEAD, 4);
      ask_for(run.cotangents, n, start + k * LANES + AHEAD, 4);
    }
    pair_of_waves(run, start, end, w);
    PipeSums sums[PAIR];
    gather_adjoint<PAIR>(run.kx, run.table, w.sx, w.tx, w.sy, w.ty, sums);
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
  return 0;
}

// Parts `first` to `end` of `size` particles each, with rows in `sums` (parts, 1 or 3, horizontal, vertical): density,
// and for the adjoint the further sums of `deposit_adjoint`.
extern "C" void pipe_deposit(const PipeRun* run, Integer size, Integer first, Integer end, int adjoint, double* sums,
                             double* scratch) {
  for (Integer part = first; part < end; ++part) {
    const Integer last = (part + 1) * size < run->n ? (part + 1) * size : run->n;
    double* const own = sums + part * MODES * (adjoint ? 3 : 1);
    if (adjoint)
      deposit_adjoint(*run, part * size, last, own, own + MODES, own + 2 * MODES, scratch);
    else
      deposit(*run, part * size, last, own, scratch);
  }
}
