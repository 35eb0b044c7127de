// The addon's functions as lib/core/native.ts declares them: arguments in, results out, exceptions at the border.
#include <dlfcn.h>
#include <node_api.h>

#include <cmath>

#include "native/backend/cpu/blas.h"
#include "native/core/pool.h"
#include "native/kernels/simd.h"
#include "native/napi/environment.h"
#include "native/napi/napi_error.h"

namespace cotangent {
namespace {

// Arguments of one call.
class Call {
 public:
  Call(napi_env env, const napi_value* values, size_t count) : env_(env), values_(values), count_(count) {}

  napi_env env() const { return env_; }
  napi_value value(size_t k) const {
    if (k >= count_)
      fail(CT_INTERNAL, "addon", "at least " + std::to_string(k + 1) + " arguments", std::to_string(count_));
    return values_[k];
  }
  uint32_t uint32(size_t k) const {
    uint32_t number;
    check(napi_get_value_uint32(env_, value(k), &number));
    return number;
  }
  int32_t int32(size_t k) const {
    int32_t number;
    check(napi_get_value_int32(env_, value(k), &number));
    return number;
  }
  double number(size_t k) const {
    double number;
    check(napi_get_value_double(env_, value(k), &number));
    return number;
  }
  template <class T>
  const T* typed_array(size_t k, napi_typedarray_type wanted, size_t* length) const {
    napi_typedarray_type type;
    void* data = nullptr;
    check(napi_get_typedarray_info(env_, value(k), &type, length, &data, nullptr, nullptr));
    if (type != wanted) throw NapiError{napi_invalid_arg};
    return static_cast<const T*>(data);
  }
  std::vector<std::string> strings(size_t k) const {
    uint32_t length;
    check(napi_get_array_length(env_, value(k), &length));
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < length; ++i) {
      napi_value item;
      size_t bytes = 0;
      check(napi_get_element(env_, value(k), i, &item));
      check(napi_get_value_string_utf8(env_, item, nullptr, 0, &bytes));
      std::string text(bytes + 1, '\0');
      check(napi_get_value_string_utf8(env_, item, &text[0], text.size(), &bytes));
      text.resize(bytes);
      texts.push_back(std::move(text));
    }
    return texts;
  }
  // Any ArrayBufferView.
  const void* view(size_t k, size_t* bytes) const {
    bool is_typed = false, is_data_view = false;
    void* data = nullptr;
    check(napi_is_typedarray(env_, value(k), &is_typed));
    if (is_typed) {
      napi_typedarray_type type;
      size_t length = 0;
      check(napi_get_typedarray_info(env_, value(k), &type, &length, &data, nullptr, nullptr));
      *bytes = length * element_bytes(type);
      return data;
    }
    check(napi_is_dataview(env_, value(k), &is_data_view));
    if (!is_data_view) throw NapiError{napi_invalid_arg};
    check(napi_get_dataview_info(env_, value(k), bytes, &data, nullptr, nullptr));
    return data;
  }

 private:
  static size_t element_bytes(napi_typedarray_type type) {
    switch (type) {
      case napi_int8_array:
      case napi_uint8_array:
      case napi_uint8_clamped_array:
        return 1;
      case napi_int16_array:
      case napi_uint16_array:
        return 2;
      case napi_int32_array:
      case napi_uint32_array:
      case napi_float32_array:
        return 4;
      default:
        return 8;
    }
  }

  napi_env env_;
  const napi_value* values_;
  size_t count_;
};

// Results.
napi_value number(napi_env env, double value) {
  napi_value result;
  check(napi_create_double(env, value, &result));
  return result;
}

napi_value string(napi_env env, const std::string& text) {
  napi_value result;
  check(napi_create_string_utf8(env, text.data(), text.size(), &result));
  return result;
}

napi_value strings(napi_env env, const std::vector<std::string>& texts) {
  napi_value result;
  check(napi_create_array_with_length(env, texts.size(), &result));
  for (size_t k = 0; k < texts.size(); ++k)
    check(napi_set_element(env, result, static_cast<uint32_t>(k), string(env, texts[k])));
  return result;
}

class Object {
 public:
  explicit Object(napi_env env) : env_(env) { check(napi_create_object(env, &object_)); }
  Object& set(const char* name, napi_value value) {
    check(napi_set_named_property(env_, object_, name, value));
    return *this;
  }
  Object& set(const char* name, double value) { return set(name, number(env_, value)); }
  napi_value get() const { return object_; }

