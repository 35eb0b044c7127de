// AddressSanitizer and ThreadSanitizer, as far as the emulator speaks to them; nothing where they are absent. Under
// ThreadSanitizer the emulator itself is compiled without instrumentation and knows of it by
// COTANGENT_EMULATION_TSAN: only the kernels are watched.
#ifndef COTANGENT_EMULATION_SANITIZERS_H
#define COTANGENT_EMULATION_SANITIZERS_H

#include <cstddef>

#if defined(__has_feature)  // Clang's way to say so
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(COTANGENT_EMULATION_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace cotangent::emulation {

#if defined(__SANITIZE_ADDRESS__)
inline void poison(const volatile void* address, size_t bytes) { __asan_poison_memory_region(address, bytes); }
inline void unpoison(const volatile void* address, size_t bytes) { __asan_unpoison_memory_region(address, bytes); }
#else
inline void poison(const volatile void*, size_t) {}
inline void unpoison(const volatile void*, size_t) {}
#endif

// Each lane is a thread to ThreadSanitizer, and what follows is all that orders them: a switch does not.
#if defined(COTANGENT_EMULATION_TSAN)
constexpr bool kThreadSanitizer = true;
inline void* current_thread_state() { return __tsan_get_current_fiber(); }
inline void* create_thread_state() { return __tsan_create_fiber(0); }
inline void destroy_thread_state(void* state) { __tsan_destroy_fiber(state); }
inline void switch_thread_state(void* state) { __tsan_switch_to_fiber(state, 1); }
inline void happens_after(void* event) { __tsan_acquire(event); }
inline void happens_before(void* event) { __tsan_release(event); }
#else
constexpr bool kThreadSanitizer = false;
inline void* current_thread_state() { return nullptr; }
inline void* create_thread_state() { return nullptr; }
inline void destroy_thread_state(void*) {}
inline void switch_thread_state(void*) {}
inline void happens_after(void*) {}
inline void happens_before(void*) {}
#endif

}  // namespace cotangent::emulation

#endif
