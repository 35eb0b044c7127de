// The CPU behind the ABI: errors as data, memory, copies, launches on both kinds of queue, and BLAS's own check.
#include <cinttypes>

#include "native/backend/cpu/blas.h"
#include "test/native/kernel_testing.h"

namespace cotangent::testing {
namespace {

const ct_backend& backend() { return *cotangent_backend(); }

ct_device* open_device() {
  ct_device* device = nullptr;
  ct_error error{};
  CHECK(backend().device_open(0, &device, &error) == CT_OK, "%s", error.message);
  return device;
}

int32_t prepare_op(ct_device* device, const char* kernel, const std::vector<ct_type>& in,
                   const std::vector<ct_type>& out, const std::vector<double>& params, ct_op** op, ct_op_info* info,
                   ct_error* error) {
  const ct_op_desc desc{kernel,
                        static_cast<int32_t>(in.size()),
                        static_cast<int32_t>(out.size()),
                        static_cast<int32_t>(params.size()),
                        in.data(),
                        out.data(),
                        params.data(),
                        nullptr};
  return backend().prepare(device, &desc, op, info, error);
}

void errors(ct_device* device) {
  struct Case {
    const char* kernel;
    std::vector<ct_type> in, out;
    std::vector<double> params;
    ct_code code;
  };
  const ct_type f3 = type_of(CT_FLOAT32, {3}), negative = type_of(CT_FLOAT32, {-3});
  const ct_type huge = type_of(CT_FLOAT32, {int64_t{1} << 40, int64_t{1} << 40}),
                hidden = type_of(CT_FLOAT32, {0, int64_t{1} << 52});
  ct_type deep = f3, strange = f3;
  deep.rank = 9;
  strange.dtype = 17;
  for (const Case& c : std::vector<Case>{{"noSuchKernel", {f3}, {f3}, {}, CT_INTERNAL},
                                         {"reshape", {f3}, {type_of(CT_FLOAT32, {4})}, {}, CT_SHAPE},
                                         {"reshape", {negative}, {negative}, {}, CT_SHAPE},
                                         {"reshape", {huge}, {huge}, {}, CT_SHAPE},
                                         {"reshape", {hidden}, {hidden}, {}, CT_SHAPE},
                                         {"reshape", {deep}, {deep}, {}, CT_SHAPE},
                                         {"reshape", {strange}, {strange}, {}, CT_DTYPE},
                                         {"concatenate", std::vector<ct_type>(65, f3), {f3}, {0}, CT_SHAPE}}) {
    ct_op* op = nullptr;
    ct_op_info info{};
    ct_error error{};
    const int32_t code = prepare_op(device, c.kernel, c.in, c.out, c.params, &op, &info, &error);
    CHECK(code == c.code && error.code == c.code && op == nullptr, "%s: code %d", c.kernel, code);
    CHECK(std::string(error.op) == c.kernel, "blames %s", error.op);
    const std::string message = error.message, prefix = std::string("[") + c.kernel + "] Expected ";
    CHECK(message.rfind(prefix, 0) == 0 && message.find(", received ") != std::string::npos, "%s", error.message);
  }
  ct_device* other = nullptr;
  ct_error error{};
  CHECK(backend().device_open(1, &other, &error) == CT_DEVICE && other == nullptr, "opened device 1");
  CHECK(std::string(error.message).find("received 1") != std::string::npos, "%s", error.message);
}

void memory(ct_device* device) {
  for (const uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{100}, uint64_t{1} << 20, uint64_t{4} << 20, (uint64_t{9} << 20) + 5}) {
    void* pointer = nullptr;
    ct_error error{};
    CHECK(backend().allocate(device, bytes, &pointer, &error) == CT_OK, "%s", error.message);
    CHECK(reinterpret_cast<uintptr_t>(pointer) % 64 == 0, "%" PRIu64 " bytes at %p", bytes, pointer);
    std::memset(pointer, 1, bytes);
    backend().release(device, pointer, bytes);
  }
  void* pointer = nullptr;
  ct_error error{};
  CHECK(backend().allocate(device, uint64_t{1} << 52, &pointer, &error) == CT_OUT_OF_MEMORY && !pointer,
        "4 PB were found");
  CHECK(backend().allocate(device, UINT64_MAX, &pointer, &error) == CT_OUT_OF_MEMORY && !pointer, "wrapped around");
  CHECK(error.code == CT_OUT_OF_MEMORY && std::string(error.op) == "allocate", "%s", error.message);
}

void queues(ct_device* device) {
  for (const int32_t inline_ : {0, 1}) {
    ct_queue* queue = nullptr;
    ct_error error{};
    CHECK(backend().queue_create(device, inline_, &queue, &error) == CT_OK, "%s", error.message);
    for (const int64_t n : {1, 1000, 1500001}) {
      std::vector<float> from(static_cast<size_t>(n)), to(from.size()), back(from.size());
      for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i % 1000);
      const uint64_t bytes = from.size() * sizeof(float);
      CHECK(backend().write(queue, to.data(), from.data(), bytes, &error) == CT_OK && to == from, "write");
      CHECK(backend().read(queue, back.data(), to.data(), bytes, &error) == CT_OK && back == from, "read");
      to.assign(to.size(), 0);
      CHECK(backend().copy(queue, to.data(), from.data(), bytes, &error) == CT_OK && to == from, "copy");
      ct_op* op = nullptr;
      ct_op_info info{};
      CHECK(prepare_op(device, "reduceMax", {type_of(CT_FLOAT32, {n})}, {type_of(CT_FLOAT32, {})}, {0}, &op, &info,
                       &error) == CT_OK,
            "%s", error.message);
      CHECK(info.estimated_ns >= 0.4 * static_cast<double>(n) && info.in_place[0] == 0, "estimated %g",
            info.estimated_ns);
      Buffer workspace(static_cast<int64_t>(backend().workspace_bytes(op, 64)));
      float result = -1;
      const void* const in[] = {from.data()};
      void* const out[] = {&result};
      CHECK(backend().run(op, queue, in, out, workspace.data(), 0, &error) == CT_OK, "%s", error.message);
      CHECK(backend().synchronize(queue, &error) == CT_OK && result == (n < 1000 ? from.back() : 999), "max %g",
            static_cast<double>(result));
      backend().op_destroy(op);
    }
    backend().queue_destroy(queue);
  }
}

