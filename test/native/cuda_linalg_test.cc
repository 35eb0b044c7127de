// The factorisations and solves of the CUDA backend beside the CPU's, on matrices whose factors are well determined:
// orders on both sides of every change of method, batches, all flags, empty operands, what fails.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

double epsilon(int32_t dtype) { return dtype == CT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON; }

// Errors of backward stable methods grow with the order, times the condition of what is asked, which the matrices here
// keep near 1; the constant covers both sides and the size of elements.
Tolerance budget(int32_t dtype, int64_t order, double size = 1) {
  return {0, 40 * epsilon(dtype) * static_cast<double>(order + 4) * size};
}

Dims with(const Dims& batch, std::initializer_list<int64_t> more) {
  Dims dims = batch;
  dims.insert(dims.end(), more);
  return dims;
}

// Random matrices [B.., rows, columns] with diagonal(i) added.
template <class F>
Value matrices(int32_t dtype, const Dims& batch, int64_t rows, int64_t columns, Random& random, F&& diagonal) {
  Value made = random_value(dtype, with(batch, {rows, columns}), random);
  for (int64_t b = 0; b < count_of(batch); ++b) {
    for (int64_t i = 0; i < std::min(rows, columns); ++i) {
      double& element = made.data[static_cast<size_t>((b * rows + i) * columns + i)];
      element = round_to(dtype, element + diagonal(i));
    }
  }
  return made;
}

Value dominant(int32_t dtype, const Dims& batch, int64_t n, Random& random) {
  return matrices(dtype, batch, n, n, random, [&](int64_t) { return 2.0 * static_cast<double>(n); });
}

// Vectors of such matrices are well determined, too.
Value separated(int32_t dtype, const Dims& batch, int64_t rows, int64_t columns, Random& random) {
  Value made = random_value(dtype, with(batch, {rows, columns}), random);
  for (double& x : made.data) x = round_to(dtype, x / static_cast<double>(4 * std::max(rows, columns)));
  for (int64_t b = 0; b < count_of(batch); ++b) {
    for (int64_t i = 0; i < std::min(rows, columns); ++i) {
      double& element = made.data[static_cast<size_t>((b * rows + i) * columns + i)];
      element = round_to(dtype, element + static_cast<double>((i * 7) % std::min(rows, columns) + 1));
    }
  }
  return made;
}

const std::vector<Dims> kBatches = {{}, {3}, {2, 2}, {0}};

void cholesky(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& batch : kBatches) {
    for (const int64_t n : {0, 1, 2, 7, 31, 32, 33, 50}) {
      const Value a = dominant(dtype, batch, n, random);
      const ct_type info = type_of(CT_INT32, batch);
      const double size = std::sqrt(2.0 * static_cast<double>(n) + 1);
      both.check("cholesky", {a}, {a.type, info}, {}, budget(dtype, n, size));
      const Value l = dominant(dtype, batch, n, random);
      both.check("choleskyInverse", {l}, {l.type}, {}, budget(dtype, n));
    }
  }
}

// A failing matrix is NaN everywhere with info > 0, its neighbours are as they would be alone.
void failing(CudaComparison& both, int32_t dtype, Random& random, const char* kernel, int64_t n,
             const std::vector<ct_type>& results, size_t info_at, double bad, size_t place) {
  const Dims batch{3};
  Value a = dominant(dtype, batch, n, random);
  a.data[static_cast<size_t>(n * n) + place] = bad;
  const std::vector<Value> received = both.cuda().run(kernel, {a}, results, {});
  const std::vector<double>& info = received[info_at].data;
  CHECK(info[0] == 0 && info[1] > 0 && info[2] == 0, "%s: info %g %g %g", kernel, info[0], info[1], info[2]);
  for (size_t j = 0; j < results.size(); ++j) {
    if (results[j].dtype != dtype) continue;
    const size_t each = received[j].data.size() / 3;
    for (size_t i = 0; i < received[j].data.size(); ++i) {
      CHECK(std::isnan(received[j].data[i]) == (i / each == 1), "%s of order %d: result %zu, element %zu: %g", kernel,
            static_cast<int>(n), j, i, received[j].data[i]);
    }
  }
}

