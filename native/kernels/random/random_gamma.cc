// randomGamma: keys [B.., 2], shapes [B.., ..] -> gamma variables of those shapes (scale 1), by the rejection of
// G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000) 363-372: with
// d = shape - 1/3 and c = 1 / sqrt(9 d), a normal z and a uniform u give d v, v = (1 + c z)^3, when
// log(u) < z^2/2 + d (1 - v + log(v)). Shapes below 1 are raised by 1 and the variable multiplied by u^(1/shape).
//
// Attempt t of element i of a lane takes block (i, t, kAttempts) of the lane's key, words 0 and 1 for z and 2 and 3 for
// u: an acceptance that another rounding flips changes that element alone. Everything is computed in double.
#include "native/kernels/random/random_gamma.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "native/backend/cpu/check.h"
#include "native/kernels/elementwise/normal_quantile.h"
#include "native/kernels/random/philox.h"

namespace cotangent::cpu {
namespace {

constexpr uint32_t kAttempts = 1, kPower = 2;  // last counter word: what the block is for
constexpr uint32_t kMostAttempts = 128;        // each succeeds with a probability of at least 0.95

uint64_t wide(const random::PhiloxBlock& block, int first) {
  return block.word[first] | static_cast<uint64_t>(block.word[first + 1]) << 32;
}

// (w + 1/2) / 2^64: never 0 or 1, but for rounding.
double open_uniform(uint64_t w) { return (static_cast<double>(w) + 0.5) * 0x1p-64; }

// As randomNormal in float64.
double normal(uint64_t w) {
  const bool upper = w >> 63;
  const uint64_t low = upper ? ~w : w, high = (~uint64_t{0} >> 1) - low;
  const double z = formula::normal_magnitude(open_uniform(low), open_uniform(high));
  return upper ? z : -z;
}

double gamma(double shape, uint64_t element, const uint32_t* key) {
  if (!(shape > 0) || std::isinf(shape)) return shape > 0 ? shape : std::numeric_limits<double>::quiet_NaN();
  const auto block = [&](uint32_t attempt, uint32_t use) {
    return random::philox({{static_cast<uint32_t>(element), static_cast<uint32_t>(element >> 32), attempt, use}},
                          key[0], key[1]);
  };
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  double v = 1;
  for (uint32_t attempt = 0; attempt < kMostAttempts; ++attempt) {
    const random::PhiloxBlock words = block(attempt, kAttempts);
    const double z = normal(wide(words, 0)), root = 1 + c * z;
    if (root <= 0) continue;
    v = root * root * root;
    if (std::log(open_uniform(wide(words, 2))) < 0.5 * z * z + d * (1 - v + std::log(v))) break;
  }
  if (shape >= 1) return d * v;
  return std::exp(std::log(d * v) + std::log(open_uniform(wide(block(0, kPower), 0))) / shape);
}

class GammaKernel : public Kernel {
 public:
  explicit GammaKernel(const OpDesc& desc)
      : count_(element_count(desc.in(1))),
        lane_(std::max<int64_t>(1, product(desc.in(1), desc.in(0).rank - 1, desc.in(1).rank))),
        single_(desc.in(1).dtype == CT_FLOAT32) {
    estimated_ns = estimate_ns(0) + 100 * static_cast<double>(count_);
    in_place[0] = 2;
  }

  int pieces(int threads) const override { return pieces_by_time(threads, count_ / 256); }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 128;  // elements worth a thread
    const uint32_t* const keys = static_cast<const uint32_t*>(launch.in[0]);
    const Piece piece(count_, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), kGrain, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        const uint32_t* const key = keys + i / lane_ * 2;
        const uint64_t element = static_cast<uint64_t>(i % lane_);
        if (single_) {
          const double shape = static_cast<const float*>(launch.in[1])[i];
          static_cast<float*>(launch.out[0])[i] = static_cast<float>(gamma(shape, element, key));
        } else {
          const double shape = static_cast<const double*>(launch.in[1])[i];
          static_cast<double*>(launch.out[0])[i] = gamma(shape, element, key);
        }
      }
    });
    return CT_OK;
  }

 private:
  int64_t count_, lane_;
  bool single_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_random_gamma(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  expect_params(desc, 0);
  const ct_type &keys = desc.in(0), &shapes = desc.in(1);
  expect_float(shapes, "shapes");
  if (keys.rank < 1 || keys.rank - 1 > shapes.rank)
    fail(CT_SHAPE, "keys [B.., 2] and shapes [B.., ..]", describe(keys));
  std::vector<int64_t> wanted(shapes.dims, shapes.dims + keys.rank - 1);
  wanted.push_back(2);
  expect_type(keys, CT_UINT32, wanted, "the keys");
  expect_type(desc.out(0), shapes.dtype, dims(shapes), "the result");
  return std::make_unique<GammaKernel>(desc);
}

}  // namespace cotangent::cpu
