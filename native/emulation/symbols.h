#ifndef COTANGENT_EMULATION_SYMBOLS_H
#define COTANGENT_EMULATION_SYMBOLS_H

#include <string>

namespace cotangent::emulation {

// The function's name as its source has it, or its module and offset if the module keeps no symbol of it.
std::string name_of(const void* function);

}  // namespace cotangent::emulation

#endif
