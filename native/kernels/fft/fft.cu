// fft: lines of complex numbers by passes through memory (fft_passes.h), in double, as on the CPU. float32 is rounded
// once. Lengths with a prime factor above 50 are chirps (fft.cc has the formula): two transforms of a length m >= 2 n -
// 1 with the filter's spectrum between them, which is transformed ahead at every run. The inverse is the same with real
// and imaginary parts changing places on either side.
//
// A pass reads and writes every element once: 8 (float32) or 16 bytes at the line's ends, 16 between passes, where the
// data of a chunk of lines stays in the cache of a GPU as long as it is below 32 MiB. A line of at most 2,048 elements
// is read once and written once, chirps of at most 1,024 likewise. Results depend neither on the grid nor on the tiles:
// every line's operations are fixed by its length.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/kernel.h"
#include "native/kernels/fft/butterflies.h"
#include "native/kernels/fft/parameters.h"
#include "native/kernels/fft/root_of_unity.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kFillBlock = 256;
constexpr int64_t kChunkElements = 1 << 21;  // of lines that take several passes: 32 MiB between passes

// --- ends: where a pass's elements come from and go to

enum class End : int32_t {
  kLine,   // the equation's operands or results
  kChirp,  // the same, times the chirp and with zeros from `length` on
  kWork,   // complex numbers between passes
  kFilter  // from: the chirp's lags, over their number; to: the conjugate of the product with the filter's spectrum
};

struct Source {
  End end;
  bool single;
  int32_t length;  // of the operands' lines
  const void *re, *im;
  const Number *work, *chirp;
};

struct Target {
  End end;
  bool single;
  int32_t length;
  double scale;
  void *re, *im;
  Number* work;
  const Number *chirp, *filter;
};

__device__ __forceinline__ Number element(const Source& from, int64_t at) {
  if (from.single) {
    return {static_cast<double>(static_cast<const float*>(from.re)[at]),
            static_cast<double>(static_cast<const float*>(from.im)[at])};
  }
  return {static_cast<const double*>(from.re)[at], static_cast<const double*>(from.im)[at]};
}

// Place j of a line of m numbers.
__device__ __forceinline__ Number load(const Source& from, int32_t m, int64_t line, int32_t j) {
  switch (from.end) {
    case End::kLine:
      return element(from, line * m + j);
    case End::kChirp:
      if (j >= from.length) return {0, 0};
      return multiply(element(from, line * from.length + j), from.chirp[j]);
    case End::kFilter: {
      const int32_t lag = j < from.length ? j : m - j;
      if (lag >= from.length) return {0, 0};
      return (1.0 / m) * conjugate(from.chirp[lag]);
    }
    default:
      return from.work[line * m + j];
  }
}

__device__ __forceinline__ void store(const Target& to, int32_t m, int64_t line, int32_t k, Number x) {
  if (to.end == End::kWork) {
    to.work[line * m + k] = x;
    return;
  }
  if (to.end == End::kFilter) {
    to.work[line * m + k] = conjugate(multiply(x, to.filter[k]));
    return;
  }
  if (to.end == End::kChirp) {
    if (k >= to.length) return;
    x = multiply(conjugate(x), to.chirp[k]);
  }
  const int64_t at = line * to.length + k;
  if (to.single) {
    static_cast<float*>(to.re)[at] = static_cast<float>(to.scale * x.re);
    static_cast<float*>(to.im)[at] = static_cast<float>(to.scale * x.im);
  } else {
    static_cast<double*>(to.re)[at] = to.scale * x.re;
    static_cast<double*>(to.im)[at] = to.scale * x.im;
  }
}

// --- a tile in shared memory: 2^log_width columns of `radix` elements

__device__ __forceinline__ int32_t slot(const Pass& pass, int32_t i, int32_t column) {
  return (i + (i >> pass.pad)) * pass.stride + column;
}

template <int kRadix>
__device__ __forceinline__ void step(const Pass& pass, const Factor& factor, const Number* from, Number* to) {
  const int32_t apart = pass.radix / kRadix;
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < apart << pass.log_width;
       u += static_cast<int32_t>(blockDim.x)) {
    const int32_t q = u >> pass.log_width, column = u - (q << pass.log_width);
    const int32_t j = static_cast<int32_t>(factor.by_done.quotient(static_cast<uint32_t>(q)));
    const int32_t k = q - j * factor.done;
    Number x[kRadix];
#pragma unroll
    for (int32_t i = 0; i < kRadix; ++i) x[i] = from[slot(pass, q + i * apart, column)];
    if (factor.done > 1) {
#pragma unroll
      for (int32_t i = 1; i < kRadix; ++i) x[i] = multiply(x[i], pass.roots[k * i * factor.reach]);
    }
    Butterfly<kRadix>::run(x);
#pragma unroll
    for (int32_t i = 0; i < kRadix; ++i) to[slot(pass, j * factor.done * kRadix + k + i * factor.done, column)] = x[i];
  }
}

