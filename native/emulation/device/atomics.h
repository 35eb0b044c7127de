// Atomic functions of device code: relaxed, as on the device, so that ThreadSanitizer reports a missing fence.
#ifndef COTANGENT_EMULATION_DEVICE_ATOMICS_H
#define COTANGENT_EMULATION_DEVICE_ATOMICS_H

namespace cotangent::emulation {

// old = *address; *address = combine(old); returns old.
template <class T, class F>
inline T atomic_update(T* address, F combine) {
  T old;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  for (;;) {
    T desired = combine(old);
    if (__atomic_compare_exchange(address, &old, &desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return old;
  }
}

// What __threadfence means to ThreadSanitizer; the processor needs nothing, since lanes take turns on one thread.
void thread_fence();

}  // namespace cotangent::emulation

// One overload per type, not a template: arguments convert as they do on the device.
#define COTANGENT_ATOMIC(name, T, expression)                                                    \
  inline T name(T* address, T value) {                                                           \
    return cotangent::emulation::atomic_update(address, [=](T old) -> T { return expression; }); \
  }

COTANGENT_ATOMIC(atomicAdd, int, static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
COTANGENT_ATOMIC(atomicAdd, unsigned, old + value)
COTANGENT_ATOMIC(atomicMin, int, old < value ? old : value)
COTANGENT_ATOMIC(atomicMax, int, old > value ? old : value)
COTANGENT_ATOMIC(atomicMax, unsigned, old > value ? old : value)
COTANGENT_ATOMIC(atomicMax, unsigned long long, old > value ? old : value)
COTANGENT_ATOMIC(atomicExch, int, (static_cast<void>(old), value))
#undef COTANGENT_ATOMIC

inline void __threadfence() { cotangent::emulation::thread_fence(); }

#endif
