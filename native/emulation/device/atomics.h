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
#define COTANGENT_ATOMIC_ADD(T) COTANGENT_ATOMIC(atomicAdd, T, old + value)
#define COTANGENT_ATOMIC_INTEGER(T)                         \
  COTANGENT_ATOMIC(atomicMax, T, old > value ? old : value) \
  COTANGENT_ATOMIC(atomicMin, T, old < value ? old : value) \
  COTANGENT_ATOMIC(atomicAnd, T, old& value)                \
  COTANGENT_ATOMIC(atomicOr, T, old | value)                \
  COTANGENT_ATOMIC(atomicXor, T, old ^ value)
#define COTANGENT_ATOMIC_EXCHANGE(T) COTANGENT_ATOMIC(atomicExch, T, (static_cast<void>(old), value))
#define COTANGENT_ATOMIC_COMPARE(T)                                                                  \
  inline T atomicCAS(T* address, T compare, T value) {                                               \
    __atomic_compare_exchange(address, &compare, &value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return compare;                                                                                  \
  }

COTANGENT_ATOMIC_ADD(unsigned)
COTANGENT_ATOMIC_ADD(unsigned long long)
COTANGENT_ATOMIC_ADD(float)
COTANGENT_ATOMIC_ADD(double)
COTANGENT_ATOMIC(atomicAdd, int, static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
COTANGENT_ATOMIC(atomicSub, int, static_cast<int>(static_cast<unsigned>(old) - static_cast<unsigned>(value)))
COTANGENT_ATOMIC(atomicSub, unsigned, old - value)
COTANGENT_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
COTANGENT_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
COTANGENT_ATOMIC_INTEGER(int)
COTANGENT_ATOMIC_INTEGER(unsigned)
COTANGENT_ATOMIC_INTEGER(long long)
COTANGENT_ATOMIC_INTEGER(unsigned long long)
COTANGENT_ATOMIC_EXCHANGE(int)
COTANGENT_ATOMIC_EXCHANGE(unsigned)
COTANGENT_ATOMIC_EXCHANGE(unsigned long long)
COTANGENT_ATOMIC_EXCHANGE(float)
COTANGENT_ATOMIC_COMPARE(unsigned short)
COTANGENT_ATOMIC_COMPARE(int)
COTANGENT_ATOMIC_COMPARE(unsigned)
COTANGENT_ATOMIC_COMPARE(unsigned long long)

#undef COTANGENT_ATOMIC
#undef COTANGENT_ATOMIC_ADD
#undef COTANGENT_ATOMIC_INTEGER
#undef COTANGENT_ATOMIC_EXCHANGE
#undef COTANGENT_ATOMIC_COMPARE

inline void __threadfence() { cotangent::emulation::thread_fence(); }
inline void __threadfence_block() { cotangent::emulation::thread_fence(); }
inline void __threadfence_system() { cotangent::emulation::thread_fence(); }

#endif
