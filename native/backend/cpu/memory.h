// Raw memory of the CPU device: what the caching allocator of the core is built on.
#ifndef COTANGENT_BACKEND_CPU_MEMORY_H
#define COTANGENT_BACKEND_CPU_MEMORY_H

#include <cstdint>

namespace cotangent::cpu {

// At least 64-byte aligned; blocks of 4 MB and more are mapped on their own, aligned to 2 MB and backed by huge pages
// where the system has them. Null when there is no memory. 0 bytes give a valid pointer.
void* allocate_block(uint64_t bytes);

// `bytes` as given to allocate_block.
void release_block(void* pointer, uint64_t bytes);

// The machine's memory, or the control group's where that is less.
uint64_t machine_memory();

}  // namespace cotangent::cpu

#endif
