// How kernels use several threads: work is cut into a fixed number of parts, whoever runs them.
// The pool runs the parts at the same time, the inline path one after the other: the partition, and so the bits, are
// the same.
#ifndef COTANGENT_CORE_PARALLEL_H
#define COTANGENT_CORE_PARALLEL_H

#include <algorithm>
#include <cstdint>

namespace cotangent {

class Parallel {
 public:
  virtual ~Parallel() = default;

  // Number of parts that work is cut into (the process's thread setting). Constant during one launch.
  virtual int threads() const = 0;

  // Calls body(context, part) for every part in [0, parts); returns when all are done. parts <= threads().
  virtual void run(int parts, void (*body)(void* context, int part), void* context) = 0;

  // f(part) for part in [0, parts).
  template <class F>
  void parts(int count, F&& f) {
    if (count <= 1) {
      if (count == 1) f(0);
      return;
    }
    run(count, [](void* context, int part) { (*static_cast<F*>(context))(part); }, static_cast<void*>(&f));
  }

  // f(begin, end) over [0, n), each part a multiple of `align` long (but the last), none shorter than `grain`.
  template <class F>
  void range(int64_t n, int64_t grain, int64_t align, F&& f) {
    if (n <= 0) return;
    const int64_t wanted = std::max<int64_t>(1, n / std::max<int64_t>(1, grain));
    const int count = static_cast<int>(std::min<int64_t>(threads(), wanted));
    const int64_t blocks = (n + align - 1) / align;
    parts(count, [&](int part) {
      const int64_t begin = blocks * part / count * align;
      const int64_t end = std::min(n, blocks * (part + 1) / count * align);
      if (begin < end) f(begin, end);
    });
  }
};

}  // namespace cotangent

#endif
