// Reductions against plain loops in long double, over every subset of axes, on every SIMD target.
#include <algorithm>
#include <cfloat>
#include <limits>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

struct Reference {
  std::vector<long double> result;
  std::vector<double> magnitude;  // sum of |x|: what rounding errors of a sum are measured by
};

enum class Kind { kSum, kProduct, kMax, kMin };

const char* name_of(Kind kind) {
  static constexpr const char* kNames[] = {"reduceSum", "reduceProd", "reduceMax", "reduceMin"};
  return kNames[static_cast<int>(kind)];
}

long double identity(Kind kind, int32_t dtype) {
  if (kind == Kind::kSum || kind == Kind::kProduct) return kind == Kind::kProduct;
  const bool max = kind == Kind::kMax;
  switch (dtype) {
    case CT_INT32:
      return max ? INT32_MIN : INT32_MAX;
    case CT_UINT32:
      return max ? 0u : UINT32_MAX;
    case CT_BOOL:
      return max ? 0 : 1;
  }
  return max ? -kInfinity : kInfinity;
}

long double combine(Kind kind, int32_t dtype, long double a, long double b) {
  if (kind == Kind::kMax || kind == Kind::kMin) {
    if (std::isnan(a) || std::isnan(b)) return kNaN;
    return kind == Kind::kMax ? std::max(a, b) : std::min(a, b);
  }
  if (dtype <= CT_FLOAT64) return kind == Kind::kSum ? a + b : a * b;
  const auto x = static_cast<uint32_t>(static_cast<int64_t>(a)), y = static_cast<uint32_t>(static_cast<int64_t>(b));
  const uint32_t wrapped = kind == Kind::kSum ? x + y : x * y;
  return dtype == CT_INT32 ? static_cast<int32_t>(wrapped) : static_cast<long double>(wrapped);
}

Dims without(const Dims& dims, unsigned axes) {
  Dims kept;
  for (size_t k = 0; k < dims.size(); ++k) {
    if (!(axes >> k & 1)) kept.push_back(dims[k]);
  }
  return kept;
}

Reference reference(Kind kind, const Value& x, unsigned axes) {
  const Dims from = dims(x.type), to = without(from, axes);
  Reference r{std::vector<long double>(static_cast<size_t>(count_of(to)), identity(kind, x.type.dtype)),
              std::vector<double>(static_cast<size_t>(count_of(to)))};
  size_t i = 0;
  for_each_index(from, [&](const Dims& index) {
    const size_t at = offset_of(to, without(index, axes));
    r.result[at] = combine(kind, x.type.dtype, r.result[at], x.data[i]);
    r.magnitude[at] += std::abs(x.data[i++]);
  });
  return r;
}

std::vector<double> axes_params(unsigned axes) {
  std::vector<double> params;
  for (int k = 0; k < CT_MAX_RANK; ++k) {
    if (axes >> k & 1) params.push_back(k);
  }
  return params;
}

void check_reduction(Kind kind, const Value& x, unsigned axes) {
  const int32_t dtype = x.type.dtype;
  const Dims from = dims(x.type), to = without(from, axes);
  const Value y = run_one(name_of(kind), {x}, type_of(dtype, to), axes_params(axes));
  const Reference expected = reference(kind, x, axes);
  const double eps = dtype == CT_FLOAT32 ? FLT_EPSILON : dtype == CT_FLOAT64 ? DBL_EPSILON : 0;
  const double reduced = y.data.empty() ? 1 : static_cast<double>(x.data.size()) / static_cast<double>(y.data.size());
  for (size_t i = 0; i < y.data.size(); ++i) {
    double allowed = 0;
    // Stated bound: (20 + log2(chunks)) eps sum|x|; random rounding stays far below, so a tenth of it is asked for.
    if (kind == Kind::kSum) allowed = 3 * eps * expected.magnitude[i];
    // A product of n factors has n roundings, in lanes.
    if (kind == Kind::kProduct) {
      const double smallest = dtype == CT_FLOAT32 ? FLT_MIN : dtype == CT_FLOAT64 ? DBL_MIN : 0;
      allowed = eps * (1 + reduced) * static_cast<double>(std::abs(expected.result[i])) + smallest;
    }
    const long double error = std::abs(static_cast<long double>(y.data[i]) - expected.result[i]);
    CHECK(same(y.data[i], round_to(dtype, static_cast<double>(expected.result[i]))) || error <= allowed,
          "%s of %s axes %u element %zu: expected %.17Lg, received %.17g, allowed %g", name_of(kind),
          describe(x.type).c_str(), axes, i, expected.result[i], y.data[i], allowed);
  }
}

