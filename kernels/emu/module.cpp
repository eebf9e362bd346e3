// The emulated driver: modules, kernels and launches.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "block.h"
#include "ptx.h"
#include "state.h"

struct CUfunc_st {
  std::string name;
  emu::PtxEntry ptx;
  const emu::Kernel* kernel = nullptr;
  int dynamic_limit = 0;  // bytes of dynamic shared memory that a launch may ask for
};

struct CUmod_st {
  emu::Ptx ptx;
  std::map<std::string, CUfunc_st> functions;
};

namespace emu {

namespace {

constexpr int kDefaultShared = 48 << 10;

int device_attribute(CUdevice_attribute a) {
  int value = 0;
  cuDeviceGetAttribute(&value, a, 0);
  return value;
}

CUresult load(CUmodule* module, const char* text, std::string& log) {
  auto m = std::make_unique<CUmod_st>();
  log = read_ptx(text, m->ptx);
  if (!log.empty()) return because(CUDA_ERROR_INVALID_PTX, log);
  // PTX ISA 8.0 came with CUDA 12.0; the emulated driver's own version says what it would load.
  int driver = 0;
  cuDriverGetVersion(&driver);
  if (m->ptx.version > (driver / 1000 - 4) * 10 + driver % 1000 / 10) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  if (m->ptx.target > settings.arch) return CUDA_ERROR_NO_BINARY_FOR_GPU;
  *module = m.release();
  return CUDA_SUCCESS;
}

// The arguments of a launch, copied as the driver does.
struct Arguments {
  std::vector<uint64_t> bytes;
  std::vector<void*> each;

  Arguments(const std::vector<int>& sizes, void** given) {
    size_t words = 0;
    for (int n : sizes) words += (static_cast<size_t>(n) + 15) / 16 * 2;
    bytes.resize(words);
    words = 0;
    for (size_t i = 0; i < sizes.size(); i++) {
      each.push_back(memcpy(&bytes[words], given[i], static_cast<size_t>(sizes[i])));
      words += (static_cast<size_t>(sizes[i]) + 15) / 16 * 2;
    }
  }
};

// Runs a launch when its turn comes.
CUresult execute(const CUfunc_st& f, uint3 grid, uint3 block, uint3 cluster, unsigned shared, Arguments& arguments) {
  if (const CUresult asked = demanded(f.name)) return asked;
  for (size_t i = 0; i < arguments.each.size(); i++) {
    if (!f.kernel->pointer[i]) continue;
    const void* p = nullptr;
    memcpy(&p, arguments.each[i], sizeof p);
    if (p && !device_holds(p, 1))
      return because(CUDA_ERROR_ILLEGAL_ADDRESS, "kernel " + f.name + ": argument " + std::to_string(i) + " points to no device memory");
  }
  const std::string wrong = run({f.kernel, grid, block, cluster, shared, arguments.each.data(), next_seed()});
  return wrong.empty() ? CUDA_SUCCESS : because(CUDA_ERROR_LAUNCH_FAILED, wrong);
}

// What a launch asks beyond the device's or the kernel's limits, "" when nothing.
std::string excess(const CUfunc_st& f, uint3 grid, uint3 block, unsigned shared) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return "a grid of such a size";
  if (!threads || block.x > 1024 || block.y > 1024 || block.z > 64) return "a block of such a size";
  if (threads > static_cast<unsigned>(f.ptx.max_threads))
    return std::to_string(threads) + " threads a block, the kernel's limit is " + std::to_string(f.ptx.max_threads);
  if (shared > static_cast<unsigned>(f.dynamic_limit))
    return std::to_string(shared) + " bytes of shared memory, the kernel's limit is " + std::to_string(f.dynamic_limit);
  return "";
}

// Queues a launch in clusters, of one block each where there are none.
CUresult launch(CUfunction f, uint3 grid, uint3 block, uint3 cluster, unsigned shared, CUstream stream, void** parameters) {
  if (const std::string what = excess(*f, grid, block, shared); !what.empty())
    return because(CUDA_ERROR_INVALID_VALUE, "the launch asks for " + what);
  if (cluster.x * cluster.y * cluster.z > 1 && f->ptx.shared > 0)
    return because(CUDA_ERROR_NOT_SUPPORTED, "static __shared__ arrays in a cluster are not emulated: take dynamic shared memory");
  auto arguments = std::make_shared<Arguments>(f->ptx.size, parameters);
  return enqueue(stream, [=] { return execute(*f, grid, block, cluster, shared, *arguments); });
}

}  // namespace

}  // namespace emu

