// Truncated power series on the host: tiles [tile][row][lane] of one or eight maps, real or complex.
// Complex numbers have their real parts before their imaginary ones in each row: [tile][row][part][lane].
#pragma once
#include "../tpsa/inverse.h"

constexpr int TILE = 8;
constexpr int MOST_SERIES = 64;  // largest number of series in one traversal of the tree of monomials
static_assert(LANES == TILE, "Pack must hold a tile");
typedef double Loaded __attribute__((vector_size(8 * WIDTH), aligned(8), may_alias));

template <class V>
struct Complex {
  V re, im;
};
template <class V>
GT_INLINE Complex<V> operator*(double a, const Complex<V>& b) { return {a * b.re, a * b.im}; }
template <class V>
GT_INLINE Complex<V> operator+(const Complex<V>& a, const Complex<V>& b) { return {a.re + b.re, a.im + b.im}; }
template <class V>
GT_INLINE Complex<V> operator-(const Complex<V>& a, const Complex<V>& b) { return {a.re - b.re, a.im - b.im}; }
template <class V>
GT_INLINE Complex<V> operator*(const Complex<V>& a, const Complex<V>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

GT_INLINE double reciprocal_of(double a) { return 1.0 / a; }
GT_INLINE Pack reciprocal_of(const Pack& a) { return 1.0 / a; }
template <class V>
GT_INLINE Complex<V> reciprocal_of(const Complex<V>& a) {
  const V r = reciprocal_of(a.re * a.re + a.im * a.im);
  return {a.re * r, 0.0 - a.im * r};
}

GT_INLINE void add(double& sum, double a, double b) { sum += a * b; }
GT_INLINE void add(Pack& sum, const Pack& a, const Pack& b) {
  GT_UNROLL for (int i = 0; i < PARTS; ++i) sum.part[i] += a.part[i] * b.part[i];
}
template <class V>
GT_INLINE void add(Complex<V>& sum, const Complex<V>& a, const Complex<V>& b) {
  add(sum.re, a.re, b.re);
  add(sum.re, 0.0 - a.im, b.im);
  add(sum.im, a.re, b.im);
  add(sum.im, a.im, b.re);
}

template <class V>
struct Memory;
template <>
struct Memory<double> {
  static constexpr int DOUBLES = 1;
  static GT_INLINE double load(const double* p) { return *p; }
  static GT_INLINE void store(double* p, double v) { *p = v; }
  static GT_INLINE double zero() { return 0.0; }
};
template <>
struct Memory<Pack> {
  static constexpr int DOUBLES = TILE;
  static GT_INLINE Pack load(const double* p) {
    Pack r;
    GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = *(const Loaded*)(p + i * WIDTH);
    return r;
  }
  static GT_INLINE void store(double* p, const Pack& v) {
    GT_UNROLL for (int i = 0; i < PARTS; ++i) *(Loaded*)(p + i * WIDTH) = v.part[i];
  }
  static GT_INLINE Pack zero() { return broadcast(0.0); }
};
template <class V>
struct Memory<Complex<V>> {
  static constexpr int DOUBLES = 2 * Memory<V>::DOUBLES;
  static GT_INLINE Complex<V> load(const double* p) {
    return {Memory<V>::load(p), Memory<V>::load(p + Memory<V>::DOUBLES)};
  }
  static GT_INLINE void store(double* p, const Complex<V>& v) {
    Memory<V>::store(p, v.re);
    Memory<V>::store(p + Memory<V>::DOUBLES, v.im);
  }
  static GT_INLINE Complex<V> zero() { return {Memory<V>::zero(), Memory<V>::zero()}; }
};

// Contiguous rows.
template <class V>
struct Tile {
  typedef V Value;
  typedef const double* Factors;
  typedef double* Results;
  static constexpr int ROW = Memory<V>::DOUBLES;
  GT_INLINE V load(const double* p, int row) const { return Memory<V>::load(p + (long)row * ROW); }
  GT_INLINE void store(double* p, int row, const V& v) const { Memory<V>::store(p + (long)row * ROW, v); }
  GT_INLINE V zero() const { return Memory<V>::zero(); }
  GT_INLINE V reciprocal(const V& v) const { return reciprocal_of(v); }
  GT_INLINE void add_product(V& sum, const V& a, const V& b) const { add(sum, a, b); }
  GT_INLINE bool any(const double* p, int row) const {
    for (int i = 0; i < ROW; ++i)
      if (!(p[(long)row * ROW + i] == 0.0)) return true;
    return false;
  }
};

// One vector of a tile, for unrolled code: eight sums at a time are held in registers.
template <class V>
struct Strip;
template <>
struct Strip<double> {
  typedef double Value;
  typedef const double* Factors;
  typedef double* Results;
  GT_INLINE double load(const double* p, int row) const { return p[row]; }
  GT_INLINE void store(double* p, int row, double v) const { p[row] = v; }
  GT_INLINE double zero() const { return 0.0; }
};
template <>
struct Strip<Pack> {
  typedef Vector Value;
  typedef const double* Factors;
  typedef double* Results;
  GT_INLINE Vector load(const double* p, int row) const { return *(const Loaded*)(p + row * TILE); }
  GT_INLINE void store(double* p, int row, Vector v) const { *(Loaded*)(p + row * TILE) = v; }
  GT_INLINE Vector zero() const { return Vector{}; }
};

struct Sums {
  template <class V>
  GT_INLINE void operator()(const Tables& t, const Tile<V>& at, int degree, const DegreeRange& degrees,
                            const double* x, const double* y, double* out) const {
    table_sums(t, at, degree, degrees, x, y, out);
  }
  GT_INLINE void operator()(const Tables& t, const Tile<double>& at, int degree, const DegreeRange& degrees,
                            const double* x, const double* y, double* out) const {
    if constexpr (STRAIGHT)
      straight_sums(Strip<double>{}, degree, degrees, x, y, out);
    else
      table_sums(t, at, degree, degrees, x, y, out);
  }
  GT_INLINE void operator()(const Tables& t, const Tile<Pack>& at, int degree, const DegreeRange& degrees,
                            const double* x, const double* y, double* out) const {
    if constexpr (STRAIGHT) {
      for (int p = 0; p < TILE; p += WIDTH) straight_sums(Strip<Pack>{}, degree, degrees, x + p, y + p, out + p);
    } else {
      table_sums(t, at, degree, degrees, x, y, out);
    }
  }
};

// Action for each tile, with the length of a row and its access type. kind: 0 one map, 1 eight maps; + 2 complex.
template <class Work>
static void over_tiles(int kind, long tiles, const Work& work) {
  for (long tile = 0; tile < tiles; ++tile) {
    if (kind == 0) work(Tile<double>{}, tile);
    if (kind == 1) work(Tile<Pack>{}, tile);
    if (kind == 2) work(Tile<Complex<double>>{}, tile);
    if (kind == 3) work(Tile<Complex<Pack>>{}, tile);
  }
}

// Description of the arguments of a call in one integer: the kind of tiles in the lowest byte, then orders of series.
struct Shape {
  int kind, first, second, third;
  explicit Shape(long packed)
      : kind(packed & 255), first(packed >> 8 & 255), second(packed >> 16 & 255), third(packed >> 24 & 255) {}
};

// Member of NumPy's array object with the address of its data.
typedef double* const* Place;

// Start of a tile of a series with rows up to an order.
template <class A, class P>
GT_INLINE P* tile_of(const Tables& t, const A&, P* data, long tile, int order) {
  return data + tile * t.first[order + 1] * A::ROW;
}

// Doubles in a row, by the kind of tiles.
GT_INLINE int row_doubles(int kind) { return (kind & 1 ? TILE : 1) * (kind & 2 ? 2 : 1); }

GT_INLINE int real_lanes(int kind) { return kind & 2 ? 0 : row_doubles(kind); }

// e = E a, which multiplies terms of degree d by d.
template <class A>
GT_INLINE void weigh(const Tables& t, const A& at, const double* a, int ha, double* e) {
  for (int k = 0; k < t.first[ha + 1]; ++k) at.store(e, k, (double)t.degrees[k] * at.load(a, k));
}

// Memory aligned to a cache line.
template <class V>
struct Room {
  char* const memory;
  V* const begin;
  explicit Room(long count)
      : memory(new char[count * sizeof(V) + 64]), begin((V*)(memory + (64 - (std::uintptr_t)memory % 64))) {}
  Room(const Room&) = delete;
  ~Room() { delete[] memory; }
  V& operator[](long i) const { return begin[i]; }
};

// Series as pairs of numbers: the place of the address, and the order.
struct Given {
  const long* at;
  const double* data(int i) const { return *(Place)at[2 * i]; }
  int order(int i) const { return (int)at[2 * i + 1]; }
};

extern "C" {

int tpsa_width() { return WIDTH; }

void tpsa_product(const Tables* t, long shape, long tiles, Place a, Place b, Place c) {
  const Shape is(shape);
  const int ha = is.first, hb = is.second, hc = is.third;
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    product(*t, at, Sums{}, tile_of(*t, at, *a, n, ha), 0, ha, tile_of(*t, at, *b, n, hb), 0, hb,
            tile_of(*t, at, *c, n, hc), 0, hc);
  });
}

