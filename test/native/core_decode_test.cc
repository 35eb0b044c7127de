// No encoding, however broken, crashes: it is refused with a Failure, or it means something.
#include <cmath>
#include <limits>

#include "native/core/pool.h"
#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

Source counting_loop() {
  Source condition;
  condition.input(int32());
  condition.input(float64({3}));
  condition.outputs = {condition.one("lt", {0, condition.constant(CT_INT32, 4)}, boolean())};
  Source body;
  body.input(int32());
  body.input(float64({3}));
  const int one = body.constant(CT_INT32, 1);
  body.outputs = {body.one("add", {0, one}, int32()), body.one("add", {1, 1}, float64({3}))};
  Source source;
  source.input(float64({3}), true);
  const int zero = source.constant(CT_INT32, 0);
  const std::vector<int> out = source.apply("while", {zero, 0}, {int32(), float64({3})}, {0, 0, 1}, {condition, body});
  source.outputs = {out[1], out[0]};
  return source;
}

// A little of everything.
Source sampler() {
  Source branch;
  branch.input(float64({2, 2}));
  branch.outputs = {branch.one("transpose", {0}, float64({2, 2}), {1, 0})};
  Source body;
  body.input(float64({2}));
  body.input(float64({2}));
  const int sum = body.one("add", {0, 1}, float64({2}));
  body.outputs = {sum, sum};
  Source source;
  const int a = source.input(float64({2, 2})), half = source.constant(CT_FLOAT64, 0.5);
  const std::vector<int> factor = source.apply("cholesky", {a}, {float64({2, 2}), int32()});
  const int checked = source.apply("check", factor, {float64({2, 2})}, {}, {}, {"cholesky"})[0];
  const int scaled = source.one("mul", {checked, half}, float64({2, 2}));
  const int flat = source.one("reshape", {scaled}, float64({4}));
  const int row = source.one("reduceSum", {a}, float64({2}), {0});
  const int wide = source.one("broadcast", {row}, float64({3, 2}), {1});
  const std::vector<int> scanned =
      source.apply("scan", {row, wide}, {float64({2}), float64({3, 2})}, {0, 1, 3, 0}, {body});
  const int predicate = source.one("lt", {half, half}, boolean());
  const int branched = source.apply("cond", {predicate, a}, {float64({2, 2})}, {}, {branch, branch})[0];
  source.apply("emit", {half}, {}, {}, {}, {"progress", "half"});
  const int seconds = source.one("clock", {half}, float64());
  source.outputs = {flat, scanned[0], scanned[1], branched, seconds, a, half};
  return source;
}

// What means something must also run.
void run(Executable& executable) {
  static TestClient client;
  static const Ref<Stream> stream = executor().create_stream(client);
  const Plan& plan = executable.plan;
  uint64_t bytes = plan.layout(pool_threads()).bytes + plan.output_bytes;
  std::vector<Ref<Value>> inputs;
  for (int k = 0; k < plan.program.input_count; ++k) bytes += static_cast<uint64_t>(byte_count(plan.program.types[k]));
  if (bytes > 1 << 20 || plan.programs[0].estimated_ns > 1e7) return;  // an endless loop, perhaps
  for (int k = 0; k < plan.program.input_count; ++k) {
    const Type& type = plan.program.types[k];
    inputs.push_back(make_value(type, Numbers(static_cast<size_t>(element_count(type)), 1)));
  }
  for (const Ref<Value>& output : client.enqueue(*stream, executable, inputs))
    CHECK(await(output), "an output is pending");
}

bool compiles(const Encoding& code) {
  try {
    run(*compile(code));
    return true;
  } catch (const Error& error) {
    const Failure& failure = error.failure();
    CHECK(failure.code > CT_OK && failure.code <= CT_INTERNAL && !failure.op.empty(), "code %d", failure.code);
    CHECK(failure.message.rfind("[" + failure.op + "] Expected ", 0) == 0, "%s", failure.message.c_str());
    CHECK(failure.message.find("received ") != std::string::npos, "%s", failure.message.c_str());
    return false;
  }
}

void corrupt(const Source& source) {
  const Encoding code = encode(source);
  CHECK(compiles(code), "the uncorrupted Program is refused");
  int refusals = 0;
  const double strange[] = {NAN, INFINITY, -INFINITY, -1, 0.5, 1e300, 9007199254740993.0, 4294967296.0, 65,
                            7,   3,        2,         1,  0,   -0.0};
  for (size_t at = 0; at < code.words.size(); ++at) {
    for (const double word : strange) {
      Encoding broken = code;
      broken.words[at] = word;
      refusals += !compiles(broken);
    }
    Encoding shorter = code;
    shorter.words.resize(at);
    CHECK(!compiles(shorter), "compiled the first %zu words", at);
    Encoding longer = code;
    longer.words.insert(longer.words.begin() + static_cast<std::ptrdiff_t>(at), 1);
    compiles(longer);
  }
  Encoding nameless = code;
  nameless.names.clear();
  CHECK(!compiles(nameless), "compiled without names");
  CHECK(refusals > static_cast<int>(code.words.size()) * 5, "only %d refusals", refusals);
  Random random(7);
  for (int trial = 0; trial < 3000; ++trial) {
    Encoding broken = code;
    for (int k = random.below(4); k >= 0; --k) {
      broken.words[static_cast<size_t>(random.below(static_cast<int>(broken.words.size())))] = random.below(12) - 1;
    }
    compiles(broken);
  }
}

