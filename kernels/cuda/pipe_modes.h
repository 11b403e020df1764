// Sums over particles on a GPU. A block stores the waves of a chunk of particles in shared memory; then its threads sum
// their products over all chunks in registers, each for ROWS times ROWS modes and a share of the chunk.
// Each block writes a row; rows are summed in order: two runs agree to the bit.
#pragma once
#include "../collective/pipe_modes.h"
#include "row_sums.h"

constexpr int TILES = MODES / (ROWS * ROWS);
constexpr int SPLITS = TILES < GT_THREADS ? GT_THREADS / TILES : 1;  // threads that share a tile
constexpr int AT_ONCE = GT_THREADS / SPLITS;                        // tiles that a block sums at once

// Particles of a chunk whose `rows` waves each fit 40 kB.
GT_INLINE constexpr int chunk_of(int rows, int most) {
  while (most > 1 && rows * most > 5120) most /= 2;
  return most;
}

// Waves of one particle in shared memory [mode][particle].
template <int CHUNK>
struct Column {
  double* numbers;
  GT_INLINE double& operator[](int mode) const { return numbers[mode * CHUNK]; }
};

// sums_ij += left_i right_j over the share of a chunk.
template <int CHUNK>
GT_INLINE void add_products(const double* left, const double* right, int tile, int share, double* sums) {
  if (tile >= TILES) return;
  left += tile / (NY / ROWS) * ROWS * CHUNK;
  right += tile % (NY / ROWS) * ROWS * CHUNK;
  for (int k = share; k < CHUNK; k += SPLITS) {
    double a[ROWS], b[ROWS];
    GT_UNROLL for (int i = 0; i < ROWS; ++i) {
      a[i] = left[i * CHUNK + k];
      b[i] = right[i * CHUNK + k];
    }
    GT_UNROLL for (int i = 0; i < ROWS; ++i)
      GT_UNROLL for (int j = 0; j < ROWS; ++j) sums[ROWS * i + j] += a[i] * b[j];
  }
}

// row (horizontal, vertical) = sums of a block's tiles; shares are added in order.
GT_INLINE void write_tiles(const double* sums, int tile, int share, double* numbers, double* row) {
  GT_UNROLL for (int i = 0; i < ROWS; ++i)
    GT_UNROLL for (int j = 0; j < ROWS; ++j) {
      numbers[threadIdx.x] = sums[ROWS * i + j];
      __syncthreads();
      if (share == 0 && tile < TILES) {
        double total = 0.0;
        for (int k = 0; k < SPLITS; ++k) total += numbers[threadIdx.x + k];
        row[(tile / (NY / ROWS) * ROWS + i) * NY + tile % (NY / ROWS) * ROWS + j] = total;
      }
      __syncthreads();
    }
}

// rows (blocks, horizontal, vertical): density. Excess threads have a tile that does not exist.
extern "C" __global__ void __launch_bounds__(GT_THREADS)
    pipe_deposit(GT_PARAMETERS(PipeLaunch)) {
  constexpr int CHUNK = chunk_of(NX + NY, GT_THREADS);
  __shared__ double left[NX * CHUNK], right[NY * CHUNK], numbers[GT_THREADS];
  const PipeLaunch launch = GT_FROM_PARAMETERS(PipeLaunch);
  const PipeRun& run = launch.run;
  const Integer n = run.n;
  for (int first_tile = 0; first_tile < TILES; first_tile += AT_ONCE) {
    const int own = (int)threadIdx.x / SPLITS, share = threadIdx.x % SPLITS;
    const int tile = own < AT_ONCE ? first_tile + own : TILES;
    double sums[ROWS * ROWS] = {};
    for (Integer start = (Integer)blockIdx.x * CHUNK; start < n; start += (Integer)gridDim.x * CHUNK) {
      if (threadIdx.x < CHUNK) {
        const Integer i = start + threadIdx.x;
        const bool there = i < n;
        double sx, sy, cx, cy, tx[NX / 2], ty[NY / 2];
        first_wave(there ? run.coordinates[i] * run.inverse_width : 0.0, sx, cx);
        first_wave(there ? run.coordinates[2 * n + i] * run.inverse_height : 0.0, sy, cy);
        cosines(NX / 2, cx, tx);
        cosines(NY / 2, cy, ty);
        sines(NX, sx, tx, Column<CHUNK>{left + threadIdx.x});
        sines(NY, sy * (there ? run.weights[i] : 0.0), ty, Column<CHUNK>{right + threadIdx.x});
      }
      __syncthreads();
      add_products<CHUNK>(left, right, tile, share, sums);
      __syncthreads();
    }
    write_tiles(sums, tile, share, numbers, launch.rows + (Integer)blockIdx.x * MODES);
  }
}