void failures_are_nan(CudaComparison& both, int32_t dtype, Random& random) {
  for (const int64_t n : {5, 40}) {
    const ct_type square = type_of(dtype, {3, n, n}), line = type_of(dtype, {3, n}), info = type_of(CT_INT32, {3});
    const ct_type places = type_of(CT_INT32, {3, n});
    const size_t below = static_cast<size_t>(3 * n + 1);
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      failing(both, dtype, random, "cholesky", n, {square, info}, 1, bad, below);
      failing(both, dtype, random, "cholesky", n, {square, info}, 1, bad, 0);
      failing(both, dtype, random, "lu", n, {square, places, info, info}, 3, bad, below);
      failing(both, dtype, random, "eigh", n, {line, square, info}, 2, bad, below);
      failing(both, dtype, random, "eigenvalues", n, {line, info}, 1, bad, below);
      failing(both, dtype, random, "svd", n, {square, line, square, info}, 3, bad, below);
      failing(both, dtype, random, "singularValues", n, {line, info}, 1, bad, below);
    }
    failing(both, dtype, random, "cholesky", n, {square, info}, 1, -3, static_cast<size_t>(2 * n + 2));
    Value a = dominant(dtype, {}, n, random);
    a.data[3] = NAN;
    const std::vector<Value> qr = both.cuda().run("qr", {a}, {a.type, a.type}, {});
    for (const Value& result : qr) {
      for (const double x : result.data) CHECK(std::isnan(x), "qr of NaN: %g", x);
    }
    Value l = dominant(dtype, {}, n, random);
    l.data[0] = 0;
    both.check("choleskyInverse", {l}, {l.type}, {}, budget(dtype, n));
    // A zero pivot is told, and the factors stay.
    Value zero = random_value(dtype, {2, n, n}, random);
    for (int64_t i = 0; i < n; ++i) zero.data[static_cast<size_t>(i * n + 2)] = 0;
    const ct_type two = type_of(CT_INT32, {2});
    both.check("lu", {zero}, {zero.type, type_of(CT_INT32, {2, n}), two, two}, {}, budget(dtype, n * n, 4));
  }
}

// Finite matrices whose R are not: an update overflows, and leaves infinity and NaN in different rows of a column, or
// NaN beside nothing but zeros. The columns before are not touched.
void overflowing_qr(CudaComparison& both) {
  struct Case {
    std::vector<double> a;
    double norm;  // of column 0
  };
  for (const auto& [elements, norm] : {Case{{1e38, 3e38, 1e38, 3e38, 5e37, 0, 0, 1}, 1.5e38},
                                       Case{{1e38, 3e38, 1e38, 3e38, 0, 1}, std::sqrt(2.0) * 1e38}}) {
    const auto rows = static_cast<int64_t>(elements.size() / 2);
    const Value a{type_of(CT_FLOAT32, {rows, 2}), elements};
    const std::vector<Value> qr = both.cuda().run("qr", {a}, {a.type, type_of(CT_FLOAT32, {2, 2})}, {});
    const std::vector<double>&q = qr[0].data, &r = qr[1].data;
    CHECK(std::abs(r[0] - norm) <= 4 * FLT_EPSILON * norm && r[2] == 0, "column 0 of R: %g %g", r[0], r[2]);
    CHECK(!std::isfinite(r[1]) && !std::isfinite(r[3]), "column 1 of R: %g %g", r[1], r[3]);
    for (size_t row = 0; row < elements.size() / 2; ++row) {
      CHECK(!std::isfinite(q[2 * row + 1]), "Q(%zu, 1): %g", row, q[2 * row + 1]);
    }
  }
}

void triangular(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& batch : kBatches) {
    for (const auto& [n, sides] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {4, 3}, {33, 1}, {7, 40}, {0, 3}, {3, 0}}) {
      const Value a = dominant(dtype, batch, n, random);
      Value unit = a;
      for (double& x : unit.data) x = round_to(dtype, x / static_cast<double>(4 * n + 1));  // kept from growing
      for (int flags = 0; flags < 16; ++flags) {
        const bool left = flags & 1;
        const Value b = random_value(dtype, left ? with(batch, {n, sides}) : with(batch, {sides, n}), random);
        const std::vector<double> params{left ? 1.0 : 0.0, flags & 2 ? 1.0 : 0.0, flags & 4 ? 1.0 : 0.0,
                                         flags & 8 ? 1.0 : 0.0};
        both.check("triangularSolve", {flags & 8 ? unit : a, b}, {b.type}, params, budget(dtype, n));
      }
    }
  }
}

void lu(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& batch : kBatches) {
    for (const int64_t n : {0, 1, 3, 32, 45}) {
      const Value a = random_value(dtype, with(batch, {n, n}), random);
      const ct_type one = type_of(CT_INT32, batch);
      // Random matrices are not that well conditioned: n^2 in the place of n.
      both.check("lu", {a}, {a.type, type_of(CT_INT32, with(batch, {n})), one, one}, {}, budget(dtype, n * n, 4));
      Value places{type_of(CT_INT32, with(batch, {n})), {}};
      for (int64_t i = 0; i < count_of(batch) * n; ++i) {
        places.data.push_back(static_cast<double>(i % n * 7 % n));
      }
      const Value factors = dominant(dtype, batch, n, random);
      Value small = factors;  // the lower factor has ones on its diagonal
      for (int64_t i = 0; i < count_of(batch) * n * n; ++i) {
        const int64_t row = i / n % n, column = i % n;
        double& x = small.data[static_cast<size_t>(i)];
        if (column < row) x = round_to(dtype, x / static_cast<double>(2 * n));
      }
      const Value b = random_value(dtype, with(batch, {n, 5}), random);
      for (const double transpose : {0.0, 1.0}) {
        both.check("luSolve", {factors, small, places, b}, {b.type}, {transpose}, budget(dtype, n));
      }
    }
  }
}

