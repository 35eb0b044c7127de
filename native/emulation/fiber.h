// A stack of its own to run on, and the switch to and from it.
#ifndef COTANGENT_EMULATION_FIBER_H
#define COTANGENT_EMULATION_FIBER_H

#include <cstddef>
#include <cstdint>

#if !defined(COTANGENT_EMULATION_ASSEMBLY)
#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
#define COTANGENT_EMULATION_ASSEMBLY 1
#else
#define COTANGENT_EMULATION_ASSEMBLY 0
#endif
#endif
#if !COTANGENT_EMULATION_ASSEMBLY
#include <ucontext.h>
#endif

namespace cotangent::emulation {

// Where one side of a switch stands.
struct Context {
#if COTANGENT_EMULATION_ASSEMBLY
  void* stack_pointer = nullptr;
#else
  ucontext_t state;
#endif
  // AddressSanitizer's.
  void* fake_stack = nullptr;
  const void* stack_bottom = nullptr;
  size_t stack_size = 0;
};

class Fiber {
 public:
  // Under AddressSanitizer frames are several times as large.
  static constexpr size_t kStackBytes = 256 * 1024, kGuardBytes = 16 * 1024;

  // The stack is `stack` if given (kStackBytes), else one of the fiber's own above an inaccessible guard.
  explicit Fiber(void* stack = nullptr);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Forgets what ran here; the next resume calls `entry`, which must not return.
  void reset(void (*entry)());

  // From the scheduler into the fiber, until it suspends.
  void resume(Context& scheduler);
  // From the fiber to the scheduler; comes back with the next resume.
  void suspend(Context& scheduler);
  // To call first in `entry`.
  void started(Context& scheduler);

  bool guards(uintptr_t address) const {
    const auto bottom = reinterpret_cast<uintptr_t>(stack_);
    return owned_ && address >= bottom - kGuardBytes && address < bottom;
  }
  char* stack_top() const { return stack_ + kStackBytes; }
  char* stack_bottom() const { return stack_; }

 private:
  char* stack_;
  bool owned_;
  Context context_;
};

}  // namespace cotangent::emulation

#endif
