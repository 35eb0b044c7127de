// What the passes make of a Program: which reductions join a chain, which constants and operations are gone.
#include <cmath>
#include <cstring>

#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

TestClient& client() {
  static TestClient instance;
  return instance;
}

std::vector<Ref<Value>> run(const Ref<Executable>& executable, const std::vector<Ref<Value>>& inputs) {
  static const Ref<Stream> stream = executor().create_stream(client());
  std::vector<Ref<Value>> outputs = client().enqueue(*stream, *executable, inputs);
  for (const Ref<Value>& output : outputs) CHECK(await(output), "pending");
  CHECK(client().idle(), "not idle");
  return outputs;
}

size_t steps(const Ref<Executable>& executable) { return executable->plan.programs[0].steps.size(); }

std::string text(const Ref<Executable>& executable) { return describe(executable->plan.program); }

bool mentions(const Ref<Executable>& executable, const char* part) {
  return text(executable).find(part) != std::string::npos;
}

bool same_bits(const Value& a, const Value& b) {
  return std::memcmp(a.buffer()->pointer(), b.buffer()->pointer(), static_cast<size_t>(byte_count(a.type()))) == 0;
}

Type float32(const std::vector<int64_t>& dims = {}) { return type_of(CT_FLOAT32, dims); }

Ref<Value> random_value(const Type& type, uint64_t seed) {
  Random random(seed);
  Numbers numbers;
  for (int64_t k = 0; k < element_count(type); ++k) numbers.push_back((random.below(2001) - 1000) / 640.0);
  return make_value(type, numbers);
}

// Fused and unfused, on random inputs: as many steps as expected, and the same bits.
Ref<Executable> check_fused(const Source& source, size_t expected_steps, const char* what) {
  const Ref<Executable> fused = compile(source), unfused = compile(source, false);
  CHECK(steps(fused) == expected_steps, "%s: %zu steps\n%s", what, steps(fused), text(fused).c_str());
  std::vector<Ref<Value>> inputs;
  for (int k = 0; k < source.inputs(); ++k) inputs.push_back(random_value(source.types[k], 17 + k));
  const std::vector<Ref<Value>> a = run(fused, inputs), b = run(unfused, inputs);
  for (size_t j = 0; j < a.size(); ++j) CHECK(same_bits(*a[j], *b[j]), "%s: output %zu differs", what, j);
  return fused;
}

// --- reductions

void sums_of_chains() {
  Source norm;  // the sum of squares: nothing of the size of x is written
  const int x = norm.input(float32({40, 500}));
  norm.outputs = {norm.one("reduceSum", {norm.one("square", {x}, float32({40, 500}))}, float32(), {0, 1})};
  const Ref<Executable> fused = check_fused(norm, 1, "sum of squares");
  CHECK(mentions(fused, "chainReduce[square reduceSum]"), "%s", text(fused).c_str());
  CHECK(fused->plan.op_names[0] == "chainReduce[square reduceSum] -> float32[]", "%s", fused->plan.op_names[0].c_str());
  CHECK(fused->plan.layout(1).bytes < 40 * 500 * 4, "%d bytes", static_cast<int>(fused->plan.layout(1).bytes));

  Source softmax;  // the maximum of an input stays apart; the exponentials and their sums are one pass
  const Type wide = float32({64, 100}), rows = float32({64});
  softmax.input(wide);
  const auto spread = [&](int value) { return softmax.one("broadcast", {value}, wide, {0}); };
  const int most = softmax.one("reduceMax", {0}, rows, {1});
  const int e = softmax.one("exp", {softmax.one("sub", {0, spread(most)}, wide)}, wide);
  const int total = softmax.one("reduceSum", {e}, rows, {1});
  softmax.outputs = {softmax.one("div", {e, spread(total)}, wide)};
  CHECK(mentions(check_fused(softmax, 3, "softmax"), "chainReduce[sub exp reduceSum]"), "softmax");

  Source bias;  // an operand of products, and its columns' sums as the gradient of a bias
  const int delta = bias.input(float32({33, 700})), mask = bias.input(float32({33, 700}));
  const int masked = bias.one("mul", {delta, mask}, float32({33, 700}));
  bias.outputs = {masked, bias.one("reduceSum", {masked}, float32({700}), {0})};
  check_fused(bias, 1, "columns");

  Source middle;  // neighbouring axes in the middle, dims of 1 among them, and several reductions at once
  const Type box = float32({3, 5, 1, 7, 4}), kept = float32({3, 4});
  const int u = middle.input(box), v = middle.input(box);
  const int product = middle.one("mul", {u, v}, box);
  middle.outputs = {middle.one("reduceSum", {product}, kept, {1, 2, 3}),
                    middle.one("reduceMax", {product}, kept, {1, 2, 3}),
                    middle.one("reduceMin", {middle.one("abs", {product}, box)}, kept, {1, 2, 3})};
  check_fused(middle, 1, "several");

  Source reshaped;  // reduced as a vector
  const int y = reshaped.input(float32({6, 40}));
  const int flat = reshaped.one("reshape", {reshaped.one("exp", {y}, float32({6, 40}))}, float32({240}));
  reshaped.outputs = {reshaped.one("reduceProd", {flat}, float32(), {0})};
  check_fused(reshaped, 1, "reshaped");

  Source any;  // whether any element of a row is positive
  const int z = any.input(float32({9, 50})), zero = any.constant(CT_FLOAT32, 0);
  const int positive = any.one("gt", {z, any.one("broadcast", {zero}, float32({9, 50}))}, boolean({9, 50}));
  any.outputs = {any.one("reduceMax", {positive}, boolean({9}), {1})};
  check_fused(any, 1, "any");
}

