// randomBits, randomUniform and randomNormal: a thread computes one block of Philox and what its four words make. The
// bits are the CPU's; normals may differ in the last places, where fused multiply-adds round differently.
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/vector_access.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_cuda.h"
#include "native/kernels/random/random_formulas.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

// A distribution turns the four words of a block into 16 bytes of elements.
struct Bits {
  using Element = uint32_t;
  __device__ __forceinline__ static uint32_t of(uint32_t w) { return w; }
};

template <class T>
struct Uniform {
  using Element = T;
  template <class Word>
  __device__ __forceinline__ static T of(Word w) {
    return random::uniform(w);
  }
};

template <class T>
struct Normal {
  using Element = T;
  template <class Word>
  __device__ __forceinline__ static T of(Word w) {
    return random::normal(w);
  }
};

// `blocks` of a key's stream make its `count` elements; the last one may be cut short.
template <class D>
__global__ void __launch_bounds__(kBlock)
    random_kernel(const uint32_t* __restrict__ keys, typename D::Element* __restrict__ y, int64_t streams,
                  int64_t blocks, int64_t count) {
  using T = typename D::Element;
  constexpr int kPer = kPerVector<T>;
  for (int64_t i = grid_start(); i < streams * blocks; i += grid_step()) {
    const int64_t stream = i / blocks, block = i - stream * blocks;
    const random::PhiloxBlock words =
        random::philox_block(static_cast<uint64_t>(block), keys[2 * stream], keys[2 * stream + 1]);
    T element[kPer];
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      if constexpr (kPer == 4) {
        element[j] = D::of(words.word[j]);
      } else {
        element[j] = D::of(random::wide(words, 2 * j));
      }
    }
    T* const to = y + stream * count + block * kPer;
    if ((block + 1) * kPer <= count && reinterpret_cast<uintptr_t>(to) % 16 == 0) {
      store_vector(to, element);
      continue;
    }
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      if (block * kPer + j < count) to[j] = element[j];
    }
  }
}

template <class D>
class RandomKernel : public Kernel {
 public:
  RandomKernel(const OpDesc& desc, const RandomParameters& random) : random_(random) {
    estimated_ns = estimate_ns(traffic(desc), 100.0 * static_cast<double>(element_count(desc.out(0))));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    using T = typename D::Element;
    if (random_.keys * random_.count == 0) return CT_OK;
    const int64_t blocks = (random_.count + kPerVector<T> - 1) / kPerVector<T>;
    const auto kernel = random_kernel<D>;
    const unsigned grid = to.device.grid(kernel, random_.keys * blocks, kBlock);
    return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<uint32_t>(0), to.output<T>(0), random_.keys,
                        blocks, random_.count),
                 error, "a random kernel");
  }

 private:
  const RandomParameters random_;
};

template <template <class> class D>
std::unique_ptr<Kernel> make(const OpDesc& desc, const RandomParameters& random) {
  if (random.element_bytes() == 4) return std::make_unique<RandomKernel<D<float>>>(desc, random);
  return std::make_unique<RandomKernel<D<double>>>(desc, random);
}

}  // namespace

std::unique_ptr<Kernel> prepare_random_bits(const OpDesc& desc, Device&) {
  return std::make_unique<RandomKernel<Bits>>(desc, RandomParameters::of_bits(desc));
}
std::unique_ptr<Kernel> prepare_random_uniform(const OpDesc& desc, Device&) {
  return make<Uniform>(desc, RandomParameters::of_uniform(desc));
}
std::unique_ptr<Kernel> prepare_random_normal(const OpDesc& desc, Device&) {
  return make<Normal>(desc, RandomParameters::of_normal(desc));
}

}  // namespace cotangent::cuda
