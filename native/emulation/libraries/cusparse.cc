// cuSPARSE: CSR times a vector or a dense matrix, by plain loops. A vector is a matrix of one column.
#include <cusparse.h>

#include <memory>

#include "native/emulation/fault.h"
#include "native/emulation/libraries/library.h"

struct cusparseContext {
  cudaStream_t stream = nullptr;
  bool on_device = false;
};
struct cusparseSpMatDescr {
  int64_t rows, columns, nonzeros;
  const void *offsets, *indices, *values;
  cusparseIndexType_t offset_type, index_type;
  int base;
  cudaDataType type;
};
struct cusparseDnMatDescr {
  int64_t rows, columns, ld;
  void* values;
  cudaDataType type;
  cusparseOrder_t order;
};
struct cusparseDnVecDescr {
  cusparseDnMatDescr matrix;
};

namespace cotangent::emulation {
namespace {

constexpr cusparseStatus_t kInvalid = CUSPARSE_STATUS_INVALID_VALUE;
constexpr size_t kBufferBytes = 256;  // what bufferSize asks for, and the products check

bool valid(cusparseOperation_t op) { return op >= CUSPARSE_OPERATION_NON_TRANSPOSE && op <= 2; }
bool valid(cudaDataType type) { return type == CUDA_R_32F || type == CUDA_R_64F; }
bool valid(cusparseIndexType_t type) { return type == CUSPARSE_INDEX_32I || type == CUSPARSE_INDEX_64I; }

// The element of a dense matrix as the operation sees it.
template <class T>
T& element(const cusparseDnMatDescr& matrix, bool transposed, int64_t row, int64_t column) {
  if (transposed) std::swap(row, column);
  return static_cast<T*>(
      matrix.values)[matrix.order == CUSPARSE_ORDER_COL ? row + column * matrix.ld : row * matrix.ld + column];
}

template <class T>
bool check_dense(Operands& operands, const char* name, const cusparseDnMatDescr& m) {
  const auto* values = static_cast<const T*>(m.values);
  return m.order == CUSPARSE_ORDER_COL ? operands.matrix(name, values, m.rows, m.columns, m.ld)
                                       : operands.matrix(name, values, m.columns, m.rows, m.ld);
}

struct Product {
  bool transpose_a, transpose_b;
  cusparseSpMatDescr a;
  cusparseDnMatDescr b, c;

  bool check(cudaDataType compute_type) const {
    const int64_t rows = transpose_a ? a.columns : a.rows, inner = transpose_a ? a.rows : a.columns;
    const int64_t b_rows = transpose_b ? b.columns : b.rows, b_columns = transpose_b ? b.rows : b.columns;
    return rows == c.rows && inner == b_rows && b_columns == c.columns && a.type == compute_type &&
           b.type == compute_type && c.type == compute_type && valid(compute_type);
  }

  template <class T, class Offset, class Index>
  void run(T alpha, T beta) const {
    Operands operands("cusparse product");
    const auto* offsets = static_cast<const Offset*>(a.offsets);
    const auto* indices = static_cast<const Index*>(a.indices);
    const auto* values = static_cast<const T*>(a.values);
    operands.vector("row offsets", offsets, a.rows + 1);
    operands.vector("column indices", indices, a.nonzeros);
    operands.vector("values", values, a.nonzeros);
    check_dense<T>(operands, "B", b);
    if (!check_dense<T>(operands, "C", c)) return;
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j < c.columns; ++j) {
        T& target = element<T>(c, false, i, j);
        target = beta == 0 ? T{0} : beta * target;  // not read where beta is 0
      }
    }
    for (int64_t row = 0; row < a.rows; ++row) {
      const int64_t first = offsets[row] - a.base, last = offsets[row + 1] - a.base;
      if (first < 0 || last < first || last > a.nonzeros) return invalid("row offsets", row);
      for (int64_t e = first; e < last; ++e) {
        const int64_t column = indices[e] - a.base;
        if (column < 0 || column >= a.columns) return invalid("column indices", row);
        const int64_t to = transpose_a ? column : row, from = transpose_a ? row : column;
        for (int64_t j = 0; j < c.columns; ++j) {
          element<T>(c, false, to, j) += alpha * values[e] * element<T>(b, transpose_b, from, j);
        }
      }
    }
  }

  static void invalid(const char* what, int64_t row) {
    fault::report(cudaErrorIllegalAddress,
                  std::string("cusparse product: ") + what + " of row " + std::to_string(row) + " are out of range");
  }
};

