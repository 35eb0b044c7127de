// The Fourier transform of the CUDA backend beside the CPU's: lines in one pass of every radix, chirps in one pass,
// lines and chirps of several passes, batches that fill tiles and that do not.
#include <cfloat>

#include "test/native/cuda_testing.h"

namespace cotangent::testing {
namespace {

// In double each step rounds by about a unit of the line's norm, on both sides, and so do the CPU's roots; float32 is
// that, rounded once. Operands are below 1.
Tolerance tolerance(int32_t dtype, int64_t n, double scale) {
  const double length = static_cast<double>(n);
  return {dtype == CT_FLOAT32 ? FLT_EPSILON : 0,
          scale * std::sqrt(length) * (8 + 4 * std::log2(length) + std::pow(length, 0.25)) * DBL_EPSILON};
}

void transform(CudaComparison& both, const Dims& dims, Random& random) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value re = random_value(dtype, dims, random), im = random_value(dtype, dims, random);
    for (const bool inverse : {false, true}) {
      const double scale = inverse ? 1 / static_cast<double>(dims.back()) : 1;
      both.check("fft", {re, im}, {re.type, re.type}, {static_cast<double>(inverse), scale},
                 tolerance(dtype, dims.back(), scale));
    }
  }
}

// NaN stays in its line, and is all of it, whichever part of an element it is in.
void not_a_number(CudaComparison& both, const Dims& dims, Random& random) {
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) {
    const Value re = random_value(dtype, dims, random), im = random_value(dtype, dims, random);
    const size_t n = static_cast<size_t>(dims.back()), at = n + n / 3;
    for (int parts = 1; parts <= 3; ++parts) {
      Value real = re, imaginary = im;
      if (parts & 1) real.data[at] = std::nan("");
      if (parts & 2) imaginary.data[at] = std::nan("");
      const std::vector<Value> got = both.cuda().run("fft", {real, imaginary}, {re.type, re.type}, {0, 1});
      for (const Value& part : got) {
        for (size_t i = 0; i < part.data.size(); ++i) {
          const bool right = std::isnan(part.data[i]) == (i / n == 1);
          CHECK(right, "%s: element %zu is %g", text_of(dims).c_str(), i, part.data[i]);
        }
      }
      // The CPU's results depend on its radices where one part alone is NaN.
      if (parts == 3) {
        both.check("fft", {real, imaginary}, {re.type, re.type}, {0, 1}, tolerance(dtype, dims.back(), 1));
      }
    }
  }
}

// A line's bits do not depend on how many lines there are, nor on the chunks that long ones are taken in.
void alone(CudaComparison& both, int64_t lines, int64_t n, Random& random) {
  const Value re = random_value(CT_FLOAT64, {lines, n}, random), im = random_value(CT_FLOAT64, {lines, n}, random);
  const auto last = [&](const Value& x) { return value(CT_FLOAT64, {n}, {x.data.end() - n, x.data.end()}); };
  const std::vector<Value> all = both.cuda().run("fft", {re, im}, {re.type, re.type}, {0, 1});
  const Value one_re = last(re), one_im = last(im);
  const std::vector<Value> one = both.cuda().run("fft", {one_re, one_im}, {one_re.type, one_re.type}, {0, 1});
  for (size_t part = 0; part < 2; ++part) check_equal(one[part], last(all[part]).data, text_of({n}));
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  CudaComparison both;
  Random random(23);
  for (int64_t n = 1; n <= 64; ++n) transform(both, {3, n}, random);
  for (const Dims& dims :
       std::vector<Dims>{{97},      {128},     {360},     {1009},    {2048},    {4099},     {20000},
                         {0, 5},    {2, 0, 8}, {300, 1},  {1200, 2}, {130, 7},  {5, 60, 8}, {33, 59},
                         {3, 1458}, {2, 2021}, {3, 3125}, {2, 4096}, {2, 4099}, {29791},    {94987}}) {
    transform(both, dims, random);
  }
  for (const Dims& dims : std::vector<Dims>{{3, 4}, {3, 8}, {3, 49}, {4, 53}, {3, 2500}, {3, 1031}}) {
    not_a_number(both, dims, random);
  }
  for (const int64_t n : {6, 47, 61, 2400}) alone(both, 7, n, random);
  alone(both, 514, 4096, random);
  return failures ? 1 : 0;
}
