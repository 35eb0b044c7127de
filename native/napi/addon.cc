// The addon's functions as lib/core/native.ts declares them: arguments in, results out, exceptions at the border.
#include <dlfcn.h>
#include <napi.h>

#include <cmath>

#include "native/backend/cpu/blas.h"
#include "native/core/pool.h"
#include "native/kernels/simd.h"
#include "native/napi/environment.h"
#include "native/napi/failure.h"

namespace cotangent {
namespace {

// --- arguments: node-addon-api checks numbers and strings, and throws; arrays are checked here, because memory safety
// depends on them

template <class Array>
Array typed_array(const Napi::CallbackInfo& info, size_t k, napi_typedarray_type type) {
  const Napi::Value value = info[k];
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type) return value.As<Array>();
  fail(CT_INTERNAL, "addon", "a typed array as argument " + std::to_string(k), "something else");
}

Napi::Array array(const Napi::CallbackInfo& info, size_t k) {
  if (info[k].IsArray()) return info[k].As<Napi::Array>();
  fail(CT_INTERNAL, "addon", "an array as argument " + std::to_string(k), "something else");
}

double number(const Napi::Value& value) { return value.As<Napi::Number>().DoubleValue(); }
int32_t int32(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
uint32_t uint32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

std::vector<std::string> strings(const Napi::Array& items) {
  std::vector<std::string> texts;
  for (uint32_t k = 0; k < items.Length(); ++k) {
    const Napi::Value item = items[k];
    texts.push_back(item.As<Napi::String>().Utf8Value());
  }
  return texts;
}

struct Bytes {
  const void* data;
  size_t length;
};

// Of any ArrayBufferView.
Bytes view(const Napi::Value& value) {
  if (value.IsTypedArray()) {
    const Napi::TypedArray from = value.As<Napi::TypedArray>();
    return {static_cast<const char*>(from.ArrayBuffer().Data()) + from.ByteOffset(), from.ByteLength()};
  }
  if (value.IsDataView()) {
    const Napi::DataView from = value.As<Napi::DataView>();
    return {from.Data(), from.ByteLength()};
  }
  fail(CT_INTERNAL, "addon", "a view of an ArrayBuffer", "something else");
}

Type read_type(const Napi::Value& dtype, const Napi::Array& dims) {
  Type type{};
  type.dtype = int32(dtype);
  if (type.dtype < 0 || type.dtype > CT_BOOL)
    fail(CT_DTYPE, "write", "a dtype code from 0 to 4", std::to_string(type.dtype));
  const uint32_t rank = dims.Length();
  if (rank > CT_MAX_RANK)
    fail(CT_SHAPE, "write", "at most " + std::to_string(CT_MAX_RANK) + " dimensions", std::to_string(rank));
  type.rank = static_cast<int32_t>(rank);
  int64_t bytes = dtype_bytes(type.dtype);
  for (uint32_t k = 0; k < rank; ++k) {
    const double dim = number(dims[k]);
    if (!(dim >= 0 && dim <= static_cast<double>(kMaxBytes / bytes) && dim == std::floor(dim))) {
      fail(CT_SHAPE, "write", "whole dimensions of a tensor below 2^53 bytes", std::to_string(dim));
    }
    type.dims[k] = static_cast<int64_t>(dim);
    bytes *= std::max<int64_t>(1, type.dims[k]);
  }
  return type;
}

// --- results

Napi::Array strings(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array result = Napi::Array::New(env, texts.size());
  for (uint32_t k = 0; k < texts.size(); ++k) result[k] = texts[k];
  return result;
}

// --- the functions

// One per JavaScript environment; its Environment is made when the first call needs it, so that `info` works where no
// device can be opened.
class Addon final : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) : env_(env) {
    DefineAddon(exports, {
                             InstanceMethod<&Addon::guarded<&Addon::configure>>("configure"),
                             InstanceMethod<&Addon::guarded<&Addon::devices>>("devices"),
                             InstanceMethod<&Addon::guarded<&Addon::open_device>>("openDevice"),
                             InstanceMethod<&Addon::guarded<&Addon::describe_device>>("describeDevice"),
                             InstanceMethod<&Addon::guarded<&Addon::compile>>("compile"),
                             InstanceMethod<&Addon::guarded<&Addon::release_program>>("releaseProgram"),
                             InstanceMethod<&Addon::guarded<&Addon::describe_program>>("describeProgram"),
                             InstanceMethod<&Addon::guarded<&Addon::create_stream>>("createStream"),
                             InstanceMethod<&Addon::guarded<&Addon::release_stream>>("releaseStream"),
                             InstanceMethod<&Addon::guarded<&Addon::abort_stream>>("abortStream"),
                             InstanceMethod<&Addon::guarded<&Addon::start_profiling>>("startProfiling"),
                             InstanceMethod<&Addon::guarded<&Addon::take_profile>>("takeProfile"),
                             InstanceMethod<&Addon::guarded<&Addon::record_marker>>("recordMarker"),
                             InstanceMethod<&Addon::guarded<&Addon::release_marker>>("releaseMarker"),
                             InstanceMethod<&Addon::guarded<&Addon::elapsed>>("elapsed"),
                             InstanceMethod<&Addon::guarded<&Addon::execute>>("execute"),
                             InstanceMethod<&Addon::guarded<&Addon::write>>("write"),
                             InstanceMethod<&Addon::guarded<&Addon::copy>>("copy"),
                             InstanceMethod<&Addon::guarded<&Addon::release>>("release"),
                             InstanceMethod<&Addon::guarded<&Addon::state>>("state"),
                             InstanceMethod<&Addon::guarded<&Addon::request>>("request"),
                             InstanceMethod<&Addon::guarded<&Addon::collect>>("collect"),
                             InstanceMethod<&Addon::guarded<&Addon::wait_sync>>("waitSync"),
                             InstanceMethod<&Addon::guarded<&Addon::request_idle>>("requestIdle"),
                             InstanceMethod<&Addon::guarded<&Addon::set_threads>>("setThreads"),
                             InstanceMethod<&Addon::guarded<&Addon::set_memory_limit>>("setMemoryLimit"),
                             InstanceMethod<&Addon::guarded<&Addon::statistics>>("statistics"),
                             InstanceMethod<&Addon::guarded<&Addon::memory>>("memory"),
                             InstanceMethod<&Addon::guarded<&Addon::info>>("info"),
                         });
  }

