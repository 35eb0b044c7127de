// Waiting: a pause for spin loops, and a clock that is cheap enough to read inside them.
#ifndef COTANGENT_CORE_RELAX_H
#define COTANGENT_CORE_RELAX_H

#include <chrono>
#include <cstdint>

namespace cotangent {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

// Monotonic time in nanoseconds.
inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr int64_t kSpinNs = 50'000;  // how long anything here spins before it sleeps

// Spins until done() or until kSpinNs have passed; returns done().
template <class F>
bool spin_until(F&& done) {
  const int64_t end = now_ns() + kSpinNs;
  do {
    for (int k = 0; k < 32; ++k) {
      if (done()) return true;
      cpu_relax();
    }
  } while (now_ns() < end);
  return done();
}

}  // namespace cotangent

#endif
