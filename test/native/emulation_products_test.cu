// The emulated cuBLAS and cuSPARSE against plain loops, and what they refuse.
#include <cublas_v2.h>
#include <cusparse.h>

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
      BLAS(BY_TYPE(T, cublas, gemm_64)(handle, oa, ob, m, n, k, &one, da.data(), a.rows, db.data(), b.rows, &two,
                                       dc.data(), m));
      for (T& value : c.data) value *= 3;
      close(dc.get(), c.data, "gemm with beta");
    }
  }
  // Batches: by strides (one A for all), and by pointers with scalars on the device.
  const Matrix<T> a = random_matrix<T>(m, k), b = random_matrix<T>(k, n * 3);
  const Array<T> da(a.data), db(b.data), dc(105), dd(105);
  const T one = 1, zero = 0;
  BLAS(BY_TYPE(T, cublas, gemmStridedBatched_64)(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, da.data(), m, 0,
                                                 db.data(), k, k * n, &zero, dc.data(), m, m * n, 3));
  close(dc.get(), multiply(a, b).data, "gemmStridedBatched");
  const Array<const T*> as(std::vector<const T*>(3, da.data()));
  const Array<const T*> bs(std::vector<const T*>{db.data(), db.data() + k * n, db.data() + 2 * k * n});
  const Array<T*> ds(std::vector<T*>{dd.data(), dd.data() + m * n, dd.data() + 2 * m * n});
  const Array<T> scalars(std::vector<T>{1, 0});
  BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE));
  BLAS(BY_TYPE(T, cublas, gemmBatched)(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, scalars.data(), as.data(), m,
                                       bs.data(), k, scalars.data() + 1, ds.data(), m, 3));
  BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST));
  close(dd.get(), multiply(a, b).data, "gemmBatched");
}

template <class T>
void vectors(cublasHandle_t handle) {
  const Matrix<T> a = random_matrix<T>(4, 6), x = random_matrix<T>(6, 1), z = random_matrix<T>(4, 1);
  const Array<T> da(a.data), dx(x.data), dy(4), dz(z.data);
  const T one = 1, zero = 0, minus_two = -2;
  BLAS(BY_TYPE(T, cublas, gemv)(handle, CUBLAS_OP_N, 4, 6, &one, da.data(), 4, dx.data(), 1, &zero, dy.data(), 1));
  Matrix<T> y = multiply(a, x);
  close(dy.get(), y.data, "gemv");
  T dot = 0, norm = 0, expected_dot = 0, expected_norm = 0;
  BLAS(BY_TYPE(T, cublas, axpy)(handle, 4, &minus_two, dz.data(), 1, dy.data(), 1));
  for (int i = 0; i < 4; ++i) {
    y(i, 0) -= 2 * z(i, 0);
    expected_dot += y(i, 0) * z(3 - i, 0);
    expected_norm += z(i, 0) * z(i, 0);
  }
  close(dy.get(), y.data, "axpy");
  BLAS(BY_TYPE(T, cublas, dot)(handle, 4, dy.data(), 1, dz.data(), -1, &dot));
  BLAS(BY_TYPE(T, cublas, nrm2)(handle, 4, dz.data(), 1, &norm));
  close(std::vector<T>{dot, norm}, std::vector<T>{expected_dot, std::sqrt(expected_norm)}, "dot and nrm2");
  // C = A^T - 2 B, and rows scaled.
  const Matrix<T> b = random_matrix<T>(6, 4);
  const Array<T> db(b.data), dc(24);
  BLAS(BY_TYPE(T, cublas, geam)(handle, CUBLAS_OP_T, CUBLAS_OP_N, 6, 4, &one, da.data(), 4, &minus_two, db.data(), 6,
                                dc.data(), 6));
  Matrix<T> c(6, 4);
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) c(i, j) = a(j, i) - 2 * b(i, j);
  }
  close(dc.get(), c.data, "geam");
  BLAS(BY_TYPE(T, cublas, dgmm)(handle, CUBLAS_SIDE_LEFT, 6, 4, dc.data(), 6, dx.data(), 1, dc.data(), 6));
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) c(i, j) *= x(i, 0);
  }
  close(dc.get(), c.data, "dgmm");
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

