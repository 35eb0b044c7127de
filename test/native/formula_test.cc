// Every formula of the table, in every lane and on every SIMD target, against the C library in long double.
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstring>
#include <limits>

#include "test/native/chain_testing.h"

namespace cotangent::testing {
namespace {

using Real = long double;

template <class T>
constexpr int32_t dtype_code() {
  return sizeof(T) == 8             ? CT_FLOAT64
         : std::is_same_v<T, float> ? CT_FLOAT32
         : std::is_signed_v<T>      ? CT_INT32
                                    : CT_UINT32;
}

template <class T>
std::vector<T> evaluate(const char* name, const std::vector<T>& x, const std::vector<T>* y = nullptr) {
  const int64_t n = static_cast<int64_t>(x.size());
  Chain chain({n});
  std::vector<int> operands{chain.input(dtype_code<T>(), {n})};
  if (y) operands.push_back(chain.input(dtype_code<T>(), {n}));
  chain.output(chain.apply(name, operands));
  std::vector<T> result(x.size());
  run(*prepare(chain), y ? std::vector<const void*>{x.data(), y->data()} : std::vector<const void*>{x.data()},
      {result.data()}, 2);
  return result;
}

// Distance in units of the last place of T at `want`.
template <class T>
double ulps(T got, Real want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : HUGE_VAL;
  const T nearest = static_cast<T>(want);
  if (std::isinf(nearest) || std::isinf(got)) {
    // Around the largest number, infinity counts as the next one.
    const Real largest = std::numeric_limits<T>::max();
    if (got == nearest) return 0;
    const Real unit = std::ldexp(Real(1), std::numeric_limits<T>::max_exponent - std::numeric_limits<T>::digits);
    const Real bounded = std::isinf(got) ? std::copysign(largest + unit, Real(got)) : Real(got);
    return static_cast<double>(std::fabs(bounded - want) / unit);
  }
  int exponent = std::numeric_limits<T>::min_exponent;
  if (want != 0) std::frexp(want, &exponent);
  if (exponent < std::numeric_limits<T>::min_exponent) exponent = std::numeric_limits<T>::min_exponent;
  return static_cast<double>(std::fabs(Real(got) - want) /
                             std::ldexp(Real(1), exponent - std::numeric_limits<T>::digits));
}

template <class T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Numbers over the whole range of T, and over ordinary ranges, and awkward ones.
template <class T>
std::vector<T> arguments(uint64_t seed, int count) {
  using Limits = std::numeric_limits<T>;
  Random random(seed);
  std::vector<T> values;
  for (int i = 0; i < count; ++i) {
    values.push_back(from_bits<T>(random.bits()));
    values.push_back(static_cast<T>(random.uniform(-1, 1)));
    values.push_back(static_cast<T>(random.uniform(-20, 20)));
    values.push_back(static_cast<T>(random.uniform(0.6, 1.6)));
    values.push_back(static_cast<T>(random.uniform(-110, 110)));
    values.push_back(static_cast<T>(random.uniform(-760, 760)));
    values.push_back(static_cast<T>(std::ldexp(random.uniform(-1, 1), random.below(80) - 70)));
    values.push_back(static_cast<T>(1.5707963267948966L * (random.below(20000) - 10000)));
    values.push_back(static_cast<T>(random.below(2001) - 1000) / 2);
  }
  for (const T base :
       {T(0), T(0.5), T(1), T(2), T(88.72283935546875), T(-103.97), T(709.782712893384), T(-745.1332), T(8192), T(1e6),
        T(8388608), T(4503599627370496.0), Limits::min(), Limits::max(), Limits::denorm_min(), Limits::infinity()}) {
    for (const T sign : {T(1), T(-1)}) {
      values.push_back(sign * base);
      values.push_back(std::nextafter(sign * base, T(0)));
      values.push_back(std::nextafter(sign * base, sign * Limits::infinity()));
    }
  }
  values.push_back(Limits::quiet_NaN());
  return values;
}

struct Unary {
  const char* name;
  Real (*reference)(Real);
  double bound;  // in units of the last place
};

const Unary kUnary[] = {
    {"neg", [](Real x) { return -x; }, 0},
    {"abs", [](Real x) { return std::fabs(x); }, 0},
    {"sign", [](Real x) { return x > 0   ? 1
                                 : x < 0 ? -1
                                         : x; }, 0},
    {"exp", [](Real x) { return std::exp(x); }, 1.5},
    {"expm1", [](Real x) { return std::expm1(x); }, 2},
    {"log", [](Real x) { return std::log(x); }, 1.5},
    {"log1p", [](Real x) { return std::log1p(x); }, 1.5},
    {"sqrt", [](Real x) { return std::sqrt(x); }, 0.5},
    {"rsqrt", [](Real x) { return 1 / std::sqrt(x); }, 1.5},
    {"reciprocal", [](Real x) { return 1 / x; }, 0.5},
    {"tanh", [](Real x) { return std::tanh(x); }, 3},
    {"logistic", [](Real x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, 3},
    {"softplus", [](Real x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))) + (x - x); }, 2.5},
    {"sin", [](Real x) { return std::sin(x); }, 2.5},
    {"cos", [](Real x) { return std::cos(x); }, 2.5},
    {"floor", [](Real x) { return std::floor(x); }, 0},
    {"ceil", [](Real x) { return std::ceil(x); }, 0},
    {"round", [](Real x) { return std::nearbyint(x); }, 0},
};