void sums_that_stay() {
  Source crossed;  // rows and columns: the second reads what the first left
  const int x = crossed.input(float32({50, 60}));
  const int y = crossed.one("exp", {x}, float32({50, 60}));
  crossed.outputs = {crossed.one("reduceSum", {y}, float32({50}), {1}),
                     crossed.one("reduceSum", {y}, float32({60}), {0})};
  check_fused(crossed, 2, "rows and columns");

  Source apart;  // axes 0 and 2 take two passes
  const int u = apart.input(float32({4, 5, 6}));
  apart.outputs = {apart.one("reduceSum", {apart.one("exp", {u}, float32({4, 5, 6}))}, float32({5}), {0, 2})};
  check_fused(apart, 2, "axes 0 and 2");

  Source one;  // a sum over one element copies, and keeps -0
  const int v = one.input(float32({7, 1}));
  one.outputs = {one.one("reduceSum", {one.one("neg", {v}, float32({7, 1}))}, float32({7}), {1})};
  check_fused(one, 2, "one element");

  Source none;  // nothing to add up
  const int w = none.input(float32({3, 0}));
  none.outputs = {none.one("reduceSum", {none.one("exp", {w}, float32({3, 0}))}, float32({3}), {1})};
  const Ref<Executable> empty = compile(none);
  CHECK(!mentions(empty, "chainReduce"), "%s", text(empty).c_str());
  CHECK(same(numbers_of(*run(empty, {make_value(float32({3, 0}), {})})[0]), {0, 0, 0}), "empty sums");

  Source wrong;  // what the kernel refuses it refuses here, too
  const int t = wrong.input(boolean({5}));
  wrong.outputs = {wrong.one("reduceSum", {wrong.one("not", {t}, boolean({5}))}, boolean(), {0})};
  const Failure failure = compile_failure(wrong);
  CHECK(failure.code == CT_DTYPE && failure.message.rfind("[reduceSum] Expected", 0) == 0, "%s",
        failure.message.c_str());

  Source loop;  // a sum that a later formula of the same shape waits for
  const int a = loop.input(float32({30, 30}));
  const int b = loop.one("exp", {a}, float32({30, 30}));
  const int s = loop.one("reduceSum", {b}, float32(), {0, 1});
  const int c = loop.one("mul", {b, loop.one("broadcast", {s}, float32({30, 30}))}, float32({30, 30}));
  loop.outputs = {loop.one("reduceSum", {c}, float32({30}), {1})};
  check_fused(loop, 2, "one after the other");
}

// --- equations in the group that reads them