 private:
  using Info = Napi::CallbackInfo;

  // node-addon-api hands Napi::Error to JavaScript; whatever else is thrown becomes one here.
  template <Napi::Value (Addon::*method)(const Info&)>
  Napi::Value guarded(const Info& call) {
    try {
      return (this->*method)(call);
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      throw current_error(env_);
    }
  }

  Environment& environment() {
    if (!environment_) {
      environment_ = std::make_unique<Environment>(env_);
      // After the Environment made its thread-safe function, so that this hook runs before the function's own.
      env_.AddCleanupHook([](Environment* leaving) { leaving->tear_down(); }, environment_.get());
    }
    return *environment_;
  }

  Napi::Value number_of(double value) { return Napi::Number::New(env_, value); }
  Napi::Value nothing() { return env_.Undefined(); }

  Napi::Value configure(const Info& call) {
    if (!call[0].IsFunction() || !call[1].IsFunction()) fail(CT_INTERNAL, "configure", "two functions", "others");
    environment().configure(call[0].As<Napi::Function>(), call[1].As<Napi::Function>());
    return nothing();
  }

  Napi::Value devices(const Info&) {
    const std::vector<KnownDevice> known = known_devices();
    Napi::Array result = Napi::Array::New(env_, known.size());
    for (uint32_t k = 0; k < known.size(); ++k) {
      Napi::Object item = Napi::Object::New(env_);
      item["name"] = known[k].name;
      item["reason"] = known[k].reason;
      result[k] = item;
    }
    return result;
  }

  Napi::Value open_device(const Info& call) {
    const OpenDevice& opened = environment().open(call[0].As<Napi::String>().Utf8Value());
    Napi::Object result = Napi::Object::New(env_);
    result["id"] = static_cast<double>(opened.id);
    result["name"] = opened.name;
    return result;
  }

