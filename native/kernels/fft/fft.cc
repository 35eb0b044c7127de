// fft: the DFT along the last axis, X_k = scale * sum over j of x_j exp(-+2 pi i j k / n), of complex numbers given as
// pairs of real tensors [.., n]. float32 is computed in double and rounded once.
//
// A length takes one of three ways:
//   line   it fits into the cache and has no large prime factors: LineTransform.
//   long   a product of two such lengths: LongTransform.
//   chirp  any other, by L. I. Bluestein, "A linear filtering approach to the computation of discrete Fourier
//          transform", IEEE Trans. Audio Electroacoust. 18 (1970) 451-455: with c_j = exp(-pi i j^2 / n),
//          X_k = c_k sum over j of (x_j c_j) conj(c_(k-j)), a cyclic convolution of a length m >= 2 n - 1 that takes
//          one of the other ways.
// The inverse is the same with real and imaginary parts changing places on either side. Every line, column and row is
// transformed alone, so the bits do not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <optional>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/fft/long_transform.h"
#include "native/kernels/fft/parameters.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kLineMost = 1 << 14;  // in and out are half a mebibyte: the cache of one core
constexpr double kGrainFlops = 50e3;    // worth a thread

// n = n1 n2 with both in reach of LineTransform, as nearly equal as can be; 0 where there is none.
int64_t split(int64_t n) {
  for (auto d = static_cast<int64_t>(std::sqrt(static_cast<double>(n))) + 1; d > 1; --d) {
    if (n % d == 0 && n / d <= kLineMost && d <= kLineMost && LineTransform::fits(d) && LineTransform::fits(n / d)) {
      return d;
    }
  }
  return 0;
}

// The ways `line` and `long` for one length.
struct Transform {
  explicit Transform(int64_t n) : size(n) {
    if (n <= kLineMost && LineTransform::fits(n)) {
      line.emplace(n);
    } else if (const int64_t n1 = split(n)) {
      whole.emplace(n1, n / n1);
    }
  }
  explicit operator bool() const { return line || whole; }
  double flops() const { return line ? line->flops() : whole->flops(); }

  int64_t size;
  std::optional<LineTransform> line;
  std::optional<LongTransform> whole;
};

// The filter is the spectrum over m of conj(c) at the lags -(n-1) .. n-1, made by the transform itself: of a line that
// fits into the cache once and for all, else by the first steps of every run, since it takes time and memory.
class Chirp {
 public:
  explicit Chirp(int64_t n) : n_(n), roots_(2 * n), transform_(convolution_length(2 * n - 1)) {
    if (!transform_.line) return;
    const int64_t m = transform_.size;
    std::vector<Complex> lags(static_cast<size_t>(m));
    for (int64_t j = 0; j < m; ++j) lags[static_cast<size_t>(j)] = lag(j);
    filter_.resize(static_cast<size_t>(m));
    transform_.line->run(lags.data(), filter_.data(), nullptr);  // m has no factors that need scratch
  }

  const Transform& transform() const { return transform_; }
  Complex at(int64_t j) const { return roots_.at(j * j % (2 * n_)); }
  Complex lag(int64_t j) const {
    const int64_t m = transform_.size, distance = std::min(j, m - j);
    return distance < n_ ? std::conj(at(distance)) / static_cast<double>(m) : Complex(0);
  }
  const Complex* filter() const { return filter_.data(); }  // where `line` is the way

 private:
  int64_t n_;
  Roots roots_;
  Transform transform_;
  std::vector<Complex> filter_;
};

