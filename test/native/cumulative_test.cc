// Running sums, products, extrema and recurrences against plain loops, for every cut of the work.
#include <cfloat>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

struct Line {
  Dims dims;
  size_t axis;
};

const Line kLines[] = {{{1}, 0},    {{7}, 0},       {{0}, 0},      {{3, 0, 2}, 1},  {{3, 2, 0}, 1}, {{5, 9}, 0},
                       {{5, 9}, 1}, {{2, 3, 4}, 1}, {{37, 70}, 0}, {{37, 70}, 1},   {{3, 2111}, 1}, {{2112}, 0},
                       {{2113}, 0}, {{2640}, 0},    {{80001}, 0},  {{2, 90000}, 1}, {{700, 65}, 0}, {{3, 40, 700}, 1}};

// f(line's elements, in order) writes the line's results.
std::vector<double> along(const Value& x, size_t axis, bool reverse,
                          const std::function<void(std::vector<double>&)>& f) {
  const Dims dims(x.type.dims, x.type.dims + x.type.rank);
  std::vector<double> result(x.data.size());
  Dims outer = dims;
  outer[axis] = std::min<int64_t>(1, dims[axis]);
  for_each_index(outer, [&](const Dims& index) {
    std::vector<size_t> places;
    for (int64_t k = 0; k < dims[axis]; ++k) {
      Dims at = index;
      at[axis] = reverse ? dims[axis] - 1 - k : k;
      places.push_back(offset_of(dims, at));
    }
    std::vector<double> line;
    for (const size_t place : places) line.push_back(x.data[place]);
    f(line);
    for (size_t k = 0; k < places.size(); ++k) result[places[k]] = line[k];
  });
  return result;
}

void check_close(const Value& received, const std::vector<double>& expected, double bound, const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(std::abs(received.data[i] - expected[i]) <= bound, "%s: element %zu: expected %.17g, received %.17g",
          what.c_str(), i, expected[i], received.data[i]);
  }
}

// Whole numbers: sums are exact, whatever their order.
void sums_and_extrema(int32_t dtype, Random& random) {
  for (const Line& line : kLines) {
    Value x = random_value(dtype == CT_UINT32 ? CT_UINT32 : CT_INT32, line.dims, random);
    x.type.dtype = dtype;
    for (const bool reverse : {false, true}) {
      const std::vector<double> params{static_cast<double>(line.axis), static_cast<double>(reverse)};
      const std::string what = text_of(line.dims) + (reverse ? " reverse" : "");
      const auto check = [&](const char* name, double (*combine)(double, double)) {
        check_equal(run_one(name, {x}, x.type, params),
                    along(x, line.axis, reverse,
                          [&](std::vector<double>& values) {
                            for (size_t k = 1; k < values.size(); ++k) values[k] = combine(values[k - 1], values[k]);
                          }),
                    name + what);
      };
      check("cumSum", [](double a, double b) { return a + b; });
      check("cumMax", [](double a, double b) { return std::max(a, b); });
      check("cumMin", [](double a, double b) { return std::min(a, b); });
    }
  }
}

void products(int32_t dtype, Random& random) {
  for (const Line& line : kLines) {
    Value x = random_value(dtype, line.dims, random);
    for (double& v : x.data) v = round_to(dtype, 1 + v / 64);
    for (const bool reverse : {false, true}) {
      const std::vector<double> params{static_cast<double>(line.axis), static_cast<double>(reverse)};
      const std::vector<double> expected = along(x, line.axis, reverse, [](std::vector<double>& values) {
        for (size_t k = 1; k < values.size(); ++k) values[k] *= values[k - 1];
      });
      const Value received = run_one("cumProd", {x}, x.type, params);
      const double bound = dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
      for (size_t i = 0; i < expected.size(); ++i) {
        CHECK(std::abs(received.data[i] - expected[i]) <= bound * std::abs(expected[i]), "cumProd of %s: %.17g, %.17g",
              text_of(line.dims).c_str(), received.data[i], expected[i]);
      }
    }
  }
}