void tpsa_product_adjoint(const Tables* t, long shape, long tiles, Place g, Place b, Place c) {
  const Shape is(shape);
  const int hg = is.first, hb = is.second, hc = is.third;
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    product_adjoint(*t, at, tile_of(*t, at, *g, n, hg), hg, tile_of(*t, at, *b, n, hb), hb, tile_of(*t, at, *c, n, hc),
                    hc);
  });
}

void tpsa_quotient(const Tables* t, long shape, long tiles, Place a, Place b, Place c) {
  const Shape is(shape);
  const int ha = is.first, hb = is.second, hc = is.third;
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    quotient(*t, at, Sums{}, tile_of(*t, at, *a, n, ha), ha, tile_of(*t, at, *b, n, hb), hb, tile_of(*t, at, *c, n, hc),
             hc);
  });
}

// Constant parts of functions: computed here for real series, by the caller for complex ones.
void tpsa_exponential(const Tables* t, long shape, long tiles, Place a, Place f) {
  const Shape is(shape);
  const int ha = is.first, hf = is.second;
  const Room<double> e((long)t->first[ha + 1] * row_doubles(is.kind));
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    const double* own = tile_of(*t, at, *a, n, ha);
    double* result = tile_of(*t, at, *f, n, hf);
    for (int i = 0; i < real_lanes(is.kind); ++i) result[i] = std::exp(own[i]);
    weigh(*t, at, own, ha, e.begin);
    exponential(*t, at, Sums{}, e.begin, ha, result, hf);
  });
}

