// Long lines: a stable radix sort by digits of 8 bits, least significant first (Knuth, TAOCP 3, section 5.2.5). A line
// is cut into pieces, a block each. Every pass counts the digits of each piece, scans the counts over the pieces, and
// moves keys and places: a block takes a few thousand elements at a time, ranks them by digit (lanes with the same
// digit find each other by a match within the warp), reorders them in shared memory and writes runs of equal digits.
// The first pass reads the elements, the last one writes the results, in the order that the CPU gives.
#include <algorithm>

#include "native/backend/cuda/warp.h"
#include "native/backend/cuda/workspace.h"
#include "native/kernels/sort/line_sorts.h"
#include "native/kernels/sort/sort_device.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256, kWarps = kBlock / kWarp;
constexpr int kBits = 8;
constexpr unsigned kDigits = 1 << kBits;
static_assert(kDigits == kBlock, "a thread a digit");
constexpr int64_t kMostPieces = 1024;         // of a line
constexpr int64_t kGroup = int64_t{1} << 24;  // elements that are sorted at a time: bounds the workspace

// Elements that a thread ranks at a time.
template <class K>
struct Round {
  static constexpr int kPerThread = sizeof(K) == 4 ? 16 : 8;
  static constexpr int kSize = kPerThread * static_cast<int>(kBlock);
};

// A bool has one digit.
template <class T>
constexpr int kPasses = sizeof(T) == 1 ? 1 : static_cast<int>(sizeof(Key<T>));

struct RadixPass {
  int64_t first_line, lines, piece, pieces;  // piece: elements, a multiple of a round
  int shift;
};

// Lines [first_line, first_line + lines), one behind the other. Null: the elements themselves, or the results.
template <class K>
struct Items {
  K* keys;
  uint32_t* places;
};

template <class K>
__device__ __forceinline__ unsigned digit_of(K key, int shift) {
  return static_cast<unsigned>(key >> shift) & (kDigits - 1);
}

// The sum over the threads before this one, of the block's 256.
__device__ __forceinline__ uint32_t exclusive_block_scan(uint32_t value, uint32_t (&of_warp)[kWarps]) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const uint32_t sum = warp_inclusive_scan(value, lane);
  if (lane == kWarp - 1) of_warp[warp] = sum;
  __syncthreads();
  uint32_t start = 0;
  for (unsigned w = 0; w < warp; ++w) start += of_warp[w];
  __syncthreads();
  return start + sum - value;
}

// counts[line][digit][piece].
template <class T>
__global__ void __launch_bounds__(kBlock)
    count_digits_kernel(SortedLines<T> lines, RadixPass pass, const Key<T>* __restrict__ keys,
                        uint32_t* __restrict__ counts) {
  auto& count = SHARED(uint32_t[kDigits]);
  for (int64_t item = blockIdx.x; item < pass.lines * pass.pieces; item += gridDim.x) {
    const int64_t line = item / pass.pieces, piece = item % pass.pieces, begin = piece * pass.piece;
    const int64_t end = begin + pass.piece < lines.size ? begin + pass.piece : lines.size;
    count[threadIdx.x] = 0;
    __syncthreads();
    for (int64_t i = begin + threadIdx.x; i < end; i += kBlock) {
      const Key<T> key = keys ? keys[line * lines.size + i] : lines.key(pass.first_line + line, i);
      atomicAdd(&count[digit_of(key, pass.shift)], 1u);
    }
    __syncthreads();
    counts[(line * kDigits + threadIdx.x) * pass.pieces + piece] = count[threadIdx.x];
    __syncthreads();
  }
}

