# The sources of the CUDA backend, the same for nvcc and for host emulation.
file(GLOB_RECURSE COTANGENT_CUDA_SOURCES CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/native/backend/cuda/*.cc ${CMAKE_SOURCE_DIR}/native/backend/cuda/*.cu
  ${CMAKE_SOURCE_DIR}/native/kernels/*_cuda.cc ${CMAKE_SOURCE_DIR}/native/kernels/*.cu)
# What both devices decode in the same way.
list(APPEND COTANGENT_CUDA_SOURCES
  ${CMAKE_SOURCE_DIR}/native/kernels/elementwise/chain_program.cc
  ${CMAKE_SOURCE_DIR}/native/kernels/elementwise/chain_schedule.cc
  ${CMAKE_SOURCE_DIR}/native/kernels/movement/strided_shape.cc)