template <class T>
void sparse(cusparseHandle_t handle) {
  // [[1, 0, 2], [0, 0, 3]]
  const cudaDataType type = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F;
  const Array<int> offsets(std::vector<int>{0, 2, 3}), indices(std::vector<int>{0, 2, 2});
  const Array<T> values(std::vector<T>{1, 2, 3}), x(std::vector<T>{1, 10, 100}), y(2);
  const Array<T> b(std::vector<T>{1, 2, 3, 4}), c(std::vector<T>{1, 1, 1, 1, 1, 1});
  cusparseConstSpMatDescr_t a;
  cusparseConstDnVecDescr_t dx;
  cusparseDnVecDescr_t dy;
  cusparseConstDnMatDescr_t db;
  cusparseDnMatDescr_t dc;
  SPARSE(cusparseCreateConstCsr(&a, 2, 3, 3, offsets.data(), indices.data(), values.data(), CUSPARSE_INDEX_32I,
                                CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, type));
  SPARSE(cusparseCreateConstDnVec(&dx, 3, x.data(), type));
  SPARSE(cusparseCreateDnVec(&dy, 2, y.data(), type));
  SPARSE(cusparseCreateConstDnMat(&db, 2, 2, 2, b.data(), type, CUSPARSE_ORDER_ROW));
  SPARSE(cusparseCreateDnMat(&dc, 3, 2, 2, c.data(), type, CUSPARSE_ORDER_ROW));
  const T one = 1, zero = 0, ten = 10;
  size_t bytes = 0;
  const auto plain = CUSPARSE_OPERATION_NON_TRANSPOSE, transposed = CUSPARSE_OPERATION_TRANSPOSE;
  SPARSE(cusparseSpMV_bufferSize(handle, plain, &one, a, dx, &zero, dy, type, CUSPARSE_SPMV_ALG_DEFAULT, &bytes));
  const Array<char> buffer(bytes);
  SPARSE(cusparseSpMV(handle, plain, &one, a, dx, &zero, dy, type, CUSPARSE_SPMV_ALG_DEFAULT, buffer.data()));
  CHECK((y.get() == std::vector<T>{201, 300}), "%g", static_cast<double>(y.get()[0]));
  SPARSE(
      cusparseSpMM(handle, transposed, plain, &one, a, db, &ten, dc, type, CUSPARSE_SPMM_ALG_DEFAULT, buffer.data()));
  CHECK((c.get() == std::vector<T>{11, 12, 10, 10, 21, 26}), "%g", static_cast<double>(c.get()[4]));
  CHECK(cusparseSpMM(handle, plain, plain, &one, a, db, &ten, dc, type, CUSPARSE_SPMM_ALG_DEFAULT, buffer.data()) ==
            CUSPARSE_STATUS_INVALID_VALUE,
        "shapes that do not fit");
  cusparseDestroySpMat(a);
  cusparseDestroyDnVec(dx);
  cusparseDestroyDnVec(dy);
  cusparseDestroyDnMat(db);
  cusparseDestroyDnMat(dc);
}

// Work is queued on the handle's stream, and an operand that reaches past its allocation is a fault.
void queue_and_faults(cublasHandle_t handle, cudaStream_t stream) {
  const float one = 1, zero = 0;
  {
    const Array<float> a(std::vector<float>(64, 1.0f)), b(std::vector<float>(64, 1.0f)), c(64);
    float* result = nullptr;
    OK(cudaMallocHost(&result, 4));
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
  cusparseHandle_t sparse_handle;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamDefault));
  BLAS(cublasCreate(&blas));
  BLAS(cublasSetStream(blas, stream));
  SPARSE(cusparseCreate(&sparse_handle));
  SPARSE(cusparseSetStream(sparse_handle, stream));
  products<float>(blas);
  products<double>(blas);
  vectors<float>(blas);
  vectors<double>(blas);
  triangular<float>(blas);
  triangular<double>(blas);
  sparse<float>(sparse_handle);
  sparse<double>(sparse_handle);
  queue_and_faults(blas, stream);
  BLAS(cublasDestroy(blas));
  SPARSE(cusparseDestroy(sparse_handle));
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
