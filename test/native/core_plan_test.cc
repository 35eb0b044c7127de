// What the passes and the plan achieve, beyond correct results: few steps, little memory, the right failures.
#include <cmath>

#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

const std::vector<int64_t> kRow = {1000};
constexpr uint64_t kRowBytes = 8000;

TestClient& client() {
  static TestClient instance;
  return instance;
}

struct Run {
  Ref<Executable> executable;
  std::vector<Ref<Value>> outputs;
};

Run run(const Source& source, const std::vector<Ref<Value>>& inputs, bool fuse = true) {
  static const Ref<Stream> stream = executor().create_stream(client());
  Run result{compile(source, fuse), {}};
  result.outputs = client().enqueue(*stream, *result.executable, inputs);
  for (const Ref<Value>& output : result.outputs) CHECK(await(output), "pending");
  CHECK(client().idle(), "not idle");
  return result;
}

size_t steps(const Ref<Executable>& executable, size_t program = 0) {
  return executable->plan.programs[program].steps.size();
}

uint64_t arena(const Ref<Executable>& executable) { return executable->plan.layout(1).bytes; }

void simplification() {
  Source source;  // dead code, common subexpressions, reshapes, casts to the same dtype
  const int x = source.input(float64({2, 3}));
  const int a = source.one("reshape", {x}, float64({6})), b = source.one("reshape", {x}, float64({6}));
  const int p = source.one("exp", {a}, float64({6})), q = source.one("exp", {b}, float64({6}));
  source.one("log", {p}, float64({6}));
  const int same_dtype = source.one("cast", {source.one("sub", {p, q}, float64({6}))}, float64({6}));
  source.outputs = {same_dtype, a, same_dtype};
  const Run result = run(source, {make_value(float64({2, 3}), {1, 2, 3, 4, 5, 6})});
  CHECK(steps(result.executable) == 1 && result.executable->plan.program.equations[0].labels.size() == 2, "%s",
        describe(result.executable->plan.program).c_str());
  CHECK(same(numbers_of(*result.outputs[0]), Numbers(6, 0)), "x - x");
  CHECK(result.outputs[0]->buffer().get() == result.outputs[2]->buffer().get(), "a repeated output has its own buffer");

  Source params;  // the same operand and type, other params
  params.input(float64({3, 3}));
  const int rows = params.one("reduceMax", {0}, float64({3}), {0}),
            columns = params.one("reduceMax", {0}, float64({3}), {1});
  params.outputs = {rows, columns};
  const Run both = run(params, {make_value(float64({3, 3}), {1, 2, 3, 4, 5, 6, 7, 8, 9})});
  CHECK(same(numbers_of(*both.outputs[0]), {7, 8, 9}) && same(numbers_of(*both.outputs[1]), {3, 6, 9}),
        "taken for the same");
}

