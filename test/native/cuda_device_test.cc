// What the CUDA backend's kernels stand on: staging memory, the libraries' handles, what a failure says.
#include <future>

#include "native/backend/cuda/blas.h"
#include "native/backend/cuda/device.h"
#include "native/backend/cuda/solver.h"
#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

using cuda::Device;
using cuda::Staging;

void raise_flag(void* flag) { *static_cast<bool*>(flag) = true; }

// Writes that fit into a slot together do not wait for the work that is queued before them.
void small_writes() {
  CHECK(emulation::set_order("forward"), "order");  // in which nothing runs before it is waited for
  constexpr size_t kCount = 40, kBytes = 100;
  Device device(0);
  const Array<char> to(kCount * kBytes);
  bool reached = false;
  OK(cudaLaunchHostFunc(device.stream(), raise_flag, &reached));
  ct_error error{};
  std::vector<char> from(kBytes);
  for (size_t k = 0; k < kCount; ++k) {
    from.assign(kBytes, static_cast<char>(k));
    CHECK(device.writing().write(device.stream(), to.data() + k * kBytes, from.data(), kBytes, &error) == CT_OK, "%s",
          error.message);
  }
  CHECK(!reached, "waited for the device");
  OK(cudaStreamSynchronize(device.stream()));
  const std::vector<char> got = to.get();
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == static_cast<char>(i / kBytes), "byte %zu: %d", i, got[i]);
}

// Sizes below, at and beyond a slot's; the source changes as soon as a write has returned.
void ring(const char* order) {
  Device device(0);
  Staging writing(2, 1024), reading(2, 512);
  ct_error error{};
  std::vector<char> from, back;
  size_t value = 0;
  for (int round = 0; round < 3; ++round) {
    for (const size_t bytes : {0, 1, 63, 64, 65, 700, 1023, 1024, 1025, 2048, 5000}) {
      const Array<char> to(2 * bytes + 1);
      std::vector<char> expected;
      for (size_t half = 0; half < 2; ++half) {
        from.resize(bytes);
        for (char& byte : from) byte = static_cast<char>(value++ % 251);
        expected.insert(expected.end(), from.begin(), from.end());
        CHECK(writing.write(device.stream(), to.data() + half * bytes, from.data(), bytes, &error) == CT_OK, "%s",
              error.message);
        from.assign(bytes, 0);
      }
      back.assign(2 * bytes, 0);
      CHECK(reading.read(device.stream(), back.data(), to.data(), back.size(), &error) == CT_OK, "%s", error.message);
      CHECK(back == expected, "%zu bytes, %s", bytes, order);
    }
  }
}

// A read waits for what is queued; a write beside it does not wait for the read.
void write_beside_read() {
  struct Beside {
    Device device{0};
    std::future<void> write;
    bool done = false;
  } beside;
  const Array<char> from(std::vector<char>(100, 1));
  OK(cudaLaunchHostFunc(
      beside.device.stream(),
      [](void* data) {
        auto& to = *static_cast<Beside*>(data);
        // Of no bytes: a host function may not call the runtime, nor wait for who does.
        to.write = std::async(std::launch::async, [&to] {
          ct_error error{};
          to.device.writing().write(to.device.stream(), nullptr, nullptr, 0, &error);
        });
        to.done = to.write.wait_for(std::chrono::seconds(2)) == std::future_status::ready;
      },
      &beside));
  ct_error error{};
  std::vector<char> to(100);
  CHECK(beside.device.reading().read(beside.device.stream(), to.data(), from.data(), to.size(), &error) == CT_OK, "%s",
        error.message);
  CHECK(beside.done && to[99] == 1, "the write waited for the read");
}

// No memory for a handle is no memory, whoever asks.
void handles() {
  Device device(0);
  ct_error error{};
  cublasHandle_t blas = nullptr;
  emulation::fail_allocation(1);
  CHECK(device.blas(&blas, &error) == CT_OUT_OF_MEMORY && !blas && error.code == CT_OUT_OF_MEMORY, "%s", error.message);
  CHECK(std::string(error.op) == "cuda", "blames %s", error.op);
  const Array<float> a(std::vector<float>{3}), b(std::vector<float>{5}), c(1);
  const auto product = [&] {
    return cuda::blas::gemm<float>(device, 1, 1, 1, 1, 1, {a.data(), 1}, {b.data(), 1}, 0, {c.data(), 1}, &error);
  };
  emulation::fail_allocation(1);
  CHECK(product() == CT_OUT_OF_MEMORY, "%s", error.message);
  CHECK(product() == CT_OK && device.blas(&blas, &error) == CT_OK && blas, "%s", error.message);
  emulation::fail_allocation(1);
  try {
    cuda::solver::required_handle(device);
    CHECK(false, "made");
  } catch (const KernelError& failure) {
    CHECK(failure.code == CT_OUT_OF_MEMORY && failure.message.rfind("Expected cusolverDnCreate to succeed", 0) == 0,
          "%s", failure.message.c_str());
  }
  CHECK(cuda::solver::required_handle(device) == cuda::solver::required_handle(device), "two handles");
  OK(cudaStreamSynchronize(device.stream()));
  CHECK(c.get()[0] == 15, "%g", c.get()[0]);
}

void store(int* to) { *to = 1; }

// What has been told is forgotten: the next launch is not blamed for it.
void told_once() {
  Device device(0);
  ct_error error{};
  void* memory = nullptr;
  emulation::fail_allocation(1);
  const cudaError_t status = cudaMalloc(&memory, 4);
  CHECK(cudaPeekAtLastError() == cudaErrorMemoryAllocation, "the runtime remembers nothing");
  CHECK(cuda::check(status, &error, "cudaMalloc") == CT_OUT_OF_MEMORY, "%s", error.message);
  CHECK(cudaPeekAtLastError() == cudaSuccess, "remembered");
  CHECK(device.grid(store, 1, 1 << 20) == 1, "blocks of a million threads");
  CHECK(cudaPeekAtLastError() == cudaSuccess, "the occupancy of an impossible block is remembered");
  const Array<int> to(1);
  OK(cuda::launch(1, 1, 0, device.stream(), store, to.data()));
  OK(cudaStreamSynchronize(device.stream()));
  CHECK(to.get()[0] == 1, "%d", to.get()[0]);
}

// The emulator knows more than the runtime's error says.
void faults() {
  Device device(0);
  ct_error error{};
  OK(cuda::launch(1, 1, 0, device.stream(), store, nullptr));
  CHECK(cuda::check(cudaStreamSynchronize(device.stream()), &error, "cudaStreamSynchronize") == CT_DEVICE, "no fault");
  const std::string message = error.message, fault = emulation::last_fault();
  CHECK(message.rfind("[cuda] Expected cudaStreamSynchronize to succeed, received cudaErrorIllegalAddress", 0) == 0 &&
            std::string(error.op) == "cuda",
        "%s: %s", error.op, error.message);
  CHECK(!fault.empty() && message.find(fault.substr(0, 100)) != std::string::npos, "%s, but %s", error.message,
        fault.c_str());
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  small_writes();
  in_every_order(ring);
  write_beside_read();
  handles();
  told_once();
  faults();
  return finish();
}