// A thread a result: the twiddle and the root of the factor are one root of the product.
__device__ __forceinline__ void step_by_definition(const Pass& pass, const Factor& factor, const Number* from,
                                                   Number* to) {
  const int32_t apart = pass.radix / factor.radix;
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < pass.radix << pass.log_width;
       u += static_cast<int32_t>(blockDim.x)) {
    const int32_t v = u >> pass.log_width, column = u - (v << pass.log_width);
    const int32_t o = v / apart, q = v - o * apart;
    const int32_t j = static_cast<int32_t>(factor.by_done.quotient(static_cast<uint32_t>(q)));
    const int32_t k = q - j * factor.done + o * factor.done, turn = k * factor.reach;
    Number sum = from[slot(pass, q, column)];
    int32_t m = 0;
    for (int32_t i = 1; i < factor.radix; ++i) {
      m += turn;
      if (m >= pass.radix) m -= pass.radix;
      sum = sum + multiply(from[slot(pass, q + i * apart, column)], pass.roots[m]);
    }
    to[slot(pass, j * factor.done * factor.radix + k, column)] = sum;
  }
}

// All columns from `from`, which the block has filled, to where the answer says; the other buffer is free.
__device__ __forceinline__ void transform_tile(const Pass& pass, Number*& from, Number*& to) {
  for (int32_t f = 0; f < pass.factors; ++f) {
    const Factor& factor = pass.factor[f];
    switch (factor.radix) {
      case 2:
        step<2>(pass, factor, from, to);
        break;
      case 3:
        step<3>(pass, factor, from, to);
        break;
      case 4:
        step<4>(pass, factor, from, to);
        break;
      case 5:
        step<5>(pass, factor, from, to);
        break;
      case 8:
        step<8>(pass, factor, from, to);
        break;
      default:
        step_by_definition(pass, factor, from, to);
    }
    __syncthreads();
    Number* const free = from;
    from = to;
    to = free;
  }
}

struct Cell {
  int32_t i, column;
};

// Cell `e` of a tile, along columns or across them, whichever is contiguous in memory.
__device__ __forceinline__ Cell cell(const Pass& pass, int32_t e, bool along) {
  if (along) {
    const int32_t column = static_cast<int32_t>(pass.by_radix.quotient(static_cast<uint32_t>(e)));
    return {e - column * pass.radix, column};
  }
  const int32_t i = e >> pass.log_width;
  return {i, e - (i << pass.log_width)};
}

struct Place {
  int64_t line;
  int32_t column;  // of the line
};

__device__ __forceinline__ Place place(const Pass& pass, int64_t column) {
  const int64_t line = static_cast<int64_t>(pass.by_count.quotient(static_cast<uint64_t>(column)));
  return {line, static_cast<int32_t>(column - line * pass.count)};
}

// The results may be the operands where the pass is a line's only one. `filter`: a whole chirp in one pass.
__global__ void __launch_bounds__(kMostThreads)
    fourier_pass_kernel(Pass pass, Source source, Target target, const Number* filter, int64_t columns) {
  Number* const shared = dynamic_shared<Number>();
  Number *from = shared, *to = shared + slot(pass, pass.radix, 0);
  const int32_t cells = pass.radix << pass.log_width, threads = static_cast<int32_t>(blockDim.x);
  const int32_t first_cell = static_cast<int32_t>(threadIdx.x);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) << pass.log_width; first < columns;
       first += static_cast<int64_t>(gridDim.x) << pass.log_width) {
    for (int32_t e = first_cell; e < cells; e += threads) {
      const Cell c = cell(pass, e, pass.count == 1);
      Number x{0, 0};
      if (first + c.column < columns) {
        const Place at = place(pass, first + c.column);
        x = load(source, pass.length, at.line, at.column + c.i * pass.count);
        if (pass.done > 1) {
          const int32_t block = static_cast<int32_t>(pass.by_done.quotient(static_cast<uint32_t>(at.column)));
          const int32_t m = (at.column - block * pass.done) * c.i * pass.reach;
          x = multiply(x, multiply(pass.high[m >> pass.shift], pass.low[m & ((1 << pass.shift) - 1)]));
        }
      }
      from[slot(pass, c.i, c.column)] = x;
    }
    __syncthreads();
    transform_tile(pass, from, to);
    if (filter) {
      for (int32_t e = first_cell; e < cells; e += threads) {
        const Cell c = cell(pass, e, false);
        Number& x = from[slot(pass, c.i, c.column)];
        x = conjugate(multiply(x, filter[c.i]));
      }
      __syncthreads();
      transform_tile(pass, from, to);
    }
    for (int32_t e = first_cell; e < cells; e += threads) {
      const Cell c = cell(pass, e, pass.done == 1);
      if (first + c.column >= columns) continue;
      const Place at = place(pass, first + c.column);
      const int32_t block = static_cast<int32_t>(pass.by_done.quotient(static_cast<uint32_t>(at.column)));
      const int32_t k = block * pass.done * (pass.radix - 1) + at.column + c.i * pass.done;
      store(target, pass.length, at.line, k, from[slot(pass, c.i, c.column)]);
    }
    __syncthreads();
  }
}