void fusion() {
  Source source;  // bias and mean are broadcast inside the chain; the comparison's bool rides along
  const int x = source.input(float64({40, 50})), bias = source.input(float64({50})),
            zero = source.constant(CT_FLOAT64, 0);
  const int wide = source.one("broadcast", {bias}, float64({40, 50}), {1});
  const int floor = source.one("broadcast", {zero}, float64({40, 50}));
  const int sum = source.one("add", {x, wide}, float64({40, 50}));
  const int positive = source.one("gt", {sum, floor}, boolean({40, 50}));
  const int number = source.one("cast", {positive}, float64({40, 50}));
  source.outputs = {source.one("mul", {sum, number}, float64({40, 50})), positive};
  const Ref<Executable> fused = compile(source), unfused = compile(source, false);
  CHECK(steps(fused) == 1, "%s", describe(fused->plan.program).c_str());
  CHECK(steps(unfused) == 6, "%s", describe(unfused->plan.program).c_str());
  CHECK(arena(fused) < 2000 * 8 && arena(unfused) >= 2000 * 8, "%d bytes",
        static_cast<int>(arena(fused)));  // workspace only

  Source crossing;  // y = f(x), z = y - max of y: the maximum joins f, the difference cannot, or the chain would
                    // wait for itself
  crossing.input(float64(kRow));
  const int y = crossing.one("exp", {0}, float64(kRow));
  const int most = crossing.one("reduceMax", {y}, float64(), {0});
  crossing.outputs = {crossing.one("sub", {y, most}, float64(kRow))};
  CHECK(steps(compile(crossing)) == 2, "%s", describe(compile(crossing)->plan.program).c_str());

  Source siblings;  // share an operand, not a result
  siblings.input(float64(kRow));
  siblings.outputs = {siblings.one("sin", {0}, float64(kRow)), siblings.one("cos", {0}, float64(kRow))};
  CHECK(steps(compile(siblings)) == 1, "two passes over one operand");

  Source lone;  // a broadcast that somebody else reads stays
  lone.input(float64());
  lone.outputs = {lone.one("broadcast", {0}, float64({5}))};
  const Run result = run(lone, {make_value(float64(), {3})});
  CHECK(same(numbers_of(*result.outputs[0]), Numbers(5, 3)), "broadcast");

  Source large;  // limits of a chain: 100 inputs, 40 outputs, 1,000 instructions
  std::vector<int> terms;
  for (int k = 0; k < 100; ++k) large.input(float64({8}));
  int total = 0;
  for (int k = 0; k < 1000; ++k) {
    total = large.one("add", {total, k % 100}, float64({8}));
    if (k % 25 == 0) terms.push_back(total);
  }
  large.outputs = terms;
  large.outputs.push_back(total);
  std::vector<Ref<Value>> ones;
  for (int k = 0; k < 100; ++k) ones.push_back(make_value(float64({8}), Numbers(8, 1)));
  const Run sums = run(large, ones);
  CHECK(same(numbers_of(*sums.outputs.back()), Numbers(8, 1001)), "1,000 sums");
  CHECK(steps(sums.executable) < 25, "%zu steps", steps(sums.executable));
  for (const Equation& equation : sums.executable->plan.program.equations) {
    CHECK(equation.in.size() <= 48 && equation.out.size() <= 16 && equation.labels.size() <= 256, "beyond the limits");
  }
}

// A row of equations that fusion leaves apart, each reading the one before.
int chain_of_sorts(Source& source, int value, int length) {
  for (int k = 0; k < length; ++k) value = source.one("cast", {value}, k % 2 ? float64(kRow) : int32(kRow));
  return value;
}

