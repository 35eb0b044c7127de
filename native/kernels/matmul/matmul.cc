// matmul on the CPU: serial products (gemm.h) of parts of the result.
//
// A product is cut over its batches, or over a grid of rows and columns, or, when the result is small and k long, over
// k: then the chunks' products are added in a fixed order. With our own loops the bits do not depend on the cut; with
// BLAS, whose kernels round differently at their edges, they depend on the thread setting (never on who runs the
// parts). Inner products are cut into chunks of a fixed length and summed in double.
#include "native/kernels/matmul/matmul.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/kernel.h"
#include "native/kernels/matmul/dot.h"
#include "native/kernels/matmul/gemm.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

constexpr double kPartFlops = 500e3;       // of a product that is worth a thread
constexpr int64_t kPartBytes = 256 << 10;  // of a matrix times a vector
constexpr int64_t kDotChunk = 16384;
constexpr int kInnerChunks = 16;      // of a long k, at most: all threads have some
constexpr int kChunkTile = 16;        // they are cut at multiples
constexpr int kInnerResultSize = 96;  // rows and columns of a result that is too small to be cut

inline double dot(const float* x, const float* y, int64_t n) {
  return COTANGENT_SIMD_DISPATCH(dot_loops)().float32(x, y, n);
}
inline double dot(const double* x, const double* y, int64_t n) {
  return COTANGENT_SIMD_DISPATCH(dot_loops)().float64(x, y, n);
}

using Form = MatmulForm;

// Rows x columns of parts, rows * columns <= parts.
struct Grid {
  int rows, columns;
};

// The grid with the least input to read: every part packs its rows of A and its columns of B.
Grid choose_grid(int parts, int m, int n) {
  Grid best{1, 1};
  double least = -1;
  for (int rows = 1; rows <= parts; ++rows) {
    const int columns = parts / rows;
    if (rows * columns * 8 < parts * 7) continue;  // leaves too many threads idle
    const double cost = static_cast<double>(m) / rows + static_cast<double>(n) / columns;
    if (least < 0 || cost < least) {
      least = cost;
      best = {rows, columns};
    }
  }
  return best;
}

// First element of part `i` of `count`.
int cut(int size, int i, int count, int tile) {
  const int64_t tiles = (size + tile - 1) / tile;
  return static_cast<int>(std::min<int64_t>(size, tiles * i / count * tile));
}

template <class T>
class MatmulKernel : public Kernel {
 public:
  MatmulKernel(const OpDesc& desc, const MatmulShape& shape) : shape_(shape), form_(shape.form()) {
    const double width = sizeof(T) == 4 ? 1 : 2;
    // A product of matrices in the cache is bound by arithmetic, of a matrix and a vector by memory.
    estimated_ns = estimate_ns(traffic(desc), form_ == Form::kMatrix ? width * shape.flops() : 0);
    if (shape.beta != 0) in_place[0] = 1 << 2;
  }

  uint64_t workspace_bytes(int threads) const override {
    if (form_ == Form::kDot) return static_cast<uint64_t>(shape_.batch * dot_chunks()) * sizeof(double);
    const int64_t sums = inner_chunks() > 1 ? inner_chunks() * results() : 0;
    return static_cast<uint64_t>(line(sums) + std::min(threads, worth_parts()) * part_room(threads)) * sizeof(T);
  }