// Counts become the sums over the pieces before; totals[line][digit]. A warp a row.
__global__ void __launch_bounds__(kBlock)
    scan_digits_kernel(uint32_t* __restrict__ counts, uint32_t* __restrict__ totals, int64_t rows, int64_t pieces) {
  const unsigned lane = threadIdx.x % kWarp;
  for (int64_t row = grid_start() / kWarp; row < rows; row += grid_step() / kWarp) {
    uint32_t total = 0;
    for (int64_t base = 0; base < pieces; base += kWarp) {
      const int64_t at = row * pieces + base + lane;
      const uint32_t count = base + lane < pieces ? counts[at] : 0;
      const uint32_t sum = warp_inclusive_scan(count, lane);
      if (base + lane < pieces) counts[at] = total + sum - count;
      total += __shfl_sync(kAllLanes, sum, kWarp - 1);
    }
    if (lane == 0) totals[row] = total;
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    move_kernel(SortedLines<T> lines, RadixPass pass, Items<Key<T>> from, Items<Key<T>> to,
                const uint32_t* __restrict__ counts, const uint32_t* __restrict__ totals) {
  using K = Key<T>;
  constexpr int kPer = Round<K>::kPerThread;
  constexpr unsigned kSize = Round<K>::kSize;
  auto& keys = SHARED(K[kSize]);
  auto& places = SHARED(uint32_t[kSize]);
  auto& of_warp = SHARED(uint32_t[kWarps][kDigits]);  // a warp's elements of a digit; then where they start
  auto& target = SHARED(uint32_t[kDigits]);           // where the next element of a digit goes, less its place here
  auto& scanned = SHARED(uint32_t[kWarps]);
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, before = (1u << lane) - 1;
  for (int64_t item = blockIdx.x; item < pass.lines * pass.pieces; item += gridDim.x) {
    const int64_t line = item / pass.pieces, piece = item % pass.pieces, base = line * lines.size;
    // Places in a line are below 2^31.
    const uint32_t size = static_cast<uint32_t>(lines.size), begin = static_cast<uint32_t>(piece * pass.piece);
    const uint32_t end = size - begin < pass.piece ? size : begin + static_cast<uint32_t>(pass.piece);
    const int64_t row = line * kDigits + threadIdx.x;
    // Of this thread's digit: where its next element goes.
    uint32_t next = exclusive_block_scan(totals[row], scanned) + counts[row * pass.pieces + piece];
    for (uint32_t start = begin; start < end; start += kSize) {
      for (unsigned w = 0; w < kWarps; ++w) of_warp[w][threadIdx.x] = 0;
      __syncthreads();
      K key[kPer];
      uint32_t place[kPer], rank[kPer];
#pragma unroll
      for (int e = 0; e < kPer; ++e) {
        const uint32_t i = start + (warp * kPer + e) * kWarp + lane;
        const bool valid = i < end;
        key[e] = K(0);
        place[e] = rank[e] = 0;
        if (valid) {
          key[e] = from.keys ? from.keys[base + i] : lines.key(pass.first_line + line, i);
          place[e] = from.keys ? from.places[base + i] : i;
        }
        const unsigned digit = digit_of(key[e], pass.shift);
        const unsigned alike = __match_any_sync(kAllLanes, valid ? digit : kDigits);
        if (valid) rank[e] = of_warp[warp][digit] + static_cast<uint32_t>(__popc(alike & before));
        __syncwarp(kAllLanes);
        if (valid && (alike & before) == 0) of_warp[warp][digit] += static_cast<uint32_t>(__popc(alike));
        __syncwarp(kAllLanes);
      }
      __syncthreads();
      uint32_t sum = 0;
      for (unsigned w = 0; w < kWarps; ++w) sum += of_warp[w][threadIdx.x];
      uint32_t local = exclusive_block_scan(sum, scanned);
      target[threadIdx.x] = next - local;
      next += sum;
      for (unsigned w = 0; w < kWarps; ++w) {
        const uint32_t count = of_warp[w][threadIdx.x];
        of_warp[w][threadIdx.x] = local;
        local += count;
      }
      __syncthreads();
#pragma unroll
      for (int e = 0; e < kPer; ++e) {
        if (start + (warp * kPer + e) * kWarp + lane >= end) continue;
        const uint32_t at = of_warp[warp][digit_of(key[e], pass.shift)] + rank[e];
        keys[at] = key[e];
        places[at] = place[e];
      }
      __syncthreads();
      const uint32_t count = end - start < kSize ? end - start : kSize;
      for (unsigned at = threadIdx.x; at < count; at += kBlock) {
        const K moved = keys[at];
        const uint32_t goes = target[digit_of(moved, pass.shift)] + at;
        if (to.keys) {
          to.keys[base + goes] = moved;
          to.places[base + goes] = places[at];
        } else if (goes < lines.k) {
          lines.write(pass.first_line + line, goes, moved, places[at]);
        }
      }
      __syncthreads();
    }
  }
}

template <class T>
class RadixSortKernel : public Kernel {
  using K = Key<T>;

 public:
  RadixSortKernel(const OpDesc& desc, const SortParameters& sort)
      : sort_(sort), group_(std::clamp<int64_t>(kGroup / sort.size, 1, std::max<int64_t>(1, sort.lines()))) {
    const int64_t rounds = (sort.size + Round<K>::kSize - 1) / Round<K>::kSize;
    piece_ = (rounds + kMostPieces - 1) / kMostPieces * Round<K>::kSize;
    pieces_ = (sort.size + piece_ - 1) / piece_;
    Room room;
    const int64_t count = group_ * sort.size;
    for (int side = 0; side < 2 && side + 1 < kPasses<T>; ++side) {
      keys_[side] = room.take<K>(count);
      places_[side] = room.take<uint32_t>(count);
    }
    counts_ = room.take<uint32_t>(group_ * kDigits * pieces_);
    totals_ = room.take<uint32_t>(group_ * kDigits);
    workspace_ = room.bytes();
    estimated_ns = estimate_ns(kPasses<T> * (3.0 * sizeof(K) + 2.0 * sizeof(uint32_t)) *
                               static_cast<double>(element_count(desc.in(0))));
  }

  uint64_t workspace_bytes() const override { return workspace_; }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (sort_.k == 0) return CT_OK;
    for (int64_t line = 0; line < sort_.lines(); line += group_) {
      RadixPass pass{line, std::min(group_, sort_.lines() - line), piece_, pieces_, 0};
      for (int p = 0; p < kPasses<T>; ++p, pass.shift += kBits) {
        const Items<K> from = p == 0 ? Items<K>{} : side(to, p - 1);
        const Items<K> moved = p + 1 == kPasses<T> ? Items<K>{} : side(to, p);
        if (const ct_code code = run_pass(to, pass, from, moved, error); code != CT_OK) return code;
      }
    }
    return CT_OK;
  }

 private:
  // What pass p writes.
  Items<K> side(const Launch& to, int p) const {
    return {part<K>(to.workspace, keys_[p & 1]), part<uint32_t>(to.workspace, places_[p & 1])};
  }

  ct_code run_pass(const Launch& to, const RadixPass& pass, Items<K> from, Items<K> moved, ct_error* error) const {
    const SortedLines<T> lines = sorted_lines<T>(to, sort_);
    uint32_t* const counts = part<uint32_t>(to.workspace, counts_);
    uint32_t* const totals = part<uint32_t>(to.workspace, totals_);
    const auto grid = [&](auto kernel, int64_t threads) { return to.device.grid(kernel, threads, kBlock); };
    const int64_t threads = pass.lines * pass.pieces * kBlock, rows = pass.lines * kDigits;
    const auto count = count_digits_kernel<T>;
    const auto move = move_kernel<T>;
    cudaError_t status = launch(grid(count, threads), kBlock, 0, to.stream(), count, lines, pass, from.keys, counts);
    if (status == cudaSuccess) {
      status = launch(grid(scan_digits_kernel, rows * kWarp), kBlock, 0, to.stream(), scan_digits_kernel, counts,
                      totals, rows, pass.pieces);
    }
    if (status == cudaSuccess) {
      status = launch(grid(move, threads), kBlock, 0, to.stream(), move, lines, pass, from, moved, counts, totals);
    }
    return check(status, error, "a radix sort");
  }

  const SortParameters sort_;
  const int64_t group_;  // lines
  int64_t piece_, pieces_;
  int64_t keys_[2] = {}, places_[2] = {}, counts_, totals_;  // offsets in the workspace
  uint64_t workspace_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_radix_sort(const OpDesc& desc, const SortParameters& sort) {
  return dispatch_dtype(sort.dtype, [&](auto element) -> std::unique_ptr<Kernel> {
    return std::make_unique<RadixSortKernel<decltype(element)>>(desc, sort);
  });
}

}  // namespace cotangent::cuda
