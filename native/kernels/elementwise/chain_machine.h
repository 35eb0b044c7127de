// The machine that runs chains on a GPU (chain_steps.h): one thread's loop over the steps. Device code.
//
// The formulas are those of the CPU, by a switch over the table's rows; all lanes of a warp take the same case. Cheap
// formulas are unrolled over a thread's elements, costly ones exist once and the elements pass through them in turn.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_MACHINE_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_MACHINE_H

#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/divisor.h"
#include "native/backend/cuda/packed.h"
#include "native/kernels/elementwise/chain_steps.h"

namespace cotangent::cuda {

// At most. Small blocks, because the kernels take 92 to 96 registers: five of these fit a multiprocessor, two of twice
// the size.
constexpr unsigned kChainBlock = 128;

template <class T>
constexpr int kChainWidth = static_cast<int>(kVectorBytes / sizeof(T));
template <class T>
constexpr int kChainElements = kVectors * kChainWidth<T>;

// A thread's elements of one value.
template <class T>
struct ChainTile {
  T element[kChainElements<T>];
};

// Which elements a thread works on: vector v begins at first + v apart; none from `end` on.
struct ChainPlace {
  int64_t first, apart, end;
  __device__ __forceinline__ int64_t vector(int v) const { return first + v * apart; }
};

__device__ __forceinline__ ChainWord fetch(const ChainArguments& chain, int at) {
  return chain.code ? chain.code[at] : chain.words[at];
}

// Where in an array the elements of `count` positions are. Positions past the end give places that are not read.
template <int count>
__device__ __forceinline__ void find_places(const ChainArguments& chain, int at, uint32_t rank,
                                            const int64_t (&positions)[count], int64_t (&places)[count]) {
  if (!chain.wide) {
    uint32_t rest[count], place[count];
#pragma unroll
    for (int i = 0; i < count; ++i) {
      rest[i] = static_cast<uint32_t>(positions[i]);
      place[i] = 0;
    }
#pragma unroll 1
    for (uint32_t d = 0; d < rank; ++d) {
      const ChainWord dim = fetch(chain, at + static_cast<int>(d));
      Divisor divisor;
      divisor.value = dim.x;
      divisor.magic = dim.y;
      divisor.shift = dim.z;
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const uint32_t quotient = divisor.quotient(rest[i]);
        place[i] += (rest[i] - quotient * divisor.value) * dim.w;
        rest[i] = quotient;
      }
    }
#pragma unroll
    for (int i = 0; i < count; ++i) places[i] = place[i];
    return;
  }
#pragma unroll
  for (int i = 0; i < count; ++i) {
    int64_t rest = positions[i], place = 0;
#pragma unroll 1
    for (uint32_t d = 0; d < rank; ++d) {
      const ChainWord dim = fetch(chain, at + static_cast<int>(d));
      const int64_t extent = static_cast<int64_t>(static_cast<uint64_t>(dim.y) << 32 | dim.x);
      const int64_t stride = static_cast<int64_t>(static_cast<uint64_t>(dim.w) << 32 | dim.z);
      place += rest % extent * stride;
      rest /= extent;
    }
    places[i] = place;
  }
}

// A thread's elements of the array that a step reads, stored as S: T, or uint8_t for bools.
template <class T, class S>
__device__ __forceinline__ void read_array(ChainTile<T>& to, const ChainArguments& chain, const ChainWord& word, int at,
                                           const ChainPlace& place) {
  constexpr int width = kChainWidth<T>;
  const S* const from = static_cast<const S*>(chain.in[word.memory()].pointer);
  if (word.walk() == kWalkElements) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {  // one after the other: places take registers
      int64_t positions[width], places[width];
#pragma unroll
      for (int i = 0; i < width; ++i) positions[i] = place.vector(v) + i;
      find_places(chain, at, word.rank(), positions, places);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        to.element[v * width + i] = positions[i] < place.end ? static_cast<T>(from[places[i]]) : T(0);
      }
    }
    return;
  }
  int64_t begins[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) begins[v] = place.vector(v);
  if (word.walk() != kWalkContiguous) {
    const int64_t positions[kVectors] = {place.vector(0), place.vector(1)};
    find_places(chain, at, word.rank(), positions, begins);
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = place.end - place.vector(v);
    if (word.walk() == kWalkColumn) {
      const T value = left > 0 ? static_cast<T>(from[begins[v]]) : T(0);
#pragma unroll
      for (int i = 0; i < width; ++i) to.element[v * width + i] = value;
    } else if (chain.vectors && left >= width) {
      const auto vector = *reinterpret_cast<const Packed<S, width>*>(from + begins[v]);
#pragma unroll
      for (int i = 0; i < width; ++i) to.element[v * width + i] = static_cast<T>(vector.element[i]);
    } else {
#pragma unroll
      for (int i = 0; i < width; ++i) {
        to.element[v * width + i] = i < left ? static_cast<T>(from[begins[v] + i]) : T(0);
      }
    }
  }
}

