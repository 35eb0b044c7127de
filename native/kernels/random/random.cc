// randomBits, randomUniform and randomNormal: element i of a key's stream is a function of the key and of i alone, so
// any cut gives the same bits. 4-byte elements: word i % 4 of block i / 4. 8-byte elements: words 2 (i % 2) (low) and 2
// (i % 2) + 1 (high) of block i / 2.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/random/parameters.h"
#include "native/kernels/random/random_gamma.h"
#include "native/kernels/random/random_loops.h"

namespace cotangent::cpu {
namespace {

class RandomKernel : public Kernel {
 public:
  RandomKernel(const RandomParameters& random, double ns_per_element)
      : loop_(COTANGENT_SIMD_DISPATCH(random_loop)(random.distribution)),
        keys_(random.keys),
        count_(random.count),
        element_(random.element_bytes()) {
    // Every stream makes at least one piece of numbers.
    estimated_ns = estimate_ns(0) + ns_per_element * static_cast<double>(keys_ * std::max(count_, kCut));
  }

  int pieces(int threads) const override { return pieces_by_time(threads, keys_ > 1 ? keys_ : count_ / kGrain); }

  ct_code run(const Launch& launch, ct_error*) const override {
    const uint32_t* const key = static_cast<const uint32_t*>(launch.in[0]);
    char* const out = static_cast<char*>(launch.out[0]);
    const int64_t per_block = 16 / element_;
    const int count = pieces(launch.parallel.threads());
    if (keys_ > 1) {
      const Piece piece(keys_, launch.piece, count);
      launch.parallel.range(piece.length(), std::max<int64_t>(1, kGrain / std::max(count_, kCut)), 1,
                            [&](int64_t begin, int64_t end) {
                              for (int64_t k = piece.begin + begin; k < piece.begin + end; ++k) {
                                loop_(key + 2 * k, 0, count_, out + k * count_ * element_);
                              }
                            });
      return CT_OK;
    }
    const Piece piece(count_, launch.piece, count, kCut);
    launch.parallel.range(piece.length(), kGrain, kCut, [&](int64_t begin, int64_t end) {
      const int64_t first = piece.begin + begin;
      loop_(key, static_cast<uint64_t>(first / per_block), end - begin, out + first * element_);
    });
    return CT_OK;
  }

 private:
  static constexpr int64_t kGrain = 8192, kCut = 256;  // elements; the loops work on 1 KB at a time
  RandomLoop loop_;
  int64_t keys_, count_, element_;  // count_: numbers of each key
};

std::unique_ptr<Kernel> prepare_bits(const OpDesc& desc) {
  return std::make_unique<RandomKernel>(RandomParameters::of_bits(desc), 1);
}

std::unique_ptr<Kernel> prepare_uniform(const OpDesc& desc) {
  const RandomParameters random = RandomParameters::of_uniform(desc);
  return std::make_unique<RandomKernel>(random, random.element_bytes() == 4 ? 1 : 2);
}

std::unique_ptr<Kernel> prepare_normal(const OpDesc& desc) {
  const RandomParameters random = RandomParameters::of_normal(desc);
  return std::make_unique<RandomKernel>(random, random.element_bytes() == 4 ? 2 : 8);
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
