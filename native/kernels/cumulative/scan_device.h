// Scans along lines on a GPU, for whatever is scanned. A scan P has
//
//   State                  an element, and the combination of consecutive ones
//   kInPlace               the operands whose buffers the result may share, as bits
//   P(const Launch&)       the operands
//   load(at), store(at, State), shuffle(State, lane)
//   merge(State left, State right), advance(State left, State element): the same, where `element` is as `load` gives it
//   Tile                   kPerThread consecutive elements of a thread: load(p, scan, line, k, end); scan_warp(p, lane)
//                          and last(), what the lanes up to this one combine to; place(p, lane, start, chunk) behind
//                          what comes before the warp in its chunk, and before the chunk; store(p, scan, line, k, end)
//
// Short lines, and the columns of many, are walked by a thread each. Otherwise a warp or a block takes a line, a tile
// at a time, and what came before is carried along. A line that is too long for that is cut into chunks: the first pass
// finds the total of each, the second where each starts, the third writes: memory is read twice and written once. The
// cut depends on the shape alone, and so do the bits.
#ifndef COTANGENT_KERNELS_CUMULATIVE_SCAN_DEVICE_H
#define COTANGENT_KERNELS_CUMULATIVE_SCAN_DEVICE_H

#include <algorithm>
#include <memory>

#include "native/backend/cuda/kernel.h"
#include "native/backend/cuda/packed.h"
#include "native/backend/cuda/vector_access.h"
#include "native/kernels/cumulative/parameters.h"

namespace cotangent::cuda {

constexpr unsigned kScanBlock = 256;
constexpr int kPerThread = 4;  // elements of a tile
constexpr int64_t kWarpTile = int64_t{kPerThread} * kWarp, kBlockTile = int64_t{kPerThread} * kScanBlock;

// What may be absent: nothing comes before a line's first element.
template <class State>
struct Before {
  bool some;
  State state;
};

// Where the elements of lines lie, k counting in the direction of the scan.
struct LineScan {
  int64_t lines, size, inner, chunk, chunks;
  bool reverse;
  bool vectors;  // lines begin, and consist of, whole vectors

  __device__ __forceinline__ int64_t at(int64_t line, int64_t k) const {
    const int64_t place = reverse ? size - 1 - k : k;
    if (inner == 1) return line * size + place;
    const int64_t outer = line / inner;
    return (outer * size + place) * inner + (line - outer * inner);
  }

  template <class T>
  __device__ __forceinline__ void load(const T* x, int64_t line, int64_t k, int64_t end, T (&to)[kPerThread]) const {
    constexpr int kPer = kPerVector<T>;
    if (vectors && k + kPerThread <= end) {
      const T* const from = x + line * size + (reverse ? size - kPerThread - k : k);
#pragma unroll
      for (int v = 0; v < kPerThread / kPer; ++v) {
        T part[kPer];
        load_vector(part, from + v * kPer);
#pragma unroll
        for (int j = 0; j < kPer; ++j) to[reverse ? kPerThread - 1 - (v * kPer + j) : v * kPer + j] = part[j];
      }
      return;
    }
#pragma unroll
    for (int e = 0; e < kPerThread; ++e) to[e] = k + e < end ? x[at(line, k + e)] : T(0);
  }

