// What the dense factorisations share: one matrix of a batch after another, spread over the parts.
#ifndef COTANGENT_KERNELS_LINALG_BATCH_H
#define COTANGENT_KERNELS_LINALG_BATCH_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/linalg/shapes.h"
#include "native/kernels/linalg/spectrum.h"
#include "native/kernels/movement/transpose_tile.h"

namespace cotangent::cpu {

constexpr double kPartFlops = 500e3;  // work that is worth a thread

// Hands out aligned parts of a workspace.
class Scratch {
 public:
  explicit Scratch(void* memory) : next_(static_cast<std::byte*>(memory)) {}
  template <class T>
  T* take(int64_t count) {
    T* const taken = reinterpret_cast<T*>(next_);
    next_ += aligned_bytes(count * static_cast<int64_t>(sizeof(T)));
    return taken;
  }

 private:
  std::byte* next_;
};

// Base of kernels whose unit of work is a matrix.
class BatchKernel : public Kernel {
 public:
  // Cut between matrices only.
  int pieces(int threads) const override { return pieces_by_time(threads, batch_ / std::max(1, threads)); }
  // No more parts work at a time than there are matrices.
  uint64_t workspace_bytes(int threads) const override {
    return static_cast<uint64_t>(std::clamp<int64_t>(batch_, 1, std::max(1, threads)) * scratch_bytes_);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    run_batch(launch, pieces(launch.parallel.threads()));
    return CT_OK;
  }

 protected:
  // flops: of one matrix, in float32's price; scratch_bytes: what `one` may use.
  BatchKernel(const OpDesc& desc, int64_t batch, double flops, int64_t element, int64_t scratch_bytes)
      : batch_(batch), flops_(flops), scratch_bytes_(aligned_bytes(scratch_bytes)) {
    estimated_ns = estimate_ns(traffic(desc), flops * static_cast<double>(batch * element / 4));
  }

  virtual void one(const Launch& launch, int64_t index, void* scratch) const = 0;

  void run_batch(const Launch& launch, int pieces) const {
    const Piece piece(batch_, launch.piece, pieces);
    const int64_t length = piece.length();
    const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kPartFlops / std::max(1.0, flops_)));
    const int64_t count = std::clamp<int64_t>(length / grain, 1, launch.parallel.threads());
    launch.parallel.parts(static_cast<int>(count), [&](int part) {
      void* const scratch = static_cast<std::byte*>(launch.workspace) + part * scratch_bytes_;
      const int64_t end = piece.begin + length * (part + 1) / count;
      for (int64_t i = piece.begin + length * part / count; i < end; ++i) one(launch, i, scratch);
    });
  }

  int64_t batch_;
  double flops_;
  int64_t scratch_bytes_;
};

// A [n, n] := A^T.
template <class T>
void transpose_square(T* a, int n) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) std::swap(a[i * n + j], a[j * n + i]);
  }
}

// to [columns, rows] := from [rows, columns] transposed, in tiles that stay in the cache.
template <class T>
void transpose_matrix(T* to, const T* from, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 32;
  for (int64_t i = 0; i < rows; i += kTile) {
    for (int64_t j = 0; j < columns; j += kTile) {
      transpose_tile(to + j * rows + i, rows, from + i * columns + j, columns, std::min(kTile, rows - i),
                     std::min(kTile, columns - j));
    }
  }
}

template <class T>
bool all_finite(const T* values, int64_t count) {
  T sum = 0;  // infinities and NaN survive the product with zero
  for (int64_t i = 0; i < count; ++i) sum += values[i] * T(0);
  return sum == T(0);
}

template <class T>
T largest_magnitude(const T* values, int64_t count) {
  T largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

template <class T>
void multiply_by(T* values, int64_t count, T factor) {
  for (int64_t i = 0; i < count && factor != 1; ++i) values[i] *= factor;
}

template <class T>
void fill_nan(T* values, int64_t count) {
  std::fill_n(values, count, std::numeric_limits<T>::quiet_NaN());
}

}  // namespace cotangent::cpu

#endif