void recurrences(int32_t dtype, Random& random) {
  for (const Line& line : kLines) {
    Value a = random_value(dtype, line.dims, random), b = random_value(dtype, line.dims, random);
    for (double& v : a.data) v = round_to(dtype, 0.9 * v);
    for (const bool reverse : {false, true}) {
      const std::vector<double> params{static_cast<double>(line.axis), static_cast<double>(reverse)};
      std::vector<double> factors;  // in the order in which `along` walks
      along(a, line.axis, reverse,
            [&](std::vector<double>& values) { factors.insert(factors.end(), values.begin(), values.end()); });
      size_t at = 0;
      const std::vector<double> expected = along(b, line.axis, reverse, [&](std::vector<double>& values) {
        for (size_t k = 0; k < values.size(); ++k, ++at) values[k] += k ? factors[at] * values[k - 1] : 0;
      });
      const double bound = 20 * (dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON);
      check_close(run_one("linearRecurrence", {a, b}, a.type, params), expected, bound,
                  "recurrence" + text_of(line.dims));
    }
  }
}

// Sums of what is not negative never decrease, across blocks too; errors stay those of a sum in double.
void steady_sums() {
  const int64_t n = 100003;
  Random random(7);
  std::vector<double> data(static_cast<size_t>(n));
  for (double& x : data) x = random.below(3) ? 0 : random.uniform(0, 1);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    std::vector<double> rounded;
    for (const double x : data) rounded.push_back(round_to(dtype, x));
    const Value sums = run_one("cumSum", {value(dtype, {n}, rounded)}, type_of(dtype, {n}), {0, 0});
    long double exact = 0;
    for (size_t i = 0; i < rounded.size(); ++i) {
      exact += static_cast<long double>(rounded[i]);
      CHECK(i == 0 || sums.data[i] >= sums.data[i - 1], "sum %zu decreases", i);
      const double bound = dtype == CT_FLOAT32 ? FLT_EPSILON : 1000 * DBL_EPSILON;
      CHECK(std::abs(sums.data[i] - static_cast<double>(exact)) <= bound * static_cast<double>(exact), "sum %zu", i);
    }
  }
}

void specials() {
  const double nan = std::nan(""), infinity = HUGE_VAL;
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value x = value(dtype, {6}, {1, infinity, 2, nan, -infinity, 3});
    check_equal(run_one("cumSum", {x}, x.type, {0, 0}), {1, infinity, infinity, nan, nan, nan}, "cumSum");
    check_equal(run_one("cumMax", {x}, x.type, {0, 0}), {1, infinity, infinity, nan, nan, nan}, "cumMax");
    check_equal(run_one("cumMin", {x}, x.type, {0, 1}), {nan, nan, nan, nan, -infinity, 3}, "cumMin");
    const Value a = value(dtype, {3}, {nan, 2, 3});
    check_equal(run_one("linearRecurrence", {a, value(dtype, {3}, {1, 1, 1})}, a.type, {0, 0}), {1, 3, 10}, "start");
  }
}

void refusals() {
  const ct_type f34 = type_of(CT_FLOAT32, {3, 4}), f3 = type_of(CT_FLOAT32, {3});
  check_refused("cumSum", {f34}, {f34}, {2, 0}, CT_SHAPE);
  check_refused("cumSum", {f34}, {f34}, {0, 2}, CT_SHAPE);
  check_refused("cumSum", {f34}, {f3}, {0, 0}, CT_SHAPE);
  check_refused("cumMax", {type_of(CT_BOOL, {3})}, {type_of(CT_BOOL, {3})}, {0, 0}, CT_DTYPE);
  check_refused("linearRecurrence", {f34, f3}, {f34}, {0, 0}, CT_SHAPE);
  check_refused("linearRecurrence", {type_of(CT_INT32, {3}), f3}, {f3}, {0, 0}, CT_DTYPE);
}

void all() {
  Random random(3);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}) sums_and_extrema(dtype, random);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    products(dtype, random);
    recurrences(dtype, random);
  }
  steady_sums();
  specials();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