template <class T>
void test_unary() {
  const std::vector<T> x = arguments<T>(1, 20000);
  for (const Unary& row : kUnary) {
    const std::vector<T> y = evaluate(row.name, x);
    double worst = 0;
    T where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      Real want = row.reference(x[i]);
      if (row.name == std::string("softplus") && std::isinf(x[i])) want = x[i] > 0 ? Real(x[i]) : 0;
      const double error = ulps(y[i], want);
      if (!(error <= worst)) worst = error, where = x[i];
      // The sign of zero is part of the result.
      const bool zero = y[i] == 0 && want == 0;
      CHECK(!zero || std::signbit(y[i]) == std::signbit(want), "%s(%a) has the wrong sign of zero", row.name,
            double(x[i]));
    }
    CHECK(worst <= row.bound, "%s: %g ulp at %a (float%d)", row.name, worst, double(where), int(sizeof(T) * 8));
    if (std::getenv("CHAIN_TEST_REPORT")) {
      std::printf("%-9s float%d %-10s %.3f ulp at %a\n", target_name(current_target()), int(sizeof(T) * 8), row.name,
                  worst, double(where));
    }
  }
  const std::vector<T> square = evaluate("square", x);
  for (size_t i = 0; i < x.size(); ++i) CHECK(ulps<T>(square[i], Real(x[i]) * x[i]) <= 0.5, "square(%a)", double(x[i]));
}

