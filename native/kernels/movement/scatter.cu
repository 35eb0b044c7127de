// scatterAdd, scatterSet and addAlongAxis on a GPU (indexed.h). Every element of the result is treated by one thread,
// in the order of j: the sums are those of the CPU, bit by bit, and no order of threads shows. What is given up for it
// is speed when most updates go to one element.
//
// By columns: a thread for each (o, i), which walks through all updates; for few updates, or many columns. By rows: a
// block takes a range of rows of the result, collects the updates that fall into it, in order, a chunk at a time, and
// applies them: with a thread a column where one index serves a row of columns (rows_kernel), else with a thread a row
// (places_kernel). All blocks read all indices, which come from L2.
#include <algorithm>

#include "native/backend/cuda/copy.h"
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/packed.h"
#include "native/backend/cuda/warp.h"
#include "native/kernels/movement/indexed.h"
#include "native/kernels/movement/movement_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256, kWarps = kBlock / kWarp;
constexpr unsigned kRounds = 4;  // indices that a thread looks at in a chunk
constexpr unsigned kChunk = kBlock * kRounds;
static_assert(kRounds * kWarps == kWarp, "a lane for each round of each warp");
constexpr int64_t kFewUpdates = 64;
constexpr int64_t kManyColumns = 32768;

struct Shape {
  int64_t outer, size, inner, picked;
  int64_t index_outer, index_step, index_inner;  // strides of the indices
  int64_t parts;                                 // of the rows, a block each

  __device__ __forceinline__ int64_t index_at(int64_t o, int64_t j, int64_t i) const {
    return o * index_outer + j * index_step + i * index_inner;
  }
  __device__ __forceinline__ int64_t part_begin(int64_t part) const { return size * part / parts; }
};

template <class T, bool adds>
__device__ __forceinline__ T updated(T element, T update) {
  return adds ? static_cast<T>(element + update) : update;
}

template <class T, bool adds>
__global__ void __launch_bounds__(kBlock)
    columns_kernel(T* y, const int32_t* __restrict__ indices, const T* __restrict__ updates, const Shape shape) {
  const int64_t columns = shape.outer * shape.inner;
  for (int64_t column = grid_start(); column < columns; column += grid_step()) {
    const int64_t o = column / shape.inner, i = column - o * shape.inner;
    for (int64_t j = 0; j < shape.picked; ++j) {
      const int64_t row = indices[shape.index_at(o, j, i)];
      if (row < 0 || row >= shape.size) continue;
      T& element = y[(o * shape.size + row) * shape.inner + i];
      element = updated<T, adds>(element, updates[(o * shape.picked + j) * shape.inner + i]);
    }
  }
}

// The updates of a chunk that fall into a block's rows, in order.
template <class Payload>
struct Collected {
  int32_t row[kChunk];
  Payload payload[kChunk];
  uint32_t begin[kWarp];  // of each round of each warp
  uint32_t count;
};

// row_of(j) for the chunk's `count` updates; those in [first, last) are kept with payload_of(j). All threads call it,
// and none may still read what it collected before.
template <class Payload, class RowOf, class PayloadOf>
__device__ __forceinline__ void collect(Collected<Payload>& to, int64_t count, int64_t first, int64_t last,
                                        RowOf&& row_of, PayloadOf&& payload_of) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int32_t rows[kRounds];
  unsigned kept[kRounds];
#pragma unroll
  for (unsigned round = 0; round < kRounds; ++round) {
    const int64_t j = round * kBlock + threadIdx.x;
    rows[round] = j < count ? row_of(j) : -1;
    kept[round] = __ballot_sync(kAllLanes, rows[round] >= first && rows[round] < last);
    if (lane == 0) to.begin[round * kWarps + warp] = static_cast<uint32_t>(__popc(kept[round]));
  }
  __syncthreads();
  if (warp == 0) {
    const uint32_t own = to.begin[lane];
    const uint32_t sum = warp_inclusive_scan(own, lane);
    to.begin[lane] = sum - own;
    if (lane == kWarp - 1) to.count = sum;
  }
  __syncthreads();
#pragma unroll
  for (unsigned round = 0; round < kRounds; ++round) {
    if (!(kept[round] >> lane & 1)) continue;
    const uint32_t at =
        to.begin[round * kWarps + warp] + static_cast<uint32_t>(__popc(kept[round] & ((1u << lane) - 1)));
    to.row[at] = rows[round];
    to.payload[at] = payload_of(static_cast<int64_t>(round * kBlock + threadIdx.x));
  }
  __syncthreads();
}

// Work items: (o, tile of columns, part of the rows).
template <class T, bool adds>
__global__ void __launch_bounds__(kBlock)
    rows_kernel(T* y, const int32_t* __restrict__ indices, const T* __restrict__ updates, const Shape shape) {
  auto& collected = SHARED(Collected<uint32_t>);  // with the place in the chunk
  const int64_t tiles = (shape.inner + kBlock - 1) / kBlock;
  for (int64_t item = blockIdx.x; item < shape.outer * tiles * shape.parts; item += gridDim.x) {
    const int64_t part = item % shape.parts, rest = item / shape.parts;
    const int64_t column = rest % tiles * kBlock + threadIdx.x, o = rest / tiles;
    const int64_t first = shape.part_begin(part), last = shape.part_begin(part + 1);
    for (int64_t chunk = 0; chunk < shape.picked; chunk += kChunk) {
      collect(
          collected, shape.picked - chunk, first, last, [&](int64_t j) { return indices[chunk + j]; },
          [](int64_t j) { return static_cast<uint32_t>(j); });
      const uint32_t count = column < shape.inner ? collected.count : 0;
      for (uint32_t k = 0; k < count; ++k) {
        T& element = y[(o * shape.size + collected.row[k]) * shape.inner + column];
        const int64_t j = chunk + collected.payload[k];
        element = updated<T, adds>(element, updates[(o * shape.picked + j) * shape.inner + column]);
      }
      __syncthreads();
    }
  }
}