void sweep(int32_t dtype, Random& random) {
  const std::vector<Dims> shapes{{},           {1},       {5},       {0},          {3, 0},      {0, 3},
                                 {3, 5},       {67, 129}, {2, 3, 4}, {3, 1, 5, 2}, {4, 70, 33}, {2, 3, 2, 3, 2},
                                 {129, 2, 65}, {5, 0, 3}, {300, 3},  {3, 600}};
  for (const Dims& dims : shapes) {
    const Value x = random_value(dtype, dims, random);
    for (unsigned axes = 0; axes < 1u << dims.size(); ++axes) {
      for (const Kind kind : {Kind::kSum, Kind::kProduct, Kind::kMax, Kind::kMin}) {
        if (dtype == CT_BOOL && (kind == Kind::kSum || kind == Kind::kProduct)) continue;
        check_reduction(kind, x, axes);
      }
    }
  }
}

// Long enough for chunks, trees of them, tiles of columns and groups of narrow rows.
void large(int32_t dtype, Random& random) {
  struct Case {
    Dims dims;
    unsigned axes;
  };
  for (const Case& c : std::vector<Case>{{{100003}, 1},
                                         {{3, 40001}, 2},
                                         {{40001, 3}, 1},
                                         {{20011, 7}, 1},
                                         {{1030, 90}, 1},
                                         {{300, 1100}, 1},
                                         {{2, 5000, 33}, 2},
                                         {{1030, 90}, 3},
                                         {{700, 5, 60}, 5},
                                         {{9001, 65}, 1}}) {
    const Value x = random_value(dtype, c.dims, random);
    check_reduction(Kind::kMax, x, c.axes);
    if (dtype != CT_BOOL) check_reduction(Kind::kSum, x, c.axes);
  }
}

// A sum that a plain float loop gets wrong in the third digit.
void accuracy() {
  const int64_t n = 3000001;
  std::vector<double> data(static_cast<size_t>(n), static_cast<double>(0.1f));
  const double exact = static_cast<double>(0.1f) * static_cast<double>(n);
  const Value row = run_one("reduceSum", {value(CT_FLOAT32, {n}, data)}, type_of(CT_FLOAT32, {}), {0});
  CHECK(std::abs(row.data[0] - exact) <= 2 * FLT_EPSILON * exact, "row: %.9g instead of %.9g", row.data[0], exact);
  data.resize(static_cast<size_t>(n / 4 * 4));
  const Value columns = run_one("reduceSum", {value(CT_FLOAT32, {n / 4, 4}, data)}, type_of(CT_FLOAT32, {4}), {0});
  const double quarter = static_cast<double>(0.1f) * static_cast<double>(n / 4);
  for (const double sum : columns.data)
    CHECK(std::abs(sum - quarter) <= 2 * FLT_EPSILON * quarter, "column: %.9g", sum);
}

void specials(int32_t dtype) {
  for (const int64_t n : {1, 3, 16, 17, 64, 200, 20000}) {
    for (const int64_t place : {int64_t{0}, n / 2, n - 1}) {
      for (const double special : {kNaN, kInfinity, -kInfinity}) {
        std::vector<double> data(static_cast<size_t>(n), 1.5);
        data[static_cast<size_t>(place)] = special;
        for (const Kind kind : {Kind::kSum, Kind::kProduct, Kind::kMax, Kind::kMin}) {
          check_reduction(kind, value(dtype, {n}, data), 1);
          check_reduction(kind, value(dtype, {n, 1}, data), 1);
          std::vector<double> wide;
          for (const double x : data) wide.insert(wide.end(), {x, 2.0, x});
          check_reduction(kind, value(dtype, {n, 3}, wide), 1);
        }
      }
    }
  }
  check_reduction(Kind::kMax, value(dtype, {40}, std::vector<double>(40, -kInfinity)), 1);
  check_reduction(Kind::kMin, value(dtype, {40}, std::vector<double>(40, kInfinity)), 1);
}

