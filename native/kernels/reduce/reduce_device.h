// The passes of reductions on a GPU (reduce_passes.h), for whatever is accumulated. An accumulation A has
//
//   Acc                    what is kept while reducing, and of chunks between passes
//   Acc identity() const, take(Acc, In element, int64_t place) const, merge(Acc, Acc) const, shuffle(Acc, mask) const
//   store(Out*, Acc) const
//   later() const          the same for passes over what is accumulated: another type may share their kernels
//
// with `merge` associative and commutative but for rounding. Each element is read once; rows by 16 bytes a thread,
// columns by neighbouring threads. Lanes are merged in a fixed order, first within a warp by shuffles.
#ifndef COTANGENT_KERNELS_REDUCE_REDUCE_DEVICE_H
#define COTANGENT_KERNELS_REDUCE_REDUCE_DEVICE_H

#include <memory>
#include <type_traits>

#include "native/backend/cuda/copy.h"
#include "native/backend/cuda/kernel.h"
#include "native/backend/cuda/vector_access.h"
#include "native/backend/cuda/workspace.h"
#include "native/kernels/reduce/reduce_passes.h"

namespace cotangent::cuda {

template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int mask) {
  if constexpr (sizeof(T) < 4) {
    return static_cast<T>(__shfl_xor_sync(kAllLanes, static_cast<unsigned>(value), mask));
  } else {
    return __shfl_xor_sync(kAllLanes, value, mask);
  }
}

// `acc` and x[0, n), shared by `lanes` threads. x[k] has place first + k.
template <class A, class In>
__device__ typename A::Acc take_span(const A& a, const In* __restrict__ x, int64_t n, int64_t first, unsigned lane,
                                     unsigned lanes) {
  constexpr int kPer = kPerVector<In>;
  typename A::Acc acc = a.identity();
  const int64_t to_alignment = elements_to_alignment(x), head = to_alignment < n ? to_alignment : n;
#pragma unroll 1
  for (int64_t k = lane; k < head; k += lanes) acc = a.take(acc, x[k], first + k);
  const int64_t vectors = (n - head) / kPer;
#pragma unroll 4
  for (int64_t v = lane; v < vectors; v += lanes) {
    In element[kPer];
    load_vector(element, x + head + v * kPer);
#pragma unroll
    for (int j = 0; j < kPer; ++j) acc = a.take(acc, element[j], first + head + v * kPer + j);
  }
#pragma unroll 1
  for (int64_t k = head + vectors * kPer + lane; k < n; k += lanes) acc = a.take(acc, x[k], first + k);
  return acc;
}

template <class A, class In, class Out>
__global__ void __launch_bounds__(kReduceBlock)
    warp_rows_kernel(A a, const In* __restrict__ x, Out* __restrict__ y, int64_t rows, int64_t size, unsigned lanes) {
  const int64_t per_warp = kWarp / lanes;
  // The same number of rounds for all lanes of a warp: they shuffle together.
  for (int64_t base = grid_start() / kWarp * per_warp; base < rows; base += grid_step() / kWarp * per_warp) {
    const int64_t row = base + threadIdx.x % kWarp / lanes;
    const bool some = row < rows;
    typename A::Acc acc = take_span(a, x + (some ? row * size : 0), some ? size : 0, 0, threadIdx.x % lanes, lanes);
    for (unsigned mask = lanes / 2; mask > 0; mask /= 2) acc = a.merge(acc, a.shuffle(acc, static_cast<int>(mask)));
    if (some && threadIdx.x % lanes == 0) a.store(y + row, acc);
  }
}

template <class A, class In, class Out>
__global__ void __launch_bounds__(kReduceBlock)
    block_rows_kernel(A a, const In* __restrict__ x, Out* __restrict__ y, int64_t rows, int64_t size, int64_t chunk,
                      int64_t chunks) {
  constexpr unsigned kWarps = kReduceBlock / kWarp;
  auto& of_warp = SHARED(typename A::Acc[kWarps]);
  for (int64_t item = blockIdx.x; item < rows * chunks; item += gridDim.x) {
    const int64_t row = item / chunks, first = item % chunks * chunk;
    const int64_t n = size - first < chunk ? size - first : chunk;
    typename A::Acc acc = take_span(a, x + row * size + first, n, first, threadIdx.x, kReduceBlock);
    for (int mask = kWarp / 2; mask > 0; mask /= 2) acc = a.merge(acc, a.shuffle(acc, mask));
    if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = acc;
    __syncthreads();
    if (threadIdx.x < kWarp) {
      acc = threadIdx.x < kWarps ? of_warp[threadIdx.x] : a.identity();
      for (int mask = kWarps / 2; mask > 0; mask /= 2) acc = a.merge(acc, a.shuffle(acc, mask));
      if (threadIdx.x == 0) a.store(y + item, acc);
    }
    __syncthreads();
  }
}

template <class A, class In, class Out>
__global__ void __launch_bounds__(kReduceBlock)
    columns_kernel(A a, const In* __restrict__ x, Out* __restrict__ y, int64_t results, int64_t size, int64_t inner) {
  for (int64_t i = grid_start(); i < results; i += grid_step()) {
    const int64_t outer = i / inner, column = i - outer * inner;
    const In* from = x + outer * size * inner + column;
    typename A::Acc acc = a.identity();
#pragma unroll 4
    for (int64_t r = 0; r < size; ++r, from += inner) acc = a.take(acc, *from, r);
    a.store(y + i, acc);
  }
}

