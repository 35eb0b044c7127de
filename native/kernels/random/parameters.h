// What every device's random kernels need to know of an equation.
#ifndef COTANGENT_KERNELS_RANDOM_PARAMETERS_H
#define COTANGENT_KERNELS_RANDOM_PARAMETERS_H

#include <algorithm>

#include "native/backend/description.h"
#include "native/kernels/random/distribution.h"

namespace cotangent {

// randomBits, randomUniform and randomNormal: keys [.., 2] give a stream each, `count` numbers long.
struct RandomParameters {
  int64_t keys, count;
  Distribution distribution;

  int64_t element_bytes() const {
    return distribution == Distribution::kUniform64 || distribution == Distribution::kNormal64 ? 8 : 4;
  }

  // Throws KernelError.
  static RandomParameters of_bits(const OpDesc& desc) {
    RandomParameters made = read(desc);
    expect_dtype(desc.out(0), {CT_UINT32}, "a result");
    made.distribution = Distribution::kBits;
    return made;
  }

  static RandomParameters of_uniform(const OpDesc& desc) {
    return with_float(desc, Distribution::kUniform32, Distribution::kUniform64);
  }

  static RandomParameters of_normal(const OpDesc& desc) {
    return with_float(desc, Distribution::kNormal32, Distribution::kNormal64);
  }

 private:
  static RandomParameters with_float(const OpDesc& desc, Distribution single, Distribution twice) {
    RandomParameters made = read(desc);
    expect_float(desc.out(0), "a result");
    made.distribution = desc.out(0).dtype == CT_FLOAT32 ? single : twice;
    return made;
  }

  static RandomParameters read(const OpDesc& desc) {
    desc.expect_operands(1, 1);
    expect_params(desc, 0);
    expect_dtype(desc.in(0), {CT_UINT32}, "the key");
    const ct_type &keys = desc.in(0), &out = desc.out(0);
    const int leading = keys.rank - 1;
    const bool fits = leading >= 0 && keys.dims[leading] == 2 && leading <= out.rank &&
                      std::equal(keys.dims, keys.dims + leading, out.dims);
    if (!fits) {
      fail(CT_SHAPE, "keys [.., 2] and a result that begins with their leading dimensions",
           describe(keys) + " and " + describe(out));
    }
    const int64_t streams = element_count(keys) / 2;
    return {streams, streams == 0 ? 0 : element_count(out) / streams, Distribution::kBits};
  }
};

// randomGamma: keys [B.., 2], shapes [B.., ..]; `lane` elements for each key.
struct GammaParameters {
  int64_t count, lane;
  int32_t dtype;

  // Throws KernelError.
  explicit GammaParameters(const OpDesc& desc) {
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
    count = element_count(shapes);
    lane = std::max<int64_t>(1, product(shapes, keys.rank - 1, shapes.rank));
    dtype = shapes.dtype;
  }
};

// randomGammaGradient: shapes and gamma variables of one type.
struct GammaGradientParameters {
  int64_t count;
  int32_t dtype;

  // Throws KernelError.
  explicit GammaGradientParameters(const OpDesc& desc) {
    desc.expect_operands(2, 1);
    expect_params(desc, 0);
    const ct_type& shapes = desc.in(0);
    expect_float(shapes, "shapes");
    expect_type(desc.in(1), shapes.dtype, dims(shapes), "the variables");
    expect_type(desc.out(0), shapes.dtype, dims(shapes), "the result");
    count = element_count(shapes);
    dtype = shapes.dtype;
  }
};

}  // namespace cotangent

#endif
