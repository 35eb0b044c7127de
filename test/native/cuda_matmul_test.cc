// matmul of the CUDA backend beside the CPU's: every transposition, vectors, inner products, batches, empty operands,
// sums around a product.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

struct Shape {
  Dims batch;
  int64_t m, n, k;
};

Dims matrix_dims(const Dims& batch, int64_t rows, int64_t columns) {
  Dims dims = batch;
  dims.insert(dims.end(), {rows, columns});
  return dims;
}

// Terms are below 1: k additions round partial sums of the size of sqrt(k), and the roundings add up to eps k, on
// either side.
Tolerance budget(int32_t dtype, int64_t k) {
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
  return {0, 2 * eps * (8 + static_cast<double>(k))};
}

void products(CudaComparison& both, int32_t dtype, const Shape& s, Random& random) {
  for (int flags = 0; flags < 4; ++flags) {
    const bool ta = flags & 1, tb = flags & 2;
    const Value a = random_value(dtype, ta ? matrix_dims(s.batch, s.k, s.m) : matrix_dims(s.batch, s.m, s.k), random);
    const Value b = random_value(dtype, tb ? matrix_dims(s.batch, s.n, s.k) : matrix_dims(s.batch, s.k, s.n), random);
    const Value c = random_value(dtype, matrix_dims(s.batch, s.m, s.n), random);
    const std::vector<double> params{static_cast<double>(ta), static_cast<double>(tb)};
    both.check("matmul", {a, b}, {c.type}, params, budget(dtype, s.k));
    if (s.k > 0 && (s.m == 1 || s.n == 1)) continue;  // vectors have no sums
    both.check("matmul", {a, b, c}, {c.type}, {params[0], params[1], -1.5, 1}, budget(dtype, 2 * s.k));
    both.check("matmul", {a, b, c}, {c.type}, {params[0], params[1], 2, -0.25}, budget(dtype, 2 * s.k));
  }
}

// What C holds counts only with its own factor, and NaN and infinity pass through products.
void special_values(CudaComparison& both) {
  Random random(2);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    Value a = random_value(dtype, {5, 4}, random), b = random_value(dtype, {4, 3}, random);
    Value x = random_value(dtype, {1, 4}, random), y = random_value(dtype, {4, 1}, random);
    a.data[6] = NAN;
    b.data[2] = INFINITY;
    x.data[1] = -INFINITY;
    both.check("matmul", {a, b}, {type_of(dtype, {5, 3})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {x, b}, {type_of(dtype, {1, 3})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {a, y}, {type_of(dtype, {5, 1})}, {0, 0}, budget(dtype, 4));
    both.check("matmul", {x, y}, {type_of(dtype, {1, 1})}, {0, 0}, budget(dtype, 4));
  }
}

// What a loop's body reads of a stacked operand begins at any element. The bits do not depend on where.
void places(int32_t dtype, int64_t k, Random& random) {
  const ct_backend& backend = emulated_backend();
  const auto element = static_cast<uint64_t>(element_bytes(dtype)), bytes = static_cast<uint64_t>(k) * element;
  const ct_type in[] = {type_of(dtype, {1, k}), type_of(dtype, {k, 1})}, out = type_of(dtype, {1, 1});
  const double params[] = {0, 0};
  const void* const unknown[] = {nullptr, nullptr};
  const ct_op_desc desc{"matmul", 2, 1, 2, in, &out, params, unknown};
  Buffer x = to_buffer(random_value(dtype, {k}, random)), y = to_buffer(random_value(dtype, {k}, random));
  ct_device* device = nullptr;
  ct_queue* queue = nullptr;
  ct_op* op = nullptr;
  ct_op_info info{};
  ct_error error{};
  const auto done = [&](int32_t code) { CHECK(code == CT_OK, "%s", error.message); };
  done(backend.device_open(0, &device, &error));
  done(backend.queue_create(device, 1, &queue, &error));
  done(backend.prepare(device, &desc, &op, &info, &error));
  const uint64_t work = backend.workspace_bytes(op, 1) + 1;
  void *a = nullptr, *b = nullptr, *c = nullptr, *workspace = nullptr;
  done(backend.allocate(device, bytes + 16, &a, &error));
  done(backend.allocate(device, bytes + 16, &b, &error));
  done(backend.allocate(device, element, &c, &error));
  done(backend.allocate(device, work, &workspace, &error));
  double first = 0;
  for (uint64_t place = 0; place < 32 / element; ++place) {
    char* const left = static_cast<char*>(a) + place / 2 * element;
    char* const right = static_cast<char*>(b) + (place + 1) / 2 % (16 / element) * element;
    done(backend.write(queue, left, x.data(), bytes, &error));
    done(backend.write(queue, right, y.data(), bytes, &error));
    const void* const operands[] = {left, right};
    done(backend.run(op, queue, operands, &c, workspace, 0, &error));
    Buffer result(static_cast<int64_t>(element));
    done(backend.read(queue, result.data(), c, element, &error));
    const double received = from_buffer(out, result).data[0];
    if (place == 0) first = received;
    CHECK(received == first, "%d elements of type %d at place %d: %g, not %g", static_cast<int>(k), dtype,
          static_cast<int>(place), received, first);
  }
  for (void* const memory : {a, b}) backend.release(device, memory, bytes + 16);
  backend.release(device, c, element);
  backend.release(device, workspace, work);
  backend.op_destroy(op);
  backend.queue_destroy(queue);
  backend.device_close(device);
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(1);
  const std::vector<Shape> shapes = {
      {{}, 1, 1, 1},     {{}, 3, 4, 5},   {{}, 33, 65, 17},  {{}, 1, 7, 9},    {{}, 7, 1, 9},     {{2}, 1, 7, 9},
      {{3}, 7, 1, 33},   {{}, 1, 1, 7},   {{}, 1, 1, 4099},  {{5}, 1, 1, 31},  {{3}, 1, 1, 8195}, {{4}, 1, 1, 64},
      {{2, 3}, 4, 5, 6}, {{0}, 3, 3, 3},  {{}, 0, 4, 5},     {{}, 4, 0, 5},    {{}, 4, 5, 0},     {{2}, 1, 1, 0},
      {{}, 1, 5, 0},     {{70}, 2, 3, 4}, {{}, 1, 1, 20000}, {{}, 5, 1, 3000}, {{300}, 1, 1, 3},  {{70000}, 2, 2, 1}};
  for (const Shape& shape : shapes) {
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) products(both, dtype, shape, random);
  }
  special_values(both);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    for (const int64_t k : {1, 7, 64, 4099}) places(dtype, k, random);
  }
  return failures ? 1 : 0;
}
