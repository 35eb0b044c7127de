// The fault of the device, and the signals by which it may come.
#ifndef COTANGENT_EMULATION_FAULT_H
#define COTANGENT_EMULATION_FAULT_H

#include <cuda_runtime_api.h>

#include <string>

namespace cotangent::emulation::fault {

// Sticks: the first one is what every later call answers, until `clear`.
void report(cudaError_t error, std::string message);
cudaError_t code();
std::string message();
void clear();

// Between the two, this thread does the device's work: what it touches of device memory is opened, and a bad access
// within a lane becomes a fault.
void enter_device();
void leave_device();
void trap_invalid_operations(bool on);

}  // namespace cotangent::emulation::fault

#endif
