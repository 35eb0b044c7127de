// The DFT of one line that does not fit into the cache, n = n1 n2 (Bailey's four steps): columns of length n1, then
// rows of length n2, a tile of them at a time, so that memory is passed twice and threads share one line. All in
// double.
#ifndef COTANGENT_KERNELS_FFT_LONG_TRANSFORM_H
#define COTANGENT_KERNELS_FFT_LONG_TRANSFORM_H

#include <algorithm>
#include <cstdint>

#include "native/kernels/fft/line_transform.h"

namespace cotangent::cpu {

// With j = n2 j1 + j2 and k = k1 + n1 k2:
// X_k = sum over j2 of exp(-2 pi i j2 k2 / n2) exp(-2 pi i j2 k1 / n) sum over j1 of exp(-2 pi i j1 k1 / n1) x_j.
class LongTransform {
 public:
  static constexpr int64_t kTile = 8;  // lines abreast: their elements of one place fill whole cache lines

  LongTransform(int64_t n1, int64_t n2) : columns_(n1), rows_(n2), roots_(n1 * n2) {}

  int64_t size() const { return columns_.size() * rows_.size(); }
  double flops() const {
    return columns_.flops() * static_cast<double>(rows_.size()) + rows_.flops() * static_cast<double>(columns_.size()) +
           20 * static_cast<double>(size());
  }
  int64_t column_tiles() const { return (rows_.size() + kTile - 1) / kTile; }
  int64_t row_tiles() const { return (columns_.size() + kTile - 1) / kTile; }
  // In elements, of one thread.
  int64_t scratch() const {
    return 2 * kTile * std::max(columns_.size(), rows_.size()) + std::max(columns_.scratch(), rows_.scratch());
  }

  // Columns [begin, end) of tiles: work [n1, n2] from the line's elements, load(j).
  template <class Load>
  void columns(int64_t begin, int64_t end, Load&& load, Complex* work, Complex* scratch) const {
    const int64_t n1 = columns_.size(), n2 = rows_.size();
    Complex *const in = scratch, *const out = in + kTile * n1, *const rest = out + kTile * n1;
    for (int64_t first = begin * kTile; first < std::min(end * kTile, n2); first += kTile) {
      const int64_t width = std::min(kTile, n2 - first);
      for (int64_t j1 = 0; j1 < n1; ++j1) {
        for (int64_t t = 0; t < width; ++t) in[t * n1 + j1] = load(j1 * n2 + first + t);
      }
      for (int64_t t = 0; t < width; ++t) {
        columns_.run(in + t * n1, out + t * n1, rest);
        for (int64_t k1 = 1; k1 < n1; ++k1) {
          out[t * n1 + k1] = multiply(out[t * n1 + k1], roots_.at(k1 * (first + t)));
        }
      }
      for (int64_t k1 = 0; k1 < n1; ++k1) {
        for (int64_t t = 0; t < width; ++t) work[k1 * n2 + first + t] = out[t * n1 + k1];
      }
    }
  }

  // Rows [begin, end) of tiles of what `columns` made: store(k, X_k).
  template <class Store>
  void rows(int64_t begin, int64_t end, const Complex* work, Store&& store, Complex* scratch) const {
    const int64_t n1 = columns_.size(), n2 = rows_.size();
    Complex *const out = scratch, *const rest = out + kTile * n2;
    for (int64_t first = begin * kTile; first < std::min(end * kTile, n1); first += kTile) {
      const int64_t width = std::min(kTile, n1 - first);
      for (int64_t t = 0; t < width; ++t) rows_.run(work + (first + t) * n2, out + t * n2, rest);
      for (int64_t k2 = 0; k2 < n2; ++k2) {
        for (int64_t t = 0; t < width; ++t) store(first + t + n1 * k2, out[t * n2 + k2]);
      }
    }
  }

 private:
  LineTransform columns_, rows_;
  Roots roots_;
};

}  // namespace cotangent::cpu

#endif
