// Every movement kernel against index arithmetic written for clarity, bit for bit.
#include <algorithm>
#include <limits>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const std::vector<int32_t> kDtypes{CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL};
const double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> doubles(const Dims& dims) { return {dims.begin(), dims.end()}; }

// result[index] = x[source(index)].
std::vector<double> pick(const Value& x, const Dims& dims, const std::function<Dims(const Dims&)>& source) {
  std::vector<double> picked;
  for_each_index(
      dims, [&](const Dims& index) { picked.push_back(x.data[offset_of(cotangent::dims(x.type), source(index))]); });
  return picked;
}

void broadcast(int32_t dtype, Random& random) {
  struct Case {
    Dims from, to, map;
  };
  const std::vector<Case> cases{{{}, {}, {}},
                                {{}, {3, 5}, {}},
                                {{5}, {3, 5}, {1}},
                                {{3}, {3, 5}, {0}},
                                {{3, 1}, {3, 5}, {0, 1}},
                                {{1, 5}, {3, 5}, {0, 1}},
                                {{2, 3}, {2, 4, 3, 5}, {0, 2}},
                                {{0}, {4, 0}, {1}},
                                {{1}, {0}, {0}},
                                {{1}, {200000}, {0}},
                                {{301}, {301, 1003}, {0}},
                                {{1003}, {301, 1003}, {1}}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.from, random);
    const Value y = run_one("broadcast", {x}, type_of(dtype, c.to), doubles(c.map));
    check_equal(y,
                pick(x, c.to,
                     [&](const Dims& index) {
                       Dims source;
                       for (size_t k = 0; k < c.from.size(); ++k) {
                         source.push_back(c.from[k] == 1 ? 0 : index[static_cast<size_t>(c.map[k])]);
                       }
                       return source;
                     }),
                "broadcast to " + text_of(c.to));
  }
}

void transpose(int32_t dtype, Random& random) {
  struct Case {
    Dims from, permutation;
  };
  const std::vector<Case> cases{{{}, {}},
                                {{7}, {0}},
                                {{3, 5}, {1, 0}},
                                {{3, 5}, {0, 1}},
                                {{33, 65}, {1, 0}},
                                {{301, 517}, {1, 0}},
                                {{1, 9}, {1, 0}},
                                {{0, 4}, {1, 0}},
                                {{3, 40, 50}, {0, 2, 1}},
                                {{40, 3, 50}, {2, 1, 0}},
                                {{40, 3, 50}, {1, 0, 2}},
                                {{40, 50, 2}, {1, 0, 2}},
                                {{6, 7, 8, 9}, {3, 1, 0, 2}},
                                {{2, 3, 2, 3, 2, 3, 2, 3}, {7, 5, 3, 1, 6, 4, 2, 0}}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.from, random);
    Dims to;
    for (const int64_t dim : c.permutation) to.push_back(c.from[static_cast<size_t>(dim)]);
    const Value y = run_one("transpose", {x}, type_of(dtype, to), doubles(c.permutation));
    check_equal(y,
                pick(x, to,
                     [&](const Dims& index) {
                       Dims source(c.from.size());
                       for (size_t k = 0; k < index.size(); ++k)
                         source[static_cast<size_t>(c.permutation[k])] = index[k];
                       return source;
                     }),
                "transpose of " + text_of(c.from));
  }
}

void slice(int32_t dtype, Random& random) {
  struct Case {
    Dims from, start, limit, stride, to;
  };
  const std::vector<Case> cases{{{}, {}, {}, {}, {}},
                                {{9}, {2}, {7}, {1}, {5}},
                                {{9}, {1}, {9}, {3}, {3}},
                                {{9}, {8}, {9}, {1000}, {1}},
                                {{9}, {4}, {4}, {1}, {0}},
                                {{6, 7}, {1, 2}, {6, 6}, {2, 3}, {3, 2}},
                                {{400, 500}, {3, 5}, {399, 480}, {1, 1}, {396, 475}},
                                {{3, 200, 5}, {0, 10, 1}, {3, 190, 4}, {2, 1, 2}, {2, 180, 2}}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.from, random);
    Dims params = c.start;
    params.insert(params.end(), c.limit.begin(), c.limit.end());
    params.insert(params.end(), c.stride.begin(), c.stride.end());
    const Value y = run_one("slice", {x}, type_of(dtype, c.to), doubles(params));
    check_equal(y,
                pick(x, c.to,
                     [&](const Dims& index) {
                       Dims source;
                       for (size_t k = 0; k < index.size(); ++k) source.push_back(c.start[k] + index[k] * c.stride[k]);
                       return source;
                     }),
                "slice of " + text_of(c.from));
  }
}