template <class T>
void test_binary() {
  std::vector<T> x = arguments<T>(2, 6000), y = arguments<T>(3, 6000);
  for (size_t i = 0; i < y.size(); ++i) std::swap(y[i], y[(i * 7919) % y.size()]);
  struct Row {
    const char* name;
    Real (*reference)(Real, Real);
    double bound;
  };
  const Row rows[] = {
      {"add", [](Real a, Real b) { return a + b; }, 0.502},  // the reference is rounded, too
      {"sub", [](Real a, Real b) { return a - b; }, 0.502},
      {"mul", [](Real a, Real b) { return a * b; }, 0.502},
      {"div", [](Real a, Real b) { return a / b; }, 0.502},
      {"max", [](Real a, Real b) { return a != a   ? a
                                          : b != b ? b
                                          : a > b  ? a
                                                   : b; }, 0},
      {"min", [](Real a, Real b) { return a != a   ? a
                                          : b != b ? b
                                          : a < b  ? a
                                                   : b; }, 0},
  };
  for (const Row& row : rows) {
    const std::vector<T> z = evaluate(row.name, x, &y);
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(z[i], row.reference(x[i], y[i]));
      CHECK(error <= row.bound, "%s(%a, %a) = %a: %g ulp", row.name, double(x[i]), double(y[i]), double(z[i]), error);
    }
  }

  // pow: pairs whose power is an ordinary number, and every pair of edges.
  Random random(4);
  std::vector<T> base, exponent;
  for (int i = 0; i < 60000; ++i) {
    base.push_back(i % 3 ? static_cast<T>(random.uniform(0, 4)) : std::fabs(from_bits<T>(random.bits())));
    const double scale = std::log(std::fabs(double(base.back())));
    const double limit = (sizeof(T) == 4 ? 105 : 750) / (std::fabs(scale) + 1e-3);
    exponent.push_back(static_cast<T>(random.uniform(-limit, limit)));
    if (i % 7 == 0) base.back() = -base.back(), exponent.back() = std::round(exponent.back());
  }
  const std::vector<T> edges = arguments<T>(5, 0);
  for (const T a : edges) {
    for (const T b : edges) base.push_back(a), exponent.push_back(b);
    for (const T b : {T(3), T(-3), T(4), T(2.5), T(-2.5), T(9007199254740991.0), T(16777215)})
      base.push_back(a), exponent.push_back(b);
  }
  const std::vector<T> power = evaluate("pow", base, &exponent);
  double worst = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    const Real want = std::pow(Real(base[i]), Real(exponent[i]));
    const double error = ulps(power[i], want);
    worst = std::fmax(worst, error);
    CHECK(error <= 1.5, "pow(%a, %a) = %a: %g ulp", double(base[i]), double(exponent[i]), double(power[i]), error);
    CHECK(power[i] != 0 || std::signbit(power[i]) == std::signbit(want), "pow(%a, %a): sign of zero", double(base[i]),
          double(exponent[i]));
  }
  if (std::getenv("CHAIN_TEST_REPORT")) std::printf("pow %.3f ulp\n", worst);
}

Real erfinv(Real x) {
  if (!(std::fabs(x) < 1)) return std::fabs(x) == 1 ? x * HUGE_VALL : x == x ? std::nanl("") : x;
  Real y = 0;
  // Newton on the larger of erf and erfc, from a start between 0 and the root, where both are monotone.
  for (int k = 0; k < 200; ++k) {
    const Real size = std::fabs(x);
    const Real miss = size < 0.5L ? size - std::erf(y) : std::erfc(y) - (1 - size);
    y += miss * std::exp(y * y) / 1.12837916709551257389615890312154517L;
  }
  return std::copysign(y, x);
}

// By recurrence to 30 and the asymptotic series; reflected below 0.
Real digamma(Real x) {
  const Real pi = 3.14159265358979323846264338327950288L;
  if (x < 0) return digamma(1 - x) - pi / std::tan(pi * (x - std::nearbyint(x)));
  Real sum = 0;
  for (; x < 30; ++x) sum -= 1 / x;
  const Real z = 1 / (x * x);
  return sum + std::log(x) - 1 / (2 * x) -
         z * (1 / 12.0L -
              z * (1 / 120.0L - z * (1 / 252.0L - z * (1 / 240.0L - z * (1 / 132.0L - z * 691 / 32760.0L)))));
}

Real trigamma(Real x) {
  const Real pi = 3.14159265358979323846264338327950288L;
  if (x < 0) return std::pow(pi / std::sin(pi * (x - std::nearbyint(x))), 2.0L) - trigamma(1 - x);
  Real sum = 0;
  for (; x < 30; ++x) sum += 1 / (x * x);
  const Real z = 1 / (x * x);
  return sum + 1 / x + z / 2 +
         z / x * (1 / 6.0L - z * (1 / 30.0L - z * (1 / 42.0L - z * (1 / 30.0L - z * (5 / 66.0L - z * 691 / 2730.0L)))));
}

