// Sorting, selecting and searching against std::stable_sort and counting, for every cut of the work; places along an
// axis against plain loops.
#include <algorithm>
#include <numeric>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

bool before(double a, double b, bool descending) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return descending ? a > b : a < b;
}

// The places of a sorted line.
std::vector<size_t> sorted_places(const std::vector<double>& line, bool descending) {
  std::vector<size_t> places(line.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return before(line[a], line[b], descending); });
  return places;
}

void check_sort(const Value& x, size_t axis, bool descending) {
  const Dims dims(x.type.dims, x.type.dims + x.type.rank);
  const int64_t n = dims[axis];
  for (const int64_t k : {n, int64_t{1}, n / 7, n / 2}) {
    if (k > n) continue;
    Dims shorter = dims;
    shorter[axis] = k;
    std::vector<double> values(static_cast<size_t>(count_of(shorter))), places(values.size());
    Dims outer = dims;
    outer[axis] = std::min<int64_t>(1, k);
    for_each_index(outer, [&](const Dims& index) {
      std::vector<double> line;
      Dims at = index;
      for (at[axis] = 0; at[axis] < n; ++at[axis]) line.push_back(x.data[offset_of(dims, at)]);
      const std::vector<size_t> order = sorted_places(line, descending);
      for (at[axis] = 0; at[axis] < k; ++at[axis]) {
        const size_t place = order[static_cast<size_t>(at[axis])];
        values[offset_of(shorter, at)] = line[place];
        places[offset_of(shorter, at)] = static_cast<double>(place);
      }
    });
    const ct_type out = type_of(x.type.dtype, shorter), index = type_of(CT_INT32, shorter);
    const double along = static_cast<double>(axis), falling = descending;
    const std::string what = text_of(dims) + " k " + std::to_string(k);
    const auto check = [&](const char* name, const std::vector<double>& params) {
      const std::vector<Value> received = run_kernel(name, {x}, {out, index}, params);
      check_equal(received[1], places, name + what);
      check_equal(received[0], values, name + what);
      for (size_t i = 0; i < values.size(); ++i) {
        CHECK(std::signbit(received[0].data[i]) == std::signbit(values[i]) || std::isnan(values[i]), "sign of zero");
      }
    };
    if (k == n) check("sort", {along, falling});
    check("topK", {along, static_cast<double>(k), falling});
  }
}

void sorts(int32_t dtype, Random& random) {
  struct Shape {
    Dims dims;
    size_t axis;
  };
  for (const Shape& shape : {Shape{{1}, 0}, Shape{{0}, 0}, Shape{{17}, 0}, Shape{{383}, 0}, Shape{{384}, 0},
                             Shape{{2, 0, 3}, 1}, Shape{{3, 0}, 0}, Shape{{40, 9}, 0}, Shape{{40, 9}, 1},
                             Shape{{2, 500, 3}, 1}, Shape{{5, 700}, 1}, Shape{{40000}, 0}, Shape{{33000, 2}, 0}}) {
    for (const int kind : {0, 1, 2}) {  // few values, many values, specials
      Value x = random_value(dtype, shape.dims, random);
      for (double& v : x.data) {
        if (kind == 0) v = random.below(4);
        if (kind == 0 && dtype == CT_BOOL) v = v > 1;
        if (kind == 1 && dtype <= CT_FLOAT64) v = round_to(dtype, std::ldexp(v, random.below(100) - 50));
        if (kind == 1 && dtype == CT_INT32) v = static_cast<int32_t>(random.bits());
        if (kind == 1 && dtype == CT_UINT32) v = static_cast<uint32_t>(random.bits());
        if (kind == 2 && dtype <= CT_FLOAT64) {
          const double specials[] = {0.0, -0.0, std::nan(""), HUGE_VAL, -HUGE_VAL, 1, -1};
          v = specials[random.below(7)];
        }
      }
      for (const bool descending : {false, true}) check_sort(x, shape.axis, descending);
    }
  }
}