template <class T>
class FftKernel : public Kernel {
 public:
  FftKernel(const OpDesc& desc, const FftParameters& fft)
      : n_(fft.length), lines_(fft.lines), inverse_(fft.inverse), scale_(fft.scale), own_(n_) {
    if (!own_) chirp_.emplace(n_);
    const Transform& used = chirp_ ? chirp_->transform() : own_;
    const double flops = chirp_ ? 2 * used.flops() + 60 * static_cast<double>(n_) : used.flops();
    whole_ = used.whole ? &*used.whole : nullptr;
    leading_ = whole_ && chirp_ ? 2 : 0;
    steps_ = whole_ ? leading_ + lines_ * (chirp_ ? 4 : 2) : 1;
    item_flops_ = whole_ ? flops / static_cast<double>(whole_->row_tiles()) : flops;
    // The library takes about 3 flops a nanosecond; estimates count 20.
    const double filter_flops = leading_ ? used.flops() : 0;
    estimated_ns = estimate_ns(traffic(desc), 7 * (flops * static_cast<double>(lines_) + filter_flops));
    // A line is read whole before any of its results is written.
    in_place[0] = in_place[1] = 3;
  }

  uint64_t workspace_bytes(int threads) const override {
    return sizeof(Complex) * static_cast<uint64_t>(shared() + threads * scratch());
  }

  int pieces(int threads) const override {
    return static_cast<int>(std::clamp<int64_t>(steps_ * chunks(threads), 1, 4096));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (lines_ == 0) return CT_OK;
    const int threads = launch.parallel.threads(), cuts = chunks(threads);
    const Piece units(steps_ * cuts, launch.piece, pieces(threads));
    Complex* const work = static_cast<Complex*>(launch.workspace);
    Complex* const scratches = work + shared();
    for (int64_t unit = units.begin; unit < units.end; ++unit) {
      const int64_t step = unit / cuts;
      const Piece chunk(items(step), static_cast<int>(unit % cuts), cuts);
      const auto grain = static_cast<int64_t>(std::max(1.0, kGrainFlops / item_flops_));
      const int64_t count = std::clamp<int64_t>(chunk.length() / grain, 1, threads);
      launch.parallel.parts(static_cast<int>(count), [&](int part) {
        const int64_t begin = chunk.begin + chunk.length() * part / count;
        const int64_t end = chunk.begin + chunk.length() * (part + 1) / count;
        run_items(launch, step, begin, end, work, scratches + part * scratch());
      });
    }
    return CT_OK;
  }

 private:
  struct Line {
    const T *re, *im;
    T *to_re, *to_im;
    Complex load(int64_t j) const { return {static_cast<double>(re[j]), static_cast<double>(im[j])}; }
    void store(int64_t k, Complex x, double scale) const {
      to_re[k] = static_cast<T>(scale * x.real());
      to_im[k] = static_cast<T>(scale * x.imag());
    }
  };

  Line line(const Launch& launch, int64_t index) const {
    const int re = inverse_ ? 1 : 0, im = 1 - re;
    const int64_t at = index * n_;
    return {static_cast<const T*>(launch.in[re]) + at, static_cast<const T*>(launch.in[im]) + at,
            static_cast<T*>(launch.out[re]) + at, static_cast<T*>(launch.out[im]) + at};
  }

  // Of a long line: what the columns leave to the rows; of a long chirp also a spectrum and the filter.
  int64_t shared() const { return whole_ ? (chirp_ ? 3 : 1) * whole_->size() : 0; }

  int64_t scratch() const {
    if (whole_) return whole_->scratch();
    const Transform& used = chirp_ ? chirp_->transform() : own_;
    return 2 * used.size + used.line->scratch();
  }

  // Lines, or tiles of one step through a long line.
  int64_t items(int64_t step) const {
    if (!whole_) return lines_;
    return step % 2 ? whole_->row_tiles() : whole_->column_tiles();
  }

  // Into how many pieces a step is cut.
  int chunks(int threads) const {
    const int64_t most = std::min(items(0), whole_ ? items(1) : lines_) / threads;
    return pieces_by_time(estimated_ns / static_cast<double>(steps_), threads, most);
  }

