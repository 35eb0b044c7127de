// Several results at a time, their winners in registers over all taps. Rows are short (28, 14, 7, ...): the last block
// of a row overlaps the one before it rather than leave a rest.
#include "native/kernels/pooling/pool_loops.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
struct PlaceOf {
  using Type = int32_t;
};
template <>
struct PlaceOf<double> {
  using Type = int64_t;
};

// L elements, and L places as wide as they are.
template <class T, int L>
struct Block {
  using Place = typename PlaceOf<T>::Type;
  typedef T Values __attribute__((vector_size(L * sizeof(T))));
  typedef T Loose __attribute__((vector_size(L * sizeof(T)), aligned(__alignof__(T)), may_alias));
  typedef Place Places __attribute__((vector_size(L * sizeof(T))));
  typedef int32_t Stored __attribute__((vector_size(L * sizeof(int32_t)), aligned(4), may_alias));

  static inline __attribute__((always_inline)) Values at(const T* x) { return *reinterpret_cast<const Loose*>(x); }

  static inline __attribute__((always_inline)) Values strided(const T* x, int64_t stride) {
    if (stride == 1) return at(x);
    Values values;
    if (stride == 2) {
      // x[0, 2, ..] from two loads that end with the last element needed.
      const Values low = at(x), high = at(x + L - 1);
#pragma GCC unroll 16
      for (int l = 0; l < L / 2; ++l) {
        values[l] = low[2 * l];
        values[l + L / 2] = high[2 * l + 1];
      }
      return values;
    }
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) values[l] = x[l * stride];
    return values;
  }
};

template <class T, int L>
inline __attribute__((always_inline)) void take_block(const T* x, const int64_t* offsets, int64_t taps, int64_t stride,
                                                      int64_t p, bool resume, T* best, int32_t* index) {
  using B = Block<T, L>;
  using Place = typename B::Place;
  typename B::Places steps;
#pragma GCC unroll 16
  for (int l = 0; l < L; ++l) steps[l] = static_cast<Place>((p + l) * stride);
  typename B::Values winner;
  typename B::Places place;
  int64_t t = 0;
  if (resume) {
    winner = B::at(best + p);
    place = __builtin_convertvector(*reinterpret_cast<const typename B::Stored*>(index + p), typename B::Places);
  } else {
    winner = B::strided(x + offsets[0] + p * stride, stride);
    place = steps + static_cast<Place>(offsets[0]);
    t = 1;
  }
  for (; t < taps; ++t) {
    const typename B::Values now = B::strided(x + offsets[t] + p * stride, stride);
    const auto wins = (now > winner) | ((now != now) & (winner == winner));
    winner = wins ? now : winner;
    place = wins ? steps + static_cast<Place>(offsets[t]) : place;
  }
  *reinterpret_cast<typename B::Loose*>(best + p) = winner;
  *reinterpret_cast<typename B::Stored*>(index + p) = __builtin_convertvector(place, typename B::Stored);
}

// `stride` is a constant where that matters.
template <class T, int L>
inline __attribute__((always_inline)) void take_blocks(const T* x, const int64_t* offsets, int64_t taps, int64_t stride,
                                                       int64_t count, bool resume, T* best, int32_t* index) {
  int64_t p = 0;
  for (; p + L <= count; p += L) take_block<T, L>(x, offsets, taps, stride, p, resume, best, index);
  if (p == count) return;
  // What overlaps was computed: with `resume` its winners meet the same taps again, which changes nothing.
  take_block<T, L>(x, offsets, taps, stride, count - L, resume, best, index);
}

template <class T>
inline __attribute__((always_inline)) void take_row(const T* x, const int64_t* offsets, int64_t taps, int64_t stride,
                                                    int64_t count, bool resume, T* best, int32_t* index) {
  if (count >= 16) {
    take_blocks<T, 16>(x, offsets, taps, stride, count, resume, best, index);
  } else if (count >= 8) {
    take_blocks<T, 8>(x, offsets, taps, stride, count, resume, best, index);
  } else if (count >= 4) {
    take_blocks<T, 4>(x, offsets, taps, stride, count, resume, best, index);
  } else {
    for (int64_t p = 0; p < count; ++p) {
      T winner = resume ? best[p] : x[offsets[0] + p * stride];
      int64_t place = resume ? index[p] : offsets[0] + p * stride;
      for (int64_t t = resume ? 0 : 1; t < taps; ++t) {
        const T now = x[offsets[t] + p * stride];
        if (!(now > winner) && !(now != now && winner == winner)) continue;
        winner = now;
        place = offsets[t] + p * stride;
      }
      best[p] = winner;
      index[p] = static_cast<int32_t>(place);
    }
  }
}

template <class T>
void take_largest(const T* x, const int64_t* offsets, int64_t taps, int64_t stride, int64_t count, bool resume, T* best,
                  int32_t* index) {
  if (stride == 1) {
    take_row(x, offsets, taps, 1, count, resume, best, index);
  } else if (stride == 2) {
    take_row(x, offsets, taps, 2, count, resume, best, index);
  } else {
    take_row(x, offsets, taps, stride, count, resume, best, index);
  }
}

}  // namespace

PoolLoops<float> pool_loops_float32() { return {take_largest<float>}; }
PoolLoops<double> pool_loops_float64() { return {take_largest<double>}; }

}  // namespace cotangent::COTANGENT_TARGET