void tpsa_sine_cosine(const Tables* t, long shape, long tiles, Place a, Place s, Place c) {
  const Shape is(shape);
  const int ha = is.first, hf = is.second;
  const Room<double> e((long)t->first[ha + 1] * row_doubles(is.kind));
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    const double* own = tile_of(*t, at, *a, n, ha);
    double *sine = tile_of(*t, at, *s, n, hf), *cosine = tile_of(*t, at, *c, n, hf);
    for (int i = 0; i < real_lanes(is.kind); ++i) {
      sine[i] = is.third ? std::sinh(own[i]) : std::sin(own[i]);
      cosine[i] = is.third ? std::cosh(own[i]) : std::cos(own[i]);
    }
    weigh(*t, at, own, ha, e.begin);
    sine_cosine(*t, at, Sums{}, e.begin, ha, is.third ? 1.0 : -1.0, sine, cosine, hf);
  });
}

void tpsa_square_root(const Tables* t, long shape, long tiles, Place a, Place f) {
  const Shape is(shape);
  const int ha = is.first, hf = is.second;
  over_tiles(is.kind, tiles, [&](const auto& at, long n) {
    const double* own = tile_of(*t, at, *a, n, ha);
    double* result = tile_of(*t, at, *f, n, hf);
    for (int i = 0; i < real_lanes(is.kind); ++i) result[i] = std::sqrt(own[i]);
    square_root(*t, at, Sums{}, own, ha, result, hf);
  });
}