void sinking() {
  const Type row = float32({3000});
  Source source;  // 2 x joins exp(x), whose sum it waits for: it goes to where it is read, and is not stored
  source.input(row);
  const int two = source.constant(CT_FLOAT32, 2);
  const int total = source.one("reduceSum", {source.one("exp", {0}, row)}, float32(), {0});
  const int twice = source.one("mul", {0, source.one("broadcast", {two}, row)}, row);
  source.outputs = {source.one("div", {twice, source.one("broadcast", {total}, row)}, row)};
  const Ref<Executable> fused = check_fused(source, 2, "2 x / sum exp(x)");
  CHECK(mentions(fused, "chainReduce[exp reduceSum]") && mentions(fused, "chain[mul div]"), "%s", text(fused).c_str());
  CHECK(fused->plan.layout(1).bytes < 3000 * 4 + 60000, "%d bytes", static_cast<int>(fused->plan.layout(1).bytes));

  Source wanted;  // 2 x is a result: it stays where it was
  wanted.input(row);
  const int factor = wanted.constant(CT_FLOAT32, 2);
  const int sum = wanted.one("reduceSum", {wanted.one("exp", {0}, row)}, float32(), {0});
  const int doubled = wanted.one("mul", {0, wanted.one("broadcast", {factor}, row)}, row);
  wanted.outputs = {doubled, wanted.one("div", {doubled, wanted.one("broadcast", {sum}, row)}, row)};
  CHECK(mentions(check_fused(wanted, 2, "2 x as a result"), "chain[div]"), "2 x as a result");

  Source masked;  // a bool as a number, for two passes that cannot be one: the bool is stored, the numbers are not
  masked.input(row);
  masked.input(boolean({3000}));
  const int number = masked.one("cast", {1}, row);
  const int kept = masked.one("mul", {0, number}, row);
  const int most = masked.one("reduceMax", {kept}, float32(), {0});
  masked.outputs = {masked.one("mul", {number, masked.one("broadcast", {most}, row)}, row)};
  const Ref<Executable> passes = check_fused(masked, 2, "a mask");
  CHECK(mentions(passes, "chainReduce[select mul reduceMax]") && mentions(passes, "chain[select mul]"), "%s",
        text(passes).c_str());

  Source once;  // both readers in one chain: the cast is there once
  once.input(row);
  once.input(boolean({3000}));
  const int cast = once.one("cast", {1}, row);
  once.outputs = {once.one("mul", {0, cast}, row), once.one("add", {0, cast}, row)};
  CHECK(mentions(check_fused(once, 1, "one cast"), "chain[select mul add]"), "%s", text(compile(once)).c_str());
}

// --- constants

void folded_scalars() {
  Source source;
  source.input(float64({4}));
  const int two = source.constant(CT_FLOAT64, 2), three = source.constant(CT_FLOAT64, 3);
  const int sum = source.one("add", {source.one("mul", {two, three}, float64()), three}, float64());
  const int e = source.one("exp", {sum}, float64());
  source.outputs = {sum, e, source.one("mul", {0, source.one("broadcast", {e}, float64({4}))}, float64({4}))};
  const Ref<Executable> folded = compile(source);
  CHECK(steps(folded) == 1 && mentions(folded, "chain[mul]"), "%s", text(folded).c_str());
  const std::vector<Ref<Value>> outputs = run(folded, {make_value(float64({4}), {1, 1, 1, 1})});
  CHECK(same(numbers_of(*outputs[0]), {9}), "2 * 3 + 3");

  Source asked;  // the bits of the kernel that would have run
  asked.input(float64());
  asked.outputs = {asked.one("exp", {0}, float64())};
  CHECK(same_bits(*outputs[1], *run(compile(asked), {make_value(float64(), {9})})[0]), "exp(9)");
  CHECK(steps(compile(source, false)) == 5, "%s", text(compile(source, false)).c_str());
}

