#include "native/core/evaluate.h"

#include "native/core/pool.h"
#include "native/core/value.h"

namespace cotangent {
namespace {

constexpr uint64_t kStride = 64;

// A prepared kernel with its owner.
struct Op {
  const ct_backend& backend;
  ct_op* op = nullptr;
  ~Op() {
    if (op) backend.op_destroy(op);
  }
};

// The equation as the kernel that will run it: a formula becomes a chain of its own.
std::vector<double> chain_of(const Equation& equation, size_t operands, int32_t dtype) {
  std::vector<double> params{1, static_cast<double>(equation.formula), static_cast<double>(dtype),
                             static_cast<double>(operands)};
  for (size_t k = 0; k < operands; ++k) params.push_back(static_cast<double>(k));
  params.insert(params.end(), {1, static_cast<double>(operands)});
  return params;
}

std::optional<double> compute(Device& device, const Equation& equation, const std::vector<int32_t>& dtypes,
                              const std::vector<double>& operands, int32_t dtype) {
  const ct_backend& backend = device.backend();
  // This runs on JavaScript's thread, which must not wait for what is queued on a device.
  if (!backend.synchronous) return {};
  const size_t count = operands.size();
  const bool formula = equation.kind == Kind::kFormula;
  const std::vector<double> params = formula ? chain_of(equation, count, dtype) : equation.params;
  std::vector<Type> in;
  for (const int32_t operand : dtypes) in.push_back(scalar_type(operand));
  const Type out = scalar_type(dtype);
  ct_op_desc desc{};
  desc.kernel = formula ? "chain" : equation.name.c_str();
  desc.n_in = static_cast<int32_t>(count);
  desc.n_out = 1;
  desc.n_params = static_cast<int32_t>(params.size());
  desc.in = in.data();
  desc.out = &out;
  desc.params = params.data();
  Op prepared{backend};
  ct_op_info info{};
  ct_error error{};
  if (backend.prepare(device.handle(), &desc, &prepared.op, &info, &error) != CT_OK) return {};

  const FixedThreads fixed(pool_threads());
  const uint64_t results = count * kStride, workspace = results + kStride;
  const Ref<Buffer> buffer =
      Buffer::allocate(device.allocator(), workspace + backend.workspace_bytes(prepared.op, pool_threads()));
  auto* const memory = static_cast<unsigned char*>(buffer->pointer());
  std::vector<unsigned char> host(workspace, 0);
  std::vector<const void*> from;
  for (size_t k = 0; k < count; ++k) {
    store_scalar(dtypes[k], operands[k], &host[k * kStride]);
    from.push_back(memory + k * kStride);
  }
  void* const to = memory + results;
  const Queue queue(device, true);
  const int32_t pieces = backend.pieces(prepared.op, pool_threads());
  bool done = backend.write(queue.get(), memory, host.data(), workspace, &error) == CT_OK;
  for (int32_t piece = 0; done && piece < pieces; ++piece) {
    done = backend.run(prepared.op, queue.get(), from.data(), &to, memory + workspace, piece, &error) == CT_OK;
  }
  done = done && backend.read(queue.get(), host.data(), to, static_cast<uint64_t>(dtype_bytes(dtype)), &error) == CT_OK;
  if (!done) return {};
  return load_scalar(dtype, host.data());
}

}  // namespace

Evaluate scalar_evaluator(Device& device) {
  return [&device](const Equation& equation, const std::vector<int32_t>& dtypes, const std::vector<double>& operands,
                   int32_t dtype) { return compute(device, equation, dtypes, operands, dtype); };
}

}  // namespace cotangent
