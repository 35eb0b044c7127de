// The CPU's backend by its own name: a library that wraps it exports a `cotangent_backend` of its own.
#ifndef COTANGENT_BACKEND_CPU_BACKEND_H
#define COTANGENT_BACKEND_CPU_BACKEND_H

#include "native/backend/backend.h"

namespace cotangent::cpu {

const ct_backend& backend();

}  // namespace cotangent::cpu

#endif