template <class T>
cusparseStatus_t multiply(cusparseHandle_t handle, const Product& product, const void* alpha, const void* beta,
                          const void* buffer) {
  const Scalar<T> alpha_value(static_cast<const T*>(alpha), handle->on_device);
  const Scalar<T> beta_value(static_cast<const T*>(beta), handle->on_device);
  const bool queued = submit(handle->stream, [=] {
    Operands operands("cusparse product");
    operands.vector("buffer", static_cast<const char*>(buffer), kBufferBytes);
    const T alpha_now = alpha_value(operands, "alpha"), beta_now = beta_value(operands, "beta");
    if (!operands.ok()) return;
    const bool long_offsets = product.a.offset_type == CUSPARSE_INDEX_64I;
    const bool long_indices = product.a.index_type == CUSPARSE_INDEX_64I;
    if (long_offsets && long_indices) return product.run<T, int64_t, int64_t>(alpha_now, beta_now);
    if (long_offsets) return product.run<T, int64_t, int32_t>(alpha_now, beta_now);
    product.run<T, int32_t, int32_t>(alpha_now, beta_now);
  });
  return queued ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_EXECUTION_FAILED;
}

cusparseStatus_t multiply(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                          const void* alpha, cusparseConstSpMatDescr_t a, const cusparseDnMatDescr* b, const void* beta,
                          const cusparseDnMatDescr* c, cudaDataType compute_type, const void* buffer) {
  if (handle == nullptr) return CUSPARSE_STATUS_NOT_INITIALIZED;
  if (!valid(op_a) || !valid(op_b) || !alpha || !beta || !a || !b || !c) return kInvalid;
  const Product product{op_a != CUSPARSE_OPERATION_NON_TRANSPOSE, op_b != CUSPARSE_OPERATION_NON_TRANSPOSE, *a, *b, *c};
  if (!product.check(compute_type)) return kInvalid;
  return compute_type == CUDA_R_32F ? multiply<float>(handle, product, alpha, beta, buffer)
                                    : multiply<double>(handle, product, alpha, beta, buffer);
}

cusparseStatus_t buffer_size(cusparseHandle_t handle, bool operands, size_t* bytes) {
  if (handle == nullptr) return CUSPARSE_STATUS_NOT_INITIALIZED;
  if (!operands || bytes == nullptr) return kInvalid;
  *bytes = kBufferBytes;
  return CUSPARSE_STATUS_SUCCESS;
}

}  // namespace
}  // namespace cotangent::emulation

using namespace cotangent::emulation;

