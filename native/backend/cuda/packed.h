// Several elements that are moved by one instruction.
#ifndef COTANGENT_BACKEND_CUDA_PACKED_H
#define COTANGENT_BACKEND_CUDA_PACKED_H

#include <cstdint>

namespace cotangent::cuda {

template <class T, int width>
struct alignas(sizeof(T) * width) Packed {
  T element[width];
};

// Whether arrays that begin there may be read and written in pieces of `bytes`.
template <class... Pointers>
bool aligned_to(uint64_t bytes, Pointers... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % bytes == 0) && ...);
}

}  // namespace cotangent::cuda

#endif
