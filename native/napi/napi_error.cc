#include "native/napi/napi_error.h"

#include "native/core/execution.h"

namespace cotangent {
namespace {

const char* code_name(ct_code code) {
  switch (code) {
    case CT_SHAPE:
      return "ERR_SHAPE";
    case CT_DTYPE:
      return "ERR_DTYPE";
    case CT_DOMAIN:
      return "ERR_DOMAIN";
    case CT_DEVICE:
      return "ERR_DEVICE";
    case CT_NUMERICAL:
      return "ERR_NUMERICAL";
    case CT_OUT_OF_MEMORY:
      return "ERR_OUT_OF_MEMORY";
    case CT_ABORTED:
      return "ERR_ABORTED";
    default:
      return code == kDisposed ? "ERR_DISPOSED" : "ERR_INTERNAL";
  }
}

}  // namespace

void throw_failure(napi_env env, const Failure& failure) {
  napi_value code, message, op, error;
  const auto text = [&](const std::string& from, napi_value* to) {
    return napi_create_string_utf8(env, from.data(), from.size(), to) == napi_ok;
  };
  if (!text(code_name(failure.code), &code) || !text(failure.message, &message) || !text(failure.op, &op)) return;
  if (napi_create_error(env, code, message, &error) != napi_ok) return;
  napi_set_named_property(env, error, "op", op);
  napi_throw(env, error);
}

void throw_current(napi_env env) {
  try {
    throw;
  } catch (const NapiError& error) {
    bool pending = false;
    if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
    throw_failure(env,
                  {CT_INTERNAL, "addon",
                   "[addon] Expected arguments as lib/core/native.ts declares them, received others (Node-API status " +
                       std::to_string(error.status) + ")."});
  } catch (...) {
    throw_failure(env, *current_failure());
  }
}

}  // namespace cotangent