  void run_items(const Launch& launch, int64_t step, int64_t begin, int64_t end, Complex* work,
                 Complex* scratch) const {
    if (!whole_) {
      for (int64_t i = begin; i < end; ++i)
        chirp_ ? chirp_line(line(launch, i), scratch) : plain_line(line(launch, i), scratch);
    } else if (step < leading_) {
      filter_step(step, begin, end, work, scratch);
    } else if (chirp_) {
      chirp_step(line(launch, (step - leading_) / 4), (step - leading_) % 4, begin, end, work, scratch);
    } else {
      const Line at = line(launch, step / 2);
      if (step % 2 == 0) {
        whole_->columns(begin, end, [&](int64_t j) { return at.load(j); }, work, scratch);
      } else {
        whole_->rows(begin, end, work, [&](int64_t k, Complex x) { at.store(k, x, scale_); }, scratch);
      }
    }
  }

  void plain_line(const Line& line, Complex* in) const {
    Complex* const out = in + n_;
    for (int64_t j = 0; j < n_; ++j) in[j] = line.load(j);
    own_.line->run(in, out, out + n_);
    for (int64_t k = 0; k < n_; ++k) line.store(k, out[k], scale_);
  }

  Complex chirped(const Line& line, int64_t j) const {
    return j < n_ ? multiply(line.load(j), chirp_->at(j)) : Complex(0);
  }
  // Conjugate on the way into and out of the second transform, which makes it the inverse.
  static Complex filtered(Complex filter, Complex x) { return std::conj(multiply(x, filter)); }
  void store_chirped(const Line& line, int64_t k, Complex x) const {
    if (k < n_) line.store(k, multiply(std::conj(x), chirp_->at(k)), scale_);
  }

  void chirp_line(const Line& line, Complex* in) const {
    const LineTransform& transform = *chirp_->transform().line;
    const int64_t m = transform.size();
    Complex* const out = in + m;
    const Complex* const filter = chirp_->filter();
    for (int64_t j = 0; j < m; ++j) in[j] = chirped(line, j);
    transform.run(in, out, out + m);
    for (int64_t k = 0; k < m; ++k) in[k] = filtered(filter[k], out[k]);
    transform.run(in, out, out + m);
    for (int64_t k = 0; k < n_; ++k) store_chirped(line, k, out[k]);
  }

  Complex* filter_of(Complex* work) const { return work + 2 * whole_->size(); }

  void filter_step(int64_t step, int64_t begin, int64_t end, Complex* work, Complex* scratch) const {
    Complex* const filter = filter_of(work);
    if (step == 0) {
      whole_->columns(begin, end, [&](int64_t j) { return chirp_->lag(j); }, work, scratch);
    } else {
      whole_->rows(begin, end, work, [&](int64_t k, Complex x) { filter[k] = x; }, scratch);
    }
  }

  void chirp_step(const Line& line, int64_t step, int64_t begin, int64_t end, Complex* work, Complex* scratch) const {
    Complex* const spectrum = work + whole_->size();
    const Complex* const filter = filter_of(work);
    switch (step) {
      case 0:
        return whole_->columns(begin, end, [&](int64_t j) { return chirped(line, j); }, work, scratch);
      case 1:
        return whole_->rows(
            begin, end, work, [&](int64_t k, Complex x) { spectrum[k] = filtered(filter[k], x); }, scratch);
      case 2:
        return whole_->columns(begin, end, [&](int64_t j) { return spectrum[j]; }, work, scratch);
      default:
        return whole_->rows(begin, end, work, [&](int64_t k, Complex x) { store_chirped(line, k, x); }, scratch);
    }
  }

  int64_t n_, lines_;
  bool inverse_;
  double scale_;
  Transform own_;  // empty where the chirp takes its place
  std::optional<Chirp> chirp_;
  const LongTransform* whole_;  // of own_ or of chirp_, if it is the way
  int64_t leading_, steps_;     // passes over a long line, or over the filter before all lines
  double item_flops_;
};

std::unique_ptr<Kernel> prepare_fft(const OpDesc& desc) {
  const FftParameters fft(desc);
  if (fft.dtype == CT_FLOAT32) return std::make_unique<FftKernel<float>>(desc, fft);
  return std::make_unique<FftKernel<double>>(desc, fft);
}

}  // namespace

void register_fft(Registry& registry) { registry.add("fft", prepare_fft); }

}  // namespace cotangent::cpu
