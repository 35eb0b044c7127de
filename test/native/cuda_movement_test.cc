// The movement kernels of the CUDA backend beside the CPU's, bit for bit.
#include <algorithm>
#include <limits>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

void iota(CudaComparison& both) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}) {
    for (const Dims& dims : std::vector<Dims>{{1}, {0}, {7}, {3, 5}, {0, 4}, {2, 3, 4}, {1, 70000}, {257, 33}}) {
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        both.check("iota", {}, {type_of(dtype, dims)}, {static_cast<double>(axis)});
      }
    }
  }
}

constexpr int32_t kDtypes[] = {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32, CT_BOOL};

std::vector<double> words(const Dims& values) { return {values.begin(), values.end()}; }

// Transpositions in tiles, of rows that are kept, and of what is no transposition at all.
void transpose(CudaComparison& both) {
  Random random(31);
  const std::vector<std::pair<Dims, Dims>> cases = {
      {{}, {}},
      {{5}, {0}},
      {{3, 4}, {1, 0}},
      {{8, 8}, {1, 0}},
      {{70, 45}, {1, 0}},
      {{129, 33}, {1, 0}},
      {{1, 300}, {1, 0}},
      {{0, 9}, {1, 0}},
      {{6, 20, 35}, {0, 2, 1}},
      {{20, 6, 35}, {2, 1, 0}},
      {{20, 6, 35}, {2, 0, 1}},
      {{20, 6, 32}, {1, 0, 2}},
      {{20, 6, 3}, {1, 0, 2}},
      {{4, 9, 3, 40}, {0, 3, 2, 1}},
      {{4, 9, 3, 40}, {3, 1, 0, 2}},
      {{2, 3, 2, 3, 2, 3}, {5, 4, 3, 2, 1, 0}},
  };
  for (const int32_t dtype : kDtypes) {
    for (const auto& [dims, permutation] : cases) {
      Dims result;
      for (const int64_t dim : permutation) result.push_back(dims[static_cast<size_t>(dim)]);
      both.check("transpose", {random_value(dtype, dims, random)}, {type_of(dtype, result)}, words(permutation));
    }
  }
}

void broadcast_and_reshape(CudaComparison& both) {
  Random random(32);
  struct Case {
    Dims from, to, map;
  };
  const std::vector<Case> cases = {
      {{}, {7, 3}, {}},         {{5}, {3, 5}, {1}},          {{5}, {5, 3}, {0}},
      {{64}, {300, 64}, {1}},   {{300}, {300, 64}, {0}},     {{1, 6}, {4, 6}, {0, 1}},
      {{4, 1}, {4, 6}, {0, 1}}, {{3, 5}, {3, 4, 5}, {0, 2}}, {{2, 1, 8}, {2, 9, 8}, {0, 1, 2}},
      {{3}, {0, 3}, {1}},
  };
  for (const int32_t dtype : kDtypes) {
    for (const Case& c : cases) {
      both.check("broadcast", {random_value(dtype, c.from, random)}, {type_of(dtype, c.to)}, words(c.map));
    }
    both.check("reshape", {random_value(dtype, {6, 5}, random)}, {type_of(dtype, {3, 10})}, {});
    both.check("reshape", {random_value(dtype, {0, 5}, random)}, {type_of(dtype, {0})}, {});
  }
}

void slice_and_reverse(CudaComparison& both) {
  Random random(33);
  const std::vector<Dims> shapes = {{9}, {64}, {5, 16}, {7, 33}, {3, 4, 24}, {2, 3, 2, 5}};
  for (const int32_t dtype : kDtypes) {
    for (const Dims& dims : shapes) {
      const Value x = random_value(dtype, dims, random);
      for (int i = 0; i < 6; ++i) {
        Dims start, limit, stride, result;
        for (const int64_t size : dims) {
          const bool whole = random.below(3) == 0;
          limit.push_back(whole ? size : random.below(static_cast<int>(size) + 1));
          start.push_back(whole ? 0 : random.below(static_cast<int>(limit.back()) + 1));
          stride.push_back(random.below(2) ? 1 : 1 + random.below(3));
          result.push_back((limit.back() - start.back() + stride.back() - 1) / stride.back());
        }
        std::vector<double> params = words(start);
        for (const Dims& more : {limit, stride}) params.insert(params.end(), more.begin(), more.end());
        both.check("slice", {x}, {type_of(dtype, result)}, params);
      }
      for (int mask = 0; mask < 1 << dims.size(); ++mask) {
        std::vector<double> axes;
        for (size_t d = 0; d < dims.size(); ++d) {
          if (mask >> d & 1) axes.push_back(static_cast<double>(d));
        }
        both.check("reverse", {x}, {type_of(dtype, dims)}, axes);
      }
    }
  }
}

void pad(CudaComparison& both) {
  Random random(34);
  for (const int32_t dtype : kDtypes) {
    for (const Dims& dims : std::vector<Dims>{{}, {0}, {1}, {7}, {3, 5}, {40, 33}, {2, 0, 3}, {2, 3, 4, 2}}) {
      for (int i = 0; i < 3; ++i) {
        Dims low, high, interior, result;
        for (const int64_t size : dims) {
          low.push_back(random.below(3));
          high.push_back(random.below(3));
          interior.push_back(i == 0 ? 0 : random.below(3));
          result.push_back(low.back() + high.back() + size + std::max<int64_t>(0, size - 1) * interior.back());
        }
        std::vector<double> params = words(low);
        for (const Dims& more : {high, interior}) params.insert(params.end(), more.begin(), more.end());
        both.check("pad", {random_value(dtype, dims, random), random_value(dtype, {}, random)},
                   {type_of(dtype, result)}, params);
      }
    }
  }
}