// The same for an output.
template <class T, class S>
__device__ __forceinline__ void write_array(const ChainTile<T>& from, void* output, const ChainArguments& chain,
                                            const ChainPlace& place) {
  constexpr int width = kChainWidth<T>;
  S* const to = static_cast<S*>(output);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int64_t begin = place.vector(v), left = place.end - begin;
    if (chain.vectors && left >= width) {
      Packed<S, width> vector;
#pragma unroll
      for (int i = 0; i < width; ++i) vector.element[i] = static_cast<S>(from.element[v * width + i]);
      *reinterpret_cast<Packed<S, width>*>(to + begin) = vector;
    } else {
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if (i < left) to[begin + i] = static_cast<S>(from.element[v * width + i]);
      }
    }
  }
}

// Columns of vectors, one a thread: neighbouring lanes are in neighbouring banks.
template <class T>
struct ChainSlots {
  using Vector = Packed<T, kChainWidth<T>>;
  Vector* near;
  Vector* far;
  int32_t near_count;

  __device__ __forceinline__ Vector* column(uint32_t slot, int64_t& stride) const {
    const int32_t beyond = static_cast<int32_t>(slot) - near_count;
    if (beyond < 0) {
      stride = blockDim.x;
      return near + static_cast<int64_t>(slot) * kVectors * stride + threadIdx.x;
    }
    stride = grid_step();
    return far + static_cast<int64_t>(beyond) * kVectors * stride + grid_start();
  }
  __device__ __forceinline__ void load(uint32_t slot, ChainTile<T>& to) const {
    int64_t stride;
    const Vector* const from = column(slot, stride);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const Vector vector = from[v * stride];
#pragma unroll
      for (int i = 0; i < kChainWidth<T>; ++i) to.element[v * kChainWidth<T> + i] = vector.element[i];
    }
  }
  __device__ __forceinline__ void store(uint32_t slot, const ChainTile<T>& from) const {
    int64_t stride;
    Vector* const to = column(slot, stride);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      Vector vector;
#pragma unroll
      for (int i = 0; i < kChainWidth<T>; ++i) vector.element[i] = from.element[v * kChainWidth<T> + i];
      to[v * stride] = vector;
    }
  }
};

template <class T>
__device__ __forceinline__ T read_scalar(const ChainArguments& chain, uint32_t source, uint32_t input) {
  if (source == kFromConstant) {
    T value;
    __builtin_memcpy(&value, &chain.in[input].constant, sizeof value);
    return value;
  }
  if (source == kFromScalar) return *static_cast<const T*>(chain.in[input].pointer);
  return static_cast<T>(*static_cast<const uint8_t*>(chain.in[input].pointer));
}

// Operand k of a step.
template <class T>
__device__ __forceinline__ void read_operand(ChainTile<T>& to, const ChainWord& word, int k,
                                             const ChainArguments& chain, const ChainSlots<T>& slots,
                                             const ChainTile<T>& accumulator, const ChainTile<T>& array) {
  const uint32_t source = word.source(k);
  if (source == kFromNowhere) return;
  if (source == kFromMemory) {
    to = array;
  } else if (source == kFromAccumulator) {
    to = accumulator;
  } else if (source == kFromSlot) {
    slots.load(word.index(k), to);
  } else {
    const T value = read_scalar<T>(chain, source, word.index(k));
#pragma unroll
    for (int e = 0; e < kChainElements<T>; ++e) to.element[e] = value;
  }
}

// One type per row of the formula table.
#define COTANGENT_ROW(id, text, arity, row_domain, row_result, row_cost)                         \
  struct ChainRow_##id {                                                                         \
    static constexpr bool kCostly = formula::Cost::row_cost == formula::Cost::kCostly;           \
    template <class T>                                                                           \
    static constexpr bool kDefined =                                                             \
        formula::Format<T>::kFloating || formula::Domain::row_domain != formula::Domain::kFloat; \
    template <class T>                                                                           \
    static __device__ __forceinline__ T apply(T x, T y, T z) {                                   \
      if constexpr (arity == 1) {                                                                \
        return formula::id(x);                                                                   \
      } else if constexpr (arity == 2) {                                                         \
        return formula::id(x, y);                                                                \
      } else {                                                                                   \
        return formula::id(x, y, z);                                                             \
      }                                                                                          \
    }                                                                                            \
  };
COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW

