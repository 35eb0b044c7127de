// Between C++ exceptions and Node's: inside the binding everything throws, at its border nothing does.
#ifndef COTANGENT_NAPI_NAPI_ERROR_H
#define COTANGENT_NAPI_NAPI_ERROR_H

#include <node_api.h>

#include "native/core/types.h"

namespace cotangent {

// A Node-API call failed. Whatever it left pending is the error that JavaScript sees.
struct NapiError {
  napi_status status;
};

inline void check(napi_status status) {
  if (status != napi_ok) throw NapiError{status};
}

// Leaves a JavaScript Error with code, op and message pending.
void throw_failure(napi_env env, const Failure& failure);

// Call it in a catch block: leaves the exception in flight pending in JavaScript.
void throw_current(napi_env env);

}  // namespace cotangent

#endif
