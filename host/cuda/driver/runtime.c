/*
 * libcudart.a: the runtime functions that cuda5 names, on the driver. As in NVIDIA's runtime, work goes to the device's
 * primary context, which a thread without a context gets at its first call (device 0 unless it chose one).
 */
#include "cuda.h"
#include "cuda_runtime.h"

#include <pthread.h>

enum { kMaxDevices = 64 };

static CUresult use_primary(int device) {
  static CUcontext retained[kMaxDevices];
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  if (device < 0 || device >= kMaxDevices) return CUDA_ERROR_INVALID_DEVICE;
  pthread_mutex_lock(&lock);
  CUresult result = CUDA_SUCCESS;
  if (!retained[device]) {
    result = cuInit(0);
    if (result == CUDA_SUCCESS) result = cuDevicePrimaryCtxRetain(&retained[device], device);
  }
  CUcontext context = retained[device];
  pthread_mutex_unlock(&lock);
  return result == CUDA_SUCCESS ? cuCtxSetCurrent(context) : result;
}

static CUresult ensure_context(void) {
  CUcontext context = NULL;
  CUresult result = cuCtxGetCurrent(&context);
  if (result == CUDA_ERROR_NOT_INITIALIZED || (result == CUDA_SUCCESS && !context)) return use_primary(0);
  return result;
}

static CUresult current_device(CUdevice *device) {
  CUresult result = ensure_context();
  return result == CUDA_SUCCESS ? cuCtxGetDevice(device) : result;
}

static CUdeviceptr address(const void *p) { return (CUdeviceptr)(size_t)p; }

cudaError_t cudaSetDevice(int device) { return use_primary(device); }

cudaError_t cudaDeviceReset(void) {
  CUdevice device;
  CUresult result = current_device(&device);
  return result == CUDA_SUCCESS ? cuDevicePrimaryCtxReset(device) : result;
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  CUdevice device;
  CUresult result = current_device(&device);
  return result == CUDA_SUCCESS ? cuDevicePrimaryCtxSetFlags(device, flags) : result;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
  CUdeviceptr allocated = 0;
  CUresult result = ensure_context();
  if (result == CUDA_SUCCESS) result = cuMemAlloc(&allocated, bytes);
  *p = (void *)(size_t)allocated;
  return result;
}

cudaError_t cudaMallocHost(void **p, size_t bytes) {
  CUresult result = ensure_context();
  return result == CUDA_SUCCESS ? cuMemAllocHost(p, bytes) : result;
}

cudaError_t cudaFreeHost(void *p) { return cuMemFreeHost(p); }

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
  CUresult result = ensure_context();
  if (result != CUDA_SUCCESS) return result;
  switch (kind) {
  case cudaMemcpyHostToDevice: return cuMemcpyHtoD(address(to), from, bytes);
  case cudaMemcpyDeviceToHost: return cuMemcpyDtoH(to, address(from), bytes);
  case cudaMemcpyDeviceToDevice: return cuMemcpyDtoD(address(to), address(from), bytes);
  default: return cuMemcpy(address(to), address(from), bytes); /* one address space for host and device */
  }
}