template <class T>
__device__ __forceinline__ void apply_cheap(uint32_t formula, ChainTile<T>& to, const ChainTile<T>& x,
                                            const ChainTile<T>& y, const ChainTile<T>& z) {
  switch (formula) {
#define COTANGENT_ROW(id, text, arity, domain, result, cost)                                        \
  case formula::k_##id:                                                                             \
    if constexpr (!ChainRow_##id::kCostly && ChainRow_##id::template kDefined<T>) {                 \
      _Pragma("unroll") for (int e = 0; e < kChainElements<T>; ++e) {                               \
        to.element[e] = ChainRow_##id::template apply<T>(x.element[e], y.element[e], z.element[e]); \
      }                                                                                             \
    }                                                                                               \
    break;
    COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW
    default:  // kLoad
      to = x;
  }
}

template <class T>
__device__ __forceinline__ T apply_costly(uint32_t formula, T x, T y) {
  switch (formula) {
#define COTANGENT_ROW(id, text, arity, domain, result, cost)                       \
  case formula::k_##id:                                                            \
    if constexpr (ChainRow_##id::kCostly && ChainRow_##id::template kDefined<T>) { \
      return ChainRow_##id::template apply<T>(x, y, T(0));                         \
    }                                                                              \
    break;
    COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW
  }
  return x;
}

#define COTANGENT_ROW(id, text, arity, domain, result, cost) \
  | (formula::Cost::cost == formula::Cost::kCostly ? uint64_t{1} << formula::k_##id : 0)
constexpr uint64_t kCostlyRows = uint64_t{0} COTANGENT_FORMULAS(COTANGENT_ROW);
#undef COTANGENT_ROW
static_assert(formula::kFormulaCount <= 64, "rows are counted in the bits of a word");

// All steps of the chain for the elements at `place`. sink(output, tile) may take a value of the chain that has no
// memory.
template <class T, bool costly, class Sink>
__device__ __forceinline__ void run_chain(const ChainArguments& chain, const ChainSlots<T>& slots,
                                          const ChainPlace& place, Sink&& sink) {
  ChainTile<T> accumulator{}, array{}, x{}, y{}, z{};
#pragma unroll 1
  for (int at = 0; at < chain.word_count;) {
    const ChainWord word = fetch(chain, at++);
    if (word.has_memory()) {
      if (word.memory_is_bool()) {
        read_array<T, uint8_t>(array, chain, word, at, place);
      } else {
        read_array<T, T>(array, chain, word, at, place);
      }
      at += static_cast<int>(word.rank());
    }
    read_operand(x, word, 0, chain, slots, accumulator, array);
    read_operand(y, word, 1, chain, slots, accumulator, array);
    read_operand(z, word, 2, chain, slots, accumulator, array);
    if (costly && word.formula() < formula::kFormulaCount && (kCostlyRows >> word.formula() & 1)) {
      // Elements move up one place a round: an index that only the run knows would put the tile into local memory.
#pragma unroll 1
      for (int round = 0; round < kChainElements<T>; ++round) {
        const T value = apply_costly(word.formula(), x.element[0], y.element[0]);
#pragma unroll
        for (int e = 0; e + 1 < kChainElements<T>; ++e) {
          x.element[e] = x.element[e + 1];
          y.element[e] = y.element[e + 1];
          accumulator.element[e] = accumulator.element[e + 1];
        }
        accumulator.element[kChainElements<T> - 1] = value;
      }
    } else {
      apply_cheap(word.formula(), accumulator, x, y, z);
    }
    if (word.slot() != kNoIndex) slots.store(word.slot(), accumulator);
    if (word.output() == kNoIndex) continue;
    if (sink(word.output(), accumulator)) continue;
    void* const output = chain.out[word.output()];
    if (word.output_is_bool()) {
      write_array<T, uint8_t>(accumulator, output, chain, place);
    } else {
      write_array<T, T>(accumulator, output, chain, place);
    }
  }
}

template <class T, bool costly>
__global__ void __launch_bounds__(kChainBlock) chain_kernel(const __grid_constant__ ChainArguments chain) {
  using Vector = typename ChainSlots<T>::Vector;
  const ChainSlots<T> slots{reinterpret_cast<Vector*>(dynamic_shared<T>()), static_cast<Vector*>(chain.far_slots),
                            chain.shared_slots};
  const int64_t apart = static_cast<int64_t>(blockDim.x) * kChainWidth<T>, tile = apart * kVectors;
  for (int64_t begin = blockIdx.x * tile; begin < chain.count; begin += gridDim.x * tile) {
    const ChainPlace place{begin + threadIdx.x * kChainWidth<T>, apart, chain.count};
    if (place.first >= chain.count) continue;
    run_chain<T, costly>(chain, slots, place, [](uint32_t, const ChainTile<T>&) { return false; });
  }
}

using ChainFunction = void (*)(ChainArguments);

// Two kernels a lane of floats, so that chains of cheap formulas keep the registers of cheap formulas. Compiled in
// files of their own.
ChainFunction float_chain(bool costly);
ChainFunction double_chain(bool costly);
ChainFunction int_chain();
ChainFunction uint_chain();
ChainFunction chain_function(Lane lane, bool costly);

}  // namespace cotangent::cuda

#endif
