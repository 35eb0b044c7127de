// The random numbers of the CUDA backend beside the CPU's: the same words, the same uniforms, and normals that differ
// where fused multiply-adds round differently.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

Value keys(const Dims& leading, Random& random) {
  Dims dims = leading;
  dims.push_back(2);
  Value made = random_value(CT_UINT32, dims, random);
  for (double& v : made.data) v = static_cast<uint32_t>(random.bits());
  return made;
}

void numbers(CudaComparison& both, Random& random) {
  struct Shape {
    Dims leading, own;
  };
  for (const Shape& shape : {Shape{{}, {1}}, Shape{{}, {0}}, Shape{{}, {3}}, Shape{{}, {4}}, Shape{{}, {1027}},
                             Shape{{}, {70000}}, Shape{{}, {}}, Shape{{5}, {}}, Shape{{0}, {3}}, Shape{{6}, {7}},
                             Shape{{2, 3}, {8}}, Shape{{300}, {2, 5}}, Shape{{4}, {0}}}) {
    Dims dims = shape.leading;
    dims.insert(dims.end(), shape.own.begin(), shape.own.end());
    const Value key = keys(shape.leading, random);
    both.check("randomBits", {key}, {type_of(CT_UINT32, dims)}, {});
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
      const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
      both.check("randomUniform", {key}, {type_of(dtype, dims)}, {});
      both.check("randomNormal", {key}, {type_of(dtype, dims)}, {}, {4 * eps, 0});
    }
  }
}

void gammas(CudaComparison& both, Random& random) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
    for (const Dims& dims : std::vector<Dims>{{1}, {0}, {300}, {3, 50}, {2, 3, 40}}) {
      for (size_t lanes = 0; lanes <= std::min<size_t>(dims.size(), 2); ++lanes) {
        Value shapes = random_value(dtype, dims, random);
        const double specials[] = {0, -1, std::nan(""), HUGE_VAL, 1, 1e-3};
        for (double& v : shapes.data) {
          v = random.below(10) == 0 ? specials[random.below(6)] : std::pow(10, random.uniform(-1, 3));
          v = round_to(dtype, v);
        }
        const Value key = keys(Dims(dims.begin(), dims.begin() + static_cast<long>(lanes)), random);
        // Below shape 1: exp of a logarithm divided by the shape, whose error the exponent multiplies.
        both.check("randomGamma", {key, shapes}, {shapes.type}, {}, {dtype == CT_FLOAT32 ? eps : 4000 * eps, 0});
      }
    }
  }
}

// Variables on either side of every border between the expansions, and what is none.
void gamma_gradients(CudaComparison& both, Random& random) {
  const double special_shapes[] = {0, -1, std::nan(""), HUGE_VAL, 1, 2},
               special_variables[] = {0, -1, std::nan(""), HUGE_VAL, 1, 1e-300};
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const Dims& dims : std::vector<Dims>{{}, {1}, {0}, {40, 60}}) {
      Value shapes = random_value(dtype, dims, random), variables = shapes;
      for (size_t i = 0; i < shapes.data.size(); ++i) {
        const double a = std::pow(10, random.uniform(-3, 5)), z = a + 5 * random.uniform(-1, 1) * std::sqrt(a);
        const bool special = random.below(10) == 0;
        shapes.data[i] = round_to(dtype, special && random.below(2) ? special_shapes[random.below(6)] : a);
        variables.data[i] = round_to(dtype, special ? special_variables[random.below(6)]
                                            : z > 0 ? z
                                                    : a * random.uniform(0, 1));
      }
      // Below 1e-12 of the true value each (gamma_gradient.h).
      both.check("randomGammaGradient", {shapes, variables}, {shapes.type}, {},
                 {(dtype == CT_FLOAT32 ? FLT_EPSILON : 0) + 2e-12, 0});
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(11);
  numbers(both, random);
  gammas(both, random);
  gamma_gradients(both, random);
  return failures ? 1 : 0;
}