void epilogues() {
  const std::vector<int64_t> square = {40, 40};
  Source step;  // w - 0.5 A B: one product, in place of a donated w
  const int w = step.input(float64(square), true), a = step.input(float64(square)), b = step.input(float64(square));
  const int half = step.constant(CT_FLOAT64, 0.5);
  const int product = step.one("matmul", {a, b}, float64(square), {0, 0});
  const int scaled = step.one("mul", {product, half}, float64(square));
  step.outputs = {step.one("sub", {w, scaled}, float64(square))};
  const Ref<Executable> fused = compile(step);
  Source bare;  // a product packs its operands: no more than that is left in the arena
  const int left = bare.input(float64(square)), right = bare.input(float64(square));
  bare.outputs = {bare.one("matmul", {left, right}, float64(square), {0, 0})};
  CHECK(steps(fused) == 1 && arena(fused) <= arena(compile(bare)), "%s", describe(fused->plan.program).c_str());
  const Run result =
      run(step, {make_value(float64(square), Numbers(1600, 1)), make_value(float64(square), Numbers(1600, 1)),
                 make_value(float64(square), Numbers(1600, 2))});
  CHECK(same(numbers_of(*result.outputs[0]), Numbers(1600, 1 - 0.5 * 80)), "w - 0.5 A B");

  Source sums;  // A B + B A, and a product that somebody else reads stays
  sums.input(float64(square));
  sums.input(float64(square));
  const int first = sums.one("matmul", {0, 1}, float64(square), {0, 0});
  const int second = sums.one("matmul", {1, 0}, float64(square), {0, 0});
  sums.outputs = {sums.one("add", {first, second}, float64(square)), first};
  const Run both =
      run(sums, {make_value(float64(square), Numbers(1600, 1)), make_value(float64(square), Numbers(1600, 3))});
  CHECK(steps(both.executable) == 2, "%s", describe(both.executable->plan.program).c_str());
  CHECK(
      same(numbers_of(*both.outputs[0]), Numbers(1600, 240)) && same(numbers_of(*both.outputs[1]), Numbers(1600, 120)),
      "A B + B A");

  Source factor;  // x + x B: x is a factor and may not be overwritten meanwhile
  const int x = factor.input(float64(square), true);
  factor.input(float64(square));
  factor.outputs = {factor.one("add", {factor.one("matmul", {x, 1}, float64(square), {0, 0}), x}, float64(square))};
  const Run sum =
      run(factor, {make_value(float64(square), Numbers(1600, 1)), make_value(float64(square), Numbers(1600, 1))});
  CHECK(same(numbers_of(*sum.outputs[0]), Numbers(1600, 41)), "x + x B");

  Source zero;  // 0 times an infinite product is NaN
  zero.input(float64(square));
  const int none = zero.constant(CT_FLOAT64, 0);
  const int infinite = zero.one("matmul", {0, 0}, float64(square), {0, 0});
  const int nothing = zero.one("mul", {infinite, none}, float64(square));
  zero.outputs = {zero.one("add", {nothing, 0}, float64(square))};
  const Run nan = run(zero, {make_value(float64(square), Numbers(1600, 1e300))});
  CHECK(std::isnan(numbers_of(*nan.outputs[0])[0]), "0 * infinity");
}

void memory() {
  Source source;
  source.input(float64(kRow));
  source.outputs = {chain_of_sorts(source, 0, 20)};
  CHECK(arena(compile(source)) <= kRowBytes * 2, "%d bytes for a row of temporaries",
        static_cast<int>(arena(compile(source))));

  Source donated;  // the output takes the donated input's buffer
  donated.input(float64(kRow), true);
  donated.outputs = {donated.one("exp", {0}, float64(kRow))};
  Ref<Value> input = make_value(float64(kRow), Numbers(1000, 0));
  const void* const pointer = input->buffer()->pointer();
  const Ref<Executable> executable = compile(donated);
  const Ref<Stream> stream = executor().create_stream(client());
  Arguments arguments;
  arguments.inputs.push_back(std::move(input));
  std::vector<Ref<Value>> outputs = client().enqueue_owned(*stream, *executable, std::move(arguments));
  CHECK(await(outputs[0]) && outputs[0]->buffer()->pointer() == pointer, "the donated buffer was not used");
  CHECK(same(numbers_of(*outputs[0]), Numbers(1000, 1)), "exp(0)");

  input = make_value(float64(kRow), Numbers(1000, 0));  // held here: it must survive
  outputs = client().enqueue(*stream, *executable, {input});
  CHECK(await(outputs[0]) && same(numbers_of(*outputs[0]), Numbers(1000, 1)), "exp(0) of a copy");
  CHECK(same(numbers_of(*input), Numbers(1000, 0)), "a donated input that is held elsewhere was overwritten");
  CHECK(client().idle(), "not idle");

  const uint64_t before = device().allocator().statistics().used;
  Source scan;  // updates of a long history happen in place: no copies, one buffer
  Source body;
  body.input(int32());
  body.input(float64(kRow));
  const int one = body.constant(CT_INT32, 1), number = body.one("cast", {0}, float64());
  const int update = body.one("reshape", {number}, float64({1})), start = body.one("reshape", {0}, int32({1}));
  body.outputs = {body.one("add", {0, one}, int32()), body.one("dynamicUpdate", {1, update, start}, float64(kRow))};
  scan.input(float64(kRow));
  const int zero = scan.constant(CT_INT32, 0);
  scan.outputs = {scan.apply("scan", {zero, 0}, {int32(), float64(kRow)}, {0, 2, 1000, 0}, {body})[1]};
  const Run history = run(scan, {make_value(float64(kRow), Numbers(1000, -1))});
  Numbers count(1000);
  for (size_t k = 0; k < 1000; ++k) count[k] = static_cast<double>(k);
  CHECK(same(numbers_of(*history.outputs[0]), count), "history");
  CHECK(arena(history.executable) < kRowBytes, "%d bytes in the arena", static_cast<int>(arena(history.executable)));
  CHECK(history.executable->plan.loops[0].carries[1].result == -1, "the history is not updated in place");
  CHECK(device().allocator().statistics().used <= before + 2 * kRowBytes + 8192, "memory leaks");

  Source pass;  // a carry that passes through costs nothing, not even a buffer
  Source through;
  through.input(float64(kRow));
  through.input(float64());
  through.outputs = {0, through.one("add", {1, through.one("reduceMax", {0}, float64(), {0})}, float64())};
  pass.input(float64(kRow));
  pass.input(float64());
  pass.outputs = pass.apply("scan", {0, 1}, {float64(kRow), float64()}, {0, 2, 5, 0}, {through});
  const Ref<Value> row = make_value(float64(kRow), Numbers(1000, 2));
  const Run passed = run(pass, {row, make_value(float64(), {1})});
  CHECK(passed.outputs[0]->buffer().get() == row->buffer().get(), "the carry was copied");
  CHECK(same(numbers_of(*passed.outputs[1]), {11}), "1 + 5 * 2");
}

