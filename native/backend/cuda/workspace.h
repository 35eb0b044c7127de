// The parts of a kernel's workspace.
#ifndef COTANGENT_BACKEND_CUDA_WORKSPACE_H
#define COTANGENT_BACKEND_CUDA_WORKSPACE_H

#include <algorithm>
#include <cstdint>

namespace cotangent::cuda {

// A workspace in the making: hands out offsets of parts that begin at multiples of 64 bytes, as the workspace does.
// Enough: kernels access 16 bytes at a time at most, and of the arrays they are given here cuBLAS and cuSOLVER ask for
// no more than what their elements need (256 bytes are wanted by cublasSetWorkspace only, which nothing calls).
class Room {
 public:
  template <class T>
  int64_t take(int64_t count) {
    constexpr int64_t kAlignment = 64;
    const int64_t offset = bytes_;
    bytes_ +=
        (std::max<int64_t>(0, count) * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
  uint64_t bytes() const { return static_cast<uint64_t>(bytes_); }

 private:
  int64_t bytes_ = 0;
};

template <class T>
T* part(void* workspace, int64_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(workspace) + offset);
}

}  // namespace cotangent::cuda

#endif
