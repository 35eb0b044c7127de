// What the emulated libraries share: queueing on a stream, and checks that operands are device memory of their extent.
#ifndef COTANGENT_EMULATION_LIBRARIES_LIBRARY_H
#define COTANGENT_EMULATION_LIBRARIES_LIBRARY_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cotangent::emulation {

// BLAS on the calling thread only, as long as that knows how to be told.
void force_single_thread();

// Queues the call of a library; false if the device cannot take it.
bool submit(cudaStream_t stream, std::function<void()> work);
bool stream_exists(cudaStream_t stream);
// Whether the device's memory for a handle is refused (emulation.h, `fail_allocation`).
bool refuses_handle();

// The operands of one call, checked when its turn comes in the stream. What is not device (or page-locked) memory of
// that extent is reported as the device's fault, and the call must not run.
class Operands {
 public:
  explicit Operands(const char* function) : function_(function) {}

  // Columns of `rows` elements that begin `stride` elements apart.
  template <class T>
  bool matrix(const char* name, const T* data, int64_t rows, int64_t columns, int64_t stride) {
    if (rows <= 0 || columns <= 0) return ok_;
    return require(name, data, static_cast<size_t>((columns - 1) * stride + rows) * sizeof(T));
  }
  template <class T>
  bool vector(const char* name, const T* data, int64_t count, int64_t increment = 1) {
    if (count <= 0) return ok_;
    return require(name, data, static_cast<size_t>((count - 1) * std::abs(increment) + 1) * sizeof(T));
  }
  template <class T>
  bool matrices(const char* name, const T* data, int64_t rows, int64_t columns, int64_t stride, int64_t batch_stride,
                int64_t batch) {
    if (rows <= 0 || columns <= 0 || batch <= 0) return ok_;
    return require(name, data,
                   static_cast<size_t>((batch - 1) * batch_stride + (columns - 1) * stride + rows) * sizeof(T));
  }
  // A result that may not lie in place of an operand.
  bool distinct(const char* result, const void* result_data, const char* operand, const void* operand_data);
  bool ok() const { return ok_; }

 private:
  bool require(const char* name, const void* data, size_t bytes);
  const char* function_;
  bool ok_ = true;
};

inline char letter(cublasOperation_t operation) { return operation == CUBLAS_OP_N ? 'N' : 'T'; }
inline char letter(cublasFillMode_t fill) { return fill == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U'; }
inline char letter(cublasSideMode_t side) { return side == CUBLAS_SIDE_LEFT ? 'L' : 'R'; }
inline char letter(cublasDiagType_t diagonal) { return diagonal == CUBLAS_DIAG_UNIT ? 'U' : 'N'; }

inline bool valid(cublasOperation_t o) { return o == CUBLAS_OP_N || o == CUBLAS_OP_T; }
inline bool valid(cublasFillMode_t f) { return f == CUBLAS_FILL_MODE_LOWER || f == CUBLAS_FILL_MODE_UPPER; }
inline bool valid(cublasSideMode_t s) { return s == CUBLAS_SIDE_LEFT || s == CUBLAS_SIDE_RIGHT; }
inline bool valid(cublasDiagType_t d) { return d == CUBLAS_DIAG_UNIT || d == CUBLAS_DIAG_NON_UNIT; }

// A leading dimension for columns of `rows` elements.
inline bool leads(int64_t ld, int64_t rows) { return ld >= (rows > 1 ? rows : 1); }

}  // namespace cotangent::emulation

#endif
