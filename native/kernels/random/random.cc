// randomBits, randomUniform and randomNormal: element i of a key's stream is a function of the key and of i alone, so
// any cut gives the same bits. 4-byte elements: word i % 4 of block i / 4. 8-byte elements: words 2 (i % 2) (low) and 2
// (i % 2) + 1 (high) of block i / 2.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/random/random_gamma.h"
#include "native/kernels/random/random_loops.h"

namespace cotangent::cpu {
namespace {

class RandomKernel : public Kernel {
 public:
  RandomKernel(const OpDesc& desc, Distribution distribution, double ns_per_element)
      : loop_(COTANGENT_SIMD_DISPATCH(random_loop)(distribution)),
        keys_(element_count(desc.in(0)) / 2),
        count_(keys_ == 0 ? 0 : element_count(desc.out(0)) / keys_),
        element_(element_bytes(desc.out(0).dtype)) {
    // Every stream makes at least one piece of numbers.
    estimated_ns = estimate_ns(0) + ns_per_element * static_cast<double>(keys_ * std::max(count_, kCut));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const uint32_t* const key = static_cast<const uint32_t*>(launch.in[0]);
    char* const out = static_cast<char*>(launch.out[0]);
    const int64_t per_block = 16 / element_;
    if (keys_ > 1) {
      launch.parallel.range(keys_, std::max<int64_t>(1, kGrain / std::max(count_, kCut)), 1,
                            [&](int64_t begin, int64_t end) {
                              for (int64_t k = begin; k < end; ++k) {
                                loop_(key + 2 * k, 0, count_, out + k * count_ * element_);
                              }
                            });
      return CT_OK;
    }
    launch.parallel.range(count_, kGrain, kCut, [&](int64_t begin, int64_t end) {
      loop_(key, static_cast<uint64_t>(begin / per_block), end - begin, out + begin * element_);
    });
    return CT_OK;
  }

 private:
  static constexpr int64_t kGrain = 8192, kCut = 256;  // elements; the loops work on 1 KB at a time
  RandomLoop loop_;
  int64_t keys_, count_, element_;  // count_: numbers of each key
};

void check(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  expect_params(desc, 0);
  // Keys [.., 2] give a stream each: [.., anything].
  expect_dtype(desc.in(0), {CT_UINT32}, "the key");
  const ct_type &keys = desc.in(0), &out = desc.out(0);
  const int leading = keys.rank - 1;
  const bool fits = leading >= 0 && keys.dims[leading] == 2 && leading <= out.rank &&
                    std::equal(keys.dims, keys.dims + leading, out.dims);
  if (!fits) {
    fail(CT_SHAPE, "keys [.., 2] and a result that begins with their leading dimensions",
         describe(keys) + " and " + describe(out));
  }
}

std::unique_ptr<Kernel> prepare_bits(const OpDesc& desc) {
  check(desc);
  expect_dtype(desc.out(0), {CT_UINT32}, "a result");
  return std::make_unique<RandomKernel>(desc, Distribution::kBits, 1);
}

std::unique_ptr<Kernel> prepare_uniform(const OpDesc& desc) {
  check(desc);
  expect_float(desc.out(0), "a result");
  if (desc.out(0).dtype == CT_FLOAT32) return std::make_unique<RandomKernel>(desc, Distribution::kUniform32, 1);
  return std::make_unique<RandomKernel>(desc, Distribution::kUniform64, 2);
}

std::unique_ptr<Kernel> prepare_normal(const OpDesc& desc) {
  check(desc);
  expect_float(desc.out(0), "a result");
  if (desc.out(0).dtype == CT_FLOAT32) return std::make_unique<RandomKernel>(desc, Distribution::kNormal32, 2);
  return std::make_unique<RandomKernel>(desc, Distribution::kNormal64, 8);
}

}  // namespace

void register_random(Registry& registry) {
  registry.add("randomBits", prepare_bits);
  registry.add("randomUniform", prepare_uniform);
  registry.add("randomNormal", prepare_normal);
  registry.add("randomGamma", prepare_random_gamma);
  registry.add("randomGammaGradient", prepare_random_gamma_gradient);
}

}  // namespace cotangent::cpu
