// The comparison that the tests of the CUDA kernels rely on (cuda_testing.h) must see what is wrong.
#include <limits>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

void tolerances() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::nan("");
  const Tolerance tolerance{0.25, 0.5};
  const auto allows = [&](double expected, double received) {
    return tolerance.allows(CT_FLOAT32, expected, received);
  };
  CHECK(allows(4, 5.5) && allows(4, 2.5) && !allows(4, 5.75) && !allows(4, 2.25), "finite values");
  for (const double other : {0.0, 1e300, -1e300, nan}) {
    CHECK(!allows(kInfinity, other) && !allows(-kInfinity, other) && !allows(other, kInfinity), "infinity and %g",
          other);
  }
  CHECK(allows(kInfinity, kInfinity) && allows(-kInfinity, -kInfinity), "infinity is itself");
  CHECK(!allows(kInfinity, -kInfinity) && !allows(-kInfinity, kInfinity), "infinities of two signs");
  CHECK(allows(nan, nan) && !allows(nan, 1) && !allows(1, nan), "NaN");
  for (const int32_t dtype : {CT_INT32, CT_UINT32, CT_BOOL}) {
    CHECK(tolerance.allows(dtype, 4, 4) && !tolerance.allows(dtype, 4, 5), "dtype %d is not exact", dtype);
  }
}

// A kernel whose result is right and who leaves its operand changed.
ct_backend spoiling_backend() {
  ct_backend backend = *cotangent_backend();
  backend.run = [](const ct_op* op, ct_queue* queue, const void* const* in, void* const* out, void* workspace,
                   int32_t piece, ct_error* error) {
    const int32_t code = cotangent_backend()->run(op, queue, in, out, workspace, piece, error);
    if (in[0] != out[0]) static_cast<float*>(const_cast<void*>(in[0]))[2] = -1;
    return code;
  };
  return backend;
}

void changed_operands() {
  const Value x = value(CT_FLOAT32, {3}, {1, 2, 3});
  const ct_backend spoiling = spoiling_backend();
  Opened honest(*cotangent_backend()), spoiler(spoiling);
  honest.run("reduceSum", {x}, {type_of(CT_FLOAT32, {})}, {0});
  CHECK(failures == 0, "a kernel that changes nothing");
  const int before = failures;
  std::fprintf(stderr, "The next line tells of a changed operand, which this test expects.\n");
  const Value sum = spoiler.run("reduceSum", {x}, {type_of(CT_FLOAT32, {})}, {0})[0];
  const bool noticed = failures == before + 1;
  failures = before;
  CHECK(sum.data[0] == 6 && noticed, "the changed operand goes unnoticed");
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  tolerances();
  changed_operands();
  return failures ? 1 : 0;
}
