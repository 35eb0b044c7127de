#include "native/napi/failure.h"

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

Napi::Error to_error(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", code_name(failure.code));
  error.Set("op", failure.op);
  return error;
}

Napi::Error current_error(Napi::Env env) { return to_error(env, *current_failure()); }

}  // namespace cotangent