void expect(const Source& source, ct_code code, const std::string& op) {
  const Failure failure = compile_failure(source);
  CHECK(failure.code == code && failure.op == op, "code %d, %s", failure.code, failure.message.c_str());
}

void specific() {
  Source shapes;
  shapes.input(float64({3}));
  shapes.input(float64({4}));
  shapes.outputs = {shapes.one("add", {0, 1}, float64({3}))};
  expect(shapes, CT_SHAPE, "add");

  Source dtypes;
  dtypes.input(float64({3}));
  dtypes.input(int32({3}));
  dtypes.outputs = {dtypes.one("add", {0, 1}, float64({3}))};
  expect(dtypes, CT_DTYPE, "add");

  Source reshape;
  reshape.input(float64({3}));
  reshape.outputs = {reshape.one("reshape", {0}, float64({4}))};
  expect(reshape, CT_SHAPE, "reshape");

  Source domain;  // refused by the backend, which blames the primitive, not the chain
  domain.input(int32({3}));
  domain.outputs = {domain.one("exp", {0}, int32({3}))};
  expect(domain, CT_DTYPE, "exp");

  Source unknown;
  unknown.input(float64({3}));
  unknown.outputs = {unknown.one("noSuchKernel", {0}, float64({3}))};
  expect(unknown, CT_INTERNAL, "noSuchKernel");

  Source chain;
  chain.input(float64({3}));
  chain.outputs = {chain.one("chain", {0}, float64({3}))};
  CHECK(compile_failure(chain).code == CT_INTERNAL, "chain is not a primitive");

  Source huge;
  huge.input(float64({int64_t{1} << 30, int64_t{1} << 30}));
  huge.outputs = {0};
  CHECK(compile_failure(huge).code == CT_SHAPE, "2^63 bytes");

  Source carry = counting_loop();
  carry.lines[0].subs[1].outputs[1] = 0;
  expect(carry, CT_DTYPE, "while");
  carry = counting_loop();
  carry.lines[0].subs[0].outputs[0] = 0;
  expect(carry, CT_DTYPE, "while");
  carry = counting_loop();
  carry.lines[0].params = {0, 1, 1};
  expect(carry, CT_INTERNAL, "while");
  for (const std::vector<double>& params : {std::vector<double>{0, 0}, {0, 0, 0}, {0, 0, 1.5}, {0, 0, -8}}) {
    carry = counting_loop();
    carry.lines[0].params = params;
    CHECK(compile_failure(carry).code == CT_INTERNAL,
          "a loop that looks at its condition never, or between iterations");
  }

  Source report;
  const int scalar = report.input(float64()), vector = report.input(boolean({2})), truth = report.input(boolean());
  report.outputs = {scalar};
  Source told = report;
  told.apply("emit", {scalar, scalar}, {}, {}, {}, {"progress", "x"});
  expect(told, CT_DTYPE, "emit");
  told = report;
  told.apply("emit", {scalar, vector}, {}, {}, {}, {"progress", "x"});
  expect(told, CT_SHAPE, "emit");
  told = report;
  told.apply("emit", {scalar, truth, truth}, {}, {}, {}, {"progress", "x"});
  CHECK(compile_failure(told).code == CT_INTERNAL, "two operands more than names");
  told = report;
  told.apply("emit", {}, {}, {}, {}, {});
  CHECK(compile_failure(told).code == CT_INTERNAL, "no tag");

  Source deep = counting_loop();  // nested far beyond what anybody writes
  for (int level = 0; level < 100; ++level) {
    Source outer;
    outer.input(float64({3}));
    const int yes = outer.constant(CT_BOOL, 1);
    Source inner = deep;
    inner.outputs = {inner.outputs[0]};
    inner.donated = {false};
    outer.outputs = outer.apply("cond", {yes, 0}, {float64({3})}, {}, {inner, inner});
    deep = outer;
    if (level > 6) {  // both branches would double the encoding each time
      Source self;
      self.input(float64({3}));
      self.outputs = {0};
      deep.lines[0].subs[1] = self;
    }
  }
  CHECK(compile_failure(deep).message.find("nested") != std::string::npos, "100 levels");

  Encoding shared = encode(counting_loop());
  CHECK(shared.words.size() > 10, "encoded");
  for (size_t at = 0; at + 2 < shared.words.size(); ++at) {
    if (shared.words[at] == 2 && shared.words[at + 1] == 1 && shared.words[at + 2] == 2) shared.words[at + 2] = 1;
  }
  CHECK(compile_failure(shared).code == CT_INTERNAL, "a sub-program used twice");
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  corrupt(counting_loop());
  corrupt(sampler());
  specific();
  return failures ? 1 : 0;
}
