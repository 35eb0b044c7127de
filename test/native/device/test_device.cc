// A backend library for tests: the CPU's kernels behind an asynchronous device with memory of its own, so that the
// core's handling of such devices is tested where there is none.
//
// Device addresses name pages that the host may not touch: the kernels see the same pages under other addresses. All
// work runs on a thread of the device, in order; memory and ops that are given back go in that order, too; fresh memory
// is filled with ones (NaN); `fetch` refuses bytes that queued work will still write.
//
// COTANGENT_TEST_DEVICE_COUNT     how many devices there are. Default: 2; 0: no driver.
// COTANGENT_TEST_DEVICE_ABI       the ABI that the library claims. Default: the true one.
// COTANGENT_TEST_DEVICE_DELAY_US  how long the device sleeps before every launch. Default: 0.
// COTANGENT_TEST_DEVICE_FAULT     name of a kernel that loses the device when it runs. Default: none.
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "native/backend/cpu/backend.h"
#include "native/core/pool.h"
#include "test/native/device/worker.h"

namespace {

constexpr uint64_t kMemory = uint64_t{2} << 30;

using cotangent::testing::Range;
using cotangent::testing::Worker;

const ct_backend& host() { return cotangent::cpu::backend(); }

std::string setting(const char* name) {
  const char* const text = std::getenv(name);
  return text ? text : "";
}

int32_t report(ct_error* error, ct_code code, const char* op, const std::string& message) {
  error->code = code;
  std::snprintf(error->op, sizeof error->op, "%s", op);
  std::snprintf(error->message, sizeof error->message, "[%s] %s", op, message.c_str());
  return code;
}

// The device's pages under two addresses.
class Memory {
 public:
  Memory() = default;
  ~Memory() {
    for (char* const pages : {device_, open_}) {
      if (pages) munmap(pages, kMemory);
    }
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  bool map() {
    const int file = memfd_create("cotangent-test-device", 0);
    if (file < 0 || ftruncate(file, static_cast<off_t>(kMemory)) != 0) return false;
    void* const fenced = mmap(nullptr, kMemory, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
    void* const open = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    close(file);
    if (fenced != MAP_FAILED) device_ = static_cast<char*>(fenced);
    if (open != MAP_FAILED) open_ = static_cast<char*>(open);
    if (!device_ || !open_) return false;
    free_[0] = kMemory;
    return true;
  }

  // What the device sees under an address of its own.
  char* at(const void* address) const { return open_ + (static_cast<const char*>(address) - device_); }

  void* allocate(uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t size = rounded(bytes);
    for (auto gap = free_.begin(); gap != free_.end(); ++gap) {
      if (gap->second < size) continue;
      const auto [offset, space] = *gap;
      free_.erase(gap);
      if (space > size) free_[offset + size] = space - size;
      return device_ + offset;
    }
    return nullptr;
  }

  void release(void* address, uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint64_t offset = static_cast<uint64_t>(static_cast<char*>(address) - device_), size = rounded(bytes);
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && next->first == offset + size) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += size;
        return;
      }
    }
    free_[offset] = size;
  }

 private:
  static uint64_t rounded(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

  char* device_ = nullptr;
  char* open_ = nullptr;
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> free_;  // offset -> bytes
};

// The names of the ABI belong to the CPU's own structures in here.
struct Host {
  ct_device* device = nullptr;
  ct_queue* queue = nullptr;

