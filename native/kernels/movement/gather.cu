// gather and takeAlongAxis on a GPU (indexed.h): one read of an index and of an element for each of the result. An
// index outside gives NaN (0, false).
#include <cmath>
#include <cstring>
#include <limits>

#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/divisor.h"
#include "native/backend/cuda/packed.h"
#include "native/kernels/movement/indexed.h"
#include "native/kernels/movement/movement_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

// y seen as [outer, picked, inner]; inner in words.
template <class Index>
struct Picked {
  typename DivisorOf<Index>::Type picked, inner;
  Index count;
  int64_t size;
};

// One index a row of words, or, `along` the axis, one a word.
template <bool along, class Word, class Index>
__global__ void __launch_bounds__(kBlock)
    gather_kernel(Word* __restrict__ y, const Word* __restrict__ x, const int32_t* __restrict__ indices,
                  const Picked<Index> shape, const Word missing) {
  const Index width = static_cast<Index>(shape.inner.value), picked = static_cast<Index>(shape.picked.value);
  for (Index i = static_cast<Index>(grid_start()); i < shape.count; i += static_cast<Index>(grid_step())) {
    const Index row = static_cast<Index>(shape.inner.quotient(i)), column = i - row * width;
    const Index outer = static_cast<Index>(shape.picked.quotient(row));
    const int64_t index = indices[along ? i : row - outer * picked];
    const bool outside = index < 0 || index >= shape.size;
    y[i] = outside ? missing : x[(static_cast<int64_t>(outer) * shape.size + index) * width + column];
  }
}

// The bits of what an index outside gives, repeated.
template <class Word>
Word missing_value(int32_t dtype) {
  Word word{};
  if (dtype == CT_FLOAT32 || dtype == CT_FLOAT64) {
    const float single = std::numeric_limits<float>::quiet_NaN();
    const double wide = std::numeric_limits<double>::quiet_NaN();
    const size_t bytes = static_cast<size_t>(element_bytes(dtype));
    for (size_t at = 0; at + bytes <= sizeof word; at += bytes) {
      std::memcpy(reinterpret_cast<char*>(&word) + at, dtype == CT_FLOAT32 ? static_cast<const void*>(&single) : &wide,
                  bytes);
    }
  }
  return word;
}

template <bool along>
class GatherKernel : public Kernel {
 public:
  GatherKernel(const OpDesc& desc, const Indexed& indexed)
      : indexed_(indexed), element_(element_bytes(indexed.dtype)), count_(element_count(desc.out(0))) {
    const int64_t row = indexed.inner * element_;
    word_ = along ? element_ : row % 16 == 0 ? 16 : row % 8 == 0 ? 8 : row % 4 == 0 ? 4 : 1;
    estimated_ns = estimate_ns(2.0 * static_cast<double>(byte_count(desc.out(0)) + byte_count(desc.in(1))));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (count_ == 0) return CT_OK;
    const int64_t word = aligned_to(static_cast<uint64_t>(word_), to.in[0], to.out[0]) ? word_ : element_;
    const auto start = [&](auto word_value) {
      const int64_t count = count_ * element_ / word;
      return dispatch_index(count, [&](auto index) {
        using Word = decltype(word_value);
        using Index = decltype(index);
        using Division = typename DivisorOf<Index>::Type;
        const Picked<Index> shape{Division(indexed_.picked), Division(indexed_.inner * element_ / word),
                                  static_cast<Index>(count), indexed_.size};
        const auto kernel = gather_kernel<along, Word, Index>;
        return check(launch(to.device.grid(kernel, count, kBlock), kBlock, 0, to.stream(), kernel, to.output<Word>(0),
                            to.input<Word>(0), to.input<int32_t>(1), shape, missing_value<Word>(indexed_.dtype)),
                     error, "gather");
      });
    };
    if constexpr (along) {
      return dispatch_element(word, start);
    } else {
      return dispatch_word(word, start);
    }
  }

 private:
  const Indexed indexed_;
  const int64_t element_, count_;
  int64_t word_;  // bytes
};

}  // namespace

std::unique_ptr<Kernel> prepare_gather(const OpDesc& desc, Device&) {
  return std::make_unique<GatherKernel<false>>(desc, Gather(desc));
}
std::unique_ptr<Kernel> prepare_take_along_axis(const OpDesc& desc, Device&) {
  return std::make_unique<GatherKernel<true>>(desc, TakeAlong(desc));
}

}  // namespace cotangent::cuda
