// Several elements that are moved by one instruction.
#ifndef COTANGENT_BACKEND_CUDA_PACKED_H
#define COTANGENT_BACKEND_CUDA_PACKED_H

#include <cstdint>

namespace cotangent::cuda {

template <class T, int width>
struct alignas(sizeof(T) * width) Packed {
  T element[width];
};

// body(unsigned integer of the size of an element).
template <class F>
decltype(auto) dispatch_element(int64_t bytes, F&& body) {
  switch (bytes) {
    case 8:
      return body(uint64_t{});
    case 4:
      return body(uint32_t{});
    default:
      return body(uint8_t{});
  }
}

// The same with words of 16 bytes.
template <class F>
decltype(auto) dispatch_word(int64_t bytes, F&& body) {
  if (bytes == 16) return body(Packed<uint32_t, 4>{});
  return dispatch_element(bytes, body);
}

// Whether arrays that begin there may be read and written in pieces of `bytes`.
template <class... Pointers>
bool aligned_to(uint64_t bytes, Pointers... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % bytes == 0) && ...);
}

}  // namespace cotangent::cuda

#endif