  // A device that some environment of the process has opened.
  static OpenDevice& opened(const Info& call) { return opened_device(uint32(call[0])); }

  Napi::Value describe_device(const Info& call) {
    Device& device = opened(call).device;
    char text[256] = "";
    device.backend().describe(device.handle(), text, sizeof text);
    Napi::Object result = Napi::Object::New(env_);
    result["description"] = std::string(text);
    result["memoryBytes"] = static_cast<double>(device.backend().memory_bytes(device.handle()));
    result["asynchronous"] = device.backend().synchronous == 0;
    return result;
  }

  Napi::Value compile(const Info& call) {
    const auto words = typed_array<Napi::Float64Array>(call, 1, napi_float64_array);
    return number_of(
        environment().compile(uint32(call[0]), words.Data(), words.ElementLength(), strings(array(call, 2))));
  }

  Napi::Value release_program(const Info& call) {
    environment().release_program(uint32(call[0]));
    return nothing();
  }

  Napi::Value describe_program(const Info& call) {
    return Napi::String::New(env_, environment().describe_program(uint32(call[0])));
  }

  Napi::Value create_stream(const Info& call) { return number_of(environment().create_stream(uint32(call[0]))); }

  Napi::Value release_stream(const Info& call) {
    environment().release_stream(uint32(call[0]));
    return nothing();
  }

  Napi::Value abort_stream(const Info& call) {
    environment().abort_stream(uint32(call[0]));
    return nothing();
  }

  Napi::Value start_profiling(const Info& call) {
    environment().start_profiling(uint32(call[0]));
    return nothing();
  }

  Napi::Value take_profile(const Info& call) {
    const Profiler::Profile profile = environment().take_profile(uint32(call[0]));
    Napi::Float64Array events = Napi::Float64Array::New(env_, 3 * profile.events.size());
    double* to = events.Data();
    for (const Profiler::Event& event : profile.events) {
      *to++ = event.name;
      *to++ = static_cast<double>(event.start_ns) * 1e-3;
      *to++ = static_cast<double>(event.duration_ns) * 1e-3;
    }
    Napi::Object result = Napi::Object::New(env_);
    result["names"] = strings(env_, profile.names);
    result["events"] = events;
    result["dropped"] = static_cast<double>(profile.dropped);
    return result;
  }

  Napi::Value record_marker(const Info& call) { return number_of(environment().record_marker(uint32(call[0]))); }

  Napi::Value release_marker(const Info& call) {
    environment().release_marker(uint32(call[0]));
    return nothing();
  }

  Napi::Value elapsed(const Info& call) { return number_of(environment().elapsed(uint32(call[0]), uint32(call[1]))); }

  Napi::Value execute(const Info& call) {
    const auto slots = typed_array<Napi::Int32Array>(call, 2, napi_int32_array);
    environment().execute(uint32(call[0]), uint32(call[1]), slots.Data(), slots.ElementLength());
    return nothing();
  }

  Napi::Value write(const Info& call) {
    const Type type = read_type(call[2], array(call, 3));
    const Bytes bytes = view(call[4]);
    if (bytes.length != static_cast<size_t>(byte_count(type))) {
      fail(CT_SHAPE, "write", std::to_string(byte_count(type)) + " bytes for " + show(type),
           std::to_string(bytes.length));
    }
    environment().write(uint32(call[0]), int32(call[1]), type, bytes.data);
    return nothing();
  }

  Napi::Value copy(const Info& call) {
    environment().copy(uint32(call[0]), int32(call[1]), int32(call[2]));
    return nothing();
  }

  Napi::Value release(const Info& call) {
    const auto slots = typed_array<Napi::Int32Array>(call, 0, napi_int32_array);
    const uint32_t count = uint32(call[1]);
    if (count > slots.ElementLength()) {
      fail(CT_INTERNAL, "release", "at most " + std::to_string(slots.ElementLength()) + " slots",
           std::to_string(count));
    }
    environment().release_slots(slots.Data(), count);
    return nothing();
  }