void concatenate(CudaComparison& both) {
  Random random(35);
  for (const int32_t dtype : kDtypes) {
    for (const Dims& dims : std::vector<Dims>{{4}, {3, 5}, {6, 16}, {2, 3, 4}}) {
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        std::vector<Value> in;
        Dims result = dims;
        result[axis] = 0;
        for (const int64_t size : {3, 0, 8, 4}) {
          Dims part = dims;
          part[axis] = size;
          result[axis] += size;
          in.push_back(random_value(dtype, part, random));
        }
        both.check("concatenate", in, {type_of(dtype, result)}, {static_cast<double>(axis)});
      }
    }
  }
}

// Places inside, outside and far outside.
Value random_indices(const Dims& dims, int64_t size, Random& random) {
  std::vector<double> data(static_cast<size_t>(count_of(dims)));
  for (double& index : data) {
    index = random.below(static_cast<int>(size) + 2) - 1;
    if (random.below(50) == 0) index = random.below(2) ? INT32_MAX : INT32_MIN;
  }
  return indices(dims, std::move(data));
}

struct IndexedCase {
  Dims dims;
  size_t axis;
  Dims picked;
};

// All three ways of scattering: few updates, rows of columns, and places of their own, over several chunks and parts.
const std::vector<IndexedCase>& indexed_cases() {
  static const std::vector<IndexedCase> cases = {
      {{5}, 0, {}},          {{5}, 0, {0}},         {{5}, 0, {7}},         {{1}, 0, {3000}},
      {{300}, 0, {2, 1100}}, {{3, 7}, 0, {70}},     {{3, 7}, 1, {2, 40}},  {{9, 32}, 0, {80}},
      {{9, 300}, 0, {1100}}, {{2, 9, 40}, 1, {66}}, {{2, 5, 3}, 1, {900}}, {{40, 4, 16}, 1, {3, 2}},
      {{0, 4}, 1, {3}},      {{0, 4}, 0, {3}},      {{3, 0}, 0, {2}},
  };
  return cases;
}

void gather_and_scatter(CudaComparison& both) {
  Random random(36);
  for (const int32_t dtype : kDtypes) {
    for (const IndexedCase& c : indexed_cases()) {
      const std::vector<double> params{static_cast<double>(c.axis)};
      const Value x = random_value(dtype, c.dims, random), at = random_indices(c.picked, c.dims[c.axis], random);
      Dims wanted(c.dims.begin(), c.dims.begin() + static_cast<int>(c.axis));
      wanted.insert(wanted.end(), c.picked.begin(), c.picked.end());
      wanted.insert(wanted.end(), c.dims.begin() + static_cast<int>(c.axis) + 1, c.dims.end());
      const Value updates = random_value(dtype, wanted, random);
      both.check("gather", {x, at}, {type_of(dtype, wanted)}, params);
      both.check("scatterSet", {x, at, updates}, {x.type}, params);
      if (dtype != CT_BOOL) both.check("scatterAdd", {x, at, updates}, {x.type}, params);
    }
  }
}

void along_axis(CudaComparison& both) {
  Random random(37);
  for (const int32_t dtype : kDtypes) {
    for (const IndexedCase& c : indexed_cases()) {
      const std::vector<double> params{static_cast<double>(c.axis)};
      Dims wanted = c.dims;
      wanted[c.axis] = count_of(c.picked);
      const Value x = random_value(dtype, c.dims, random), at = random_indices(wanted, c.dims[c.axis], random);
      both.check("takeAlongAxis", {x, at}, {type_of(dtype, wanted)}, params);
      if (dtype == CT_BOOL) continue;
      both.check("addAlongAxis", {x, at, random_value(dtype, wanted, random)}, {x.type}, params);
    }
    if (dtype != CT_FLOAT32) continue;
    // Many columns.
    const Value x = random_value(dtype, {2, 3, 17000}, random), at = random_indices({2, 66, 17000}, 3, random);
    both.check("addAlongAxis", {x, at, random_value(dtype, {2, 66, 17000}, random)}, {x.type}, {1});
  }
}

void dynamic(CudaComparison& both) {
  Random random(38);
  struct Case {
    Dims whole, window;
  };
  const std::vector<Case> cases = {{{}, {}},
                                   {{9}, {4}},
                                   {{6, 16}, {3, 16}},
                                   {{6, 16}, {2, 8}},
                                   {{5, 7, 4}, {2, 7, 4}},
                                   {{5, 7, 4}, {5, 3, 2}},
                                   {{40, 33}, {33, 20}},
                                   {{4, 3}, {0, 3}}};
  for (const int32_t dtype : kDtypes) {
    for (const Case& c : cases) {
      for (int i = 0; i < 4; ++i) {
        std::vector<double> starts;
        for (const int64_t size : c.whole) starts.push_back(random.below(static_cast<int>(size) + 4) - 2);
        const Value x = random_value(dtype, c.whole, random);
        const Value at = indices({static_cast<int64_t>(c.whole.size())}, starts);
        both.check("dynamicSlice", {x, at}, {type_of(dtype, c.window)}, {});
        both.check("dynamicUpdate", {x, random_value(dtype, c.window, random), at}, {x.type}, {});
      }
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  iota(both);
  transpose(both);
  broadcast_and_reshape(both);
  slice_and_reverse(both);
  pad(both);
  concatenate(both);
  gather_and_scatter(both);
  along_axis(both);
  dynamic(both);
  return failures ? 1 : 0;
}
