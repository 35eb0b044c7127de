// The Fourier transform on all of its ways, for every cut of the work, against its definition at some frequencies.
#include <cmath>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

void transforms(int32_t dtype, Random& random) {
  // A line; a factor by definition; a chirp in the cache; two long factors; a chirp of two long factors.
  const Dims shapes[] = {{0, 4},  {1},      {5, 8},     {300, 36},  {7, 2, 15}, {3, 47},
                         {2, 53}, {70, 59}, {2, 20480}, {7 * 4096}, {16411},    {2, 9973}};
  for (const Dims& dims : shapes) {
    const Value re = random_value(dtype, dims, random), im = random_value(dtype, dims, random);
    const int64_t n = dims.back(), lines = count_of(dims) / n;
    for (const bool inverse : {false, true}) {
      const double scale = inverse ? 0.25 : 1;
      const std::vector<Value> out =
          run_kernel("fft", {re, im}, {re.type, re.type}, {static_cast<double>(inverse), scale});
      for (int64_t line = 0; line < lines; line += 1 + lines / 7) {
        double norm = 0;
        for (int64_t j = 0; j < n; ++j) norm += std::abs(re.data[line * n + j]) + std::abs(im.data[line * n + j]);
        for (int64_t k = 0; k < n; k += 1 + n / 11) {
          double real = 0, imaginary = 0;
          for (int64_t j = 0; j < n; ++j) {
            const double angle = (inverse ? 2 : -2) * M_PI * static_cast<double>(j * k % n) / static_cast<double>(n);
            const double c = std::cos(angle), s = std::sin(angle);
            real += re.data[line * n + j] * c - im.data[line * n + j] * s;
            imaginary += re.data[line * n + j] * s + im.data[line * n + j] * c;
          }
          // The reference sums n products whose angles are off by up to 4 units.
          const double bound = norm * (dtype == CT_FLOAT32 ? 0x1p-23 : 0x1p-49);
          const double error = std::max(std::abs(out[0].data[line * n + k] - scale * real),
                                        std::abs(out[1].data[line * n + k] - scale * imaginary));
          CHECK(error <= bound, "%s line %ld: frequency %ld is off by %g of %g", text_of(dims).c_str(),
                static_cast<long>(line), static_cast<long>(k), error, norm);
        }
      }
    }
  }
}

// The filter of a long chirp is made where the memory limit sees it, in the workspace of a run, and not by `prepare`.
void filters() {
  const int64_t n = 16411;  // a prime: the transforms that convolve are longer than twice that
  const ct_type type = type_of(CT_FLOAT64, {n});
  const auto kernel = prepare_kernel("fft", {{type, {}}, {type, {}}}, {type, type}, {0, 1});
  const uint64_t line = 2 * n * 2 * sizeof(double);
  CHECK(kernel->workspace_bytes(1) >= 3 * line, "%g bytes", static_cast<double>(kernel->workspace_bytes(1)));
  CHECK(kernel->pieces(1) >= 6, "%d pieces", kernel->pieces(1));
}

void refusals() {
  const ct_type f4 = type_of(CT_FLOAT32, {4}), d4 = type_of(CT_FLOAT64, {4}), f0 = type_of(CT_FLOAT32, {3, 0});
  const ct_type i4 = type_of(CT_INT32, {4}), f = type_of(CT_FLOAT32, {});
  check_refused("fft", {f4, d4}, {f4, f4}, {0, 1}, CT_DTYPE);
  check_refused("fft", {f4, f4}, {f4, d4}, {0, 1}, CT_DTYPE);
  check_refused("fft", {i4, i4}, {i4, i4}, {0, 1}, CT_DTYPE);
  check_refused("fft", {f4, type_of(CT_FLOAT32, {5})}, {f4, f4}, {0, 1}, CT_SHAPE);
  check_refused("fft", {f0, f0}, {f0, f0}, {0, 1}, CT_SHAPE);
  check_refused("fft", {f, f}, {f, f}, {0, 1}, CT_SHAPE);
  check_refused("fft", {f4, f4}, {f4, f4}, {2, 1}, CT_SHAPE);
}

void all() {
  Random random(11);
  for (const int32_t dtype : {CT_FLOAT32, CT_FLOAT64}) transforms(dtype, random);
  filters();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
