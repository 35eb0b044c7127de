// Steps of the chain kernel as threaded code; see chain_target.h.
#include "native/kernels/elementwise/chain_loops.h"
#include "native/kernels/elementwise/chain_target.h"
#include "native/kernels/elementwise/formulas.h"
#include "native/kernels/elementwise/vector.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
using V = typename Vector<T>::Type;
template <class T>
using Loose = typename Vector<T>::Loose;

template <class T>
using Step = void (*)(const ChainStep*, void**, ChainState*, V<T>, V<T>, V<T>, V<T>, V<T>, V<T>, V<T>, V<T>);

#define PARAMETERS(T)                                                                                          \
  const ChainStep *step, void **rows, ChainState *state, V<T> r0, V<T> r1, V<T> r2, V<T> r3, V<T> r4, V<T> r5, \
      V<T> r6, V<T> r7
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

// With registers for all arguments and nothing left on the stack, -O2 turns this call into a jump. Without that the
// steps still work, at the price of a stack frame each.
#define NEXT(T) \
  return reinterpret_cast<Step<T>>(step[1].function)(step + 1, rows, state, r0, r1, r2, r3, r4, r5, r6, r7)

// An operand that is not in registers: a tile, or one element for all.
template <class T, bool scalar>
struct Operand {
  const T* data;
  inline __attribute__((always_inline)) V<T> operator[](int k) const {
    if constexpr (scalar) {
      return formula::splat<V<T>>(*data);
    } else {
      return *reinterpret_cast<const Loose<T>*>(data + k * Vector<T>::kLanes);
    }
  }
};

template <class T, bool scalar>
void load_step(PARAMETERS(T)) {
  const Operand<T, scalar> operand{static_cast<const T*>(rows[step->a])};
#define DO(k) r##k = operand[k];
  EACH(DO)
#undef DO
  NEXT(T);
}

template <class T>
void store_step(PARAMETERS(T)) {
  T* const to = static_cast<T*>(rows[step->a]);
#define DO(k) *reinterpret_cast<Loose<T>*>(to + k * Vector<T>::kLanes) = r##k;
  EACH(DO)
#undef DO
  NEXT(T);
}

template <class T>
void store_past_cache_step(PARAMETERS(T)) {
  T* const to = static_cast<T*>(rows[step->a]);
#define DO(k) store_past_cache(to + k * Vector<T>::kLanes, r##k);
  EACH(DO)
#undef DO
  NEXT(T);
}

template <class T>
void stop_step(PARAMETERS(T)) {
  (void)step, (void)rows, (void)state;
  (void)r0, (void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)r6, (void)r7;
}

// formula(acc, x, y) with the accumulator moved to its position.
template <class Row, int position, class Value, class... Others>
inline __attribute__((always_inline)) Value place(Value acc, Others... others) {
  if constexpr (sizeof...(Others) == 0) {
    return Row::apply(acc);
  } else if constexpr (position == 0) {
    return Row::apply(acc, others...);
  } else if constexpr (sizeof...(Others) == 1) {
    return Row::apply(others..., acc);
  } else {
    const Value pair[] = {others...};
    return position == 1 ? Row::apply(pair[0], acc, pair[1]) : Row::apply(pair[0], pair[1], acc);
  }
}

template <class T, class Row, int position, unsigned scalars>
inline __attribute__((always_inline)) V<T> compute(V<T> acc, Operand<T, scalars & 1> a, Operand<T, scalars / 2> b,
                                                   int k) {
  (void)a, (void)b, (void)k;
  if constexpr (Row::kArity == 1) {
    return place<Row, position>(acc);
  } else if constexpr (Row::kArity == 2) {
    return place<Row, position>(acc, a[k]);
  } else {
    return place<Row, position>(acc, a[k], b[k]);
  }
}

template <class T, class Row, int position, unsigned scalars>
void cheap_step(PARAMETERS(T)) {
  const Operand<T, scalars & 1> a{static_cast<const T*>(rows[step->a])};
  const Operand<T, scalars / 2> b{static_cast<const T*>(rows[step->b])};
#define DO(k) r##k = compute<T, Row, position, scalars>(r##k, a, b, k);
  EACH(DO)
#undef DO
  NEXT(T);
}

// The loop of a costly formula needs all registers for itself: the accumulator waits in memory.
template <class T, class Row, int position, unsigned scalars>
__attribute__((noinline)) void costly_tile(T* tile, const void* a, const void* b, int elements) {
  const Operand<T, scalars & 1> first{static_cast<const T*>(a)};
  const Operand<T, scalars / 2> second{static_cast<const T*>(b)};
  V<T>* const acc = reinterpret_cast<V<T>*>(tile);
  for (int k = 0; k * Vector<T>::kLanes < elements; ++k) {
    acc[k] = compute<T, Row, position, scalars>(acc[k], first, second, k);
  }
}

template <class T, class Row, int position, unsigned scalars>
void costly_step(PARAMETERS(T)) {
  V<T>* const tile = static_cast<V<T>*>(state->scratch);
#define DO(k) tile[k] = r##k;
  EACH(DO)
#undef DO
  costly_tile<T, Row, position, scalars>(static_cast<T*>(state->scratch), rows[step->a], rows[step->b],
                                         state->elements);
#define DO(k) r##k = tile[k];
  EACH(DO)
#undef DO
  NEXT(T);
}

