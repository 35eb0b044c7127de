// fft: lines of complex numbers by passes through memory (fft_passes.h), in double, as on the CPU. float32 is rounded
// once. Lengths with a prime factor above 50 are chirps, whose formula is beside the CPU's kernel (fft.cc): two
// transforms of a length m >= 2 n - 1 with the filter's spectrum between them, itself transformed first, at every run.
// The inverse is the same with real and imaginary parts changing places on either side.
//
// A pass reads and writes every element once: 8 (float32) or 16 bytes at the ends of a line, 16 between passes. Lines
// that need several passes are taken in chunks of at most 32 MiB, or one line, that may stay in the device's cache. A
// line of at most 2,048 elements is read once and written once; chirps of at most 1,024 likewise. Results depend on
// neither the grid nor the tiles: the operations of a line are fixed by its length.
#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/kernel.h"
#include "native/kernels/fft/parameters.h"
#include "native/kernels/fft/pass_ends.h"
#include "native/kernels/fft/pass_tile.h"
#include "native/kernels/fft/root_of_unity.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kFillBlock = 256;
constexpr int64_t kChunkElements = 1 << 21;  // of lines that take several passes: 32 MiB between passes

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
