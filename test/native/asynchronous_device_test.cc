// The asynchronous device of the tests in Node (device/test_device.cc) gives back what it took, also once it is lost.
#include <dlfcn.h>

#include <cstdlib>
#include <fstream>

#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const ct_backend& device_backend() {
  void* const library = dlopen(COTANGENT_TEST_DEVICE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  CHECK(library, "%s", dlerror());
  return *reinterpret_cast<const ct_backend* (*)()>(dlsym(library, "cotangent_backend"))();
}

int mappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("cotangent-test-device") != std::string::npos;
  return count;
}

void memory_goes_with_the_device(const ct_backend& backend) {
  ct_error error{};
  for (int round = 0; round < 3; ++round) {
    ct_device* device = nullptr;
    CHECK(backend.device_open(0, &device, &error) == CT_OK, "%s", error.message);
    CHECK(mappings() == 2, "%d mappings of an open device", mappings());
    backend.device_close(device);
    CHECK(mappings() == 0, "%d mappings of a closed device", mappings());
  }
}

void a_lost_device_takes_back(const ct_backend& backend) {
  ct_error error{};
  ct_device* device = nullptr;
  ct_queue* queue = nullptr;
  CHECK(backend.device_open(0, &device, &error) == CT_OK, "%s", error.message);
  CHECK(backend.queue_create(device, 1, &queue, &error) == CT_OK, "%s", error.message);
  const ct_type in = type_of(CT_FLOAT32, {3}), out = type_of(CT_FLOAT32, {});
  const double axis = 0;
  const void* unknown = nullptr;
  const ct_op_desc desc{"reduceProd", 1, 1, 1, &in, &out, &axis, &unknown};
  ct_op* op = nullptr;
  ct_op_info info{};
  CHECK(backend.prepare(device, &desc, &op, &info, &error) == CT_OK, "%s", error.message);
  void *x = nullptr, *y = nullptr;
  CHECK(backend.allocate(device, 12, &x, &error) == CT_OK && backend.allocate(device, 4, &y, &error) == CT_OK, "%s",
        error.message);
  const void* operands[] = {x};
  void* results[] = {y};
  CHECK(backend.run(op, queue, operands, results, nullptr, 0, &error) == CT_OK, "%s", error.message);
  CHECK(backend.synchronize(queue, &error) == CT_DEVICE, "the device is not lost");
  // More than half of its memory, twice.
  for (int round = 0; round < 2; ++round) {
    constexpr uint64_t kBytes = uint64_t{3} << 29;
    void* most = nullptr;
    CHECK(backend.allocate(device, kBytes, &most, &error) == CT_OK, "round %d: %s", round, error.message);
    if (most) backend.release(device, most, kBytes);
  }
  backend.release(device, x, 12);
  backend.release(device, y, 4);
  backend.op_destroy(op);
  backend.queue_destroy(queue);
  backend.device_close(device);
  CHECK(mappings() == 0, "%d mappings of a closed device", mappings());
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  setenv("COTANGENT_TEST_DEVICE_FAULT", "reduceProd", 1);
  const ct_backend& backend = device_backend();
  memory_goes_with_the_device(backend);
  a_lost_device_takes_back(backend);
  return failures ? 1 : 0;
}
