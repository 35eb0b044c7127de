#ifndef COTANGENT_EMULATION_LIBRARY_TYPES_H
#define COTANGENT_EMULATION_LIBRARY_TYPES_H

enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_64F = 1 };
using cudaDataType = cudaDataType_t;

#endif
