// The machine of chain_machine.h with some of a chain's values reduced as they are computed: device code of
// chainReduce.
//
// Reductions are seen as [outer, size, inner] -> [outer, inner]. A block is cut into teams of threads. With inner = 1
// (rows), a team takes one chunk of one row; otherwise (columns) it takes columns side by side, and the teams of a
// block take the chunk's rows in turn. A thread combines its elements, in order, into cells of shared memory (or of the
// workspace) of its own, teams combine theirs in a tree, and a second kernel combines the chunks: the order depends on
// the shape and on nothing else. Sums and products of floats are kept in double.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_REDUCTION_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_REDUCTION_H

#include <type_traits>

#include "native/kernels/elementwise/chain_machine.h"
#include "native/kernels/reduce/reduce_loops.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cuda {

using ReductionCell = uint64_t;  // holds a partial result of any type

struct ChainReduction {
  int64_t outer, size, inner;
  int64_t chunk, chunks;  // of the size
  int64_t tiles;          // of the columns
  int64_t items;          // pieces of work for a block
  int32_t full_count;     // the chain's outputs that have memory
  int32_t count;          // of reductions
  int32_t team;           // threads, a power of 2
  bool columns;
  ReductionCell* far_cells;  // null: in shared memory, before the slots
  ReductionCell* partials;   // [reduction][outer][chunk][inner]; with one chunk results go to chain.out[full_count + r]
  uint64_t bools;            // bit r
  uint8_t what[CT_MAX_OPERANDS];

  __host__ __device__ uint32_t source(int r) const { return what[r] & 63u; }
  __host__ __device__ Reduction kind(int r) const { return static_cast<Reduction>(what[r] >> 6); }
  __host__ __device__ bool is_bool(int r) const { return (bools >> r & 1) != 0; }
};
static_assert(sizeof(ChainArguments) + sizeof(ChainReduction) <= 4096, "CUDA takes arguments of 4 KiB");
static_assert(CT_MAX_OPERANDS <= 64, "an output's number has 6 bits");

// body(operator of T). Sums and products of int32 wrap around: they are done on unsigned numbers.
template <class T, class F>
__device__ __forceinline__ void with_operator(Reduction kind, F&& body) {
  using Wrapping = std::conditional_t<std::is_same_v<T, int32_t>, uint32_t, T>;
  switch (kind) {
    case Reduction::kSum:
      return body(SumOf<Wrapping>{});
    case Reduction::kProduct:
      return body(ProductOf<Wrapping>{});
    case Reduction::kMax:
      return body(MaxOf<T>{});
    default:
      return body(MinOf<T>{});
  }
}

template <class P>
__device__ __forceinline__ P cell_value(const ReductionCell& cell) {
  P value;
  __builtin_memcpy(&value, &cell, sizeof value);
  return value;
}

template <class P>
__device__ __forceinline__ void set_cell(ReductionCell& cell, P value) {
  cell = 0;
  __builtin_memcpy(&cell, &value, sizeof value);
}

// A thread's cells: for each reduction one, or one a column.
template <class T>
struct ReductionCells {
  ReductionCell* first;
  int32_t each;

  __device__ __forceinline__ ReductionCell& at(int r, int e, unsigned thread) const {
    return first[(static_cast<int64_t>(r) * each + e) * blockDim.x + thread];
  }

  __device__ __forceinline__ void clear(const ChainReduction& reduction) const {
    for (int r = 0; r < reduction.count; ++r) {
      with_operator<T>(reduction.kind(r), [&](auto op) {
        using Op = decltype(op);
        auto identity = static_cast<typename Op::Partial>(Op::kIdentity);
        if (reduction.is_bool(r)) identity = reduction.kind(r) == Reduction::kMax ? 0 : 1;
        for (int e = 0; e < each; ++e) set_cell(at(r, e, threadIdx.x), identity);
      });
    }
  }

