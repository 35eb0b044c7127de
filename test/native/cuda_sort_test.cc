// The sorts of the CUDA backend beside the CPU's, bit for bit: the order is total.
#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

// Few values (many ties), many, and those that keys do not tell.
Value operand(int32_t dtype, const Dims& dims, int kind, Random& random) {
  Value x = random_value(dtype, dims, random);
  for (double& v : x.data) {
    if (kind == 0) v = dtype == CT_BOOL ? random.below(2) : random.below(4);
    if (kind == 1 && dtype <= CT_FLOAT64) v = round_to(dtype, std::ldexp(v, random.below(100) - 50));
    if (kind == 1 && dtype == CT_INT32) v = static_cast<int32_t>(random.bits());
    if (kind == 1 && dtype == CT_UINT32) v = static_cast<uint32_t>(random.bits());
    if (kind == 2 && dtype <= CT_FLOAT64) {
      const double specials[] = {0.0, -0.0, std::nan(""), HUGE_VAL, -HUGE_VAL, 1, -1};
      v = specials[random.below(7)];
    }
    if (kind == 2 && dtype == CT_INT32) v = random.below(2) ? INT32_MIN : INT32_MAX;
    if (kind == 2 && dtype == CT_UINT32) v = random.below(2) ? 0 : UINT32_MAX;
  }
  return x;
}

void check_line_sorts(CudaComparison& both, const Value& x, size_t axis, bool descending) {
  const Dims dims(x.type.dims, x.type.dims + x.type.rank);
  const int64_t n = dims[axis];
  const double along = static_cast<double>(axis), falling = descending;
  both.check("sort", {x}, {x.type, type_of(CT_INT32, dims)}, {along, falling});
  for (const int64_t k : {int64_t{0}, int64_t{1}, n / 7, n / 2, n}) {
    if (k > n) continue;
    Dims shorter = dims;
    shorter[axis] = k;
    both.check("topK", {x}, {type_of(x.type.dtype, shorter), type_of(CT_INT32, shorter)},
               {along, static_cast<double>(k), falling});
  }
}

void sorts(CudaComparison& both, int32_t dtype, Random& random) {
  struct Shape {
    Dims dims;
    size_t axis;
  };
  int row = 0;
  for (const Shape& shape :
       {Shape{{1}, 0}, Shape{{0}, 0}, Shape{{17}, 0}, Shape{{512}, 0}, Shape{{513}, 0}, Shape{{2, 0, 3}, 1},
        Shape{{3, 0}, 0}, Shape{{0, 3000}, 1}, Shape{{40, 9}, 0}, Shape{{40, 9}, 1}, Shape{{2, 130, 3}, 1},
        Shape{{2048}, 0}, Shape{{2049}, 0}, Shape{{3, 2300}, 1}, Shape{{4200, 2}, 0}}) {
    ++row;
    for (int kind = 0; kind < 3; ++kind) {
      const bool large = count_of(shape.dims) > 2000;  // one direction of each operand, the other of the next
      if (large && kind != row % 3 && dtype > CT_FLOAT64) continue;
      const Value x = operand(dtype, shape.dims, kind, random);
      for (const bool descending : {false, true}) {
        if (!large || descending == ((row / 3 + kind) % 2 == 1)) check_line_sorts(both, x, shape.axis, descending);
      }
    }
  }
}

// Many tiles, pieces of several rounds, levels of selections.
void long_lines(CudaComparison& both, Random& random) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value x = operand(dtype, {9000}, 1, random);
    both.check("sort", {x}, {x.type, type_of(CT_INT32, {9000})}, {0, 1});
  }
  const Value x = operand(CT_FLOAT32, {20000}, 0, random);
  both.check("topK", {x}, {type_of(CT_FLOAT32, {400}), type_of(CT_INT32, {400})}, {0, 400, 1});
  both.check("topK", {x}, {type_of(CT_FLOAT32, {600}), type_of(CT_INT32, {600})}, {0, 600, 0});
}

void searches(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& dims : std::vector<Dims>{{0}, {1}, {2}, {100}, {3, 37}, {2, 3, 5}, {0, 4}}) {
    for (const int64_t m : {0, 1, 50, 700}) {
      for (const int kind : {0, 1, 2}) {
        Dims wanted = dims;
        wanted.back() = m;
        const Value x = operand(dtype, dims, kind, random), values = operand(dtype, wanted, kind, random);
        const double last = static_cast<double>(dims.size() - 1);
        const Value sorted = both.cuda().run("sort", {x}, {x.type, type_of(CT_INT32, dims)}, {last, 0})[0];
        both.check("searchSorted", {sorted, values}, {type_of(CT_INT32, wanted)}, {0});
        both.check("searchSorted", {sorted, values}, {type_of(CT_INT32, wanted)}, {1});
      }
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent;
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(4);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
    sorts(both, dtype, random);
    searches(both, dtype, random);
  }
  long_lines(both, random);
  return failures ? 1 : 0;
}