void decompositions(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& batch : kBatches) {
    for (const int64_t n : {0, 1, 4, 32, 37}) {
      const ct_type info = type_of(CT_INT32, batch), line = type_of(dtype, with(batch, {n}));
      Value a = separated(dtype, batch, n, n, random);
      both.check("eigh", {a}, {line, a.type, info}, {}, budget(dtype, n, 4 * static_cast<double>(n)));
      both.check("eigenvalues", {a}, {line, info}, {}, budget(dtype, n, static_cast<double>(n)));
      const double tiny = dtype == CT_FLOAT32 ? 1e-32 : 1e-250;
      for (double& x : a.data) x = round_to(dtype, x * tiny);
      both.check("eigenvalues", {a}, {line, info}, {}, budget(dtype, n, static_cast<double>(n) * tiny));
      both.check("singularValues", {a}, {line, info}, {}, budget(dtype, n, static_cast<double>(n) * tiny));
    }
    for (const auto& [m, n] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {5, 3}, {3, 5}, {32, 8}, {40, 9}, {9, 40}, {36, 36}, {0, 3}, {4, 0}, {1, 50}}) {
      const int64_t k = std::min(m, n);
      const ct_type info = type_of(CT_INT32, batch), u = type_of(dtype, with(batch, {m, k}));
      const ct_type s = type_of(dtype, with(batch, {k})), vt = type_of(dtype, with(batch, {k, n}));
      const Value a = separated(dtype, batch, m, n, random);
      const Tolerance allowed = budget(dtype, m + n, 4 * static_cast<double>(k));
      both.check("svd", {a}, {u, s, vt, info}, {}, allowed);
      both.check("singularValues", {a}, {s, info}, {}, allowed);
      const Value full = matrices(dtype, batch, m, n, random, [&](int64_t i) { return i % 2 ? 8.0 + k : -8.0 - k; });
      both.check("qr", {full}, {u, vt}, {}, budget(dtype, m + n, 8 + static_cast<double>(k)));
    }
  }
}

// From decompositions that need not be any matrix's: the kernels take them at their word.
void functions(CudaComparison& both, int32_t dtype, Random& random) {
  for (const Dims& batch : kBatches) {
    for (const int64_t n : {0, 1, 5, 9}) {
      const Dims square = with(batch, {n, n});
      const Value a = random_value(dtype, square, random), v = random_value(dtype, square, random);
      Value w = random_value(dtype, with(batch, {n}), random);
      for (size_t i = 0; i < w.data.size(); ++i) {
        // Clusters, equal values, zeros; positive, as the roots want it.
        w.data[i] = round_to(dtype, i % 4 == 3 ? w.data[i - 1] : i % 5 == 4 ? 2.5 : 2 + w.data[i]);
      }
      Value mixed = w;
      for (size_t i = 0; i < mixed.data.size(); ++i)
        mixed.data[i] = i % 3 == 0 ? -w.data[i] : i % 7 == 5 ? 0 : w.data[i];
      std::vector<Value> in{a, w, v};
      for (int order = 0; order <= 3; ++order) {
        if (order > 0) in.push_back(random_value(dtype, square, random));
        for (int function = 0; function < 7; ++function) {
          in[1] = function == 3 || function > 3 ? mixed : w;
          // Sums of n^(2 r + 2) products of numbers of the size of 1, and functions up to e^3.
          const double terms = std::pow(static_cast<double>(n), order + 2);
          both.check("spectralFunction", in, {a.type}, {static_cast<double>(function)}, budget(dtype, n, 20 * terms));
        }
      }
    }
    for (const auto& [m, n] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {5, 3}, {3, 9}, {0, 4}, {4, 0}}) {
      const int64_t k = std::min(m, n);
      const Value a = random_value(dtype, with(batch, {m, n}), random);
      const Value u = random_value(dtype, with(batch, {m, k}), random);
      const Value vt = random_value(dtype, with(batch, {k, n}), random);
      Value s = random_value(dtype, with(batch, {k}), random);
      for (size_t i = 0; i < s.data.size(); ++i) {
        s.data[i] = round_to(dtype, i % static_cast<size_t>(k) == 2 ? 1e-20 : 1.5 + s.data[i]);
      }
      for (int function = 0; function < 7; ++function) {
        if (function == 1 || function == 2) continue;  // not of zero
        both.check("singularFunction", {a, u, s, vt}, {a.type}, {static_cast<double>(function)}, budget(dtype, k, 20));
      }
      both.check("pseudoInverse", {a, u, s, vt}, {type_of(dtype, with(batch, {n, m}))}, {1e-6}, budget(dtype, k, 4));
      both.check("nuclearNorm", {a, u, s, vt}, {type_of(dtype, batch)}, {}, budget(dtype, k));
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(11);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    cholesky(both, dtype, random);
    failures_are_nan(both, dtype, random);
    triangular(both, dtype, random);
    lu(both, dtype, random);
    decompositions(both, dtype, random);
    functions(both, dtype, random);
  }
  overflowing_qr(both);
  return failures ? 1 : 0;
}