  // The chain's output `output` has these elements.
  __device__ __forceinline__ void take(const ChainReduction& reduction, uint32_t output, const ChainTile<T>& tile,
                                       const ChainPlace& place) const {
    for (int r = 0; r < reduction.count; ++r) {
      if (reduction.source(r) != output) continue;
      with_operator<T>(reduction.kind(r), [&](auto op) {
        using Op = decltype(op);
        using P = typename Op::Partial;
        P sum = each == 1 ? cell_value<P>(at(r, 0, threadIdx.x)) : P{};
#pragma unroll
        for (int e = 0; e < kChainElements<T>; ++e) {
          const int64_t position = place.vector(e / kChainWidth<T>) + e % kChainWidth<T>;
          if (position >= place.end) continue;
          const P element = static_cast<P>(tile.element[e]);
          if (each == 1) {
            sum = Op::of(sum, element);
          } else {
            ReductionCell& cell = at(r, e, threadIdx.x);
            set_cell(cell, Op::of(cell_value<P>(cell), element));
          }
        }
        if (each == 1) set_cell(at(r, 0, threadIdx.x), sum);
      });
    }
  }

  // All threads call it: those at `stride`, `stride` / 2, .. `last` beyond a thread's are combined into its own.
  __device__ __forceinline__ void combine(const ChainReduction& reduction, unsigned stride, unsigned last,
                                          unsigned rank) const {
    __syncthreads();
    for (; stride >= last; stride /= 2) {
      for (int r = 0; rank < stride && r < reduction.count; ++r) {
        with_operator<T>(reduction.kind(r), [&](auto op) {
          using Op = decltype(op);
          using P = typename Op::Partial;
          for (int e = 0; e < each; ++e) {
            ReductionCell& cell = at(r, e, threadIdx.x);
            set_cell(cell, Op::of(cell_value<P>(cell), cell_value<P>(at(r, e, threadIdx.x + stride))));
          }
        });
      }
      __syncthreads();
    }
  }
};

// Result `at` of reduction r.
template <class T>
__device__ __forceinline__ void write_result(const ChainReduction& reduction, void* output, int r, int64_t at,
                                             const ReductionCell& cell) {
  with_operator<T>(reduction.kind(r), [&](auto op) {
    const auto value = cell_value<typename decltype(op)::Partial>(cell);
    if (reduction.is_bool(r)) {
      static_cast<uint8_t*>(output)[at] = static_cast<uint8_t>(value);
    } else {
      static_cast<T*>(output)[at] = static_cast<T>(value);
    }
  });
}