void folded_arrays() {
  const Type row = float32({50}), box = float32({10, 5});
  Source source;  // x * (2 + 3): the constant is turned, cast and reshaped without ever being an array
  source.input(row);
  const int two = source.constant(CT_FLOAT32, 2), three = source.constant(CT_FLOAT32, 3);
  const int five = source.one("add", {source.one("broadcast", {two}, row), source.one("broadcast", {three}, row)}, row);
  const int matrix = source.one("reshape", {five}, float32({5, 10}));
  const int turned = source.one("transpose", {matrix}, box, {1, 0});
  const int whole = source.one("cast", {turned}, int32({10, 5}));
  const int again = source.one("cast", {whole}, box);
  const int x = source.one("reshape", {0}, box);
  source.outputs = {source.one("mul", {x, again}, box), five};
  const Ref<Executable> folded = compile(source);
  CHECK(steps(folded) == 2 && mentions(folded, "5:float32[]"), "%s", text(folded).c_str());
  const auto outputs = run(folded, {make_value(row, Numbers(50, 3))});
  CHECK(same(numbers_of(*outputs[0]), Numbers(50, 15)) && same(numbers_of(*outputs[1]), Numbers(50, 5)), "x * 5");
}

void folded_into_loops() {
  Source body;
  body.input(float64());
  body.input(float64());
  body.outputs = {body.one("mul", {1, 0}, float64())};
  Source loop;
  loop.input(float64());
  const int two = loop.constant(CT_FLOAT64, 2), half = loop.constant(CT_FLOAT64, 0.5);
  const int one = loop.one("mul", {two, half}, float64());
  loop.outputs = loop.apply("scan", {one, 0}, {float64()}, {1, 1, 3, 0}, {body});
  const Ref<Executable> executable = compile(loop);
  CHECK(steps(executable) == 0, "a factor of 1 in a loop\n%s", text(executable).c_str());
  CHECK(same(numbers_of(*run(executable, {make_value(float64(), {7})})[0]), {7}), "7 * 1 * 1 * 1");
}

using Build = int (*)(Source& source, const Type& type, int x, int constant);

// f(x, constant): whether it is x itself, and what it gives.
void check_same(const char* what, const Type& type, double number, Build f, bool expected, const Numbers& given,
                const Numbers& results) {
  Source source;
  source.input(type);
  const int constant = source.constant(type.dtype, number);
  source.outputs = {f(source, type, 0, constant)};
  const Ref<Executable> executable = compile(source);
  const Ref<Value> input = make_value(type, given);
  const Ref<Value> output = run(executable, {input})[0];
  CHECK((output->buffer().get() == input->buffer().get()) == expected, "%s\n%s", what, text(executable).c_str());
  const Numbers received = numbers_of(*output);
  CHECK(same(received, results), "%s", what);
  for (size_t k = 0; k < results.size(); ++k) {
    CHECK(std::isnan(results[k]) || std::signbit(received[k]) == std::signbit(results[k]), "%s: sign of element %zu",
          what, k);
  }
}

template <int side>
int wide(Source& source, const char* name, const Type& type, int x, int constant) {
  const int filled = source.one("broadcast", {constant}, type);
  return source.one(name, side ? std::vector<int>{x, filled} : std::vector<int>{filled, x}, type);
}

int through(Source& source, const Type& type, int x, int32_t dtype) {
  Type other = type;
  other.dtype = dtype;
  return source.one("cast", {source.one("cast", {x}, other)}, type);
}

