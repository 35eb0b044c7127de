// Helpers of the emulator's tests: checks, device arrays, the orders.
#ifndef COTANGENT_TEST_EMULATION_TESTING_H
#define COTANGENT_TEST_EMULATION_TESTING_H

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "native/emulation/emulation.h"
#include "native/emulation/launch.h"

namespace cotangent::testing {

inline int failures = 0;

#define CHECK(condition, ...)                                              \
  do {                                                                     \
    if (!(condition) && ++::cotangent::testing::failures <= 40) {          \
      std::fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                   \
      std::fprintf(stderr, "\n");                                          \
    }                                                                      \
  } while (0)

// A call that must succeed.
#define OK(call)                                                                                         \
  do {                                                                                                   \
    const cudaError_t status_ = (call);                                                                  \
    CHECK(status_ == cudaSuccess, "%s, %s", cudaGetErrorName(status_), emulation::last_fault().c_str()); \
  } while (0)

// The text of the fault, which must contain this.
#define CHECK_FAULT(text) \
  CHECK(emulation::last_fault().find(text) != std::string::npos, "fault: %s", emulation::last_fault().c_str())

constexpr unsigned kAllLanes = 0xffffffffu;

// An array on the device.
template <class T>
class Array {
 public:
  explicit Array(size_t count) : count_(count) { OK(cudaMalloc(&data_, count * sizeof(T))); }
  explicit Array(const std::vector<T>& values) : Array(values.size()) { set(values); }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return data_; }
  size_t size() const { return count_; }
  void set(const std::vector<T>& values) const {
    OK(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> get() const {
    std::vector<T> values(count_);
    OK(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

// Every order in turn; the last one stays for what the caller does next.
template <class F>
void in_every_order(F&& body) {
  for (const char* order : {"reverse", "random:1", "random:2", "forward"}) {
    CHECK(emulation::set_order(order), "%s", order);
    body(order);
  }
}

inline int finish() {
  if (failures > 0) std::fprintf(stderr, "%d checks failed\n", failures);
  return failures > 0;
}

}  // namespace cotangent::testing

#endif