  template <class T>
  __device__ __forceinline__ void store(T* y, int64_t line, int64_t k, int64_t end, const T (&from)[kPerThread]) const {
    constexpr int kPer = kPerVector<T>;
    if (vectors && k + kPerThread <= end) {
      T* const to = y + line * size + (reverse ? size - kPerThread - k : k);
#pragma unroll
      for (int v = 0; v < kPerThread / kPer; ++v) {
        T part[kPer];
#pragma unroll
        for (int j = 0; j < kPer; ++j) part[j] = from[reverse ? kPerThread - 1 - (v * kPer + j) : v * kPer + j];
        store_vector(to + v * kPer, part);
      }
      return;
    }
#pragma unroll
    for (int e = 0; e < kPerThread; ++e) {
      if (k + e < end) y[at(line, k + e)] = from[e];
    }
  }
};

template <class P>
__device__ __forceinline__ void append(const P& p, Before<typename P::State>& before, typename P::State state) {
  before.state = before.some ? p.merge(before.state, state) : state;
  before.some = true;
}

template <class P>
__global__ void __launch_bounds__(kScanBlock) walk_lines_kernel(P p, LineScan scan) {
  using State = typename P::State;
  constexpr int kBatch = 4;  // reads under way at a time
  for (int64_t line = grid_start(); line < scan.lines; line += grid_step()) {
    State state{};
    for (int64_t k = 0; k < scan.size; k += kBatch) {
      State element[kBatch];
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        if (k + j < scan.size) element[j] = p.load(scan.at(line, k + j));
      }
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        if (k + j >= scan.size) break;
        state = k + j == 0 ? element[j] : p.advance(state, element[j]);
        p.store(scan.at(line, k + j), state);
      }
    }
  }
}

// With `totals`: finds them, of each chunk, and writes nothing else. `starts`: of each chunk but a line's first.
template <class P, bool kBlock>
__global__ void __launch_bounds__(kScanBlock)
    scan_lines_kernel(P p, LineScan scan, const typename P::State* __restrict__ starts,
                      typename P::State* __restrict__ totals) {
  using State = typename P::State;
  constexpr unsigned kWarps = kScanBlock / kWarp;
  auto& of_warp = SHARED(State[kWarps]);
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const unsigned place = kBlock ? threadIdx.x : lane;
  const int64_t step = kBlock ? gridDim.x : grid_step() / kWarp;
  for (int64_t item = kBlock ? blockIdx.x : grid_start() / kWarp; item < scan.lines * scan.chunks; item += step) {
    const int64_t line = item / scan.chunks, chunk = item % scan.chunks, begin = chunk * scan.chunk;
    const int64_t end = begin + scan.chunk < scan.size ? begin + scan.chunk : scan.size;
    Before<State> before_chunk{false, {}}, carry{false, {}};
    if (starts && chunk > 0) before_chunk = {true, starts[item]};
    for (int64_t tile = begin; tile < end; tile += kBlock ? kBlockTile : kWarpTile) {
      const int64_t k = tile + int64_t{place} * kPerThread;
      typename P::Tile elements;
      elements.load(p, scan, line, k, end);
      elements.scan_warp(p, lane);
      Before<State> start = carry;
      if constexpr (kBlock) {
        if (lane == kWarp - 1) of_warp[warp] = elements.last();
        __syncthreads();
// Unrolled, it would keep a predicate for each warp, and spill.
#pragma unroll 1
        for (unsigned w = 0; w < kWarps; ++w) {
          if (w == warp) start = carry;
          append(p, carry, of_warp[w]);
        }
        __syncthreads();
      } else {
        append(p, carry, p.shuffle(elements.last(), kWarp - 1));
      }
      elements.place(p, lane, start, before_chunk);
      if (!totals) elements.store(p, scan, line, k, end);
    }
    if (totals && place == 0) totals[item] = carry.state;
  }
}

// starts[line][chunk] = the combination of the line's chunks before; a warp a line, all lanes doing the same.
template <class P>
__global__ void __launch_bounds__(kScanBlock)
    start_chunks_kernel(P p, const typename P::State* __restrict__ totals, typename P::State* __restrict__ starts,
                        int64_t lines, int64_t chunks) {
  using State = typename P::State;
  const unsigned lane = threadIdx.x % kWarp;
  for (int64_t line = grid_start() / kWarp; line < lines; line += grid_step() / kWarp) {
    Before<State> before{false, {}};
    for (int64_t base = 0; base < chunks; base += kWarp) {
      const int64_t chunk = base + lane;
      const State total = chunk < chunks ? totals[line * chunks + chunk] : State{};
      State start{};
// Unrolled, it would keep a predicate for each lane, and spill.
#pragma unroll 1
      for (unsigned l = 0; l < kWarp; ++l) {
        if (l == lane) start = before.state;
        append(p, before, p.shuffle(total, static_cast<int>(l)));
      }
      if (chunk < chunks) starts[line * chunks + chunk] = start;
    }
  }
}