extern "C" {

cusparseStatus_t cusparseCreate(cusparseHandle_t* handle) {
  if (handle == nullptr) return kInvalid;
  *handle = new cusparseContext;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDestroy(cusparseHandle_t handle) {
  if (handle == nullptr) return CUSPARSE_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUSPARSE_STATUS_NOT_INITIALIZED;
  if (!stream_exists(stream)) return kInvalid;
  handle->stream = stream;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSetPointerMode(cusparseHandle_t handle, cusparsePointerMode_t mode) {
  if (handle == nullptr) return CUSPARSE_STATUS_NOT_INITIALIZED;
  handle->on_device = mode == CUSPARSE_POINTER_MODE_DEVICE;
  return CUSPARSE_STATUS_SUCCESS;
}

const char* cusparseGetErrorName(cusparseStatus_t status) {
  switch (status) {
    case CUSPARSE_STATUS_SUCCESS:
      return "CUSPARSE_STATUS_SUCCESS";
    case CUSPARSE_STATUS_NOT_INITIALIZED:
      return "CUSPARSE_STATUS_NOT_INITIALIZED";
    case CUSPARSE_STATUS_INVALID_VALUE:
      return "CUSPARSE_STATUS_INVALID_VALUE";
    case CUSPARSE_STATUS_EXECUTION_FAILED:
      return "CUSPARSE_STATUS_EXECUTION_FAILED";
    case CUSPARSE_STATUS_NOT_SUPPORTED:
      return "CUSPARSE_STATUS_NOT_SUPPORTED";
    default:
      return "CUSPARSE_STATUS_INTERNAL_ERROR";
  }
}

const char* cusparseGetErrorString(cusparseStatus_t status) { return cusparseGetErrorName(status); }

cusparseStatus_t cusparseCreateConstCsr(cusparseConstSpMatDescr_t* matrix, int64_t rows, int64_t columns,
                                        int64_t nonzeros, const void* row_offsets, const void* column_indices,
                                        const void* values, cusparseIndexType_t offset_type,
                                        cusparseIndexType_t index_type, cusparseIndexBase_t base, cudaDataType type) {
  if (!matrix || rows < 0 || columns < 0 || nonzeros < 0 || !valid(offset_type) || !valid(index_type) || !valid(type)) {
    return kInvalid;
  }
  // Wide indices with narrow offsets are not a CSR of the library.
  if (offset_type == CUSPARSE_INDEX_32I && index_type == CUSPARSE_INDEX_64I) return CUSPARSE_STATUS_NOT_SUPPORTED;
  *matrix = new cusparseSpMatDescr{rows,   columns,     nonzeros,   row_offsets, column_indices,
                                   values, offset_type, index_type, base,        type};
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateCsr(cusparseSpMatDescr_t* matrix, int64_t rows, int64_t columns, int64_t nonzeros,
                                   void* row_offsets, void* column_indices, void* values,
                                   cusparseIndexType_t offset_type, cusparseIndexType_t index_type,
                                   cusparseIndexBase_t base, cudaDataType type) {
  return cusparseCreateConstCsr(const_cast<cusparseConstSpMatDescr_t*>(matrix), rows, columns, nonzeros, row_offsets,
                                column_indices, values, offset_type, index_type, base, type);
}

cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t matrix) {
  delete matrix;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateDnVec(cusparseDnVecDescr_t* vector, int64_t size, void* values, cudaDataType type) {
  if (!vector || size < 0 || !valid(type)) return kInvalid;
  *vector = new cusparseDnVecDescr{{size, 1, std::max(size, int64_t{1}), values, type, CUSPARSE_ORDER_COL}};
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateConstDnVec(cusparseConstDnVecDescr_t* vector, int64_t size, const void* values,
                                          cudaDataType type) {
  return cusparseCreateDnVec(const_cast<cusparseDnVecDescr_t*>(vector), size, const_cast<void*>(values), type);
}

cusparseStatus_t cusparseDestroyDnVec(cusparseConstDnVecDescr_t vector) {
  delete vector;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t* matrix, int64_t rows, int64_t columns, int64_t ld,
                                     void* values, cudaDataType type, cusparseOrder_t order) {
  if (!matrix || rows < 0 || columns < 0 || !valid(type)) return kInvalid;
  if (order != CUSPARSE_ORDER_COL && order != CUSPARSE_ORDER_ROW) return kInvalid;
  if (!leads(ld, order == CUSPARSE_ORDER_COL ? rows : columns)) return kInvalid;
  *matrix = new cusparseDnMatDescr{rows, columns, ld, values, type, order};
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateConstDnMat(cusparseConstDnMatDescr_t* matrix, int64_t rows, int64_t columns, int64_t ld,
                                          const void* values, cudaDataType type, cusparseOrder_t order) {
  return cusparseCreateDnMat(const_cast<cusparseDnMatDescr_t*>(matrix), rows, columns, ld, const_cast<void*>(values),
                             type, order);
}

cusparseStatus_t cusparseDestroyDnMat(cusparseConstDnMatDescr_t matrix) {
  delete matrix;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSpMV_bufferSize(cusparseHandle_t handle, cusparseOperation_t, const void*,
                                         cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void*,
                                         cusparseDnVecDescr_t y, cudaDataType, cusparseSpMVAlg_t, size_t* bytes) {
  return buffer_size(handle, a && x && y, bytes);
}

cusparseStatus_t cusparseSpMV(cusparseHandle_t handle, cusparseOperation_t op, const void* alpha,
                              cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void* beta,
                              cusparseDnVecDescr_t y, cudaDataType compute_type, cusparseSpMVAlg_t, void* buffer) {
  return multiply(handle, op, CUSPARSE_OPERATION_NON_TRANSPOSE, alpha, a, x ? &x->matrix : nullptr, beta,
                  y ? &y->matrix : nullptr, compute_type, buffer);
}

cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t handle, cusparseOperation_t, cusparseOperation_t, const void*,
                                         cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b, const void*,
                                         cusparseDnMatDescr_t c, cudaDataType, cusparseSpMMAlg_t, size_t* bytes) {
  return buffer_size(handle, a && b && c, bytes);
}

cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                              const void* alpha, cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                              const void* beta, cusparseDnMatDescr_t c, cudaDataType compute_type, cusparseSpMMAlg_t,
                              void* buffer) {
  return multiply(handle, op_a, op_b, alpha, a, b, beta, c, compute_type, buffer);
}

}  // extern "C"