int64_t first_winner(const std::vector<double>& x, bool max) {
  size_t best = 0;
  for (size_t i = 1; i < x.size() && !std::isnan(x[best]); ++i) {
    if (std::isnan(x[i]) || (max ? x[i] > x[best] : x[i] < x[best])) best = i;
  }
  return static_cast<int64_t>(best);
}

void arg(int32_t dtype, Random& random) {
  for (const Dims& dims : {Dims{1}, Dims{9}, Dims{64}, Dims{1000}, Dims{7, 70}, Dims{70, 7}, Dims{30, 1100},
                           Dims{3, 130, 5}, Dims{0, 3}, Dims{2, 300, 200}, Dims{3000, 65}}) {
    for (const bool specials : {false, true}) {
      Value x = random_value(dtype, dims, random);
      for (double& v : x.data) {
        if (random.below(3) == 0) v = dtype <= CT_FLOAT64 ? std::round(v * 4) / 4 : v;  // ties
        if (specials && dtype <= CT_FLOAT64 && random.below(40) == 0) v = random.below(2) ? kNaN : kInfinity;
      }
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        if (dims[axis] == 0) continue;
        const Dims to = without(dims, 1u << axis);
        for (const bool max : {false, true}) {
          std::vector<double> expected;
          for_each_index(to, [&](const Dims& index) {
            std::vector<double> line;
            for (int64_t k = 0; k < dims[axis]; ++k) {
              Dims at = index;
              at.insert(at.begin() + static_cast<int64_t>(axis), k);
              line.push_back(x.data[offset_of(dims, at)]);
            }
            expected.push_back(static_cast<double>(first_winner(line, max)));
          });
          check_equal(run_one(max ? "argMax" : "argMin", {x}, type_of(CT_INT32, to), {static_cast<double>(axis)}),
                      expected, std::string(max ? "argMax" : "argMin") + " of " + text_of(dims));
        }
      }
    }
  }
}

void refusals() {
  const ct_type f34 = type_of(CT_FLOAT32, {3, 4}), f3 = type_of(CT_FLOAT32, {3}), f4 = type_of(CT_FLOAT32, {4});
  check_refused("reduceSum", {f34}, {f3}, {0}, CT_SHAPE);
  check_refused("reduceSum", {f34}, {f3}, {2}, CT_SHAPE);
  check_refused("reduceSum", {f34}, {type_of(CT_FLOAT32, {})}, {1, 0}, CT_SHAPE);
  check_refused("reduceSum", {f34}, {type_of(CT_FLOAT32, {})}, {0, 0}, CT_SHAPE);
  check_refused("reduceSum", {f34}, {type_of(CT_FLOAT64, {4})}, {0}, CT_DTYPE);
  check_refused("reduceSum", {type_of(CT_BOOL, {3})}, {type_of(CT_BOOL, {})}, {0}, CT_DTYPE);
  check_refused("argMax", {f34}, {f4}, {0}, CT_DTYPE);
  check_refused("argMax", {f34}, {type_of(CT_INT32, {3})}, {0}, CT_SHAPE);
  check_refused("argMax", {type_of(CT_FLOAT32, {0})}, {type_of(CT_INT32, {})}, {0}, CT_SHAPE);
  check_refused("argMin", {type_of(CT_FLOAT32, {})}, {type_of(CT_INT32, {})}, {0}, CT_SHAPE);
}

void all() {
  Random random(2);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
    sweep(dtype, random);
    large(dtype, random);
    arg(dtype, random);
  }
  specials(CT_FLOAT32);
  specials(CT_FLOAT64);
  accuracy();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