// --- tables of roots

// exp(-2 pi i m / order) for m = 0, step, .., or for the squares 0, 1, 4, ..
struct Table {
  int64_t begin, count, step, order;  // in the workspace
  bool squares;
};

constexpr int kMostTables = 8;

struct Tables {
  int count;
  Table table[kMostTables];
};

__global__ void __launch_bounds__(kFillBlock) fill_roots_kernel(Number* workspace, Tables tables) {
  for (int t = 0; t < tables.count; ++t) {
    const Table& table = tables.table[t];
    for (int64_t i = grid_start(); i < table.count; i += grid_step()) {
      Number root;
      fourier::root_of_unity(table.squares ? i * i % table.order : i * table.step, table.order, root.re, root.im);
      workspace[table.begin + i] = root;
    }
  }
}

// --- the op

class FftKernel : public Kernel {
 public:
  FftKernel(const OpDesc& desc, Device& device)
      : fft_(desc),
        chirp_(!has_small_factors(fft_.length)),
        length_(chirp_ ? convolution_length(2 * fft_.length - 1) : fft_.length) {
    constexpr int64_t kMostShared = 160 << 10;
    const auto shared =
        std::min<int64_t>(kMostShared, static_cast<int64_t>(device.properties().sharedMemPerBlockOptin));
    require(cudaFuncSetAttribute(fourier_pass_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared)),
            "cudaFuncSetAttribute");
    const bool one = length_ <= kMostLine;
    chunk_ = one ? fft_.lines : std::clamp<int64_t>(kChunkElements / length_, 1, std::max<int64_t>(fft_.lines, 1));
    passes_ = make_passes(length_, std::max<int64_t>(chunk_, 1), shared < kMostShared ? 2048 : 4096);
    lay_out();
    const double elements = static_cast<double>(fft_.lines) * static_cast<double>(length_) * (chirp_ ? 2 : 1);
    estimated_ns = estimate_ns(traffic(desc) + 32 * elements * static_cast<double>(passes_.size() - 1), 50 * elements);
    // All of a line is read before any of its results is written.
    in_place[0] = in_place[1] = 3;
  }

  uint64_t workspace_bytes() const override { return sizeof(Number) * static_cast<uint64_t>(elements_); }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (fft_.lines == 0) return CT_OK;
    Number* const work = static_cast<Number*>(to.workspace);
    int64_t longest = 0;
    for (int t = 0; t < tables_.count; ++t) longest = std::max(longest, tables_.table[t].count);
    const unsigned grid = to.device.grid(fill_roots_kernel, longest, kFillBlock);
    ct_code code = check(launch(grid, kFillBlock, 0, to.stream(), fill_roots_kernel, work, tables_), error, "fft");
    const Number* const spectrum = work + filter_at_;
    if (code == CT_OK && chirp_) {
      Source lags = line_source(to, 0);
      Target filter = line_target(to, 0);
      lags.end = End::kFilter;
      filter.end = End::kWork;
      filter.work = work + filter_at_;
      code = transform(to, lags, filter, nullptr, 1, 0, error);
    }
    for (int64_t line = 0; code == CT_OK && line < fft_.lines; line += chunk_) {
      const int64_t lines = std::min(chunk_, fft_.lines - line);
      const Source from = line_source(to, line);
      const Target into = line_target(to, line);
      if (!chirp_ || passes_.size() == 1) {
        code = transform(to, from, into, chirp_ ? spectrum : nullptr, lines, 0, error);
        continue;
      }
      // The first transform leaves its results in the buffer that its last pass does not read.
      const int last = static_cast<int>(passes_.size() - 1) % 2;
      Target filtered = into;
      filtered.end = End::kFilter;
      filtered.work = work + work_at_[last];
      code = transform(to, from, filtered, nullptr, lines, 0, error);
      Source again = from;
      again.end = End::kWork;
      again.work = filtered.work;
      if (code == CT_OK) code = transform(to, again, into, nullptr, lines, 1 - last, error);
    }
    return code;
  }

 private:
  // The workspace: tables, the filter's spectrum, and what lies between passes.
  void lay_out() {
    const auto table = [&](int64_t count, int64_t step, int64_t order, bool squares) {
      tables_.table[tables_.count++] = {elements_, count, step, order, squares};
      elements_ += count;
      return elements_ - count;
    };
    for (const Pass& pass : passes_) {
      const auto same = std::find_if(passes_.begin(), passes_.end(), [&](auto& p) { return p.radix == pass.radix; });
      const bool made = same - passes_.begin() < static_cast<int64_t>(roots_at_.size());
      roots_at_.push_back(made ? roots_at_[static_cast<size_t>(same - passes_.begin())]
                               : table(pass.radix, 1, pass.radix, false));
    }
    if (passes_.size() > 1) {
      while (int64_t{1} << (2 * shift_) < length_) ++shift_;
      low_at_ = table(int64_t{1} << shift_, 1, length_, false);
      high_at_ = table((length_ >> shift_) + 1, int64_t{1} << shift_, length_, false);
      // A last entry at or beyond the length is not a root below one turn, and is not used.
      if (((tables_.table[tables_.count - 1].count - 1) << shift_) >= length_) --tables_.table[tables_.count - 1].count;
    }
    if (chirp_) {
      chirp_at_ = table(fft_.length, 0, 2 * fft_.length, true);
      filter_at_ = elements_;
      elements_ += length_;
    }
    const size_t buffers = passes_.size() == 1 ? 0 : chirp_ || passes_.size() > 2 ? 2 : 1;
    for (size_t b = 0; b < buffers; ++b, elements_ += chunk_ * length_) work_at_[b] = elements_;
  }

  Source line_source(const Launch& to, int64_t line) const {
    const int64_t offset = line * fft_.length * (fft_.dtype == CT_FLOAT32 ? 4 : 8);
    const int re = fft_.inverse ? 1 : 0;
    return {chirp_ ? End::kChirp : End::kLine,
            fft_.dtype == CT_FLOAT32,
            static_cast<int32_t>(fft_.length),
            to.input<char>(re) + offset,
            to.input<char>(1 - re) + offset,
            nullptr,
            static_cast<const Number*>(to.workspace) + chirp_at_};
  }

  Target line_target(const Launch& to, int64_t line) const {
    const int64_t offset = line * fft_.length * (fft_.dtype == CT_FLOAT32 ? 4 : 8);
    const int re = fft_.inverse ? 1 : 0;
    const Number* const work = static_cast<const Number*>(to.workspace);
    return {chirp_ ? End::kChirp : End::kLine,
            fft_.dtype == CT_FLOAT32,
            static_cast<int32_t>(fft_.length),
            fft_.scale,
            to.output<char>(re) + offset,
            to.output<char>(1 - re) + offset,
            nullptr,
            work + chirp_at_,
            work + filter_at_};
  }

  // All passes; between them through the buffers, `next` first.
  ct_code transform(const Launch& to, Source from, const Target& into, const Number* filter, int64_t lines, int next,
                    ct_error* error) const {
    Number* const work = static_cast<Number*>(to.workspace);
    for (size_t p = 0; p < passes_.size(); ++p) {
      Pass pass = passes_[p];
      pass.roots = work + roots_at_[p];
      pass.low = work + low_at_;
      pass.high = work + high_at_;
      pass.shift = shift_;
      Target stored = into;
      if (p + 1 < passes_.size()) {
        stored.end = End::kWork;
        stored.work = work + work_at_[next];
      }
      const int64_t columns = lines * pass.count, tiles = ((columns - 1) >> pass.log_width) + 1;
      const unsigned threads = pass.threads();
      const auto shared = static_cast<size_t>(pass.shared_bytes());
      const unsigned grid = to.device.grid(fourier_pass_kernel, tiles * threads, threads, shared);
      const ct_code code =
          check(launch(grid, threads, shared, to.stream(), fourier_pass_kernel, pass, from, stored, filter, columns),
                error, "fft");
      if (code != CT_OK) return code;
      from.end = End::kWork;
      from.work = work + work_at_[next];
      next = 1 - next;
    }
    return CT_OK;
  }

  const FftParameters fft_;
  const bool chirp_;
  const int64_t length_;  // of the transforms
  int64_t chunk_;         // lines that go through the passes together
  std::vector<Pass> passes_;
  Tables tables_{};
  // In elements of the workspace.
  std::vector<int64_t> roots_at_;
  int64_t low_at_ = 0, high_at_ = 0, chirp_at_ = 0, filter_at_ = 0, work_at_[2] = {}, elements_ = 0;
  int32_t shift_ = 0;
};

std::unique_ptr<Kernel> prepare_fft(const OpDesc& desc, Device& device) {
  return std::make_unique<FftKernel>(desc, device);
}

}  // namespace

void register_fft(Registry& registry) { registry.add("fft", prepare_fft); }

}  // namespace cotangent::cuda