 private:
  napi_env env_;
  napi_value object_;
};

napi_value configure(Environment& environment, const Call& call) {
  for (size_t k = 0; k < 2; ++k) {
    napi_valuetype type;
    check(napi_typeof(call.env(), call.value(k), &type));
    if (type != napi_function) throw NapiError{napi_function_expected};
  }
  environment.configure(call.value(0), call.value(1));
  return nullptr;
}

napi_value compile(Environment& environment, const Call& call) {
  size_t count = 0;
  const double* const words = call.typed_array<double>(0, napi_float64_array, &count);
  return number(call.env(), environment.compile(words, count, call.strings(1)));
}

napi_value release_program(Environment& environment, const Call& call) {
  environment.release_program(call.uint32(0));
  return nullptr;
}

napi_value describe_program(Environment& environment, const Call& call) {
  return string(call.env(), environment.describe_program(call.uint32(0)));
}

napi_value create_stream(Environment& environment, const Call& call) {
  return number(call.env(), environment.create_stream());
}

napi_value release_stream(Environment& environment, const Call& call) {
  environment.release_stream(call.uint32(0));
  return nullptr;
}

napi_value abort_stream(Environment& environment, const Call& call) {
  environment.abort_stream(call.uint32(0));
  return nullptr;
}

napi_value execute(Environment& environment, const Call& call) {
  size_t count = 0;
  const int32_t* const slots = call.typed_array<int32_t>(2, napi_int32_array, &count);
  environment.execute(call.uint32(0), call.uint32(1), slots, count);
  return nullptr;
}

Type read_type(const Call& call, size_t dtype_at, size_t dims_at) {
  Type type{};
  type.dtype = call.int32(dtype_at);
  if (type.dtype < 0 || type.dtype > CT_BOOL)
    fail(CT_DTYPE, "write", "a dtype code from 0 to 4", std::to_string(type.dtype));
  uint32_t rank = 0;
  check(napi_get_array_length(call.env(), call.value(dims_at), &rank));
  if (rank > CT_MAX_RANK)
    fail(CT_SHAPE, "write", "at most " + std::to_string(CT_MAX_RANK) + " dimensions", std::to_string(rank));
  type.rank = static_cast<int32_t>(rank);
  int64_t bytes = dtype_bytes(type.dtype);
  for (uint32_t k = 0; k < rank; ++k) {
    napi_value item;
    double dim = 0;
    check(napi_get_element(call.env(), call.value(dims_at), k, &item));
    check(napi_get_value_double(call.env(), item, &dim));
    if (!(dim >= 0 && dim <= static_cast<double>(kMaxBytes / bytes) && dim == std::floor(dim))) {
      fail(CT_SHAPE, "write", "whole dimensions of a tensor below 2^53 bytes", std::to_string(dim));
    }
    type.dims[k] = static_cast<int64_t>(dim);
    bytes *= std::max<int64_t>(1, type.dims[k]);
  }
  return type;
}

napi_value write(Environment& environment, const Call& call) {
  const Type type = read_type(call, 1, 2);
  size_t bytes = 0;
  const void* const data = call.view(3, &bytes);
  if (bytes != static_cast<size_t>(byte_count(type))) {
    fail(CT_SHAPE, "write", std::to_string(byte_count(type)) + " bytes for " + show(type), std::to_string(bytes));
  }
  environment.write(call.int32(0), type, data);
  return nullptr;
}

napi_value release(Environment& environment, const Call& call) {
  size_t length = 0;
  const int32_t* const slots = call.typed_array<int32_t>(0, napi_int32_array, &length);
  const uint32_t count = call.uint32(1);
  if (count > length)
    fail(CT_INTERNAL, "release", "at most " + std::to_string(length) + " slots", std::to_string(count));
  environment.release_slots(slots, count);
  return nullptr;
}

napi_value state(Environment& environment, const Call& call) {
  return number(call.env(), static_cast<double>(environment.state(call.int32(0))));
}

napi_value request(Environment& environment, const Call& call) {
  return number(call.env(), environment.request(call.int32(0)));
}

napi_value request_idle(Environment& environment, const Call& call) {
  return number(call.env(), environment.request_idle());
}

napi_value collect(Environment& environment, const Call& call) {
  const Ref<Value> value = environment.take_ticket(call.number(0));
  napi_value buffer;
  void* data = nullptr;
  const size_t bytes = value ? static_cast<size_t>(byte_count(value->type())) : 0;
  check(napi_create_arraybuffer(call.env(), bytes, &data, &buffer));
  if (value) environment.read(*value, data);
  return buffer;
}

napi_value wait_sync(Environment& environment, const Call& call) {
  environment.wait(call.int32(0));
  return nullptr;
}

napi_value set_threads(Environment&, const Call& call) {
  const double threads = call.number(0);
  if (!(threads >= 1 && threads <= 1024 && threads == std::floor(threads))) {
    fail(CT_DOMAIN, "setThreads", "a whole number from 1 to 1024", std::to_string(threads));
  }
  set_pool_threads(static_cast<int>(threads));
  return nullptr;
}

napi_value set_memory_limit(Environment& environment, const Call& call) {
  const double bytes = call.number(0);
  if (!(bytes >= 0 && bytes <= static_cast<double>(kMaxBytes))) {
    fail(CT_DOMAIN, "setMemoryLimit", "a number of bytes from 0 to 2^53", std::to_string(bytes));
  }
  environment.runtime().device.allocator().set_limit(static_cast<uint64_t>(bytes));
  return nullptr;
}

napi_value statistics(Environment& environment, const Call& call) {
  Runtime& runtime = environment.runtime();
  const ExecutorStatistics queued = runtime.executor.statistics();
  const auto inline_runs = static_cast<double>(runtime.programs_inline.load(std::memory_order_relaxed));
  const auto inline_equations = static_cast<double>(runtime.equations_inline.load(std::memory_order_relaxed));
  return Object(call.env())
      .set("programsRun", static_cast<double>(queued.programs_run) + inline_runs)
      .set("programsInline", inline_runs)
      .set("equationsRun", static_cast<double>(queued.equations_run) + inline_equations)
      .set("blockedEnqueues", static_cast<double>(queued.blocked_enqueues))
      .set("pendingPrograms", queued.pending)
      .set("streams", queued.streams)
      .set("busySeconds", queued.busy_seconds)
      .get();
}

napi_value memory(Environment& environment, const Call& call) {
  const MemoryStatistics now = environment.runtime().device.allocator().statistics();
  return Object(call.env())
      .set("used", static_cast<double>(now.used))
      .set("cached", static_cast<double>(now.cached))
      .set("peak", static_cast<double>(now.peak))
      .set("limit", static_cast<double>(now.limit))
      .set("handles", static_cast<double>(environment.handles()))
      .get();
}

napi_value info(const Call& call) {
  return Object(call.env())
      .set("simdTarget", string(call.env(), target_name(current_target())))
      .set("simdTargets", strings(call.env(), target_names()))
      .set("blas", string(call.env(), cpu::blas::description()))
      .set("threads", pool_threads())
      .set("hardwareThreads", hardware_threads())
      .set("blasFaults", strings(call.env(), cpu::blas::self_check()))
      .get();
}

// --- the border
// -----------------------------------------------------------------------------------------------------------

// Per environment; its Environment is made when the first call needs it, so that `info` works where no device can be
// opened.
struct Instance {
  std::unique_ptr<Environment> environment;
};

void tear_down(void* data) {
  auto& environment = static_cast<Instance*>(data)->environment;
  if (environment) environment->tear_down();
}

Environment& environment_of(napi_env env, Instance& instance) {
  if (!instance.environment) {
    instance.environment = std::make_unique<Environment>(env);
    // After the Environment made its thread-safe function, so that this hook runs before the function's own.
    check(napi_add_env_cleanup_hook(env, tear_down, &instance));
  }
  return *instance.environment;
}

template <class F>
napi_value guarded(napi_env env, F&& body) {
  try {
    return body();
  } catch (...) {
    throw_current(env);
    return nullptr;
  }
}

template <napi_value (*Function)(Environment&, const Call&)>
napi_value entry(napi_env env, napi_callback_info callback_info) {
  return guarded(env, [&] {
    napi_value values[4];
    size_t count = 4;
    void* data = nullptr;
    check(napi_get_cb_info(env, callback_info, &count, values, nullptr, &data));
    return Function(environment_of(env, *static_cast<Instance*>(data)), Call(env, values, std::min<size_t>(count, 4)));
  });
}

napi_value info_entry(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return info(Call(env, nullptr, 0)); });
}