template <class A, class In, class Out>
__global__ void __launch_bounds__(kReduceBlock)
    block_columns_kernel(A a, const In* __restrict__ x, Out* __restrict__ y, ReduceShape stage, unsigned width,
                         int64_t chunk, int64_t chunks) {
  auto& of_thread = SHARED(typename A::Acc[kReduceBlock]);
  const int64_t size = stage.size, inner = stage.inner;
  const unsigned row = threadIdx.x / width, rows = kReduceBlock / width;
  const int64_t tiles = (inner + width - 1) / width;
  for (int64_t item = blockIdx.x; item < stage.outer * chunks * tiles; item += gridDim.x) {
    const int64_t column = item % tiles * width + threadIdx.x % width, piece = item / tiles;
    const int64_t outer = piece / chunks, first = piece % chunks * chunk;
    const int64_t stop = first + chunk < size ? first + chunk : size;
    typename A::Acc acc = a.identity();
    if (column < inner) {
      const In* from = x + (outer * size + first + row) * inner + column;
#pragma unroll 4
      for (int64_t r = first + row; r < stop; r += rows, from += rows * inner) acc = a.take(acc, *from, r);
    }
    of_thread[threadIdx.x] = acc;
    for (unsigned half = rows / 2; half > 0; half /= 2) {
      __syncthreads();
      if (row >= half) continue;
      acc = a.merge(acc, of_thread[threadIdx.x + half * width]);
      of_thread[threadIdx.x] = acc;
    }
    if (row == 0 && column < inner) a.store(y + piece * inner + column, acc);
    __syncthreads();
  }
}

// What A::kBlocksFinish says: whether every kind of pass may write every kind of result. Else blocks write what is
// accumulated, and the other passes what is stored, so that fewer kernels are compiled.
template <class A, class In, class Out>
cudaError_t launch_pass(const Launch& to, const A& a, const ReducePass& pass, const In* x, Out* y) {
  using Kind = ReducePass::Kind;
  constexpr bool kPartial = std::is_same_v<Out, typename A::Acc>;
  const int64_t outer = pass.stage.outer, size = pass.stage.size, inner = pass.stage.inner;
  const auto blocks = [&](auto kernel, int64_t threads) { return to.device.grid(kernel, threads, kReduceBlock); };
  if constexpr (A::kBlocksFinish || !kPartial) {
    if (pass.kind == Kind::kWarpRows) {
      const auto kernel = warp_rows_kernel<A, In, Out>;
      return launch(blocks(kernel, outer * pass.lanes), kReduceBlock, 0, to.stream(), kernel, a, x, y, outer, size,
                    pass.lanes);
    }
    if (pass.kind == Kind::kColumns) {
      const auto kernel = columns_kernel<A, In, Out>;
      return launch(blocks(kernel, outer * inner), kReduceBlock, 0, to.stream(), kernel, a, x, y, outer * inner, size,
                    inner);
    }
  }
  if constexpr (A::kBlocksFinish || kPartial) {
    if (pass.kind == Kind::kBlockRows) {
      const auto kernel = block_rows_kernel<A, In, Out>;
      return launch(blocks(kernel, outer * pass.chunks * kReduceBlock), kReduceBlock, 0, to.stream(), kernel, a, x, y,
                    outer, size, pass.chunk, pass.chunks);
    }
    if (pass.kind == Kind::kBlockColumns) {
      const auto kernel = block_columns_kernel<A, In, Out>;
      const int64_t tiles = (inner + pass.lanes - 1) / pass.lanes;
      return launch(blocks(kernel, outer * pass.chunks * tiles * kReduceBlock), kReduceBlock, 0, to.stream(), kernel, a,
                    x, y, pass.stage, pass.lanes, pass.chunk, pass.chunks);
    }
  }
  return cudaErrorInvalidValue;
}

// Passes from elements of type In to results of type Out.
template <class A, class In, class Out>
class ReducePasses : public Kernel {
  using Acc = typename A::Acc;

 public:
  ReducePasses(const OpDesc& desc, const std::vector<ReduceShape>& stages, A a)
      : a_(a), bytes_(byte_count(desc.out(0))) {
    estimated_ns = estimate_ns(traffic(desc));
    int64_t element = sizeof(In);
    for (const ReduceShape& stage : stages) {
      plan_passes(stage, element, A::kBlocksFinish, passes_);
      element = sizeof(Acc);
    }
    for (size_t p = 0; p + 1 < passes_.size(); ++p) {
      offsets_.push_back(room_.take<Acc>(passes_[p].results()));
    }
  }

  uint64_t workspace_bytes() const override { return room_.bytes(); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if constexpr (std::is_same_v<In, Out>) {
      if (passes_.empty()) return copy_on_device(to.device, to.out[0], to.in[0], bytes_, error);
    }
    const auto between = [&](size_t p) { return part<Acc>(to.workspace, offsets_[p]); };
    const size_t last = passes_.size() - 1;
    for (size_t p = 0; p <= last; ++p) {
      if (passes_[p].results() == 0) continue;
      cudaError_t status;
      if (p == 0) {
        const In* const x = to.input<In>(0);
        status = p == last ? launch_pass(to, a_, passes_[p], x, to.output<Out>(0))
                           : launch_pass(to, a_, passes_[p], x, between(p));
      } else {
        const auto later = a_.later();
        const Acc* const x = between(p - 1);
        status = p == last ? launch_pass(to, later, passes_[p], x, to.output<Out>(0))
                           : launch_pass(to, later, passes_[p], x, between(p));
      }
      if (const ct_code code = check(status, error, "a reduction"); code != CT_OK) return code;
    }
    return CT_OK;
  }

 private:
  const A a_;
  const int64_t bytes_;
  std::vector<ReducePass> passes_;
  std::vector<int64_t> offsets_;  // of all passes' results but the last's, in the workspace
  Room room_;
};

}  // namespace cotangent::cuda

#endif
