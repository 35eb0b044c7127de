#include "native/kernels/fft/line_transform.h"

#include <algorithm>
#include <kissfft.hh>

namespace cotangent::cpu {
namespace {

constexpr int64_t kLargestFactor = 50;

// n without its factors 2, 3 and 5.
int64_t rough_part(int64_t n) {
  for (const int64_t p : {2, 3, 5}) {
    while (n % p == 0) n /= p;
  }
  return n;
}

}  // namespace

class LineTransform::Library : public kissfft<double> {
  using kissfft<double>::kissfft;
};

bool LineTransform::fits(int64_t n) { return rough_part(n) <= kLargestFactor; }

LineTransform::LineTransform(int64_t n) : n_(n), a_(n / rough_part(n)), b_(rough_part(n)) {
  if (a_ > 1) library_ = std::make_unique<Library>(static_cast<size_t>(a_), false);
  if (b_ == 1) return;
  for (int64_t j = 0; j < b_; ++j) {
    roots_.push_back(root_of_unity(j, b_));
    for (int64_t k = 0; k < a_; ++k) twiddles_.push_back(root_of_unity(j * k, n_));
  }
}

LineTransform::~LineTransform() = default;
LineTransform::LineTransform(LineTransform&&) noexcept = default;

double LineTransform::flops() const {
  const auto [n, b] = std::pair(static_cast<double>(n_), static_cast<double>(b_));
  return n * (5 * std::log2(n / b) + (b_ > 1 ? 8 * b : 0));
}

void LineTransform::run(const Complex* in, Complex* out, Complex* scratch) const {
  if (b_ == 1) {
    if (a_ == 1) {
      *out = *in;
    } else {
      library_->transform(in, out);
    }
    return;
  }
  // X_(k + a l) = sum over j of exp(-2 pi i j l / b) (exp(-2 pi i j k / n) A_jk), A_j = DFT_a of x_(b i + j), i < a.
  for (int64_t j = 0; j < b_; ++j) {
    Complex* const part = scratch + j * a_;
    if (a_ == 1) {
      *part = in[j];
    } else {
      library_->transform(in + j, part, 0, 1, static_cast<size_t>(b_));
    }
  }
  for (int64_t i = a_; i < n_; ++i) scratch[i] = multiply(scratch[i], twiddles_[static_cast<size_t>(i)]);
  for (int64_t l = 0; l < b_; ++l) {
    Complex* const to = out + l * a_;
    std::copy_n(scratch, a_, to);
    for (int64_t j = 1; j < b_; ++j) {
      const Complex root = roots_[static_cast<size_t>(j * l % b_)];
      const Complex* const part = scratch + j * a_;
      for (int64_t k = 0; k < a_; ++k) to[k] += multiply(root, part[k]);
    }
  }
}

}  // namespace cotangent::cpu