// Threads of ours outlive environments. Node closes a worker's addons when it ends; the code must stay.
void stay_loaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &self) && self.dli_fname) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

napi_value initialise(napi_env env, napi_value exports) {
  stay_loaded();
  auto instance = std::make_unique<Instance>();
  Instance* const raw = instance.get();
  const auto method = [&](const char* name, napi_callback callback) {
    return napi_property_descriptor{name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, raw};
  };
  const napi_property_descriptor methods[] = {
      method("configure", entry<configure>),
      method("compile", entry<compile>),
      method("releaseProgram", entry<release_program>),
      method("describeProgram", entry<describe_program>),
      method("createStream", entry<create_stream>),
      method("releaseStream", entry<release_stream>),
      method("abortStream", entry<abort_stream>),
      method("execute", entry<execute>),
      method("write", entry<write>),
      method("release", entry<release>),
      method("state", entry<state>),
      method("request", entry<request>),
      method("collect", entry<collect>),
      method("waitSync", entry<wait_sync>),
      method("requestIdle", entry<request_idle>),
      method("setThreads", entry<set_threads>),
      method("setMemoryLimit", entry<set_memory_limit>),
      method("statistics", entry<statistics>),
      method("memory", entry<memory>),
      method("info", info_entry),
  };
  check(napi_define_properties(env, exports, sizeof methods / sizeof methods[0], methods));
  check(napi_set_instance_data(
      env, raw, [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); }, nullptr));
  instance.release();
  return exports;
}

}  // namespace
}  // namespace cotangent

NAPI_MODULE_INIT() {
  return cotangent::guarded(env, [&] { return cotangent::initialise(env, exports); });
}