void itself(ct_device* device) {
  CHECK(backend().synchronous == 1, "runs of the CPU are over when they return");
  int32_t count = 0;
  ct_error error{};
  CHECK(backend().device_count(&count, &error) == CT_OK && count == 1, "%d devices", count);
  char text[200], cut[8];
  backend().describe(device, text, sizeof text);
  CHECK(std::string(text).find(" kernels, ") != std::string::npos, "%s", text);
  backend().describe(device, cut, sizeof cut);
  CHECK(std::string(cut) == std::string(text).substr(0, sizeof cut - 1), "%s", cut);
  const uint64_t bytes = backend().memory_bytes(device);
  CHECK(bytes > (uint64_t{64} << 20) && bytes < (uint64_t{1} << 53), "%" PRIu64 " bytes", bytes);
  const double from[3] = {1, 2, 3};
  double to[3] = {};
  CHECK(backend().fetch(device, to, from, sizeof from, &error) == CT_OK && to[2] == 3, "fetch");
}

void formulas(ct_device* device) {
  CHECK(backend().abi == CT_BACKEND_ABI && std::string(backend().name) == "cpu", "abi");
  CHECK(backend().formula("add") >= 0 && backend().formula("add") != backend().formula("sub"), "rows");
  CHECK(backend().formula("matmul") == -1, "matmul is not a formula");
  ct_op* op = nullptr;
  ct_op_info info{};
  ct_error error{};
  const ct_type f3 = type_of(CT_FLOAT32, {3});
  // One instruction: the formula, its dtype, two operands (inputs 0 and 1); one output, which is value 2.
  const std::vector<double> chain{1, static_cast<double>(backend().formula("add")), CT_FLOAT32, 2, 0, 1, 1, 2};
  CHECK(prepare_op(device, "chain", {f3, f3}, {f3}, chain, &op, &info, &error) == CT_OK, "%s", error.message);
  backend().op_destroy(op);
}

void all() {
  ct_device* const device = open_device();
  errors(device);
  memory(device);
  queues(device);
  itself(device);
  formulas(device);
  backend().device_close(device);
  CHECK(!cpu::blas::description().empty(), "no description");
  for (const std::string& fault : cpu::blas::self_check()) CHECK(false, "%s", fault.c_str());
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  cotangent::testing::all();
  return cotangent::testing::failures ? 1 : 0;
}