using namespace emu;

#pragma GCC visibility push(default)
extern "C" {

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, CUjit_option* options, void** values) {
  EMU_BEGIN(true);
  std::string log;
  const CUresult result = load(module, static_cast<const char*>(image), log);
  char* buffer = nullptr;
  size_t room = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) room = reinterpret_cast<size_t>(values[i]);
  }
  if (buffer && room > 0) buffer[log.copy(buffer, room - 1)] = 0;
  return result;
}

CUresult cuModuleUnload(CUmodule module) {
  EMU_BEGIN(true);
  return run_now([module] {
    delete module;
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  EMU_BEGIN(true);
  const auto entry = module->ptx.entries.find(name);
  if (entry == module->ptx.entries.end()) return because(CUDA_ERROR_NOT_FOUND, "the PTX has no such kernel");
  const Kernel* k = find_kernel(name);
  if (!k) return because(CUDA_ERROR_NOT_FOUND, "the PTX has it, the emulator does not: make emulator");
  const std::vector<int>& size = entry->second.size;
  if (!std::equal(k->size, k->size + k->parameters, size.begin(), size.end()))
    return because(CUDA_ERROR_INVALID_SOURCE, "the parameters in the PTX and in the emulator differ: make ptx emulator");
  CUfunc_st& f = module->functions[name];
  f.name = name;
  f.ptx = entry->second;
  f.kernel = k;
  if (f.dynamic_limit == 0) f.dynamic_limit = kDefaultShared - f.ptx.shared;
  *function = &f;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute a, CUfunction f) {
  EMU_BEGIN(true);
  switch (a) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = f->ptx.max_threads; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = f->ptx.shared; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = settings.arch; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->dynamic_limit; break;
    default: *value = 0;  // registers and spills are ptxas's business
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int value) {
  EMU_BEGIN(true);
  const int most = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) - f->ptx.shared;
  if (a != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
  if (value < 0 || value > most)
    return because(CUDA_ERROR_INVALID_VALUE, std::to_string(value) + " bytes of shared memory, the device has " + std::to_string(most));
  f->dynamic_limit = value;
  return CUDA_SUCCESS;
}

// Registers are not known here, so this is an upper limit.
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction f, int threads, size_t shared) {
  EMU_BEGIN(true);
  if (threads <= 0 || threads > f->ptx.max_threads) return CUDA_ERROR_INVALID_VALUE;
  const int warps = (threads + 31) / 32;
  *blocks = std::min(device_attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / 32 / warps,
                     device_attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR));
  const size_t bytes = shared + static_cast<size_t>(f->ptx.shared);
  const auto room = static_cast<size_t>(device_attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR));
  if (shared > static_cast<size_t>(f->dynamic_limit)) *blocks = 0;
  if (bytes > 0) *blocks = std::min(*blocks, static_cast<int>(room / bytes));
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                        unsigned block_z, unsigned shared, CUstream stream, void** parameters, void** extra) {
  EMU_BEGIN(true);
  if (!f || extra) return CUDA_ERROR_INVALID_VALUE;
  return launch(f, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, {1, 1, 1}, shared, stream, parameters);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction f, void** parameters, void** extra) {
  EMU_BEGIN(true);
  if (!f || extra) return CUDA_ERROR_INVALID_VALUE;
  const CUlaunchConfig& c = *config;
  uint3 cluster{1, 1, 1};
  for (unsigned i = 0; i < c.numAttrs; i++) {
    const CUlaunchAttribute& a = c.attrs[i];
    const auto& size = a.value.clusterDim;
    if (a.id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) return because(CUDA_ERROR_NOT_SUPPORTED, "a launch attribute that is not emulated");
    if (!device_attribute(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH)) return because(CUDA_ERROR_NOT_SUPPORTED, "the device has no clusters");
    if (!size.x || !size.y || !size.z || uint64_t{size.x} * size.y * size.z > kMaxCluster || c.gridDimX % size.x ||
        c.gridDimY % size.y || c.gridDimZ % size.z)
      return because(CUDA_ERROR_INVALID_VALUE, "the cluster has more than 8 blocks or does not divide the grid");
    cluster = {size.x, size.y, size.z};
  }
  return launch(f, {c.gridDimX, c.gridDimY, c.gridDimZ}, {c.blockDimX, c.blockDimY, c.blockDimZ}, cluster, c.sharedMemBytes,
                c.hStream, parameters);
}

}  // extern "C"
#pragma GCC visibility pop
