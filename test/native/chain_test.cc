// The chain kernel as a machine: sizes, broadcasts, scheduling, spills, bools, several outputs, in-place reuse, parts.
// The formulas used here are exact, so that results are compared bit by bit with a one-element-at-a-time interpreter;
// formula_test.cc measures the others.
#include <cmath>
#include <cstring>
#include <limits>

#include "test/native/chain_reference.h"
#include "test/native/chain_testing.h"
#include "test/native/random_chain.h"

namespace cotangent::testing {
namespace {

template <class T>
bool same(T a, T b) {
  return (a != a && b != b) || std::memcmp(&a, &b, sizeof a) == 0;
}

int64_t product(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t extent : dims) count *= extent;
  return count;
}

template <class T>
void fill(Buffer& buffer, const ct_type& type, Random& random) {
  for (int64_t i = 0; i < element_count(type); ++i) {
    if (type.dtype == CT_BOOL) {
      buffer.as<uint8_t>()[i] = static_cast<uint8_t>(random.below(2));
    } else if constexpr (std::is_floating_point_v<T>) {
      const T special[] = {T(0), T(-0.0), std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN(),
                           T(1)};
      buffer.as<T>()[i] = random.below(20) ? static_cast<T>(random.uniform(-4, 4)) : special[random.below(5)];
    } else {
      buffer.as<T>()[i] = random.below(4) ? static_cast<T>(random.below(21) - 10) : static_cast<T>(random.bits());
    }
  }
}

// Runs a chain on random data and compares. With `reuse`, outputs take over inputs wherever the kernel allows it.
template <class T>
void check_chain(const Chain& chain, Random& random, int threads, bool reuse, const char* what) {
  const int64_t count = product(chain.dims);
  std::vector<Buffer> buffers;
  std::vector<const void*> in;
  for (const ct_type& type : chain.in) {
    buffers.emplace_back(byte_count(type));
    fill<T>(buffers.back(), type, random);
  }
  for (Buffer& buffer : buffers) in.push_back(buffer.data());
  Chain described = chain;
  for (size_t k = 0; k < in.size(); ++k) {
    if (chain.constants[k]) described.constants[k] = in[k];  // non-null: the value is known when the kernel is prepared
  }
  const auto want = interpret<T>(chain, in, count);
  const auto kernel = prepare(described);

  std::vector<Buffer> results;
  for (const ct_type& type : chain.out()) results.emplace_back(byte_count(type));
  std::vector<void*> out;
  uint64_t taken = 0;
  for (size_t j = 0; j < results.size(); ++j) {
    void* target = results[j].data();
    for (size_t k = 0; reuse && k < in.size(); ++k) {
      if (!(kernel->in_place[j] >> k & 1) || taken >> k & 1) continue;
      taken |= uint64_t{1} << k;
      target = buffers[k].data();
      break;
    }
    out.push_back(target);
  }
  run(*kernel, in, out, threads);
  for (size_t j = 0; j < out.size(); ++j) {
    const ct_type type = chain.out()[j];
    for (int64_t i = 0; i < count; ++i) {
      const T got = load<T>(type, out[j], i);
      CHECK(same(got, want[j][i]), "%s: result %d, element %lld of %lld: %g, expected %g", what, int(j), (long long)i,
            (long long)count, double(got), double(want[j][i]));
      if (!same(got, want[j][i])) break;
    }
    CHECK(results[j].intact(), "%s: wrote behind result %d", what, int(j));
  }
  for (Buffer& buffer : buffers) CHECK(buffer.intact(), "%s: wrote behind an input", what);
}

// x -> sign(x) max(|x| - t, 0)
template <class T>
Chain soft_threshold(const std::vector<int64_t>& dims) {
  Chain chain(dims);
  const int x = chain.input(lane_dtype<T>(), dims), t = chain.input(lane_dtype<T>(), {}),
            zero = chain.input(lane_dtype<T>(), {});
  const int shrunk = chain.apply("max", {chain.apply("sub", {chain.apply("abs", {x}), t}), zero});
  chain.output(chain.apply("mul", {chain.apply("sign", {x}), shrunk}));
  return chain;
}

template <class T>
void test_sizes() {
  Random random(11);
  for (const int64_t n : {0, 1, 2, 15, 31, 32, 33, 127, 128, 129, 1000, 100003}) {
    check_chain<T>(soft_threshold<T>({n}), random, 3, false, "soft threshold");
    check_chain<T>(soft_threshold<T>({n}), random, 1, true, "soft threshold in place");
  }
  check_chain<T>(soft_threshold<T>({}), random, 2, true, "soft threshold of a scalar");
}

// Every way that two operands of up to four dims can be broadcast against each other.
template <class T>
void test_broadcasts() {
  Random random(12);
  // Long innermost extents are walked row by row, short ones tile by tile.
  const std::vector<std::vector<int64_t>> shapes = {{7},          {600},        {3, 5},     {4, 1},       {3, 2100},
                                                    {40, 33},     {2, 2, 2500}, {3, 1, 7},  {2, 3, 4, 5}, {2, 3, 2, 64},
                                                    {1, 1, 1, 1}, {2, 0, 3},    {50, 30, 2}};
  for (const auto& dims : shapes) {
    const int variants = 1 << dims.size();
    for (int a = 0; a < variants; ++a) {
      for (int b = 0; b <= variants; ++b) {
        const auto shrink = [&](int mask) {
          std::vector<int64_t> shrunk = dims;
          for (size_t d = 0; d < dims.size(); ++d) shrunk[d] = mask >> d & 1 ? 1 : dims[d];
          return shrunk;
        };
        Chain chain(dims);
        const int x = chain.input(lane_dtype<T>(), shrink(a));
        const int y = chain.input(lane_dtype<T>(), b == variants ? std::vector<int64_t>{} : shrink(b));
        const int p = chain.input(CT_BOOL, shrink((a + b) % variants));
        chain.output(chain.apply("select", {p, chain.apply("sub", {x, y}), y}));
        chain.output(chain.apply("and", {p, chain.apply("lt", {x, y})}));
        check_chain<T>(chain, random, 2, (a + b) % 2 == 0, "broadcast");
      }
    }
  }
}

// Many values alive at once: x_i = x + c_i first, then their product pairs from the outside in.
template <class T>
void test_spills() {
  Random random(13);
  const std::vector<int64_t> dims{300};
  Chain chain(dims);
  const int x = chain.input(lane_dtype<T>(), dims), y = chain.input(lane_dtype<T>(), dims);
  std::vector<int> values;
  int last = x;
  for (int i = 0; i < 40; ++i) values.push_back(last = chain.apply(i % 2 ? "add" : "sub", {last, y}));
  int sum = y;
  for (size_t i = 0; i < values.size() / 2; ++i) {
    sum = chain.apply("max", {sum, chain.apply("mul", {values[i], values[values.size() - 1 - i]})});
  }
  chain.output(sum);
  for (int k = 0; k < 5; ++k) chain.output(values[k * 7]);
  check_chain<T>(chain, random, 1, false, "spills");
  check_chain<T>(chain, random, 1, true, "spills in place");
}

template <class T>
void test_random() {
  Random random(14);
  for (int i = 0; i < 500; ++i) {
    const Chain chain = random_chain<T>(random);
    check_chain<T>(chain, random, 1 + random.below(3), i % 2 == 1, ("random chain " + std::to_string(i)).c_str());
  }
}

void test_bools_alone() {
  Random random(15);
  for (const int64_t n : {1, 100, 5000}) {
    Chain chain({n});
    const int a = chain.input(CT_BOOL, {n}), b = chain.input(CT_BOOL, {1}), c = chain.input(CT_BOOL, {});
    chain.output(chain.apply("or", {chain.apply("not", {a}), chain.apply("and", {b, c})}));
    chain.output(chain.apply("eq", {a, b}));
    chain.output(a);
    check_chain<float>(chain, random, 2, false, "bools alone");
    check_chain<float>(chain, random, 2, true, "bools alone in place");
  }
}

// A store may come before the last read of an input: such reuse must not be offered.
void test_in_place_rules() {
  Chain chain({64});
  const int x = chain.input(CT_FLOAT32, {64}), y = chain.input(CT_FLOAT32, {64}), row = chain.input(CT_FLOAT32, {1});
  const int first = chain.apply("add", {x, row});
  chain.output(first);
  chain.output(chain.apply("mul", {chain.apply("neg", {x}), y}));
  const auto kernel = prepare(chain);
  CHECK((kernel->in_place[0] & 1) == 0 || (kernel->in_place[1] & 1) == 0, "x is read after one of the stores");
  CHECK((kernel->in_place[1] & 3) == 3, "the last store may take over x or y");
  CHECK(((kernel->in_place[0] | kernel->in_place[1]) & 4) == 0, "a broadcast input cannot be taken over");
  Chain halves({64});
  halves.output(halves.apply("lt", {halves.input(CT_FLOAT32, {64}), halves.input(CT_FLOAT32, {64})}));
  CHECK(prepare(halves)->in_place[0] == 0, "sizes of the elements differ");
}

// Rows cut in the middle by the partition.
void test_long_rows() {
  Random random(17);
  Chain chain({3, 20000});
  const int x = chain.input(CT_FLOAT32, {3, 20000}), row = chain.input(CT_FLOAT32, {1, 20000});
  const int column = chain.input(CT_FLOAT32, {3, 1}), mask = chain.input(CT_BOOL, {3, 1});
  chain.output(chain.apply("select", {mask, chain.apply("add", {chain.apply("mul", {x, column}), row}), row}));
  for (const int threads : {1, 2, 5}) check_chain<float>(chain, random, threads, threads == 2, "long rows");
}

// The same bits whatever the number of parts, with formulas that are not exact.
void test_parts() {
  Random random(16);
  const int64_t n = 50021;
  Chain chain({n});
  const int x = chain.input(CT_FLOAT32, {n});
  chain.output(chain.apply("sin", {chain.apply("exp", {x})}));
  chain.output(chain.apply("pow", {chain.apply("abs", {x}), chain.apply("tanh", {x})}));
  std::vector<float> data(n);
  for (float& value : data) value = static_cast<float>(random.uniform(-12, 12));
  std::vector<std::vector<float>> results[2];
  for (int i = 0; i < 2; ++i) {
    results[i].assign(2, std::vector<float>(n));
    run(*prepare(chain), {data.data()}, {results[i][0].data(), results[i][1].data()}, i == 0 ? 1 : 5);
  }
  CHECK(results[0] == results[1], "bits depend on the number of parts");
  // A prefix of another length: neither do they depend on where a tile ends.
  Chain prefix({777});
  const int y = prefix.input(CT_FLOAT32, {777});
  prefix.output(prefix.apply("sin", {prefix.apply("exp", {y})}));
  std::vector<float> part(777);
  run(*prepare(prefix), {data.data()}, {part.data()});
  CHECK(std::memcmp(part.data(), results[0][0].data(), 777 * sizeof(float)) == 0, "bits depend on the length");
}

template <class Edit>
void expect_rejected(const char* what, ct_code code, Edit edit) {
  Chain chain({8});
  const int x = chain.input(CT_FLOAT32, {8}), y = chain.input(CT_FLOAT32, {8});
  chain.output(chain.apply("add", {x, y}));
  std::vector<ct_type> in = chain.in, out = chain.out();
  std::vector<double> params = chain.params();
  edit(in, out, params);
  try {
    prepare("chain", in, out, params, {});
    CHECK(false, "%s was accepted", what);
  } catch (const KernelError& error) {
    CHECK(error.code == code, "%s: code %d: %s", what, error.code, error.message.c_str());
  }
}

void test_rejections() {
  using Types = std::vector<ct_type>;
  using Words = std::vector<double>;
  // params: 1, add, dtype, 2, 0, 1, 1, 2
  expect_rejected("a short encoding", CT_INTERNAL, [](Types&, Types&, Words& p) { p.pop_back(); });
  expect_rejected("a long encoding", CT_INTERNAL, [](Types&, Types&, Words& p) { p.push_back(0); });
  expect_rejected("an unknown formula", CT_INTERNAL, [](Types&, Types&, Words& p) { p[1] = formula::kFormulaCount; });
  expect_rejected("a fraction", CT_INTERNAL, [](Types&, Types&, Words& p) { p[1] = 0.5; });
  expect_rejected("NaN", CT_INTERNAL, [](Types&, Types&, Words& p) { p[0] = std::nan(""); });
  expect_rejected("a wrong operand count", CT_INTERNAL, [](Types&, Types&, Words& p) { p[3] = 1; });
  expect_rejected("a later operand", CT_INTERNAL, [](Types&, Types&, Words& p) { p[5] = 2; });
  expect_rejected("an unknown output", CT_INTERNAL, [](Types&, Types&, Words& p) { p[7] = 3; });
  expect_rejected("a wrong result dtype", CT_DTYPE, [](Types&, Types&, Words& p) { p[2] = CT_BOOL; });
  expect_rejected("a wrong output dtype", CT_DTYPE, [](Types&, Types& out, Words&) { out[0].dtype = CT_FLOAT64; });
  expect_rejected("mixed dtypes", CT_DTYPE, [](Types& in, Types&, Words&) { in[1].dtype = CT_INT32; });
  expect_rejected("a wrong extent", CT_SHAPE, [](Types& in, Types&, Words&) { in[1].dims[0] = 7; });
  expect_rejected("a wrong rank", CT_SHAPE, [](Types& in, Types&, Words&) { in[1].rank = 2, in[1].dims[1] = 8; });
}

template <class T>
void lane() {
  test_sizes<T>();
  test_broadcasts<T>();
  test_spills<T>();
  test_random<T>();
}

void all() {
  lane<float>();
  lane<double>();
  lane<int32_t>();
  lane<uint32_t>();
  test_bools_alone();
  test_in_place_rules();
  test_long_rows();
  test_parts();
  test_rejections();
}

// A name that this machine cannot run is reported, and the machine's own choice stands.
int unknown_target() {
  setenv("COTANGENT_SIMD", "avx9000", 1);
  CHECK(target_error().find("avx9000") != std::string::npos, "no error for an unknown target: %s",
        target_error().c_str());
  CHECK(current_target() == supported_targets().back(), "the fallback is not the widest target");
  return failures ? 1 : 0;
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  const int failed = cotangent::testing::on_every_target(cotangent::testing::all);
  return cotangent::testing::unknown_target() || failed ? 1 : 0;
}