void dead_carries() {
  Source body;  // carry 1 feeds only itself and an unused result
  body.input(float64());
  body.input(float64(kRow));
  body.outputs = {body.one("add", {0, 0}, float64()), body.one("exp", {1}, float64(kRow))};
  Source source;
  source.input(float64());
  source.input(float64(kRow));
  source.outputs = {source.apply("scan", {0, 1}, {float64(), float64(kRow)}, {0, 2, 3, 0}, {body})[0]};
  const Run result = run(source, {make_value(float64(), {1}), make_value(float64(kRow), Numbers(1000, 0))});
  CHECK(same(numbers_of(*result.outputs[0]), {8}), "2^3");
  CHECK(steps(result.executable, 1) == 1, "%s", describe(result.executable->plan.program).c_str());
}

std::string failure_of(const Ref<Value>& value) {
  return value->state() == Value::State::kFailed ? value->failure()->message : "";
}

void checks() {
  // A bad matrix fails what depends on its factor, and nothing else.
  Source source;
  const int a = source.input(float64({2, 2, 2}));
  const std::vector<int> factor = source.apply("cholesky", {a}, {float64({2, 2, 2}), int32({2})});
  const int checked = source.apply("check", factor, {float64({2, 2, 2})}, {}, {}, {"cholesky"})[0];
  const int flat = source.one("reshape", {checked}, float64({8}));
  const int doubled = source.one("add", {flat, flat}, float64({8})),
            raw = source.one("add", {factor[0], a}, float64({2, 2, 2}));
  source.outputs = {doubled, raw, factor[1], checked, a};
  const Run bad = run(source, {make_value(float64({2, 2, 2}), {1, 0, 0, 1, 1, 2, 2, 1})});
  const std::string message =
      "[cholesky] Expected a positive definite matrix, received one whose leading minor of order 2 is not positive "
      "(batch entry 1).";
  CHECK(failure_of(bad.outputs[0]) == message, "%s", failure_of(bad.outputs[0]).c_str());
  CHECK(failure_of(bad.outputs[3]) == message, "%s", failure_of(bad.outputs[3]).c_str());
  for (const int j : {1, 2, 4})
    CHECK(failure_of(bad.outputs[j]).empty(), "output %d: %s", j, failure_of(bad.outputs[j]).c_str());
  CHECK(same(numbers_of(*bad.outputs[2]), {0, 2}), "info");
  const Run good = run(source, {make_value(float64({2, 2, 2}), {1, 0, 0, 1, 4, 0, 0, 9})});
  for (const Ref<Value>& output : good.outputs) CHECK(failure_of(output).empty(), "%s", failure_of(output).c_str());

  // A failed input fails the outputs of the next Program without running it.
  Source next;
  next.input(float64({8}));
  next.outputs = {next.one("exp", {0}, float64({8}))};
  CHECK(failure_of(run(next, {bad.outputs[0]}).outputs[0]) == message, "the failure was lost");

  // Through a loop: carry 0 is checked, carry 1 depends on it, carry 2 does not.
  Source body;
  body.input(float64());
  body.input(float64());
  body.input(float64());
  const int one = body.constant(CT_FLOAT64, 1), zero = body.constant(CT_FLOAT64, 0);
  const int next_value = body.one("sub", {0, one}, float64());
  const int info = body.one("cast", {body.one("lt", {next_value, zero}, boolean())}, int32());
  const int guarded = body.apply("check", {next_value, info}, {float64()}, {}, {}, {"guard"})[0];
  body.outputs = {guarded, body.one("add", {1, 0}, float64()), body.one("add", {2, one}, float64())};
  for (const double start : {2.0, 5.0}) {
    Source loop;
    for (int k = 0; k < 3; ++k) loop.input(float64());
    loop.outputs = loop.apply("scan", {0, 1, 2}, {float64(), float64(), float64()}, {0, 3, 4, 0}, {body});
    const Run result =
        run(loop, {make_value(float64(), {start}), make_value(float64(), {0}), make_value(float64(), {0})});
    const bool fails = start < 4;
    CHECK(failure_of(result.outputs[0]).empty() != fails, "%s", failure_of(result.outputs[0]).c_str());
    CHECK(failure_of(result.outputs[1]).empty() != fails, "%s", failure_of(result.outputs[1]).c_str());
    CHECK(failure_of(result.outputs[2]).empty() && same(numbers_of(*result.outputs[2]), {4}), "carry 2");
    if (fails)
      CHECK(failure_of(result.outputs[0]) == "[guard] Expected info 0, received info 1 (batch entry 0).", "wording");
  }

  // A check in a branch that is not taken does not count.
  Source untaken, taken, cond;
  for (Source* branch : {&untaken, &taken}) branch->input(float64());
  untaken.outputs = {0};
  const int bad_info = taken.constant(CT_INT32, 3);
  taken.outputs = taken.apply("check", {0, bad_info}, {float64()}, {}, {}, {"branch"});
  cond.input(boolean());
  cond.input(float64());
  cond.outputs = cond.apply("cond", {0, 1}, {float64()}, {}, {taken, untaken});
  for (const int side : {0, 1}) {
    const Run result = run(cond, {make_value(boolean(), {static_cast<double>(side)}), make_value(float64(), {5})});
    CHECK(failure_of(result.outputs[0]).empty() == (side == 0), "side %d", side);
  }
}

void limits() {
  Source source;
  source.input(float64(kRow));
  source.outputs = {source.one("exp", {0}, float64(kRow))};
  const Ref<Value> input = make_value(float64(kRow), Numbers(1000, 0));
  Allocator& allocator = device().allocator();
  const uint64_t limit = allocator.statistics().limit;
  allocator.set_limit(allocator.statistics().used + 4096);
  const Run refused = run(source, {input});
  allocator.set_limit(limit);
  const std::string message = failure_of(refused.outputs[0]);
  CHECK(message.rfind("[allocate] Expected ", 0) == 0, "%s", message.c_str());
  for (const char* hint : {"dispose()", "scope()", "using", "setMemoryLimit()"}) {
    CHECK(message.find(hint) != std::string::npos, "no %s in %s", hint, message.c_str());
  }
  CHECK(failure_of(run(source, {input}).outputs[0]).empty(), "the device does not recover");
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  simplification();
  fusion();
  epilogues();
  memory();
  dead_carries();
  checks();
  limits();
  return failures ? 1 : 0;
}