// Work items: (column, part of the rows).
template <class T, bool adds>
__global__ void __launch_bounds__(kBlock)
    places_kernel(T* y, const int32_t* __restrict__ indices, const T* __restrict__ updates, const Shape shape) {
  auto& collected = SHARED(Collected<T>);  // with the update
  for (int64_t item = blockIdx.x; item < shape.outer * shape.inner * shape.parts; item += gridDim.x) {
    const int64_t part = item % shape.parts, line = item / shape.parts;
    const int64_t o = line / shape.inner, i = line - o * shape.inner;
    const int64_t first = shape.part_begin(part), last = shape.part_begin(part + 1);
    T* const elements = y + o * shape.size * shape.inner + i;
    int32_t current = -1;  // the row whose element is held in a register
    T element{};
    for (int64_t chunk = 0; chunk < shape.picked; chunk += kChunk) {
      collect(
          collected, shape.picked - chunk, first, last,
          [&](int64_t j) { return indices[shape.index_at(o, chunk + j, i)]; },
          [&](int64_t j) { return updates[(o * shape.picked + chunk + j) * shape.inner + i]; });
      for (uint32_t k = 0; k < collected.count; ++k) {
        const int32_t row = collected.row[k];
        if (static_cast<unsigned>(row - first) % kBlock != threadIdx.x) continue;
        if (row != current) {
          if (current >= 0) elements[current * shape.inner] = element;
          current = row;
          element = elements[current * shape.inner];
        }
        element = updated<T, adds>(element, collected.payload[k]);
      }
      __syncthreads();
    }
    if (current >= 0) elements[current * shape.inner] = element;
  }
}

template <bool adds, class F>
decltype(auto) dispatch_update(int32_t dtype, F&& body) {
  if constexpr (adds) {
    if (dtype == CT_FLOAT32) return body(float{});
    if (dtype == CT_FLOAT64) return body(double{});
    return body(uint32_t{});  // int32 sums wrap to the same bits
  } else {
    return dispatch_element(element_bytes(dtype), body);
  }
}

template <bool adds>
class ScatterKernel : public Kernel {
 public:
  ScatterKernel(const OpDesc& desc, const Indexed& indexed, bool along)
      : dtype_(indexed.dtype), along_(along), bytes_(byte_count(desc.in(0))) {
    const int64_t inner = indexed.inner, picked = indexed.picked;
    shape_ = {indexed.outer, indexed.size, inner, picked, 0, 1, 0, 1};
    if (along) {
      shape_.index_outer = picked * inner;
      shape_.index_step = inner;
      shape_.index_inner = 1;
    }
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (bytes_ == 0) return CT_OK;
    const ct_code code = copy_on_device(to.device, to.out[0], to.in[0], bytes_, error);
    if (code != CT_OK || shape_.picked == 0) return code;
    return dispatch_update<adds>(dtype_, [&](auto element) {
      using T = decltype(element);
      const int64_t columns = shape_.outer * shape_.inner;
      if (shape_.picked <= kFewUpdates) return start<T>(to, columns_kernel<T, adds>, columns, 0, error);
      if (!along_ && shape_.inner >= kWarp) {
        return start<T>(to, rows_kernel<T, adds>, 0, shape_.outer * ((shape_.inner + kBlock - 1) / kBlock), error);
      }
      if (columns >= kManyColumns) return start<T>(to, columns_kernel<T, adds>, columns, 0, error);
      return start<T>(to, places_kernel<T, adds>, 0, columns, error);
    });
  }

 private:
  // A thread for each of `threads`, or blocks for each of `items` and as many parts of the rows as keep the device
  // busy.
  template <class T>
  ct_code start(const Launch& to, void (*kernel)(T*, const int32_t*, const T*, Shape), int64_t threads, int64_t items,
                ct_error* error) const {
    Shape shape = shape_;
    unsigned blocks = 0;
    if (items == 0) {
      blocks = to.device.grid(kernel, threads, kBlock);
    } else {
      const int64_t most = to.device.grid(kernel, int64_t{1} << 40, kBlock);
      shape.parts = std::clamp<int64_t>(most / items, 1, shape.size);
      blocks = static_cast<unsigned>(std::min(most, items * shape.parts));
    }
    return check(
        launch(blocks, kBlock, 0, to.stream(), kernel, to.output<T>(0), to.input<int32_t>(1), to.input<T>(2), shape),
        error, "scatter");
  }

  const int32_t dtype_;
  const bool along_;
  const int64_t bytes_;
  Shape shape_{};
};

}  // namespace

std::unique_ptr<Kernel> prepare_scatter_add(const OpDesc& desc, Device&) {
  return std::make_unique<ScatterKernel<true>>(desc, Scatter(desc, true), false);
}
std::unique_ptr<Kernel> prepare_scatter_set(const OpDesc& desc, Device&) {
  return std::make_unique<ScatterKernel<false>>(desc, Scatter(desc, false), false);
}
std::unique_ptr<Kernel> prepare_add_along_axis(const OpDesc& desc, Device&) {
  return std::make_unique<ScatterKernel<true>>(desc, AddAlong(desc), true);
}

}  // namespace cotangent::cuda
