// Philox against the published vectors, the layout of counters, and the normal quantile against erfc in long double.
#include <cfloat>

#include "native/kernels/random/philox.h"
#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

Value key_value(uint32_t low, uint32_t high) {
  return value(CT_UINT32, {2}, {static_cast<double>(low), static_cast<double>(high)});
}

// kat_vectors of Random123, philox4x32 10.
void known_answers() {
  struct Case {
    random::PhiloxBlock counter;
    uint32_t key[2];
    random::PhiloxBlock expected;
  };
  const Case cases[] = {{{{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
                        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
                         {0xffffffff, 0xffffffff},
                         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
                        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
                         {0xa4093822, 0x299f31d0},
                         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}}};
  for (const Case& c : cases) {
    const random::PhiloxBlock block = random::philox(c.counter, c.key[0], c.key[1]);
    for (int i = 0; i < 4; ++i) CHECK(block.word[i] == c.expected.word[i], "word %d: %08x", i, block.word[i]);
  }
}

std::vector<uint32_t> words_of(uint32_t low, uint32_t high, int64_t count) {
  std::vector<uint32_t> words;
  for (uint64_t block = 0; static_cast<int64_t>(words.size()) < count; ++block) {
    const random::PhiloxBlock image = random::philox_block(block, low, high);
    words.insert(words.end(), image.word, image.word + 4);
  }
  words.resize(static_cast<size_t>(count));
  return words;
}

void layout() {
  const uint32_t low = 0xdeadbeef, high = 12345;
  for (const int64_t n : {0, 1, 3, 4, 5, 255, 256, 257, 1000, 40001}) {
    const std::vector<uint32_t> words = words_of(low, high, 2 * n);
    std::vector<double> bits, uniform32, uniform64;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      bits.push_back(words[i]);
      uniform32.push_back((words[i] >> 8) * 0x1p-24);
      uniform64.push_back(static_cast<double>((words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32) >> 11) *
                          0x1p-53);
    }
    const Value key = key_value(low, high);
    check_equal(run_one("randomBits", {key}, type_of(CT_UINT32, {n}), {}), bits, "randomBits");
    check_equal(run_one("randomUniform", {key}, type_of(CT_FLOAT32, {n, 1}), {}), uniform32, "randomUniform float32");
    check_equal(run_one("randomUniform", {key}, type_of(CT_FLOAT64, {n}), {}), uniform64, "randomUniform float64");
    // Normals are the quantiles of (w + 1/2) / 2^bits.
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
      const Value normal = run_one("randomNormal", {key}, type_of(dtype, {n}), {});
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        const uint64_t wide = words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32;
        // Distances from the near end and from the middle, each from its own integer: nothing cancels.
        const uint64_t top = uint64_t{1} << 63, w = dtype == CT_FLOAT32 ? uint64_t{words[i]} << 32 : wide;
        const long double half = dtype == CT_FLOAT32 ? 0x1p31L : 0.5L;
        const uint64_t low = w < top ? w : dtype == CT_FLOAT32 ? (uint64_t{~words[i]} << 32) : ~wide;
        const uint64_t high = dtype == CT_FLOAT32 ? top - (uint64_t{1} << 32) - low : top - 1 - low;
        const long double tail = (low + half) * 0x1p-64L, center = (high + half) * 0x1p-64L;
        const long double z = std::abs(static_cast<long double>(normal.data[i]));
        CHECK((normal.data[i] < 0) == (w < top), "sign of element %zu", i);
        // One Newton step from the result to the exact quantile: its length is the error.
        const long double density = std::exp(-z * z / 2) * 0.39894228040143267794L;
        // Near the middle both sides are 1/2 and cancel; erf keeps the difference.
        const long double off = z < 0.5L ? center - std::erf(z * 0.70710678118654752440L) / 2
                                         : std::erfc(z * 0.70710678118654752440L) / 2 - tail;
        const double error = static_cast<double>(std::abs(off) / density / z);
        const double allowed = 6 * (dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON);
        CHECK(error <= allowed, "%s element %zu: z %.17Lg, relative error %g", dtype_name(dtype), i, z, error);
      }
    }
  }
}