void pad(int32_t dtype, Random& random) {
  struct Case {
    Dims from, low, high, interior, to;
  };
  const std::vector<Case> cases{{{}, {}, {}, {}, {}},
                                {{3}, {0}, {0}, {0}, {3}},
                                {{3}, {2}, {1}, {0}, {6}},
                                {{3}, {1}, {2}, {2}, {10}},
                                {{1}, {1}, {0}, {1000000}, {2}},
                                {{0}, {2}, {3}, {5}, {5}},
                                {{3, 4}, {1, 0}, {0, 2}, {1, 3}, {6, 15}},
                                {{300, 200}, {5, 7}, {1, 2}, {0, 1}, {306, 408}}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.from, random), fill = random_value(dtype, {}, random);
    Dims params = c.low;
    params.insert(params.end(), c.high.begin(), c.high.end());
    params.insert(params.end(), c.interior.begin(), c.interior.end());
    const Value y = run_one("pad", {x, fill}, type_of(dtype, c.to), doubles(params));
    std::vector<double> expected(static_cast<size_t>(count_of(c.to)), fill.data[0]);
    for_each_index(c.from, [&](const Dims& index) {
      Dims to;
      for (size_t k = 0; k < index.size(); ++k) to.push_back(c.low[k] + index[k] * (c.interior[k] + 1));
      expected[offset_of(c.to, to)] = x.data[offset_of(c.from, index)];
    });
    check_equal(y, expected, "pad to " + text_of(c.to));
  }
}

void concatenate(int32_t dtype, Random& random) {
  const std::vector<Dims> parts[] = {
      {{2, 3}, {2, 0}, {2, 1}, {2, 4}}, {{5}}, {{700, 90}, {700, 11}}, {{3, 1, 2}, {3, 5, 2}}};
  for (const auto& dims : parts) {
    const size_t axis = dims[0].size() == 1 ? 0 : 1;
    std::vector<Value> in;
    Dims to = dims[0];
    to[axis] = 0;
    for (const Dims& part : dims) {
      in.push_back(random_value(dtype, part, random));
      to[axis] += part[axis];
    }
    std::vector<double> expected(static_cast<size_t>(count_of(to)));
    int64_t start = 0;
    for (size_t k = 0; k < in.size(); ++k) {
      for_each_index(dims[k], [&](const Dims& index) {
        Dims target = index;
        target[axis] += start;
        expected[offset_of(to, target)] = in[k].data[offset_of(dims[k], index)];
      });
      start += dims[k][axis];
    }
    check_equal(run_one("concatenate", in, type_of(dtype, to), {static_cast<double>(axis)}), expected, "concatenate");
  }
}

void gather(int32_t dtype, Random& random) {
  struct Case {
    Dims from, picked;
    size_t axis;
  };
  const std::vector<Case> cases{{{5}, {}, 0},        {{5}, {8}, 0},         {{4, 3}, {2, 3}, 0},   {{4, 3, 5}, {6}, 1},
                                {{4, 3}, {7}, 1},    {{0}, {3}, 0},         {{4, 0}, {3}, 0},      {{4}, {0}, 0},
                                {{900}, {70001}, 0}, {{50, 600}, {300}, 0}, {{3, 50, 77}, {41}, 1}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.from, random);
    Value index = random_value(CT_INT32, c.picked, random);
    const int64_t size = c.from[c.axis];
    for (double& i : index.data) i = random.below(static_cast<int>(size) + 2) - 1;  // now and then outside
    if (index.data.size() > 2) index.data[1] = std::numeric_limits<int32_t>::min();
    Dims to(c.from.begin(), c.from.begin() + static_cast<int64_t>(c.axis));
    to.insert(to.end(), c.picked.begin(), c.picked.end());
    to.insert(to.end(), c.from.begin() + static_cast<int64_t>(c.axis) + 1, c.from.end());
    const double missing = dtype <= CT_FLOAT64 ? kNaN : 0;
    std::vector<double> expected;
    for_each_index(to, [&](const Dims& at) {
      const Dims which(at.begin() + static_cast<int64_t>(c.axis),
                       at.begin() + static_cast<int64_t>(c.axis + c.picked.size()));
      const int64_t picked = static_cast<int64_t>(index.data[offset_of(c.picked, which)]);
      Dims source(at.begin(), at.begin() + static_cast<int64_t>(c.axis));
      source.push_back(picked);
      source.insert(source.end(), at.begin() + static_cast<int64_t>(c.axis + c.picked.size()), at.end());
      expected.push_back(picked < 0 || picked >= size ? missing : x.data[offset_of(c.from, source)]);
    });
    check_equal(run_one("gather", {x, index}, type_of(dtype, to), {static_cast<double>(c.axis)}), expected,
                "gather from " + text_of(c.from));
  }
}