  Napi::Value state(const Info& call) { return number_of(static_cast<double>(environment().state(int32(call[0])))); }

  Napi::Value request(const Info& call) { return number_of(environment().request(int32(call[0]))); }

  Napi::Value request_idle(const Info& call) { return number_of(environment().request_idle(uint32(call[0]))); }

  Napi::Value collect(const Info& call) {
    const Environment::Answer answer = environment().take_ticket(number(call[0]));
    const size_t bytes = answer.value ? static_cast<size_t>(byte_count(answer.value->type())) : 0;
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env_, bytes);
    if (answer.value) Environment::read(answer, buffer.Data());
    return buffer;
  }

  Napi::Value wait_sync(const Info& call) {
    environment().wait(int32(call[0]));
    return nothing();
  }

  Napi::Value set_threads(const Info& call) {
    const double threads = number(call[0]);
    if (!(threads >= 1 && threads <= 1024 && threads == std::floor(threads))) {
      fail(CT_DOMAIN, "setThreads", "a whole number from 1 to 1024", std::to_string(threads));
    }
    set_pool_threads(static_cast<int>(threads));
    return nothing();
  }

  Napi::Value set_memory_limit(const Info& call) {
    const double bytes = number(call[1]);
    if (!(bytes >= 0 && bytes <= static_cast<double>(kMaxBytes))) {
      fail(CT_DOMAIN, "setMemoryLimit", "a number of bytes from 0 to 2^53", std::to_string(bytes));
    }
    opened(call).device.allocator().set_limit(static_cast<uint64_t>(bytes));
    return nothing();
  }

  Napi::Value statistics(const Info& call) {
    OpenDevice& device = opened(call);
    const ExecutorStatistics queued = device.executor.statistics();
    const auto inline_runs = static_cast<double>(device.programs_inline.load(std::memory_order_relaxed));
    const auto inline_equations = static_cast<double>(device.equations_inline.load(std::memory_order_relaxed));
    Napi::Object result = Napi::Object::New(env_);
    result["programsRun"] = static_cast<double>(queued.programs_run) + inline_runs;
    result["programsInline"] = inline_runs;
    result["equationsRun"] = static_cast<double>(queued.equations_run) + inline_equations;
    result["reads"] = static_cast<double>(queued.reads);
    result["blockedEnqueues"] = static_cast<double>(queued.blocked_enqueues);
    result["pendingPrograms"] = queued.pending;
    result["streams"] = queued.streams;
    result["busySeconds"] = queued.busy_seconds;
    return result;
  }

  Napi::Value memory(const Info& call) {
    const MemoryStatistics now = opened(call).device.allocator().statistics();
    Napi::Object result = Napi::Object::New(env_);
    result["used"] = static_cast<double>(now.used);
    result["cached"] = static_cast<double>(now.cached);
    result["peak"] = static_cast<double>(now.peak);
    result["limit"] = static_cast<double>(now.limit);
    result["handles"] = static_cast<double>(environment().handles(uint32(call[0])));
    return result;
  }

  Napi::Value info(const Info&) {
    Napi::Object result = Napi::Object::New(env_);
    result["simdTarget"] = target_name(current_target());
    result["simdTargets"] = strings(env_, target_names());
    result["blas"] = cpu::blas::description();
    result["threads"] = pool_threads();
    result["hardwareThreads"] = hardware_threads();
    static const std::vector<std::string> faults = cpu::blas::self_check();  // takes a while, and does not change
    result["blasFaults"] = strings(env_, faults);
    return result;
  }

  Napi::Env env_;
  std::unique_ptr<Environment> environment_;
};

// Threads of ours outlive environments. Node closes a worker's addons when it ends; the code must stay.
void stay_loaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &self) && self.dli_fname) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  return Addon::Init(env, exports);
}

}  // namespace
}  // namespace cotangent

static Napi::Object initialise_addon(Napi::Env env, Napi::Object exports) {
  return cotangent::initialise(env, exports);
}
NODE_API_MODULE(cotangent, initialise_addon)