// `floor`: the least size that errors are measured at, for functions with irrational zeros.
template <class T>
void test_special() {
  struct Row {
    const char* name;
    Real (*reference)(Real);
    double bound, floor;
    Real low, high;
  };
  const Row rows[] = {
      {"erf", [](Real x) { return std::erf(x); }, 2, 0, -HUGE_VALL, HUGE_VALL},
      {"erfinv", erfinv, 6, 0, -2, 2},
      {"lgamma", [](Real x) { return std::lgamma(x); }, 8, 0, 0, HUGE_VALL},
      {"lgamma", [](Real x) { return std::lgamma(x); }, 12, 1, -300, 0},
      {"digamma", digamma, 6, 0.25, 1e-30L, 1e15L},
      {"digamma", digamma, 8, 1, -300, -1e-3L},
      {"trigamma", trigamma, 6, 0, 1e-15L, 1e15L},
      {"trigamma", trigamma, 6, 0, -300, -1e-3L},
  };
  const std::vector<T> all = arguments<T>(11, 1500);
  for (const Row& row : rows) {
    std::vector<T> x;
    for (const T value : all) {
      const bool pole = row.name[0] != 'e' && value <= 0 && std::floor(value) == value;
      if (value >= row.low && value <= row.high && !pole) x.push_back(value);
    }
    const std::vector<T> y = evaluate(row.name, x);
    double worst = 0;
    T where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const Real want = row.reference(x[i]);
      Real least = row.floor;
      // Where a pole is near, digamma is a difference of two large numbers.
      if (row.name[0] == 'd' && x[i] < 0) least = std::fmax(least, std::fabs(want - digamma(1 - Real(x[i]))));
      double error = ulps(y[i], want);
      if (std::fabs(want) < least) error = ulps(static_cast<T>(least), least + (want - Real(y[i])));
      if (!(error <= worst)) worst = error, where = x[i];
    }
    CHECK(worst <= row.bound, "%s: %g ulp at %a (float%d)", row.name, worst, double(where), int(sizeof(T) * 8));
  }
  std::vector<T> y = arguments<T>(12, 1500), x = arguments<T>(13, 1500);
  for (size_t i = 0; i < x.size(); ++i) std::swap(x[i], x[(i * 7919) % x.size()]);
  for (const T a : arguments<T>(14, 0)) {
    for (const T b : arguments<T>(14, 0)) y.push_back(a), x.push_back(b);
  }
  const std::vector<T> angle = evaluate("atan2", y, &x);
  for (size_t i = 0; i < x.size(); ++i) {
    const Real want = std::atan2(Real(y[i]), Real(x[i]));
    CHECK(ulps(angle[i], want) <= 2.5 && (want != want || std::signbit(angle[i]) == std::signbit(want)),
          "atan2(%a, %a) = %a", double(y[i]), double(x[i]), double(angle[i]));
  }
}

template <class T>
std::vector<uint8_t> compare(const char* name, const std::vector<T>& x, const std::vector<T>& y) {
  const int64_t n = static_cast<int64_t>(x.size());
  Chain chain({n});
  const int a = chain.input(dtype_code<T>(), {n}), b = chain.input(dtype_code<T>(), {n});
  chain.output(formula::kFormulas[formula_row(name)].arity == 1 ? chain.apply(name, {a}) : chain.apply(name, {a, b}));
  std::vector<uint8_t> result(x.size());
  run(*prepare(chain), {x.data(), y.data()}, {result.data()});
  return result;
}