template <class T, bool costly>
__global__ void __launch_bounds__(kChainBlock) chain_reduce_kernel(const __grid_constant__ ChainArguments chain,
                                                                   const __grid_constant__ ChainReduction reduction) {
  using Vector = typename ChainSlots<T>::Vector;
  const int32_t each = reduction.columns ? kChainElements<T> : 1;
  const int64_t cell_count = static_cast<int64_t>(reduction.count) * each * blockDim.x;
  ReductionCell* const shared = reinterpret_cast<ReductionCell*>(dynamic_shared<double>());
  const bool far = reduction.far_cells != nullptr;
  const ReductionCells<T> cells{far ? reduction.far_cells + blockIdx.x * cell_count : shared, each};
  const ChainSlots<T> slots{reinterpret_cast<Vector*>(far ? shared : shared + cell_count),
                            static_cast<Vector*>(chain.far_slots), chain.shared_slots};

  const unsigned width = static_cast<unsigned>(reduction.team), teams = blockDim.x / width;
  const unsigned team = threadIdx.x / width, rank = threadIdx.x % width;
  const int64_t apart = static_cast<int64_t>(width) * kChainWidth<T>, tile = apart * kVectors;
  const auto run = [&](const ChainPlace& place) {
    if (place.first >= place.end) return;
    run_chain<T, costly>(chain, slots, place, [&](uint32_t output, const ChainTile<T>& values) {
      cells.take(reduction, output, values, place);
      return static_cast<int32_t>(output) >= reduction.full_count;
    });
  };
  // Result `i` of a chunk of outer entry o is in the thread's cell e.
  const auto finish = [&](int64_t o, int64_t c, int64_t i, int e) {
    for (int r = 0; r < reduction.count; ++r) {
      const ReductionCell& cell = cells.at(r, e, threadIdx.x);
      if (reduction.chunks == 1) {
        write_result<T>(reduction, chain.out[reduction.full_count + r], r, o * reduction.inner + i, cell);
      } else {
        reduction.partials[((r * reduction.outer + o) * reduction.chunks + c) * reduction.inner + i] = cell;
      }
    }
  };

  for (int64_t item = blockIdx.x; item < reduction.items; item += gridDim.x) {
    cells.clear(reduction);
    if (!reduction.columns) {
      const int64_t line = item * teams + team, o = line / reduction.chunks, c = line - o * reduction.chunks;
      const int64_t row = o * reduction.size;
      const int64_t begin = row + c * reduction.chunk, stop = begin + reduction.chunk;
      const int64_t end = o >= reduction.outer ? begin : stop < row + reduction.size ? stop : row + reduction.size;
      for (int64_t at = begin; at < end; at += tile) run({at + rank * kChainWidth<T>, apart, end});
      cells.combine(reduction, width / 2, 1, rank);
      if (rank == 0 && o < reduction.outer) finish(o, c, 0, 0);
    } else {
      const int64_t rest = item / reduction.tiles, first = item % reduction.tiles * tile;
      const int64_t o = rest / reduction.chunks, c = rest - o * reduction.chunks;
      const int64_t begin = c * reduction.chunk, stop = begin + reduction.chunk;
      const int64_t end = stop < reduction.size ? stop : reduction.size;
      for (int64_t row = begin + team; row < end; row += teams) {
        const int64_t at = (o * reduction.size + row) * reduction.inner;
        run({at + first + rank * kChainWidth<T>, apart, at + reduction.inner});
      }
      cells.combine(reduction, blockDim.x / 2, width, threadIdx.x);
      for (int e = 0; team == 0 && e < each; ++e) {
        const int64_t i = first + rank * kChainWidth<T> + e / kChainWidth<T> * apart + e % kChainWidth<T>;
        if (i < reduction.inner) finish(o, c, i, e);
      }
    }
    __syncthreads();  // the next item's cells
  }
}

// A warp a result: lanes take chunks in turn, then combine in a tree.
template <class T>
__global__ void __launch_bounds__(kChainBlock) combine_chunks_kernel(const __grid_constant__ ChainArguments chain,
                                                                     const __grid_constant__ ChainReduction reduction) {
  const unsigned lane = threadIdx.x % kWarp;
  const int64_t results = reduction.outer * reduction.inner;
  for (int64_t warp = grid_start() / kWarp; warp < results * reduction.count; warp += grid_step() / kWarp) {
    const int r = static_cast<int>(warp / results);
    const int64_t at = warp % results, o = at / reduction.inner, i = at - o * reduction.inner;
    with_operator<T>(reduction.kind(r), [&](auto op) {
      using Op = decltype(op);
      using P = typename Op::Partial;
      P sum = static_cast<P>(Op::kIdentity);
      if (reduction.is_bool(r)) sum = reduction.kind(r) == Reduction::kMax ? 0 : 1;
      for (int64_t c = lane; c < reduction.chunks; c += kWarp) {
        const int64_t place = ((r * reduction.outer + o) * reduction.chunks + c) * reduction.inner + i;
        sum = Op::of(sum, cell_value<P>(reduction.partials[place]));
      }
      for (unsigned delta = kWarp / 2; delta > 0; delta /= 2) {
        sum = Op::of(sum, __shfl_down_sync(kAllLanes, sum, delta));
      }
      ReductionCell cell;
      set_cell(cell, sum);
      if (lane == 0) write_result<T>(reduction, chain.out[reduction.full_count + r], r, at, cell);
    });
  }
}

using ChainReduceFunction = void (*)(ChainArguments, ChainReduction);

struct ChainReduceFunctions {
  ChainReduceFunction reduce, combine;
};

ChainReduceFunctions float_chain_reduce(bool costly);
ChainReduceFunctions double_chain_reduce(bool costly);
ChainReduceFunctions int_chain_reduce();
ChainReduceFunctions uint_chain_reduce();

}  // namespace cotangent::cuda

#endif