// `given`: number of series of a, order of the result, whether to compute the adjoint; for each series of a, then of b,
// the place of its address and its order; the place of the address of the results, (series, tiles, rows, lanes).
void tpsa_compose(const Tables* t, long kind, long tiles, const long* given) {
  const int na = given[0], hc = given[1], nb = t->dimensions, size = t->first[t->order + 1];
  const Given a{given + 3}, b{a.at + 2 * na};
  double* const results = *(Place)b.at[2 * nb];
  const Room<double> room((long)(t->order + 1) * size * row_doubles(kind));
  const Room<const double*> own_b(nb);
  const Room<int> orders_b(nb);
  const Room<bool> used(size);
  over_tiles(kind, tiles, [&](const auto& at, long n) {
    const double* own_a[MOST_SERIES];
    double *own_c[MOST_SERIES], *buffers[MOST_ORDER + 1];
    int orders_a[MOST_SERIES];
    bool constant = false;
    for (int i = 0; i < nb; ++i) {
      own_b[i] = tile_of(*t, at, b.data(i), n, orders_b[i] = b.order(i));
      constant = constant || at.any(own_b[i], 0);
    }
    for (int d = 0; d <= t->order; ++d) buffers[d] = tile_of(*t, at, room.begin, d, t->order);
    const Components inner{own_b.begin, orders_b.begin, nb};
    for (int begin = 0; begin < na; begin += MOST_SERIES) {
      const int count = least(na - begin, MOST_SERIES);
      for (int i = 0; i < count; ++i) {
        own_a[i] = tile_of(*t, at, a.data(begin + i), n, orders_a[i] = a.order(begin + i));
        own_c[i] = tile_of(*t, at, results, (begin + i) * tiles + n, hc);
      }
      const Components outer{own_a, orders_a, count};
      if (given[2]) {
        for (int m = 0; m < size; ++m) used[m] = t->degrees[t->tree_rows[m]] <= hc;
        compose_adjoint(*t, at, Sums{}, outer, inner, !constant, own_c, hc, used.begin, buffers);
      } else {
        mark_used(*t, at, outer, used.begin);
        compose(*t, at, Sums{}, outer, inner, !constant, own_c, hc, used.begin, buffers);
      }
    }
  });
}

// `given`: number of variables, order of the result; for each series the place of its address and its order; the place
// of the address of the results, (variables, tiles, rows, lanes). Returns 0, or 1 if a linear part is singular, 2 if a
// constant part is not 0.
long tpsa_inverse(const Tables* t, long kind, long tiles, const long* given) {
  const int n = given[0], hc = given[1], dimensions = t->dimensions, size = t->first[t->order + 1], row = row_doubles(kind);
  const Given a{given + 2};
  double* const results = *(Place)a.at[2 * n];
  // buffers of a composition; nonlinear parts, their images; parameters; matrices
  const Room<double> room((long)row * ((t->order + 1 + 2 * n) * size + (1 + dimensions) * dimensions + n * n) + 2 * n * n);
  const Room<double*> series(dimensions + 2 * n);
  const Room<const double*> sources(n);
  const Room<int> orders(dimensions + n);
  const Room<bool> used(size);
  long problem = 0;
  const auto work = [&](const auto& at, long number) {
    double *buffers[MOST_ORDER + 1], *free = room.begin;
    const auto take = [&](long rows) { return free += rows * row, free - rows * row; };
    for (int d = 0; d <= t->order; ++d) buffers[d] = take(size);
    double **const c = series.begin, **const rest = c + dimensions, **const images = rest + n;
    const double** const own = sources.begin;
    for (int i = 0; i < n; ++i) {
      orders[dimensions + i] = a.order(i);
      c[i] = tile_of(*t, at, results, i * tiles + number, hc);
      own[i] = tile_of(*t, at, a.data(i), number, a.order(i));
      rest[i] = take(size);
      images[i] = take(size);
      if (at.any(own[i], 0)) problem = 2;
      for (int k = 0; k < t->first[a.order(i) + 1]; ++k) at.store(rest[i], k, k < t->first[2] ? at.zero() : at.load(own[i], k));
    }
    for (int p = n; p < dimensions; ++p) {
      c[p] = take(1 + dimensions);
      for (int k = 0; k <= dimensions; ++k) at.store(c[p], k, at.zero());
      for (int lane = 0; lane < row; ++lane) c[p][(1 + p) * row + lane] = 1.0;
    }
    double* const back = take(n * n);
    const Components linear{own, orders.begin + dimensions, n};
    if (!problem && !invert_linear(at, linear, n, free, back)) problem = 1;
    if (problem) return;
    invert(*t, at, Sums{}, Components{rest, linear.orders, n}, linear, n, back, c, hc,
           Components{c, orders.begin, dimensions}, orders.begin, images, used.begin, buffers);
  };
  for (long tile = 0; tile < tiles && !problem; ++tile) {
    if (kind)
      work(Tile<Pack>{}, tile);
    else
      work(Tile<double>{}, tile);
  }
  return problem;
}
}
