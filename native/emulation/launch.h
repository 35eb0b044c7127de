// Kernel launch, shared memory and dynamic shared memory under emulation: the names that device code uses on both
// compilers.
#ifndef COTANGENT_EMULATION_LAUNCH_H
#define COTANGENT_EMULATION_LAUNCH_H

#include <cuda_runtime.h>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cotangent::emulation {

// The poison of an array, by what it holds: a signalling NaN of the element type.
enum class Poison : uint8_t { kFloat, kDouble };
template <class T>
constexpr Poison poison_of() {
  return std::is_same_v<std::remove_cv_t<std::remove_all_extents_t<T>>, double> ? Poison::kDouble : Poison::kFloat;
}

// Storage of the block that runs, named by `key`, poisoned when a lane first asks for it.
void* shared_storage(const void* key, size_t bytes, size_t alignment, Poison poison);
void* dynamic_shared_storage(size_t alignment, Poison poison);

template <class T>
T& shared_variable(const void* key) {
  static_assert(std::is_trivially_default_constructible_v<std::remove_all_extents_t<T>>,
                "shared memory is not initialised");
  return *static_cast<T*>(shared_storage(key, sizeof(T), alignof(T), poison_of<T>()));
}

struct PointerArgument {
  const void* value;
  int position;
};

struct Launch {
  const void* kernel;
  dim3 grid, block;
  size_t dynamic_shared_bytes;
  std::function<void()> lane;  // the kernel with its arguments
  PointerArgument pointers[16];
  int pointer_count;
};
cudaError_t enqueue_launch(Launch&& launch, cudaStream_t stream);

template <class T>
void note_pointer(Launch& launch, int position, const T& argument) {
  if constexpr (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>) {
    if (argument != nullptr && launch.pointer_count < 16) {
      launch.pointers[launch.pointer_count++] = {argument, position};
    }
  }
}

template <class T>
struct Identity {
  using type = T;
};

}  // namespace cotangent::emulation

// An expression: `auto& tile = SHARED(float[32][33]);`. The static variable names the array: one per call site and per
// instantiation of the template around it.
#define SHARED(...)                                          \
  (::cotangent::emulation::shared_variable<__VA_ARGS__>([] { \
    static const char key = 0;                               \
    return static_cast<const void*>(&key);                   \
  }()))

namespace cotangent::cuda {

// The dynamic shared memory of the launch.
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared_storage(alignof(T), emulation::poison_of<T>()));
}

// Queues kernel(args...) on the stream. The types of the arguments are those of the kernel's parameters.
template <class... P>
cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, void (*kernel)(P...),
                   typename emulation::Identity<P>::type... args) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "kernel parameters are copied byte by byte");
  emulation::Launch launch{reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, nullptr, {}, 0};
  int position = 0;
  (emulation::note_pointer(launch, position++, args), ...);
  static_cast<void>(position);
  launch.lane = [kernel, values = std::tuple<P...>(args...)] { std::apply(kernel, values); };
  return emulation::enqueue_launch(std::move(launch), stream);
}

}  // namespace cotangent::cuda

#endif
