// Failures of the core as JavaScript errors: code, op and message, as NativeFailure in lib/core/native.ts.
#ifndef COTANGENT_NAPI_FAILURE_H
#define COTANGENT_NAPI_FAILURE_H

#include <napi.h>

#include "native/core/types.h"

namespace cotangent {

Napi::Error to_error(Napi::Env env, const Failure& failure);

// Call it in a catch block: the exception in flight.
Napi::Error current_error(Napi::Env env);

}  // namespace cotangent

#endif
