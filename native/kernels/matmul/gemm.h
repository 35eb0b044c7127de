// A product of matrices on the calling thread, by our own loops or by BLAS, whichever is faster.
//
// Our own loops serve AVX-512, where they were faster than the AVX2 kernels of OpenBLAS 0.3.21 in every shape tried;
// its own AVX-512 kernels were not compared. Our AVX2 loops were faster in some shapes and slower in others, the
// baseline ones slower: there, and on NEON, where nothing was measured, BLAS stays. To compare on a machine with
// AVX-512: `npm run bench -- --only matmul` runs our loops, with COTANGENT_SIMD=avx2 in the environment BLAS.
#ifndef COTANGENT_KERNELS_MATMUL_GEMM_H
#define COTANGENT_KERNELS_MATMUL_GEMM_H

#include "native/backend/cpu/blas.h"
#include "native/kernels/matmul/gemm_loops.h"

namespace cotangent::cpu {

inline bool own_gemm() { return current_target() == SimdTarget::kAvx512; }

template <class T>
class Gemm {
 public:
  Gemm() {
    if (!own_gemm()) return;
    if constexpr (sizeof(T) == 4) {
      loops_ = COTANGENT_SIMD_DISPATCH(gemm_loops_float32)();
    } else {
      loops_ = COTANGENT_SIMD_DISPATCH(gemm_loops_float64)();
    }
  }

  // Cuts at multiples waste nothing.
  int row_tile() const { return loops_.rows; }
  int column_tile() const { return loops_.columns; }

  // Elements of workspace for products of at most these sizes, in whole cache lines.
  int64_t room(int64_t m, int64_t n, int64_t k) const {
    return loops_.room && m > 0 && n > 0 && k > 0 ? (loops_.room(m, n, k) + 15) / 16 * 16 : 0;
  }

  // All sizes are positive and fit an int.
  void multiply(const GemmCall<T>& call, T* workspace) const {
    if (loops_.multiply) return loops_.multiply(call, workspace);
    const auto size = [](int64_t n) { return static_cast<int>(n); };
    blas::gemm(call.transpose_a, call.transpose_b, size(call.m), size(call.n), size(call.k), call.alpha, call.a,
               size(call.lda), call.b, size(call.ldb), call.beta, call.c, size(call.ldc));
  }

 private:
  GemmLoops<T> loops_{16, 16, nullptr, nullptr};  // of BLAS's kernels
};

}  // namespace cotangent::cpu

#endif