void scatter_add(int32_t dtype, Random& random) {
  struct Case {
    int64_t outer, size, inner, updates;
  };
  for (const Case& c : std::vector<Case>{{1, 5, 1, 9},
                                         {1, 7, 3, 0},
                                         {4, 3, 5, 6},
                                         {1, 30, 1, 90001},
                                         {1, 11, 700, 130},
                                         {90, 13, 20, 17},
                                         {2, 5, 3, 7001},
                                         {1, 0, 4, 3},
                                         {3, 2, 0, 5}}) {
    const Value base = random_value(dtype, {c.outer, c.size, c.inner}, random);
    const Value updates = random_value(dtype, {c.outer, c.updates, c.inner}, random);
    Value index = random_value(CT_INT32, {c.updates}, random);
    for (double& i : index.data) i = random.below(static_cast<int>(c.size) + 2) - 1;
    std::vector<double> expected = base.data;
    for (int64_t o = 0; o < c.outer; ++o) {
      for (int64_t j = 0; j < c.updates; ++j) {
        const int64_t row = static_cast<int64_t>(index.data[static_cast<size_t>(j)]);
        if (row < 0 || row >= c.size) continue;
        for (int64_t i = 0; i < c.inner; ++i) {
          double& sum = expected[static_cast<size_t>((o * c.size + row) * c.inner + i)];
          // The order of the sums is part of the contract, so the rounding can be followed exactly.
          sum = round_to(dtype, sum + updates.data[static_cast<size_t>((o * c.updates + j) * c.inner + i)]);
        }
      }
    }
    check_equal(run_one("scatterAdd", {base, index, updates}, base.type, {1}), expected, "scatterAdd");
  }
}

void dynamic(int32_t dtype, Random& random) {
  struct Case {
    Dims whole, window, start, clamped;
  };
  const std::vector<Case> cases{{{}, {}, {}, {}},
                                {{9}, {4}, {3}, {3}},
                                {{9}, {4}, {-3}, {0}},
                                {{9}, {4}, {2147483647}, {5}},
                                {{9}, {9}, {1}, {0}},
                                {{9}, {0}, {20}, {9}},
                                {{5, 6}, {2, 6}, {1, 4}, {1, 0}},
                                {{500, 300}, {400, 200}, {50, 1000}, {50, 100}}};
  for (const Case& c : cases) {
    const Value x = random_value(dtype, c.whole, random), update = random_value(dtype, c.window, random);
    const Value start = indices({static_cast<int64_t>(c.whole.size())}, doubles(c.start));
    const auto place = [&](const Dims& index) {
      Dims at;
      for (size_t k = 0; k < index.size(); ++k) at.push_back(index[k] + c.clamped[k]);
      return at;
    };
    check_equal(run_one("dynamicSlice", {x, start}, type_of(dtype, c.window), {}), pick(x, c.window, place),
                "dynamicSlice");
    std::vector<double> expected = x.data;
    for_each_index(c.window, [&](const Dims& index) {
      expected[offset_of(c.whole, place(index))] = update.data[offset_of(c.window, index)];
    });
    check_equal(run_one("dynamicUpdate", {x, update, start}, x.type, {}), expected, "dynamicUpdate");
  }
}

void rest(int32_t dtype, Random& random) {
  for (const Dims& to : {Dims{6, 4}, Dims{24}, Dims{2, 3, 2, 2}}) {
    const Value x = random_value(dtype, {4, 6}, random);
    check_equal(run_one("reshape", {x}, type_of(dtype, to), {}), x.data, "reshape");
  }
  const Value large = random_value(dtype, {400000}, random);
  check_equal(run_one("reshape", {large}, type_of(dtype, {400, 1000}), {}), large.data, "reshape");
  if (dtype == CT_BOOL) return;
  for (const Dims& dims : {Dims{5}, Dims{3, 4}, Dims{0, 3}, Dims{200, 700}, Dims{2, 3, 4}}) {
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      std::vector<double> expected;
      for_each_index(dims, [&](const Dims& index) { expected.push_back(static_cast<double>(index[axis])); });
      check_equal(run_one("iota", {}, type_of(dtype, dims), {static_cast<double>(axis)}), expected, "iota");
    }
  }
}

