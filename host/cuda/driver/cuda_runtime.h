/*
 * The runtime functions that cuda5 names. runtime.c maps them onto the driver, so there is no libcudart.
 * cuda5 passes numbers for the two enums below, which therefore are tags, not typedefs.
 */
#ifndef MDLSTM_CUDA_RUNTIME_H
#define MDLSTM_CUDA_RUNTIME_H

#include <stddef.h>

typedef int cudaError_t; /* the driver's numbers */

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4,
};

enum { /* for cudaSetDeviceFlags: the driver's context flags under other names */
  cudaDeviceScheduleAuto = 0,
  cudaDeviceScheduleSpin = 1,
  cudaDeviceScheduleYield = 2,
  cudaDeviceScheduleBlockingSync = 4,
  cudaDeviceBlockingSync = 4,
  cudaDeviceMapHost = 8,
  cudaDeviceLmemResizeToMax = 16,
};

cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceReset(void);
cudaError_t cudaSetDeviceFlags(unsigned flags);
cudaError_t cudaMalloc(void **address, size_t bytes);
cudaError_t cudaMallocHost(void **address, size_t bytes);
cudaError_t cudaFreeHost(void *address);
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind);

#endif