void identities() {
  const Numbers given = {0.0, -0.0, 1.5, -INFINITY, NAN};
  for (const Type& type : {float32({5}), float64({5})}) {
    const auto same_as_given = [&](const char* what, double number, Build f) {
      check_same(what, type, number, f, true, given, given);
    };
    same_as_given("x * 1", 1, [](Source& s, const Type& t, int x, int c) { return s.one("mul", {x, c}, t); });
    same_as_given("1 * x, filled", 1,
                  [](Source& s, const Type& t, int x, int c) { return wide<0>(s, "mul", t, x, c); });
    same_as_given("x / 1", 1, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "div", t, x, c); });
    same_as_given("x - 0", 0, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "sub", t, x, c); });
    same_as_given("x + -0", -0.0, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "add", t, x, c); });
    same_as_given("--x", 0,
                  [](Source& s, const Type& t, int x, int) { return s.one("neg", {s.one("neg", {x}, t)}, t); });
    // Not for every x.
    check_same("x + 0", type, 0, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "add", t, x, c); },
               false, given, {0.0, 0.0, 1.5, -INFINITY, NAN});
    check_same("x - -0", type, -0.0, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "sub", t, x, c); },
               false, given, {0.0, 0.0, 1.5, -INFINITY, NAN});
    check_same("0 - x", type, 0, [](Source& s, const Type& t, int x, int c) { return wide<0>(s, "sub", t, x, c); },
               false, given, {0.0, 0.0, -1.5, INFINITY, NAN});
    check_same("1 / x", type, 1, [](Source& s, const Type& t, int x, int c) { return wide<0>(s, "div", t, x, c); },
               false, {0.0, -0.0, 2, -INFINITY, NAN}, {INFINITY, -INFINITY, 0.5, -0.0, NAN});
    check_same("x * 0", type, 0, [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "mul", t, x, c); },
               false, given, {0.0, -0.0, 0.0, NAN, NAN});
  }
  check_same(
      "float32 through float64", float32({5}), 0,
      [](Source& s, const Type& t, int x, int) { return through(s, t, x, CT_FLOAT64); }, true, given, given);
  check_same("float64 through float32", float64({2}), 0,
             [](Source& s, const Type& t, int x, int) { return through(s, t, x, CT_FLOAT32); }, false, {1.5, 1e-300},
             {1.5, 0});
  const Numbers whole = {0, -7, 2147483647, -2147483648.0};
  check_same(
      "int32 through float64", int32({4}), 0,
      [](Source& s, const Type& t, int x, int) { return through(s, t, x, CT_FLOAT64); }, true, whole, whole);
  check_same("int32 through float32", int32({4}), 0,
             [](Source& s, const Type& t, int x, int) { return through(s, t, x, CT_FLOAT32); }, false,
             {0, -7, 16777217, 5}, {0, -7, 16777216, 5});
  check_same("bool through int32", boolean({2}), 0,
             [](Source& s, const Type& t, int x, int) { return through(s, t, x, CT_INT32); }, true, {0, 1}, {0, 1});
  check_same(
      "x + 0, whole", int32({4}), 0, [](Source& s, const Type& t, int x, int c) { return wide<0>(s, "add", t, x, c); },
      true, whole, whole);
  check_same("x * 0, whole", int32({4}), 0,
             [](Source& s, const Type& t, int x, int c) { return wide<0>(s, "mul", t, x, c); }, false, whole,
             {0, 0, 0, 0});
  check_same("not not x", boolean({2}), 0,
             [](Source& s, const Type& t, int x, int) { return s.one("not", {s.one("not", {x}, t)}, t); }, true, {0, 1},
             {0, 1});
  check_same("x and true", boolean({2}), 1,
             [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "and", t, x, c); }, true, {0, 1}, {0, 1});
  check_same("x or true", boolean({2}), 1,
             [](Source& s, const Type& t, int x, int c) { return wide<1>(s, "or", t, x, c); }, false, {0, 1}, {1, 1});

  Source saturating;  // int32 -> float64 -> uint32 saturates, which int32 -> uint32 does not
  saturating.input(int32({2}));
  const int number = saturating.one("cast", {0}, float64({2}));
  saturating.outputs = {saturating.one("cast", {number}, type_of(CT_UINT32, {2}))};
  CHECK(same(numbers_of(*run(compile(saturating), {make_value(int32({2}), {-5, 5})})[0]), {0, 5}), "saturation");

  Source chosen;
  chosen.input(float64({3}));
  chosen.input(float64({3}));
  const int yes = chosen.constant(CT_BOOL, 1);
  const int condition = chosen.one("broadcast", {chosen.one("not", {yes}, boolean())}, boolean({3}));
  chosen.outputs = {chosen.one("select", {condition, 0, 1}, float64({3}))};
  const Ref<Executable> executable = compile(chosen);
  CHECK(steps(executable) == 0, "%s", text(executable).c_str());
  CHECK(
      same(numbers_of(*run(executable, {make_value(float64({3}), {1, 2, 3}), make_value(float64({3}), {4, 5, 6})})[0]),
           {4, 5, 6}),
      "select");
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  sums_of_chains();
  sums_that_stay();
  sinking();
  folded_scalars();
  folded_arrays();
  folded_into_loops();
  identities();
  return failures ? 1 : 0;
}