template <class T>
void test_comparisons(const std::vector<T>& x) {
  std::vector<T> y = x;
  for (size_t i = 0; i < y.size(); i += 2) std::swap(y[i], y[(i * 7919) % y.size()]);
  const auto check = [&](const char* name, bool (*reference)(T, T)) {
    const std::vector<uint8_t> got = compare(name, x, y);
    for (size_t i = 0; i < x.size(); ++i) {
      CHECK(got[i] == (reference(x[i], y[i]) ? 1 : 0), "%s(%a, %a) = %d", name, double(x[i]), double(y[i]), got[i]);
    }
  };
  check("eq", [](T a, T b) { return a == b; });
  check("ne", [](T a, T b) { return a != b; });
  check("lt", [](T a, T b) { return a < b; });
  check("le", [](T a, T b) { return a <= b; });
  check("gt", [](T a, T b) { return a > b; });
  check("ge", [](T a, T b) { return a >= b; });
  if constexpr (std::is_floating_point_v<T>) check("isFinite", [](T a, T) { return bool(std::isfinite(a)); });
}

template <class T>
void test_integers() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x, y;
  Random random(6);
  for (int i = 0; i < 3000; ++i) {
    x.push_back(static_cast<T>(random.bits())), y.push_back(static_cast<T>(random.bits() >> random.below(40)));
  }
  for (const T a : {T(0), T(1), T(-1), T(7), T(-7), Limits::min(), Limits::max(), T(Limits::max() / 2 + 1)}) {
    for (const T b : {T(0), T(1), T(-1), T(2), T(-2), Limits::min(), Limits::max()}) x.push_back(a), y.push_back(b);
  }
  const auto check = [&](const char* name, T (*reference)(int64_t, int64_t)) {
    const bool unary = formula::kFormulas[formula_row(name)].arity == 1;
    const std::vector<T> got = unary ? evaluate(name, x) : evaluate(name, x, &y);
    for (size_t i = 0; i < x.size(); ++i) {
      CHECK(got[i] == reference(x[i], y[i]), "%s(%lld, %lld) = %lld", name, (long long)x[i], (long long)y[i],
            (long long)got[i]);
    }
  };
  check("neg", [](int64_t a, int64_t) { return static_cast<T>(-a); });
  check("abs", [](int64_t a, int64_t) { return static_cast<T>(a < 0 ? -a : a); });
  check("sign", [](int64_t a, int64_t) { return static_cast<T>((a > 0) - (a < 0)); });
  check("square", [](int64_t a, int64_t) { return static_cast<T>(uint64_t(a) * uint64_t(a)); });
  check("add", [](int64_t a, int64_t b) { return static_cast<T>(a + b); });
  check("sub", [](int64_t a, int64_t b) { return static_cast<T>(a - b); });
  check("mul", [](int64_t a, int64_t b) { return static_cast<T>(uint64_t(a) * uint64_t(b)); });
  check("div", [](int64_t a, int64_t b) { return static_cast<T>(b == 0 ? 0 : a / b); });
  check("max", [](int64_t a, int64_t b) { return static_cast<T>(a > b ? a : b); });
  check("min", [](int64_t a, int64_t b) { return static_cast<T>(a < b ? a : b); });
  test_comparisons(x);

  // Float formulas are refused.
  Chain chain({4});
  chain.output(chain.apply("exp", {chain.input(dtype_code<T>(), {4})}));
  bool refused = false;
  try {
    prepare(chain);
  } catch (const KernelError& error) {
    refused = error.code == CT_DTYPE;
  }
  CHECK(refused, "exp of integers was accepted");
}

template <class From, class To>
void test_cast_pair(int32_t from, int32_t to, const std::vector<From>& x) {
  const std::vector<int64_t> dims{static_cast<int64_t>(x.size())};
  const auto kernel = prepare("cast", {type_of(from, dims)}, {type_of(to, dims)}, {}, {});
  std::vector<To> y(x.size() + 1, To(77));
  run(*kernel, {x.data()}, {y.data()}, 2);
  for (size_t i = 0; i < x.size(); ++i) {
    To want;
    if (to == CT_BOOL) {
      want = static_cast<To>(x[i] != From(0));
    } else if (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      const double value = static_cast<double>(x[i]);
      const double low = static_cast<double>(std::numeric_limits<To>::min()),
                   high = static_cast<double>(std::numeric_limits<To>::max());
      want = std::isnan(value) ? To(0)
             : value <= low    ? std::numeric_limits<To>::min()
             : value >= high   ? std::numeric_limits<To>::max()
                               : static_cast<To>(value);
    } else {
      want = static_cast<To>(x[i]);
    }
    const bool both_nan = y[i] != y[i] && want != want;
    CHECK(y[i] == want || both_nan, "cast %d -> %d of %g: %g, expected %g", from, to, double(x[i]), double(y[i]),
          double(want));
  }
  CHECK(y.back() == To(77), "cast wrote behind its result");
}