  Host() = default;
  ~Host() {
    if (queue) host().queue_destroy(queue);
    if (device) host().device_close(device);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
};

struct TestDevice {
  Host cpu;
  Memory memory;
  Worker worker;  // destroyed first: its jobs use the rest
};

struct TestOp {
  ct_op* cpu;
  std::string name;
  std::vector<uint64_t> out_bytes;
  size_t in_count;
  TestDevice* device;
};

using Clock = std::chrono::steady_clock;

struct TestMarker {
  TestDevice* device;
  uint64_t position = 0;
  // When the device got there. Shared with the queue, where the marker may be gone or recorded again before.
  std::shared_ptr<Clock::time_point> time = nullptr;
};

TestDevice& of(ct_device* device) { return *reinterpret_cast<TestDevice*>(device); }
TestDevice& of(ct_queue* queue) { return *reinterpret_cast<TestDevice*>(queue); }

Range range(const void* from, uint64_t bytes) {
  const char* const begin = static_cast<const char*>(from);
  return {begin, begin + bytes};
}

void delay() {
  static const long microseconds = std::atol(setting("COTANGENT_TEST_DEVICE_DELAY_US").c_str());
  if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

int32_t device_count(int32_t* count, ct_error* error) {
  const std::string wanted = setting("COTANGENT_TEST_DEVICE_COUNT");
  *count = wanted.empty() ? 2 : std::atoi(wanted.c_str());
  if (*count > 0) return CT_OK;
  return report(error, CT_DEVICE, "device", "Expected a driver for the test device, received none.");
}

int32_t device_open(int32_t, ct_device** device, ct_error* error) {
  auto opened = std::make_unique<TestDevice>();
  if (!opened->memory.map()) return report(error, CT_DEVICE, "device", "Expected memory to map, received none.");
  if (const int32_t code = host().device_open(0, &opened->cpu.device, error)) return code;
  if (const int32_t code = host().queue_create(opened->cpu.device, 1, &opened->cpu.queue, error)) return code;
  opened->worker.push({}, [](ct_error*) {
    cotangent::run_thread_start_hook();  // installed by device_open
    return CT_OK;
  });
  *device = reinterpret_cast<ct_device*>(opened.release());
  return CT_OK;
}

void device_close(ct_device* device) { delete &of(device); }

void describe(ct_device*, char* text, uint64_t size) { std::snprintf(text, size, "test device, one thread"); }

uint64_t memory_bytes(ct_device*) { return kMemory; }

int32_t allocate(ct_device* device, uint64_t bytes, void** pointer, ct_error* error) {
  TestDevice& on = of(device);
  *pointer = on.memory.allocate(bytes);
  if (!*pointer) {  // what was given back may still be in use
    ct_error ignored;
    on.worker.wait(on.worker.position(), &ignored);
    *pointer = on.memory.allocate(bytes);
  }
  if (!*pointer) return report(error, CT_OUT_OF_MEMORY, "allocate", "Expected memory, received none.");
  char* const at = on.memory.at(*pointer);
  on.worker.push({}, [at, bytes](ct_error*) {
    std::memset(at, 0xFF, bytes);
    return CT_OK;
  });
  return CT_OK;
}

void release(ct_device* device, void* pointer, uint64_t bytes) {
  TestDevice& on = of(device);
  on.worker.push_release([&on, pointer, bytes](ct_error*) {
    on.memory.release(pointer, bytes);
    return CT_OK;
  });
}

int32_t write(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error*) {
  TestDevice& on = of(queue);
  const auto staged =
      std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  on.worker.push({range(to, bytes)}, [at = on.memory.at(to), staged](ct_error*) {
    delay();
    if (!staged->empty()) std::memcpy(at, staged->data(), staged->size());
    return CT_OK;
  });
  return CT_OK;
}

int32_t read(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error* error) {
  TestDevice& on = of(queue);
  if (const int32_t code = on.worker.wait(on.worker.position(), error)) return code;
  std::memcpy(to, on.memory.at(from), bytes);
  return CT_OK;
}

int32_t fetch(ct_device* device, void* to, const void* from, uint64_t bytes, ct_error* error) {
  TestDevice& on = of(device);
  if (const int32_t code = on.worker.check(error)) return code;
  if (on.worker.will_write(range(from, bytes))) {
    return report(error, CT_INTERNAL, "fetch", "Expected complete bytes, received some that queued work will write.");
  }
  std::memcpy(to, on.memory.at(from), bytes);
  return CT_OK;
}

int32_t copy(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error*) {
  TestDevice& on = of(queue);
  on.worker.push({range(to, bytes)}, [to = on.memory.at(to), from = on.memory.at(from), bytes](ct_error*) {
    delay();
    std::memcpy(to, from, bytes);
    return CT_OK;
  });
  return CT_OK;
}

int32_t prepare(ct_device* device, const ct_op_desc* desc, ct_op** op, ct_op_info* info, ct_error* error) {
  ct_op* prepared = nullptr;
  if (const int32_t code = host().prepare(of(device).cpu.device, desc, &prepared, info, error)) return code;
  auto made =
      std::make_unique<TestOp>(TestOp{prepared, desc->kernel, {}, static_cast<size_t>(desc->n_in), &of(device)});
  for (int32_t k = 0; k < desc->n_out; ++k) {
    uint64_t bytes = desc->out[k].dtype == CT_FLOAT64 ? 8 : desc->out[k].dtype == CT_BOOL ? 1 : 4;
    for (int32_t axis = 0; axis < desc->out[k].rank; ++axis) bytes *= static_cast<uint64_t>(desc->out[k].dims[axis]);
    made->out_bytes.push_back(bytes);
  }
  *op = reinterpret_cast<ct_op*>(made.release());
  return CT_OK;
}

const TestOp& of(const ct_op* op) { return *reinterpret_cast<const TestOp*>(op); }

void op_destroy(ct_op* op) {
  const TestOp* const gone = &of(op);
  gone->device->worker.push_release([gone](ct_error*) {
    host().op_destroy(gone->cpu);
    delete gone;
    return CT_OK;
  });
}

// Kernels run on one thread, whatever the process's setting.
uint64_t workspace_bytes(const ct_op* op, int32_t) { return host().workspace_bytes(of(op).cpu, 1); }
int32_t pieces(const ct_op* op, int32_t) { return host().pieces(of(op).cpu, 1); }

int32_t queue_create(ct_device* device, int32_t, ct_queue** queue, ct_error*) {
  *queue = reinterpret_cast<ct_queue*>(device);
  return CT_OK;
}

void queue_destroy(ct_queue*) {}

int32_t run(const ct_op* op, ct_queue* queue, const void* const* in, void* const* out, void* workspace, int32_t piece,
            ct_error*) {
  TestDevice& on = of(queue);
  const TestOp& what = of(op);
  std::vector<const void*> from;
  std::vector<void*> to;
  std::vector<Range> written;
  for (size_t k = 0; k < what.in_count; ++k) from.push_back(on.memory.at(in[k]));
  for (size_t k = 0; k < what.out_bytes.size(); ++k) {
    to.push_back(on.memory.at(out[k]));
    written.push_back(range(out[k], what.out_bytes[k]));
  }
  void* const scratch = workspace ? on.memory.at(workspace) : nullptr;
  on.worker.push(std::move(written), [&on, &what, from, to, scratch, piece](ct_error* error) -> int32_t {
    delay();
    static const std::string faulty = setting("COTANGENT_TEST_DEVICE_FAULT");
    if (what.name == faulty) {
      return report(error, CT_DEVICE, what.name.c_str(), "Expected the kernel to end, received a fault of the device.");
    }
    return host().run(what.cpu, on.cpu.queue, from.data(), to.data(), scratch, piece, error);
  });
  return CT_OK;
}

int32_t synchronize(ct_queue* queue, ct_error* error) {
  TestDevice& on = of(queue);
  return on.worker.wait(on.worker.position(), error);
}

int32_t marker_create(ct_device* device, ct_marker** marker, ct_error*) {
  *marker = reinterpret_cast<ct_marker*>(new TestMarker{&of(device)});
  return CT_OK;
}

TestMarker& of(ct_marker* marker) { return *reinterpret_cast<TestMarker*>(marker); }

void marker_destroy(ct_marker* marker) { delete &of(marker); }

int32_t record(ct_queue* queue, ct_marker* marker, ct_error*) {
  auto time = std::make_shared<Clock::time_point>();
  TestMarker& recorded = of(marker);
  recorded.position = of(queue).worker.push({}, [time](ct_error*) {
    *time = Clock::now();
    return CT_OK;
  });
  recorded.time = std::move(time);
  return CT_OK;
}

int32_t wait(ct_marker* marker, ct_error* error) {
  const TestMarker& until = of(marker);
  return until.device->worker.wait(until.position, error);
}

int32_t elapsed(ct_marker* from, ct_marker* to, double* ns, ct_error* error) {
  for (ct_marker* marker : {from, to}) {
    if (!of(marker).time) return report(error, CT_INTERNAL, "elapsed", "Expected a recorded marker, received another.");
    if (const int32_t code = wait(marker, error)) return code;
  }
  *ns = std::chrono::duration<double, std::nano>(*of(to).time - *of(from).time).count();
  return CT_OK;
}

int32_t has_kernel(ct_device* device, const char* kernel) { return host().has_kernel(of(device).cpu.device, kernel); }

}  // namespace

extern "C" __attribute__((visibility("default"))) const ct_backend* cotangent_backend(void) {
  static const ct_backend backend = [] {
    ct_backend made{};
    const std::string abi = setting("COTANGENT_TEST_DEVICE_ABI");
    made.abi = abi.empty() ? CT_BACKEND_ABI : std::atoi(abi.c_str());
    made.synchronous = 0;
    made.name = "test";
    made.formula = host().formula;
    made.device_count = device_count;
    made.device_open = device_open;
    made.device_close = device_close;
    made.describe = describe;
    made.memory_bytes = memory_bytes;
    made.allocate = allocate;
    made.release = release;
    made.write = write;
    made.read = read;
    made.fetch = fetch;
    made.copy = copy;
    made.prepare = prepare;
    made.op_destroy = op_destroy;
    made.workspace_bytes = workspace_bytes;
    made.pieces = pieces;
    made.queue_create = queue_create;
    made.queue_destroy = queue_destroy;
    made.run = run;
    made.synchronize = synchronize;
    made.marker_create = marker_create;
    made.marker_destroy = marker_destroy;
    made.record = record;
    made.wait = wait;
    made.elapsed = elapsed;
    made.has_kernel = has_kernel;
    return made;
  }();
  return &backend;
}