void searches() {
  Random random(5);
  const double nan = std::nan("");
  for (const int64_t n : {0, 1, 2, 10, 1000}) {
    std::vector<double> line(static_cast<size_t>(2 * n)), values;
    for (double& v : line) v = random.below(20);
    std::sort(line.begin(), line.begin() + n);
    std::sort(line.begin() + n, line.end());
    if (n > 1) line.back() = nan;
    for (int i = 0; i < 2 * 1500; ++i) values.push_back(i % 100 == 0 ? nan : random.below(44) / 2.0 - 1);
    for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
      for (const bool right : {false, true}) {
        std::vector<double> expected;
        for (size_t i = 0; i < values.size(); ++i) {
          const auto begin = line.begin() + (i < 1500 ? 0 : n);
          expected.push_back(static_cast<double>(std::count_if(begin, begin + n, [&](double x) {
            return before(x, values[i], false) || (right && !before(values[i], x, false));
          })));
        }
        check_equal(run_one("searchSorted", {value(dtype, {2, n}, line), value(dtype, {2, 1500}, values)},
                            type_of(CT_INT32, {2, 1500}), {static_cast<double>(right)}),
                    expected, "searchSorted in " + std::to_string(n));
      }
    }
  }
}

void along_axes(int32_t dtype, Random& random) {
  struct Shape {
    int64_t outer, size, picked, inner;
  };
  for (const Shape& s : {Shape{1, 5, 7, 1}, Shape{1, 9, 0, 2}, Shape{3, 4, 6, 5}, Shape{1, 300, 30000, 1},
                         Shape{2, 50, 90, 70}, Shape{9, 30, 300, 3}, Shape{1, 2000, 500, 5}}) {
    const Dims from{s.outer, s.size, s.inner}, to{s.outer, s.picked, s.inner};
    const Value x = random_value(dtype, from, random);
    std::vector<double> index(static_cast<size_t>(count_of(to)));
    for (double& v : index) v = random.below(static_cast<int>(s.size) + 2) - 1;  // a few outside
    std::vector<double> taken;
    size_t at = 0;
    for_each_index(to, [&](const Dims& k) {
      const double place = index[at++];
      const bool inside = place >= 0 && place < static_cast<double>(s.size);
      const double missing = dtype <= CT_FLOAT64 ? std::nan("") : 0;
      taken.push_back(inside ? x.data[offset_of(from, {k[0], static_cast<int64_t>(place), k[2]})] : missing);
    });
    check_equal(run_one("takeAlongAxis", {x, indices(to, index)}, type_of(dtype, to), {1}), taken, "takeAlongAxis");
    if (dtype == CT_BOOL || dtype == CT_UINT32) continue;
    Value updates = random_value(CT_INT32, to, random);  // whole numbers: sums are exact
    updates.type.dtype = dtype;
    Value base = random_value(CT_INT32, from, random);
    base.type.dtype = dtype;
    std::vector<double> sums = base.data;
    at = 0;
    for_each_index(to, [&](const Dims& k) {
      const double place = index[at];
      if (place >= 0 && place < static_cast<double>(s.size))
        sums[offset_of(from, {k[0], static_cast<int64_t>(place), k[2]})] += updates.data[at];
      ++at;
    });
    check_equal(run_one("addAlongAxis", {base, indices(to, index), updates}, base.type, {1}), sums, "addAlongAxis");
  }
}

void refusals() {
  const ct_type f34 = type_of(CT_FLOAT32, {3, 4}), i34 = type_of(CT_INT32, {3, 4}), i35 = type_of(CT_INT32, {3, 5});
  check_refused("sort", {f34}, {f34, f34}, {0, 0}, CT_DTYPE);
  check_refused("sort", {f34}, {f34, i34}, {2, 0}, CT_SHAPE);
  check_refused("topK", {f34}, {f34, i34}, {1, 5, 0}, CT_SHAPE);
  check_refused("topK", {f34}, {f34, i34}, {1, 3, 0}, CT_SHAPE);
  check_refused("searchSorted", {f34, type_of(CT_FLOAT32, {2, 4})}, {i34}, {0}, CT_SHAPE);
  check_refused("takeAlongAxis", {f34, i35}, {f34}, {0}, CT_SHAPE);
  check_refused("takeAlongAxis", {f34, i35}, {f34}, {1}, CT_SHAPE);
  check_refused("addAlongAxis", {f34, i34, type_of(CT_FLOAT32, {3})}, {f34}, {0}, CT_SHAPE);
  check_refused("reverse", {f34}, {f34}, {1, 0}, CT_SHAPE);
}

void all() {
  Random random(4);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL}) {
    sorts(dtype, random);
    along_axes(dtype, random);
  }
  searches();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  cotangent::testing::all();  // none of these kernels depends on the SIMD target
  return cotangent::testing::failures ? 1 : 0;
}