template <class From>
void test_casts_from(int32_t from, const std::vector<From>& x) {
  test_cast_pair<From, float>(from, CT_FLOAT32, x);
  test_cast_pair<From, double>(from, CT_FLOAT64, x);
  test_cast_pair<From, int32_t>(from, CT_INT32, x);
  test_cast_pair<From, uint32_t>(from, CT_UINT32, x);
  test_cast_pair<From, uint8_t>(from, CT_BOOL, x);
}

// A long cast is cut, whether or not it is in place.
void test_cast_pieces() {
  const int64_t n = 8000007;
  std::vector<int32_t> x(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i)] = static_cast<int32_t>(i % 16777216) - 5000000;
  for (const int threads : {1, 2}) {
    const auto kernel = prepare("cast", {type_of(CT_INT32, {n})}, {type_of(CT_FLOAT32, {n})}, {}, {});
    CHECK(kernel->pieces(1) > 1, "a long cast in one piece");
    std::vector<float> y(x.size());
    run(*kernel, {x.data()}, {y.data()}, threads);
    for (size_t i = 0; i < x.size(); ++i) CHECK(y[i] == static_cast<float>(x[i]), "element %zu", i);
    std::vector<int32_t> shared = x;
    run(*kernel, {shared.data()}, {shared.data()}, threads);
    CHECK(std::memcmp(shared.data(), y.data(), y.size() * sizeof(float)) == 0, "in place");
  }
}

void test_casts() {
  std::vector<int32_t> ints{0, 1, -1, INT_MIN, INT_MAX, 12345};
  std::vector<uint32_t> uints{0, 1, UINT_MAX, 1u << 31, 16777217};
  std::vector<uint8_t> bools{0, 1, 1, 0, 1};
  Random random(8);
  for (int i = 0; i < 40000; ++i) {
    ints.push_back(static_cast<int32_t>(random.bits())), uints.push_back(static_cast<uint32_t>(random.bits()));
    bools.push_back(static_cast<uint8_t>(random.below(2)));
  }
  std::vector<float> floats = arguments<float>(9, 3000);
  std::vector<double> doubles = arguments<double>(10, 3000);
  for (const double edge :
       {2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0, -0.5, -1.5, 2.9}) {
    for (const double step : {-0.5, 0.0, 0.5})
      doubles.push_back(edge + step), floats.push_back(static_cast<float>(edge + step));
  }
  test_casts_from(CT_FLOAT32, floats);
  test_casts_from(CT_FLOAT64, doubles);
  test_casts_from(CT_INT32, ints);
  test_casts_from(CT_UINT32, uints);
  test_casts_from(CT_BOOL, bools);
  test_cast_pieces();
}

void test_table() {
  CHECK(formula_row("neg") == 0 && formula_row("atan2") == formula::kFormulaCount - 1, "order of the table");
  CHECK(formula_row("cast") == -1 && formula_row("negate") == -1, "names outside the table");
  for (int row = 0; row < formula::kFormulaCount; ++row)
    CHECK(formula_row(formula::kFormulas[row].name) == row, "row %d", row);
}

void all() {
  test_table();
  test_unary<float>();
  test_unary<double>();
  test_special<float>();
  test_special<double>();
  test_binary<float>();
  test_binary<double>();
  test_comparisons(arguments<float>(7, 500));
  test_comparisons(arguments<double>(7, 500));
  test_integers<int32_t>();
  test_integers<uint32_t>();
  test_casts();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
