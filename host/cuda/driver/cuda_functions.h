/*
 * Every driver function that cuda5 or this project calls, as F(exported symbol, parameters, arguments). This one list
 * gives cuda.h its prototypes and loader.c its forwarders, and the emulator is compiled against it.
 */
F(cuInit, (unsigned flags), (flags))
F(cuDriverGetVersion, (int *version), (version))

F(cuDeviceGet, (CUdevice *device, int ordinal), (device, ordinal))
F(cuDeviceGetCount, (int *count), (count))
F(cuDeviceGetName, (char *name, int length, CUdevice device), (name, length, device))
F(cuDeviceTotalMem_v2, (size_t *bytes, CUdevice device), (bytes, device))
F(cuDeviceGetAttribute, (int *value, CUdevice_attribute attribute, CUdevice device), (value, attribute, device))
F(cuDeviceGetProperties, (CUdevprop *properties, CUdevice device), (properties, device))
F(cuDeviceComputeCapability, (int *major, int *minor, CUdevice device), (major, minor, device))
F(cuDeviceCanAccessPeer, (int *can, CUdevice device, CUdevice peer), (can, device, peer))

F(cuDevicePrimaryCtxRetain, (CUcontext *context, CUdevice device), (context, device))
F(cuDevicePrimaryCtxRelease_v2, (CUdevice device), (device))
F(cuDevicePrimaryCtxReset_v2, (CUdevice device), (device))
F(cuDevicePrimaryCtxSetFlags_v2, (CUdevice device, unsigned flags), (device, flags))
F(cuCtxCreate_v2, (CUcontext *context, unsigned flags, CUdevice device), (context, flags, device))
F(cuCtxDestroy_v2, (CUcontext context), (context))
F(cuCtxGetApiVersion, (CUcontext context, unsigned *version), (context, version))
F(cuCtxGetCurrent, (CUcontext *context), (context))
F(cuCtxSetCurrent, (CUcontext context), (context))
F(cuCtxGetDevice, (CUdevice *device), (device))
F(cuCtxSynchronize, (void), ())
F(cuCtxEnablePeerAccess, (CUcontext peer, unsigned flags), (peer, flags))
F(cuCtxDisablePeerAccess, (CUcontext peer), (peer))

F(cuModuleLoad, (CUmodule *module, const char *file), (module, file))
F(cuModuleLoadData, (CUmodule *module, const void *image), (module, image))
F(cuModuleLoadDataEx, (CUmodule *module, const void *image, unsigned count, CUjit_option *options, void **values),
  (module, image, count, options, values))
F(cuModuleUnload, (CUmodule module), (module))
F(cuModuleGetFunction, (CUfunction *function, CUmodule module, const char *name), (function, module, name))

F(cuFuncGetAttribute, (int *value, CUfunction_attribute attribute, CUfunction function), (value, attribute, function))
F(cuFuncSetAttribute, (CUfunction function, CUfunction_attribute attribute, int value), (function, attribute, value))
F(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *blocks, CUfunction function, int threads, size_t shared),
  (blocks, function, threads, shared))
F(cuLaunchKernel, (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
  unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **parameters, void **extra),
  (function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, parameters, extra))

F(cuLaunchKernelEx, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra),
  (config, function, parameters, extra))

F(cuMemAlloc_v2, (CUdeviceptr *address, size_t bytes), (address, bytes))
F(cuMemFree_v2, (CUdeviceptr address), (address))
F(cuMemGetInfo_v2, (size_t *free_bytes, size_t *total), (free_bytes, total))
F(cuMemGetAddressRange_v2, (CUdeviceptr *base, size_t *bytes, CUdeviceptr address), (base, bytes, address))
F(cuMemAllocHost_v2, (void **address, size_t bytes), (address, bytes))
F(cuMemFreeHost, (void *address), (address))
F(cuMemHostRegister_v2, (void *address, size_t bytes, unsigned flags), (address, bytes, flags))
F(cuMemHostUnregister, (void *address), (address))
F(cuPointerGetAttribute, (void *value, CUpointer_attribute attribute, CUdeviceptr address), (value, attribute, address))

F(cuMemcpy, (CUdeviceptr to, CUdeviceptr from, size_t bytes), (to, from, bytes))
F(cuMemcpyAsync, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream), (to, from, bytes, stream))
F(cuMemcpyHtoD_v2, (CUdeviceptr to, const void *from, size_t bytes), (to, from, bytes))
F(cuMemcpyDtoH_v2, (void *to, CUdeviceptr from, size_t bytes), (to, from, bytes))
F(cuMemcpyDtoD_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes), (to, from, bytes))
F(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream), (to, from, bytes, stream))
F(cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream), (to, from, bytes, stream))
F(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream), (to, from, bytes, stream))
F(cuMemcpyPeer, (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes),
  (to, to_context, from, from_context, bytes))
F(cuMemcpyPeerAsync, (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes,
  CUstream stream), (to, to_context, from, from_context, bytes, stream))
F(cuMemsetD8_v2, (CUdeviceptr to, unsigned char value, size_t count), (to, value, count))
F(cuMemsetD32_v2, (CUdeviceptr to, unsigned value, size_t count), (to, value, count))
F(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream), (to, value, count, stream))
F(cuMemsetD32Async, (CUdeviceptr to, unsigned value, size_t count, CUstream stream), (to, value, count, stream))

F(cuStreamCreate, (CUstream *stream, unsigned flags), (stream, flags))
F(cuStreamDestroy_v2, (CUstream stream), (stream))
F(cuStreamQuery, (CUstream stream), (stream))
F(cuStreamSynchronize, (CUstream stream), (stream))
F(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags), (stream, event, flags))
F(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), (stream, mode))
F(cuStreamEndCapture, (CUstream stream, CUgraph *graph), (stream, graph))

F(cuGraphGetNodes, (CUgraph graph, CUgraphNode *nodes, size_t *count), (graph, nodes, count))
F(cuGraphInstantiateWithFlags, (CUgraphExec *exec, CUgraph graph, unsigned long long flags), (exec, graph, flags))
F(cuGraphLaunch, (CUgraphExec exec, CUstream stream), (exec, stream))
F(cuGraphDestroy, (CUgraph graph), (graph))
F(cuGraphExecDestroy, (CUgraphExec exec), (exec))

F(cuEventCreate, (CUevent *event, unsigned flags), (event, flags))
F(cuEventDestroy_v2, (CUevent event), (event))
F(cuEventRecord, (CUevent event, CUstream stream), (event, stream))
F(cuEventRecordWithFlags, (CUevent event, CUstream stream, unsigned flags), (event, stream, flags))
F(cuEventQuery, (CUevent event), (event))
F(cuEventSynchronize, (CUevent event), (event))
F(cuEventElapsedTime, (float *milliseconds, CUevent start, CUevent end), (milliseconds, start, end))