// rows (blocks, 3, horizontal, vertical): density, sum p_i 2 cos_l sin_m, sum q_i sin_l 2 cos_m.
extern "C" __global__ void __launch_bounds__(GT_THREADS)
    pipe_deposit_adjoint(GT_PARAMETERS(PipeLaunch)) {
  constexpr int CHUNK = chunk_of(2 * NX + 3 * NY, GT_THREADS);
  __shared__ double sx[NX * CHUNK], tx[NX * CHUNK], weighted[NY * CHUNK], p_sines[NY * CHUNK], q_cosines[NY * CHUNK];
  __shared__ double numbers[GT_THREADS];
  const PipeLaunch launch = GT_FROM_PARAMETERS(PipeLaunch);
  const PipeRun& run = launch.run;
  const Integer n = run.n;
  for (int first_tile = 0; first_tile < TILES; first_tile += AT_ONCE) {
    const int own = (int)threadIdx.x / SPLITS, share = threadIdx.x % SPLITS;
    const int tile = own < AT_ONCE ? first_tile + own : TILES;
    double density[ROWS * ROWS] = {}, p_sums[ROWS * ROWS] = {}, q_sums[ROWS * ROWS] = {};
    for (Integer start = (Integer)blockIdx.x * CHUNK; start < n; start += (Integer)gridDim.x * CHUNK) {
      if (threadIdx.x < CHUNK) {
        const Integer i = start + threadIdx.x;
        const bool there = i < n;
        double sy, cy, ty[NY / 2];
        waves(there ? run.coordinates[i] : 0.0, run.inverse_width, NX, Column<CHUNK>{sx + threadIdx.x},
              Column<CHUNK>{tx + threadIdx.x});
        first_wave(there ? run.coordinates[2 * n + i] * run.inverse_height : 0.0, sy, cy);
        cosines(NY / 2, cy, ty);
        const double w = there ? run.weights[i] : 0.0, p = there ? run.cotangents[n + i] : 0.0;
        sines(NY, sy * w, ty, Column<CHUNK>{weighted + threadIdx.x});
        sines(NY, sy * p, ty, Column<CHUNK>{p_sines + threadIdx.x});
        scaled_cosines(NY, there ? run.cotangents[3 * n + i] : 0.0, ty, Column<CHUNK>{q_cosines + threadIdx.x});
      }
      __syncthreads();
      add_products<CHUNK>(sx, weighted, tile, share, density);
      add_products<CHUNK>(tx, p_sines, tile, share, p_sums);
      add_products<CHUNK>(sx, q_cosines, tile, share, q_sums);
      __syncthreads();
    }
    double* const row = launch.rows + (Integer)blockIdx.x * 3 * MODES;
    write_tiles(density, tile, share, numbers, row);
    write_tiles(p_sums, tile, share, numbers, row + MODES);
    write_tiles(q_sums, tile, share, numbers, row + 2 * MODES);
  }
}

// px -= c fx, py -= c fy, one particle per thread; sets `any` to 1 if a particle is lost.
extern "C" __global__ void __launch_bounds__(GT_THREADS)
    pipe_kick(GT_PARAMETERS(PipeLaunch)) {
  const PipeLaunch launch = GT_FROM_PARAMETERS(PipeLaunch);
  const PipeRun& run = launch.run;
  const Integer n = run.n;
  const Integer i = (Integer)blockIdx.x * GT_THREADS + threadIdx.x;
  if (i >= n) return;
  double sx[NX], tx[NX], sy[NY], ty[NY], fx, fy;
  waves(run.coordinates[i], run.inverse_width, NX, sx, tx);
  waves(run.coordinates[2 * n + i], run.inverse_height, NY, sy, ty);
  gather<1, ROWS>(run.table, sx, tx, sy, ty, &fx, &fy);
  const double px = run.coordinates[n + i] - fx * run.strength, py = run.coordinates[3 * n + i] - fy * run.strength;
  const double opd = 1.0 + run.coordinates[5 * n + i];
  if (px * px + py * py <= opd * opd && opd * 0.0 <= opd) {
    run.coordinates[n + i] = px;
    run.coordinates[3 * n + i] = py;
  } else {
    run.lost[i] = 0.0 * (px + py + opd) == 0.0 ? LOST_UNPHYSICAL : LOST_NOT_FINITE;
    *launch.any = 1;
  }
}

// Undo the kick and pull cotangents back.
extern "C" __global__ void __launch_bounds__(GT_THREADS)
    pipe_kick_adjoint(GT_PARAMETERS(PipeLaunch)) {
  const PipeLaunch launch = GT_FROM_PARAMETERS(PipeLaunch);
  const PipeRun& run = launch.run;
  const Integer n = run.n;
  const Integer i = (Integer)blockIdx.x * GT_THREADS + threadIdx.x;
  if (i >= n) return;
  double sx[NX], tx[NX], sy[NY], ty[NY];
  waves(run.coordinates[i], run.inverse_width, NX, sx, tx);
  waves(run.coordinates[2 * n + i], run.inverse_height, NY, sy, ty);
  PipeSums sums;
  gather_adjoint<1>(run.kx, run.table, sx, tx, sy, ty, &sums);
  double *own = run.coordinates + i, *bar = run.cotangents + i;
  pull_kick(sums, run.strength, run.weights[i] * run.inverse_total, bar[n], bar[3 * n], own[n], own[3 * n], bar[0],
            bar[2 * n]);
}