void refusals() {
  const ct_type f3 = type_of(CT_FLOAT32, {3}), f34 = type_of(CT_FLOAT32, {3, 4}), i1 = type_of(CT_INT32, {1});
  const ct_type f43 = type_of(CT_FLOAT32, {4, 3}), scalar = type_of(CT_FLOAT32, {});
  check_refused("broadcast", {f3}, {f34}, {1}, CT_SHAPE);
  check_refused("broadcast", {f3}, {f34}, {2}, CT_SHAPE);
  check_refused("broadcast", {f34}, {f3}, {0, 1}, CT_SHAPE);
  check_refused("broadcast", {f34}, {f34}, {1, 0}, CT_SHAPE);
  check_refused("broadcast", {f3}, {type_of(CT_INT32, {3})}, {0}, CT_DTYPE);
  check_refused("broadcast", {f3}, {f3}, {0.5}, CT_INTERNAL);
  check_refused("broadcast", {f3}, {f3}, {kNaN}, CT_INTERNAL);
  check_refused("broadcast", {f3}, {f3}, {}, CT_INTERNAL);
  check_refused("reshape", {f3}, {f34}, {}, CT_SHAPE);
  check_refused("transpose", {f34}, {f34}, {1, 0}, CT_SHAPE);
  check_refused("transpose", {f34}, {f43}, {1, 1}, CT_SHAPE);
  check_refused("transpose", {f34}, {f43}, {1, 2}, CT_SHAPE);
  check_refused("slice", {f3}, {f3}, {1, 4, 1}, CT_SHAPE);
  check_refused("slice", {f3}, {f3}, {0, 3, 0}, CT_SHAPE);
  check_refused("slice", {f3}, {f3}, {-1, 2, 1}, CT_SHAPE);
  check_refused("pad", {f3, scalar}, {f3}, {1, 0, 0}, CT_SHAPE);
  check_refused("pad", {f3, scalar}, {f3}, {1, -1, 0}, CT_SHAPE);
  check_refused("pad", {f3, f3}, {f3}, {0, 0, 0}, CT_SHAPE);
  check_refused("pad", {f3, scalar}, {f3}, {0, 0, 9007199254740992.0}, CT_SHAPE);
  check_refused("concatenate", {f34, f3}, {f34}, {0}, CT_SHAPE);
  check_refused("concatenate", {f3, f3}, {f3}, {0}, CT_SHAPE);
  check_refused("concatenate", {scalar}, {scalar}, {0}, CT_SHAPE);
  check_refused("gather", {f34, i1}, {f34}, {0}, CT_SHAPE);
  check_refused("gather", {f34, f3}, {f34}, {0}, CT_DTYPE);
  check_refused("gather", {f34, i1}, {f34}, {2}, CT_SHAPE);
  check_refused("scatterAdd", {f34, i1, f34}, {f34}, {0}, CT_SHAPE);
  check_refused("scatterAdd", {type_of(CT_BOOL, {3}), i1, type_of(CT_BOOL, {1})}, {type_of(CT_BOOL, {3})}, {0},
                CT_DTYPE);
  check_refused("dynamicSlice", {f3, i1}, {type_of(CT_FLOAT32, {4})}, {}, CT_SHAPE);
  check_refused("dynamicSlice", {f34, i1}, {f34}, {}, CT_SHAPE);
  check_refused("dynamicUpdate", {f3, f34, i1}, {f3}, {}, CT_SHAPE);
  check_refused("iota", {}, {type_of(CT_BOOL, {3})}, {0}, CT_DTYPE);
  check_refused("iota", {}, {scalar}, {0}, CT_SHAPE);
}

void all() {
  Random random(1);
  for (const int32_t dtype : kDtypes) {
    broadcast(dtype, random);
    transpose(dtype, random);
    slice(dtype, random);
    pad(dtype, random);
    concatenate(dtype, random);
    gather(dtype, random);
    if (dtype != CT_BOOL) scatter_add(dtype, random);
    dynamic(dtype, random);
    rest(dtype, random);
  }
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  cotangent::testing::all();
  return cotangent::testing::failures ? 1 : 0;
}
