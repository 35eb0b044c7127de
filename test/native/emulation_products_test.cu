// The emulated cuBLAS against plain loops, and what it refuses.
#include <cublas_v2.h>

#include "test/native/emulation_libraries_testing.h"

namespace cotangent::testing {
namespace {

template <class T>
void products(cublasHandle_t handle) {
  const int m = 5, n = 7, k = 3;
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Matrix<T> a = ta ? random_matrix<T>(k, m) : random_matrix<T>(m, k);
      const Matrix<T> b = tb ? random_matrix<T>(n, k) : random_matrix<T>(k, n);
      const Array<T> da(a.data), db(b.data), dc(35);  // c is poison: beta 0 must not read it
      const T one = 1, zero = 0, two = 2;
      const auto oa = ta ? CUBLAS_OP_T : CUBLAS_OP_N, ob = tb ? CUBLAS_OP_T : CUBLAS_OP_N;
      BLAS(BY_TYPE(T, cublas, gemm)(handle, oa, ob, m, n, k, &one, da.data(), a.rows, db.data(), b.rows, &zero,
                                    dc.data(), m));
      Matrix<T> c = multiply(a, b, ta, tb);
      close(dc.get(), c.data, "gemm");
      BLAS(BY_TYPE(T, cublas, gemm)(handle, oa, ob, m, n, k, &one, da.data(), a.rows, db.data(), b.rows, &two,
                                    dc.data(), m));
      for (T& value : c.data) value *= 3;
      close(dc.get(), c.data, "gemm with beta");
    }
  }
  // Three of them, one A for all.
  const Matrix<T> a = random_matrix<T>(m, k), b = random_matrix<T>(k, n * 3);
  const Array<T> da(a.data), db(b.data), dc(105);
  const T one = 1, zero = 0;
  BLAS(BY_TYPE(T, cublas, gemmStridedBatched)(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, da.data(), m, 0,
                                              db.data(), k, k * n, &zero, dc.data(), m, m * n, 3));
  close(dc.get(), multiply(a, b).data, "gemmStridedBatched");
}

template <class T>
void vectors(cublasHandle_t handle) {
  const Matrix<T> a = random_matrix<T>(4, 6), x = random_matrix<T>(6, 1), z = random_matrix<T>(4, 1);
  const Array<T> da(a.data), dx(x.data), dy(4), dz(z.data), dw(6);  // y and w are poison: beta 0 must not read them
  const T one = 1, zero = 0, two = 2;
  BLAS(BY_TYPE(T, cublas, gemv)(handle, CUBLAS_OP_N, 4, 6, &one, da.data(), 4, dx.data(), 1, &zero, dy.data(), 1));
  Matrix<T> y = multiply(a, x);
  close(dy.get(), y.data, "gemv");
  BLAS(BY_TYPE(T, cublas, gemv)(handle, CUBLAS_OP_N, 4, 6, &one, da.data(), 4, dx.data(), 1, &two, dy.data(), 1));
  for (T& value : y.data) value *= 3;
  close(dy.get(), y.data, "gemv with beta");
  BLAS(BY_TYPE(T, cublas, gemv)(handle, CUBLAS_OP_T, 4, 6, &one, da.data(), 4, dz.data(), -1, &zero, dw.data(), 1));
  Matrix<T> reversed = z;
  std::reverse(reversed.data.begin(), reversed.data.end());
  close(dw.get(), multiply(a, reversed, true).data, "gemv, transposed, from the back");
}

