// randomBits, randomUniform and randomNormal: element i is a function of the key and of i alone, so any cut gives the
// same bits. 4-byte elements: word i % 4 of block i / 4. 8-byte elements: words 2 (i % 2) (low) and 2 (i % 2) + 1
// (high) of block i / 2.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/random/random_loops.h"

namespace cotangent::cpu {
namespace {

class RandomKernel : public Kernel {
 public:
  RandomKernel(const OpDesc& desc, Distribution distribution, double ns_per_element)
      : loop_(COTANGENT_SIMD_DISPATCH(random_loop)(distribution)),
        count_(element_count(desc.out(0))),
        element_(element_bytes(desc.out(0).dtype)) {
    estimated_ns = estimate_ns(0) + ns_per_element * static_cast<double>(count_);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 8192, kCut = 256;  // elements; the loops work on 1 KB at a time
    const uint32_t* const key = static_cast<const uint32_t*>(launch.in[0]);
    char* const out = static_cast<char*>(launch.out[0]);
    const int64_t per_block = 16 / element_;
    launch.parallel.range(count_, kGrain, kCut, [&](int64_t begin, int64_t end) {
      loop_(key, static_cast<uint64_t>(begin / per_block), end - begin, out + begin * element_);
    });
    return CT_OK;
  }

 private:
  RandomLoop loop_;
  int64_t count_, element_;
};

void check(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  expect_params(desc, 0);
  expect_type(desc.in(0), CT_UINT32, {2}, "the key");
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
}

}  // namespace cotangent::cpu
