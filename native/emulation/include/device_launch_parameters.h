// The built-in variables of device code. They are those of the lane that runs.
#ifndef COTANGENT_EMULATION_DEVICE_LAUNCH_PARAMETERS_H
#define COTANGENT_EMULATION_DEVICE_LAUNCH_PARAMETERS_H

#include "vector_types.h"

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern const int warpSize;

#endif
