// Apart from backend.cc, so that a linker takes it only where nobody else exports the name.
#include "native/backend/cpu/backend.h"

extern "C" const ct_backend* cotangent_backend(void) { return &cotangent::cpu::backend(); }