template <class T>
void triangular(cublasHandle_t handle) {
  Matrix<T> a = random_matrix<T>(4, 4);
  for (int i = 0; i < 4; ++i) {
    a(i, i) = static_cast<T>(2 + i);
    for (int j = i + 1; j < 4; ++j) a(i, j) = 0;
  }
  const Matrix<T> x = random_matrix<T>(4, 3);
  const T one = 1;
  const Array<T> da(a.data), left(multiply(a, x).data), right(multiply(x, a, true, true).data);
  BLAS(BY_TYPE(T, cublas, trsm)(handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, 4,
                                3, &one, da.data(), 4, left.data(), 4));
  close(left.get(), x.data, "trsm");
  const Array<const T*> as(std::vector<const T*>{da.data()});
  const Array<T*> bs(std::vector<T*>{right.data()});
  BLAS(BY_TYPE(T, cublas, trsmBatched)(handle, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T,
                                       CUBLAS_DIAG_NON_UNIT, 3, 4, &one, as.data(), 4, bs.data(), 3, 1));
  Matrix<T> transposed(3, 4);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) transposed(i, j) = x(j, i);
  }
  close(right.get(), transposed.data, "trsmBatched");
}

// Two LU factorisations with pivots; the second matrix is zero, which its first pivot shows.
template <class T>
void lu(cublasHandle_t handle) {
  const int n = 4;
  const Matrix<T> a = random_matrix<T>(n, n);
  const Array<T> da(a.data), db(std::vector<T>(16, T{0}));
  const Array<T*> pointers(std::vector<T*>{da.data(), db.data()});
  const Array<int> pivots(2 * n), infos(2);
  BLAS(BY_TYPE(T, cublas, getrfBatched)(handle, n, pointers.data(), n, pivots.data(), infos.data(), 2));
  const std::vector<int> swaps = pivots.get();
  close(multiply_factors(Matrix<T>(n, n, da.get())).data,
        permute(a, std::vector<int>(swaps.begin(), swaps.begin() + n)).data, "getrfBatched");
  CHECK((infos.get() == std::vector<int>{0, 1}), "%d %d", infos.get()[0], infos.get()[1]);
  CHECK(BY_TYPE(T, cublas, getrfBatched)(handle, n, pointers.data(), n, nullptr, infos.data(), 2) ==
            CUBLAS_STATUS_NOT_SUPPORTED,
        "without pivots");
}

// Work is queued on the handle's stream, and an operand that reaches past its allocation is a fault.
void queue_and_faults(cublasHandle_t handle, cudaStream_t stream) {
  const float one = 1, zero = 0;
  {
    const Array<float> a(std::vector<float>(64, 1.0f)), b(std::vector<float>(64, 1.0f)), c(64);
    float* result = nullptr;
    OK(cudaHostAlloc(&result, 4, cudaHostAllocDefault));
    *result = 0;
    BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 8, b.data(), 8, &zero, c.data(), 8));
    OK(cudaMemcpyAsync(result, c.data(), 4, cudaMemcpyDeviceToHost, stream));
    CHECK(*result == 0.0f, "ran before anybody waited");
    OK(cudaStreamSynchronize(stream));
    CHECK(*result == 8.0f, "%g", static_cast<double>(*result));
    OK(cudaFreeHost(result));
    CHECK(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 7, b.data(), 8, &zero, c.data(), 8) ==
              CUBLAS_STATUS_INVALID_VALUE,
          "a leading dimension that is too small");
    BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 9, 8, &one, a.data(), 8, b.data(), 8, &zero, c.data(), 8));
    CHECK(cudaStreamSynchronize(stream) == cudaErrorIllegalAddress, "not seen");
    CHECK_FAULT("cublas gemm: operand B of 288 bytes");
  }
  OK(cudaDeviceReset());
  BLAS(cublasSetStream(handle, nullptr));
  const Array<float> a(std::vector<float>(64, 1.0f)), b(std::vector<float>(64, 1.0f));
  BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 8, &one, a.data(), 8, b.data(), 8, &zero, a.data(), 8));
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure, "not seen");
  CHECK_FAULT("cublas gemm: C is in place of A");
}

int main() {
  cudaStream_t stream;
  cublasHandle_t blas;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamDefault));
  BLAS(cublasCreate(&blas));
  BLAS(cublasSetStream(blas, stream));
  products<float>(blas);
  products<double>(blas);
  vectors<float>(blas);
  vectors<double>(blas);
  triangular<float>(blas);
  triangular<double>(blas);
  lu<float>(blas);
  lu<double>(blas);
  queue_and_faults(blas, stream);
  BLAS(cublasDestroy(blas));
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