// Mean, variance, skewness, kurtosis and lag-1 correlation within 5 standard errors.
void moments() {
  const int64_t n = 400000;
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value x = run_one("randomNormal", {key_value(7, 0)}, type_of(dtype, {n}), {});
    double sums[5] = {}, previous = 0;
    for (const double z : x.data) {
      sums[0] += z;
      sums[1] += z * z;
      sums[2] += z * z * z;
      sums[3] += z * z * z * z;
      sums[4] += z * previous;
      previous = z;
    }
    const double expected[] = {0, 1, 0, 3, 0}, variance[] = {1, 2, 15, 96, 1};
    for (int k = 0; k < 5; ++k) {
      CHECK(std::abs(sums[k] / n - expected[k]) < 5 * std::sqrt(variance[k] / n), "moment %d: %g", k, sums[k] / n);
    }
    const Value u = run_one("randomUniform", {key_value(8, 1)}, type_of(dtype, {n}), {});
    double mean = 0;
    for (const double v : u.data) {
      CHECK(v >= 0 && v < 1, "uniform %g", v);
      mean += v / n;
    }
    CHECK(std::abs(mean - 0.5) < 5 / std::sqrt(12.0 * n), "mean of uniforms %g", mean);
  }
}

// Long launches are cut, and the cuts leave no trace.
void pieces() {
  const int64_t n = 8000003, keys = 3000, each = 3001;
  const Value key = key_value(1, 2);
  const ct_type long_type = type_of(CT_UINT32, {n}), many_type = type_of(CT_UINT32, {keys, each});
  CHECK(prepare_kernel("randomBits", {key}, {long_type}, {})->pieces(1) > 1, "one long stream in one piece");
  const std::vector<uint32_t> words = words_of(1, 2, n);
  check_equal(run_one("randomBits", {key}, long_type, {}), {words.begin(), words.end()}, "a long stream");
  std::vector<double> halves;
  for (int64_t k = 0; k < keys; ++k) halves.insert(halves.end(), {static_cast<double>(k), 9});
  const Value many = value(CT_UINT32, {keys, 2}, halves);
  CHECK(prepare_kernel("randomBits", {many}, {many_type}, {})->pieces(1) > 1, "many streams in one piece");
  const Value received = run_one("randomBits", {many}, many_type, {});
  for (int64_t k = 0; k < keys; k += 7) {
    const std::vector<uint32_t> stream = words_of(static_cast<uint32_t>(k), 9, each);
    for (int64_t i = 0; i < each; ++i) {
      CHECK(received.data[static_cast<size_t>(k * each + i)] == stream[static_cast<size_t>(i)], "stream %d",
            static_cast<int>(k));
    }
  }
}

void refusals() {
  const ct_type key = type_of(CT_UINT32, {2}), f = type_of(CT_FLOAT32, {3});
  check_refused("randomBits", {key}, {f}, {}, CT_DTYPE);
  check_refused("randomUniform", {type_of(CT_UINT32, {3})}, {f}, {}, CT_SHAPE);
  check_refused("randomUniform", {type_of(CT_UINT32, {3, 2})}, {type_of(CT_FLOAT32, {2, 3})}, {}, CT_SHAPE);
  check_refused("randomUniform", {type_of(CT_UINT32, {3, 2})}, {type_of(CT_FLOAT32, {})}, {}, CT_SHAPE);
  check_refused("randomUniform", {type_of(CT_UINT32, {})}, {f}, {}, CT_SHAPE);
  check_refused("randomUniform", {type_of(CT_INT32, {2})}, {f}, {}, CT_DTYPE);
  check_refused("randomNormal", {key}, {type_of(CT_INT32, {3})}, {}, CT_DTYPE);
  check_refused("randomNormal", {key}, {f}, {1}, CT_INTERNAL);
}

void all() {
  known_answers();
  layout();
  moments();
  pieces();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
