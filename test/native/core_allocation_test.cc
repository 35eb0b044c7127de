// A loop in its steady state allocates nothing: a run of many iterations asks for memory as often as one of few.
#include <atomic>
#include <cstdlib>
#include <new>

#include "test/native/core_testing.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

// Not inlined: GCC would see malloc and delete, or new and free, and call them mismatched.
#define REPLACED __attribute__((noinline))
REPLACED void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
REPLACED void* operator new(size_t bytes, const std::nothrow_t&) noexcept {  // std::stable_sort's, which delete frees
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes ? bytes : 1);
}
REPLACED void* operator new[](size_t bytes) { return operator new(bytes); }
REPLACED void operator delete(void* memory) noexcept { std::free(memory); }
REPLACED void operator delete[](void* memory) noexcept { std::free(memory); }
REPLACED void operator delete(void* memory, size_t) noexcept { std::free(memory); }
REPLACED void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace cotangent::testing {
namespace {

// x and w [n, n], total []: x <- tanh(x w + 0.5) / 2, total <- total + sum of squares of x, columns' maxima stacked.
Source step(int64_t n) {
  const Type square = float64({n, n});
  Source body;
  body.input(square);     // w
  body.input(square);     // x
  body.input(float64());  // total
  const int half = body.constant(CT_FLOAT64, 0.5);
  const int shifted =
      body.one("add", {body.one("matmul", {1, 0}, square, {0, 0}), body.one("broadcast", {half}, square)}, square);
  const int next =
      body.one("mul", {body.one("tanh", {shifted}, square), body.one("broadcast", {half}, square)}, square);
  const int sum = body.one("reduceSum", {body.one("square", {next}, square)}, float64(), {0, 1});
  const int columns = body.one("reduceMax", {next}, float64({n}), {0});
  const int turned = body.one("transpose", {next}, square, {1, 0});
  body.outputs = {turned, body.one("add", {2, sum}, float64()), columns};
  return body;
}

Source scan(int64_t n, int64_t length) {
  Source source;
  source.input(float64({n, n}));
  source.input(float64({n, n}));
  source.input(float64());
  source.outputs = source.apply("scan", {0, 1, 2}, {float64({n, n}), float64(), float64({length, n})},
                                {1, 2, static_cast<double>(length), 0}, {step(n)});
  return source;
}

Source counted_while(int64_t n) {
  Source condition;
  condition.input(int32());  // limit
  condition.input(int32());
  condition.input(float64({n, n}));
  condition.input(float64());
  condition.outputs = {condition.one("lt", {1, 0}, boolean())};
  Source counted;  // w, count, x, total
  const Type square = float64({n, n});
  counted.input(square);
  counted.input(int32());
  counted.input(square);
  counted.input(float64());
  const int one = counted.constant(CT_INT32, 1), half = counted.constant(CT_FLOAT64, 0.5);
  const int count = counted.one("add", {1, one}, int32());
  const int product = counted.one("matmul", {2, 0}, square, {0, 0});
  const int next =
      counted.one("mul", {counted.one("tanh", {product}, square), counted.one("broadcast", {half}, square)}, square);
  const int sum = counted.one("reduceSum", {counted.one("square", {next}, square)}, float64(), {0, 1});
  counted.outputs = {count, next, counted.one("add", {3, sum}, float64())};
  Source source;
  source.input(int32());
  source.input(square);
  source.input(square);
  source.input(float64());
  const int zero = source.constant(CT_INT32, 0);
  source.outputs =
      source.apply("while", {0, 1, zero, 2, 3}, {int32(), square, float64()}, {1, 1, 1}, {condition, counted});
  return source;
}

TestClient& client() {
  static TestClient instance;
  return instance;
}

struct Cost {
  uint64_t allocations, blocks;
};

// Of a run, once two others have warmed everything up.
Cost cost_of(const Ref<Executable>& executable, const std::vector<Ref<Value>>& inputs) {
  static const Ref<Stream> stream = executor().create_stream(client());
  Cost cost{};
  for (int round = 0; round < 3; ++round) {
    const uint64_t before = allocations, used = device().allocator().statistics().used;
    const std::vector<Ref<Value>> outputs = client().enqueue(*stream, *executable, inputs);
    for (const Ref<Value>& output : outputs) CHECK(await(output), "pending");
    CHECK(client().idle(), "not idle");
    for (const Ref<Value>& output : outputs) CHECK(output->state() == Value::State::kReady, "failed");
    cost = {allocations - before, device().allocator().statistics().used - used};
  }
  return cost;
}

void check_loops(int64_t n) {
  const Ref<Value> w = make_value(float64({n, n}), Numbers(static_cast<size_t>(n * n), 0.01));
  const Ref<Value> x = make_value(float64({n, n}), Numbers(static_cast<size_t>(n * n), 0.5));
  const Ref<Value> zero = make_value(float64(), {0});
  const Cost few = cost_of(compile(scan(n, 4)), {w, x, zero});
  const Cost many = cost_of(compile(scan(n, 400)), {w, x, zero});
  // Some of what is counted belongs to the caller, who waits or finds that there is nothing to wait for, and to slices
  // of a run that takes long. One allocation a step would be 396 more.
  CHECK(many.allocations <= few.allocations + 32, "scan of order %d: %d allocations in 4 steps, %d in 400",
        static_cast<int>(n), static_cast<int>(few.allocations), static_cast<int>(many.allocations));

  const Ref<Executable> loop = compile(counted_while(n));
  const Cost short_run = cost_of(loop, {make_value(int32(), {4}), w, x, zero});
  const Cost long_run = cost_of(loop, {make_value(int32(), {400}), w, x, zero});
  CHECK(long_run.allocations <= short_run.allocations + 32, "while of order %d: %d allocations in 4 steps, %d in 400",
        static_cast<int>(n), static_cast<int>(short_run.allocations), static_cast<int>(long_run.allocations));
  CHECK(long_run.blocks == short_run.blocks, "while of order %d: device memory differs", static_cast<int>(n));
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  check_loops(6);
  check_loops(70);
  check_loops(200);  // on the pool
  return failures ? 1 : 0;
}