// One type per row of the formula table.
#define COTANGENT_ROW(id, text, arity, row_domain, row_result, row_cost)                       \
  struct Row_##id {                                                                            \
    static constexpr int kArity = arity;                                                       \
    static constexpr bool kFloatOnly = formula::Domain::row_domain == formula::Domain::kFloat; \
    static constexpr bool kCostly = formula::Cost::row_cost == formula::Cost::kCostly;         \
    template <class... Values>                                                                 \
    static inline __attribute__((always_inline)) auto apply(Values... values) {                \
      return formula::id(values...);                                                           \
    }                                                                                          \
  };
COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW

template <class T, class Row, int position, unsigned scalars>
ChainFunction step_of() {
  if constexpr (position >= Row::kArity || scalars >= (1u << (Row::kArity - 1))) {
    return nullptr;
  } else if constexpr (Row::kFloatOnly && !formula::Format<T>::kFloating) {
    return nullptr;
  } else if constexpr (Row::kCostly) {
    return reinterpret_cast<ChainFunction>(static_cast<Step<T>>(&costly_step<T, Row, position, scalars>));
  } else {
    return reinterpret_cast<ChainFunction>(static_cast<Step<T>>(&cheap_step<T, Row, position, scalars>));
  }
}

template <class T, class Row>
ChainFunction step_of(int position, unsigned scalars) {
  switch (position * 4 + static_cast<int>(scalars)) {
#define CASE(p, s) \
  case p * 4 + s:  \
    return step_of<T, Row, p, s>();
    CASE(0, 0)
    CASE(0, 1)
    CASE(0, 2) CASE(0, 3) CASE(1, 0) CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(2, 0) CASE(2, 1) CASE(2, 2) CASE(2, 3)
#undef CASE
  }
  return nullptr;
}

template <class T>
ChainFunction apply_in(int row, int position, unsigned scalars) {
  switch (row) {
#define COTANGENT_ROW(id, text, arity, domain, result, cost) \
  case formula::k_##id:                                      \
    return step_of<T, Row_##id>(position, scalars);
    COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW
  }
  return nullptr;
}

template <class T>
void run_in(const ChainStep* steps, ChainState* state, int64_t tiles) {
  const auto first = reinterpret_cast<Step<T>>(steps->function);
  const V<T> z{};
  for (int64_t i = 0; i < tiles; ++i) {
    // Compilers order the loads of a tile as they like, which hardware prefetchers do not follow. Four tiles ahead
    // measured best.
    for (int32_t k = 0; k < state->ahead; ++k) {
      const char* const next = static_cast<const char*>(state->pointers[k]) + 4 * 8 * COTANGENT_VECTOR_BYTES;
      for (int line = 0; line < 8 * COTANGENT_VECTOR_BYTES; line += 64) __builtin_prefetch(next + line);
    }
    first(steps, state->pointers, state, z, z, z, z, z, z, z, z);
    for (int32_t k = 0; k < state->advancing; ++k) {
      state->pointers[k] = static_cast<char*>(state->pointers[k]) + 8 * COTANGENT_VECTOR_BYTES;
    }
  }
  if (state->ahead > 0) past_cache_fence();
#if defined(__AVX__)
  _mm256_zeroupper();  // the caller's SSE code would wait for the upper halves otherwise
#endif
}

// Calls DO<T> for the lane's element type.
#define PER_LANE(lane, DO) \
  switch (lane) {          \
    case kLaneFloat32:     \
      DO(float)            \
    case kLaneFloat64:     \
      DO(double)           \
    case kLaneInt32:       \
      DO(int32_t)          \
    default:               \
      DO(uint32_t)         \
  }

ChainFunction load(int lane, bool scalar) {
#define DO(T) \
  return reinterpret_cast<ChainFunction>(scalar ? static_cast<Step<T>>(&load_step<T, true>) : &load_step<T, false>);
  PER_LANE(lane, DO)
#undef DO
}

ChainFunction store(int lane) {
#define DO(T) return reinterpret_cast<ChainFunction>(static_cast<Step<T>>(&store_step<T>));
  PER_LANE(lane, DO)
#undef DO
}

ChainFunction store_past_cache(int lane) {
#define DO(T) return reinterpret_cast<ChainFunction>(static_cast<Step<T>>(&store_past_cache_step<T>));
  PER_LANE(lane, DO)
#undef DO
}

ChainFunction stop(int lane) {
#define DO(T) return reinterpret_cast<ChainFunction>(static_cast<Step<T>>(&stop_step<T>));
  PER_LANE(lane, DO)
#undef DO
}

ChainFunction apply(int lane, int row, int position, unsigned scalars) {
#define DO(T) return apply_in<T>(row, position, scalars);
  PER_LANE(lane, DO)
#undef DO
}

void run(int lane, const ChainStep* steps, ChainState* state, int64_t tiles) {
#define DO(T) return run_in<T>(steps, state, tiles);
  PER_LANE(lane, DO)
#undef DO
}

void from_bool(int lane, const uint8_t* in, void* out, int64_t count) {
#define DO(T) return widen_bools(in, static_cast<T*>(out), count);
  PER_LANE(lane, DO)
#undef DO
}

void to_bool(int lane, const void* in, uint8_t* out, int64_t count) {
#define DO(T) return narrow_bools(static_cast<const T*>(in), out, count);
  PER_LANE(lane, DO)
#undef DO
}

}  // namespace

const ChainTarget& chain_target() {
  static const ChainTarget target = {8 * COTANGENT_VECTOR_BYTES,
                                     load,
                                     store,
                                     store_past_cache,
                                     stop,
                                     apply,
                                     run,
                                     from_bool,
                                     to_bool,
                                     fill_elements,
                                     cast_elements};
  return target;
}

}  // namespace cotangent::COTANGENT_TARGET
