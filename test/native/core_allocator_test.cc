// What the allocator says when a device gives no memory: the limit's refusal, a device that is full, a device that
// failed.
#include "native/backend/cpu/backend.h"
#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

// The CPU, but for allocations that fail.
int failing = 0;  // as many
ct_code code = CT_OK;

int32_t allocate(ct_device* device, uint64_t bytes, void** pointer, ct_error* error) {
  if (failing == 0) return cpu::backend().allocate(device, bytes, pointer, error);
  --failing;
  error->code = code;
  std::snprintf(error->op, sizeof error->op, "gpu");
  std::snprintf(error->message, sizeof error->message, "[gpu] Expected an allocation to succeed, received fault %d.",
                failing);
  return code;
}

const ct_backend& backend() {
  static const ct_backend instance = [] {
    ct_backend made = cpu::backend();
    made.allocate = allocate;
    return made;
  }();
  return instance;
}

Failure refusal(Allocator& allocator, uint64_t bytes) {
  try {
    Buffer::allocate(allocator, bytes);
  } catch (const Error& error) {
    return error.failure();
  }
  CHECK(false, "%d bytes were found", static_cast<int>(bytes));
  return {};
}

bool holds(const Failure& failure, const char* text) { return failure.message.find(text) != std::string::npos; }

void reasons(Allocator& allocator) {
  const MemoryStatistics before = allocator.statistics();
  code = CT_DEVICE;
  failing = 2;
  const Failure lost = refusal(allocator, 1000);
  CHECK(lost.code == CT_DEVICE && lost.op == "gpu", "code %d of %s", lost.code, lost.op.c_str());
  CHECK(lost.message == "[gpu] Expected an allocation to succeed, received fault 0.", "%s", lost.message.c_str());

  code = CT_OUT_OF_MEMORY;
  failing = 2;
  const Failure full = refusal(allocator, 1000);
  CHECK(full.code == CT_OUT_OF_MEMORY && full.op == "allocate", "code %d of %s", full.code, full.op.c_str());
  CHECK(holds(full, "Expected the device to have 1000 bytes left") && !holds(full, "fit the memory limit"), "%s",
        full.message.c_str());

  allocator.set_limit(before.used + 4096);
  const Failure limited = refusal(allocator, 8192);
  CHECK(limited.code == CT_OUT_OF_MEMORY && holds(limited, "Expected 8192 bytes to fit the memory limit"), "%s",
        limited.message.c_str());
  allocator.set_limit(before.limit);
  CHECK(allocator.statistics().used == before.used, "what was refused counts as used");
}

// What is kept warm goes back before a device counts as full.
void second_attempt(Allocator& allocator) {
  Buffer::allocate(allocator, 5000);
  CHECK(allocator.statistics().cached > 0, "nothing is warm");
  code = CT_OUT_OF_MEMORY;
  failing = 1;
  const Ref<Buffer> buffer = Buffer::allocate(allocator, 1000);
  CHECK(failing == 0 && buffer->pointer() && allocator.statistics().cached == 0, "no second attempt");
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  cotangent::Device device(backend());
  reasons(device.allocator());
  second_attempt(device.allocator());
  return failures ? 1 : 0;
}