  // Batches, or bands of rows of one product.
  int pieces(int threads) const override {
    if (form_ != Form::kMatrix || inner_chunks() > 1) return 1;
    const int parts = std::min(threads, worth_parts());
    if (shape_.batch >= parts) return pieces_by_time(threads, shape_.batch / parts);
    return static_cast<int>(shape_.batch) * bands(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const a = static_cast<const T*>(launch.in[0]);
    const T* const b = static_cast<const T*>(launch.in[1]);
    T* const c = static_cast<T*>(launch.out[0]);
    T* const workspace = static_cast<T*>(launch.workspace);
    Parallel& parallel = launch.parallel;
    const int64_t total = shape_.batch * results();
    if (total == 0) return CT_OK;
    if (shape_.beta != 0 && launch.piece == 0) {
      copy_bytes(parallel, c, launch.in[2], total * static_cast<int64_t>(sizeof(T)));
    }
    if (form_ == Form::kZero && shape_.beta != 0) {
      for (int64_t i = 0; i < total; ++i) c[i] *= beta();
    } else if (form_ == Form::kZero) {
      std::memset(c, 0, static_cast<size_t>(total) * sizeof(T));
    } else if (form_ == Form::kDot) {
      run_dots(parallel, a, b, c, static_cast<double*>(launch.workspace));
    } else if (const int parts = std::min(parallel.threads(), worth_parts()); shape_.batch >= parts) {
      const Piece piece(shape_.batch, launch.piece, pieces(parallel.threads()));
      const int count = static_cast<int>(std::min<int64_t>(parts, piece.length()));
      parallel.parts(count, [&](int part) {
        T* const own = workspace + part * part_room(parallel.threads());
        const int64_t end = piece.begin + piece.length() * (part + 1) / count;
        for (int64_t i = piece.begin + piece.length() * part / count; i < end; ++i) {
          multiply(a_at(a, i), b_at(b, i), c + i * results(), whole(), beta(), own);
        }
      });
    } else if (inner_chunks() > 1) {
      for (int64_t i = 0; i < shape_.batch; ++i) {
        run_chunks(parallel, parts, a_at(a, i), b_at(b, i), c + i * results(), workspace);
      }
    } else if (form_ == Form::kVector) {
      for (int64_t i = 0; i < shape_.batch; ++i) {
        run_one(parallel, parts, a_at(a, i), b_at(b, i), c + i * results(), workspace, whole());
      }
    } else {
      const int count = bands(parallel.threads()), i = launch.piece / count;
      const Piece rows(shape_.m, launch.piece % count, count, gemm_.row_tile());
      Region band = whole();
      band.row_begin = static_cast<int>(rows.begin);
      band.row_end = static_cast<int>(rows.end);
      run_one(parallel, parts, a_at(a, i), b_at(b, i), c + i * results(), workspace, band);
    }
    return CT_OK;
  }

 private:
  // What a part computes: rows and columns of the result, and how much of k.
  struct Region {
    int row_begin, row_end, column_begin, column_end, k_begin, k_end;
  };

  T alpha() const { return static_cast<T>(shape_.alpha); }
  T beta() const { return static_cast<T>(shape_.beta); }

  Region whole() const { return {0, shape_.m, 0, shape_.n, 0, shape_.k}; }
  int64_t results() const { return shape_.results(); }
  int64_t dot_chunks() const { return (shape_.k + kDotChunk - 1) / kDotChunk; }
  const T* a_at(const T* a, int64_t i) const { return a + i * shape_.m * shape_.k; }
  const T* b_at(const T* b, int64_t i) const { return b + i * shape_.k * shape_.n; }

  // Bands of rows that each product is cut into when the batch is too small to be cut: a band repeats the packing of B.
  int bands(int threads) const {
    return std::max(1, pieces_by_time(threads, std::max<int64_t>(1, shape_.batch * (shape_.m / 192))) /
                           static_cast<int>(std::max<int64_t>(1, shape_.batch)));
  }

  // How many parts the work is worth.
  int worth_parts() const {
    const double matrices = static_cast<double>(shape_.batch) * shape_.k * (static_cast<double>(shape_.m) + shape_.n);
    const double parts = form_ == Form::kVector ? matrices * sizeof(T) / kPartBytes : shape_.flops() / kPartFlops;
    return static_cast<int>(std::clamp(parts, 1.0, 1024.0));
  }

  // Chunks that k is cut into, or 1: when the result is too small to be cut and k long. Whatever the thread setting.
  int inner_chunks() const {
    if (form_ != Form::kVector && form_ != Form::kMatrix) return 1;
    const int chunks = std::min({kInnerChunks, worth_parts(), shape_.k / 64});
    const int longest = std::max(shape_.m, shape_.n);
    if (chunks <= 1 || shape_.batch >= chunks) return 1;
    return longest < kInnerResultSize && shape_.k / (4 * chunks) > longest ? chunks : 1;
  }

  // In elements, up to a whole cache line.
  static int64_t line(int64_t count) { return (count + 15) / 16 * 16; }

  // Elements of workspace that a part of the work needs for itself.
  int64_t part_room(int threads) const {
    if (form_ != Form::kMatrix) return 0;
    if (const int chunks = inner_chunks(); chunks > 1)
      return gemm_.room(shape_.m, shape_.n, (shape_.k + chunks - 1) / chunks + kChunkTile);
    const int parts = std::min(threads, worth_parts());
    if (shape_.batch >= parts) return gemm_.room(shape_.m, shape_.n, shape_.k);
    const Grid grid = grid_of(threads, parts);
    const auto share = [](int64_t size, int count, int tile) { return (size + count - 1) / count + tile; };
    return gemm_.room(std::min<int64_t>(shape_.m, share(band_height(threads), grid.rows, gemm_.row_tile())),
                      std::min<int64_t>(shape_.n, share(shape_.n, grid.columns, gemm_.column_tile())), shape_.k);
  }

  // Rows of the highest band.
  int band_height(int threads) const {
    return std::min(shape_.m, (shape_.m + bands(threads) - 1) / bands(threads) + gemm_.row_tile());
  }

  // The grid of every band: that of the highest one.
  Grid grid_of(int threads, int parts) const { return choose_grid(parts, band_height(threads), shape_.n); }

  // One product, cut over k. The chunks' products lie one after the other before what the parts work in.
  void run_chunks(Parallel& parallel, int parts, const T* a, const T* b, T* c, T* workspace) const {
    const int chunks = inner_chunks(), count = std::min(parts, chunks);
    T* const rest = workspace + line(chunks * results());
    parallel.parts(count, [&](int part) {
      T* const own = rest + part * part_room(parallel.threads());
      for (int chunk = chunks * part / count; chunk < chunks * (part + 1) / count; ++chunk) {
        Region region = whole();
        region.k_begin = cut(shape_.k, chunk, chunks, kChunkTile);
        region.k_end = cut(shape_.k, chunk + 1, chunks, kChunkTile);
        multiply(a, b, workspace + chunk * results(), region, T(0), own);
      }
    });
    for (int64_t i = 0; i < results(); ++i) {
      T sum = workspace[i];
      for (int chunk = 1; chunk < chunks; ++chunk) sum += workspace[chunk * results() + i];
      c[i] = shape_.beta == 0 ? sum : sum + beta() * c[i];
    }
  }

  // The rows of `band` of one product, over a grid of parts.
  void run_one(Parallel& parallel, int parts, const T* a, const T* b, T* c, T* workspace, const Region& band) const {
    const int first = band.row_begin, height = band.row_end - band.row_begin;
    const Grid grid = grid_of(parallel.threads(), parts);
    const int row_tile = gemm_.row_tile(), column_tile = gemm_.column_tile();
    parallel.parts(grid.rows * grid.columns, [&](int part) {
      const int row = part / grid.columns, column = part % grid.columns;
      const Region region{first + cut(height, row, grid.rows, row_tile),
                          first + cut(height, row + 1, grid.rows, row_tile),
                          cut(shape_.n, column, grid.columns, column_tile),
                          cut(shape_.n, column + 1, grid.columns, column_tile),
                          0,
                          shape_.k};
      if (region.row_begin < region.row_end && region.column_begin < region.column_end) {
        multiply(a, b, c + static_cast<int64_t>(region.row_begin) * shape_.n + region.column_begin, region, beta(),
                 workspace + part * part_room(parallel.threads()));
      }
    });
  }

  // One region, on this thread; c points at its first element, `beta` says how much of it stays.
  void multiply(const T* a, const T* b, T* c, const Region& region, T beta, T* workspace) const {
    const int lda = shape_.lda(), ldb = shape_.ldb();
    const T* const a_part = a + offset(shape_.transpose_a, lda, region.row_begin, region.k_begin);
    const T* const b_part = b + offset(shape_.transpose_b, ldb, region.k_begin, region.column_begin);
    const int m = region.row_end - region.row_begin, n = region.column_end - region.column_begin;
    const int k = region.k_end - region.k_begin;
    if (form_ == Form::kMatrix) {
      gemm_.multiply(
          {m, n, k, a_part, lda, shape_.transpose_a, b_part, ldb, shape_.transpose_b, alpha(), beta, c, shape_.n},
          workspace);
    } else if (shape_.n == 1) {
      multiply_vector(shape_.transpose_a, a_part, lda, m, k, b_part, c);
    } else {
      multiply_vector(!shape_.transpose_b, b_part, ldb, n, k, a_part, c);
    }
  }

  static int64_t offset(bool transposed, int stride, int row, int column) {
    return transposed ? static_cast<int64_t>(column) * stride + row : static_cast<int64_t>(row) * stride + column;
  }

  // y [m] = op(A) x with op(A) [m, k]; BLAS sees the transpose of a row-major matrix.
  static void multiply_vector(bool transposed, const T* a, int lda, int m, int k, const T* x, T* y) {
    if (transposed) {
      blas::gemv('N', m, k, T(1), a, lda, x, T(0), y);
    } else {
      blas::gemv('T', k, m, T(1), a, lda, x, T(0), y);
    }
  }

  void run_dots(Parallel& parallel, const T* a, const T* b, T* c, double* sums) const {
    const int64_t chunks = dot_chunks();
    const int64_t grain = std::max<int64_t>(1, 2 * kDotChunk / std::min<int64_t>(shape_.k, kDotChunk));
    parallel.range(shape_.batch * chunks, grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % chunks * kDotChunk, at = i / chunks * shape_.k + first;
        sums[i] = dot(a + at, b + at, std::min<int64_t>(kDotChunk, shape_.k - first));
      }
    });
    for (int64_t i = 0; i < shape_.batch; ++i) c[i] = static_cast<T>(pairwise(sums + i * chunks, chunks));
  }

  static double pairwise(const double* x, int64_t n) {
    return n == 1 ? x[0] : pairwise(x, n / 2) + pairwise(x + n / 2, n - n / 2);
  }

  MatmulShape shape_;
  Form form_;
  Gemm<T> gemm_;
};

std::unique_ptr<Kernel> prepare_matmul(const OpDesc& desc) {
  const MatmulShape shape(desc);
  if (shape.dtype == CT_FLOAT32) return std::make_unique<MatmulKernel<float>>(desc, shape);
  return std::make_unique<MatmulKernel<double>>(desc, shape);
}

}  // namespace

void register_matmul(Registry& registry) { registry.add("matmul", prepare_matmul); }

}  // namespace cotangent::cpu
