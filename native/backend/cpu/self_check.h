// What the numerical self-checks of BLAS and LAPACK share.
#ifndef COTANGENT_BACKEND_CPU_SELF_CHECK_H
#define COTANGENT_BACKEND_CPU_SELF_CHECK_H

#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace cotangent::cpu::blas {

// A full-period linear congruential generator: this file needs numbers that are spread, not random.
class Numbers {
 public:
  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) * 0x1p-52 - 1;
  }

  template <class T>
  std::vector<T> matrix(int64_t rows, int64_t columns) {
    std::vector<T> values(static_cast<size_t>(rows * columns));
    for (T& value : values) value = static_cast<T>(next());
    return values;
  }

 private:
  uint64_t state_ = 42;
};

template <class T>
constexpr const char* kPrefix = sizeof(T) == 4 ? "s" : "d";

class Report {
 public:
  // Entries are below 1 in size: a sum of n terms may be off by about eps n, a solve by a few eps sqrt(n).
  template <class T>
  void expect(double error, double roundings, const std::string& entry, const std::string& shape) {
    const double allowed = static_cast<double>(std::numeric_limits<T>::epsilon()) * roundings;
    if (error <= allowed) return;  // false for NaN
    char text[160];
    std::snprintf(text, sizeof text, "%s%s %s: Expected an error below %.3g, received %.3g.", kPrefix<T>, entry.c_str(),
                  shape.c_str(), allowed, error);
    faults.push_back(text);
  }

  std::vector<std::string> faults;
};

// Keeps NaN, unlike std::max.
inline void take_max(double& worst, double error) {
  if (!(error <= worst)) worst = error;
}

inline std::string shape_text(int m, int n, int k) {
  return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
}

// Appends what LAPACK computes wrongly. In lapack_self_check.cc.
void check_lapack(Report& report);

}  // namespace cotangent::cpu::blas

#endif