// P is made from the launch's operands.
template <class P>
class LineScanKernel : public Kernel {
  using State = typename P::State;

 public:
  LineScanKernel(const OpDesc& desc, const LineParameters& line)
      : scan_{line.outer * line.inner, line.size, line.inner, line.size, 1, line.reverse, false},
        operands_(desc.in_count()) {
    constexpr int64_t kShort = 32, kManyColumns = 16384, kWarpLine = 2048, kManyLines = 4096;
    constexpr int64_t kLeastChunk = 8 * kBlockTile, kMostChunks = 512;
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = P::kInPlace;
    if (scan_.size <= kShort || (scan_.inner > 1 && scan_.lines >= kManyColumns)) {
      way_ = Way::kWalk;
    } else if (scan_.size <= kWarpLine || scan_.lines >= kManyLines) {
      way_ = Way::kWarp;
    } else {
      way_ = Way::kBlock;
      const int64_t most = std::max<int64_t>(1, kMostChunks / std::max<int64_t>(1, scan_.lines));
      const int64_t wanted = std::max(kLeastChunk, (scan_.size + most - 1) / most);
      scan_.chunk = (wanted + kBlockTile - 1) / kBlockTile * kBlockTile;
      scan_.chunks = (scan_.size + scan_.chunk - 1) / scan_.chunk;
    }
  }

  uint64_t workspace_bytes() const override { return scan_.chunks > 1 ? 2 * states() * sizeof(State) : 0; }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (scan_.lines * scan_.size == 0) return CT_OK;
    const P p(to);
    LineScan scan = scan_;
    scan.vectors = scan.inner == 1 && scan.size % kPerThread == 0 && aligned_to(16, to.out[0], to.in[0]) &&
                   aligned_to(16, to.in[operands_ - 1]);
    const auto blocks = [&](auto kernel, int64_t threads) { return to.device.grid(kernel, threads, kScanBlock); };
    if (way_ == Way::kWalk) {
      const auto kernel = walk_lines_kernel<P>;
      return check(launch(blocks(kernel, scan.lines), kScanBlock, 0, to.stream(), kernel, p, scan), error, "a scan");
    }
    if (way_ == Way::kWarp) {
      const auto kernel = scan_lines_kernel<P, false>;
      return check(
          launch(blocks(kernel, scan.lines * kWarp), kScanBlock, 0, to.stream(), kernel, p, scan, nullptr, nullptr),
          error, "a scan");
    }
    const auto kernel = scan_lines_kernel<P, true>;
    const unsigned grid = blocks(kernel, scan.lines * scan.chunks * kScanBlock);
    State* const totals = static_cast<State*>(to.workspace);
    State* const starts = scan.chunks > 1 ? totals + states() : nullptr;
    cudaError_t status = cudaSuccess;
    if (starts) {
      status = launch(grid, kScanBlock, 0, to.stream(), kernel, p, scan, nullptr, totals);
      const auto start = start_chunks_kernel<P>;
      if (status == cudaSuccess) {
        status = launch(blocks(start, scan.lines * kWarp), kScanBlock, 0, to.stream(), start, p, totals, starts,
                        scan.lines, scan.chunks);
      }
    }
    if (status == cudaSuccess) {
      status = launch(grid, kScanBlock, 0, to.stream(), kernel, p, scan, starts, nullptr);
    }
    return check(status, error, "a scan");
  }

 private:
  enum class Way { kWalk, kWarp, kBlock };

  uint64_t states() const { return static_cast<uint64_t>(scan_.lines * scan_.chunks); }

  LineScan scan_;  // but for `vectors`, which the operands decide
  const int operands_;
  Way way_;
};

}  // namespace cotangent::cuda

#endif
