// The emulated driver: the device, its context, settings, failures on demand and counters.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>

#include "block.h"
#include "counters.h"
#include "state.h"

struct CUctx_st {
  int holders = 0;
};

namespace emu {

std::recursive_mutex lock;
Settings settings;

namespace {

bool initialised;
CUctx_st* primary;  // null while nobody holds it
thread_local CUcontext current;
CUresult sticky = CUDA_SUCCESS;
std::string message;
uint64_t seeds_given;

void start_context() {
  settings.seed = static_cast<uint64_t>(setting("MDLSTM_EMU_SEED", 0));
  settings.arch = static_cast<int>(setting("MDLSTM_EMU_ARCH", 75));
  settings.memory = static_cast<size_t>(setting("MDLSTM_EMU_MEMORY", 1L << 30));
  sticky = CUDA_SUCCESS;
  seeds_given = 0;
  message.clear();
  for (auto& c : counters) c = 0;
  primary = new CUctx_st;
}

void end_context() {
  drop_all_streams();
  free_all_memory();
  delete primary;
  primary = nullptr;
}

int attribute(CUdevice_attribute a) {
  const int arch = static_cast<int>(setting("MDLSTM_EMU_ARCH", 75));
  const bool turing = arch < 80, hopper = arch >= 90;
  switch (a) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return arch / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return arch % 10;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 4;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return turing ? 1024 : 2048;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return turing ? 16 : 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return (turing ? 64 : hopper ? 227 : 163) << 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return (turing ? 64 : hopper ? 228 : 164) << 10;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 4 << 20;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH: return hopper;
    default: return 0;
  }
}

}  // namespace

long setting(const char* name, long other) {
  const char* value = getenv(name);
  return value && *value ? strtol(value, nullptr, 10) : other;
}

uint64_t next_seed() { return settings.seed ? settings.seed * 0x2545f4914f6cdd1du + ++seeds_given : 0; }

CUresult because(CUresult result, const std::string& explanation) {
  message = explanation;
  return result;
}

CUresult demanded(const std::string& name) {
  static std::string last;
  static std::map<std::string, int> calls;
  const char* now = getenv("MDLSTM_EMU_FAIL");
  if (last != (now ? now : "")) {
    last = now ? now : "";
    calls.clear();
  }
  if (last.empty()) return CUDA_SUCCESS;
  const int call = ++calls[name];
  std::stringstream items(last);
  for (std::string item; std::getline(items, item, ',');) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) continue;
    std::string wanted = item.substr(0, equals);
    int only = 0;
    if (const size_t colon = wanted.find(':'); colon != std::string::npos) {
      only = atoi(wanted.c_str() + colon + 1);
      wanted.resize(colon);
    }
    if ((wanted == name || wanted + "_v2" == name) && (only == 0 || only == call))
      return because(static_cast<CUresult>(atoi(item.c_str() + equals + 1)), "MDLSTM_EMU_FAIL asks " + name + " to fail");
  }
  return CUDA_SUCCESS;
}

CUresult begin(const char* function, bool needs_context) {
  if (const CUresult asked = demanded(function)) return asked;
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (!needs_context) return CUDA_SUCCESS;
  if (!current || current != primary) return CUDA_ERROR_INVALID_CONTEXT;
  return sticky;
}

CUresult stick(CUresult result) { return sticky = result; }

}  // namespace emu

using namespace emu;

#pragma GCC visibility push(default)
extern "C" {

CUresult cuInit(unsigned flags) {
  const std::lock_guard<std::recursive_mutex> guard(lock);
  if (const CUresult asked = demanded(__func__)) return asked;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  initialised = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* version) {
  *version = static_cast<int>(setting("MDLSTM_EMU_DRIVER", 12000));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  EMU_BEGIN(false);
  *count = static_cast<int>(setting("MDLSTM_EMU_DEVICES", 1));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  EMU_BEGIN(false);
  *device = ordinal;
  return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  EMU_BEGIN(false);
  snprintf(name, static_cast<size_t>(length), "emulator (sm_%ld, %s build)", setting("MDLSTM_EMU_ARCH", 75), EMU_BUILD);
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  EMU_BEGIN(false);
  *bytes = static_cast<size_t>(setting("MDLSTM_EMU_MEMORY", 1L << 30));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute a, CUdevice) {
  EMU_BEGIN(false);
  *value = attribute(a);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  EMU_BEGIN(false);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  if (!primary) start_context();
  primary->holders++;
  *context = primary;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  EMU_BEGIN(false);
  if (device != 0 || !primary) return CUDA_ERROR_INVALID_CONTEXT;
  if (--primary->holders == 0) end_context();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  EMU_BEGIN(false);
  *context = current;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  EMU_BEGIN(false);
  if (context && context != primary) return CUDA_ERROR_INVALID_CONTEXT;
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* device) {
  EMU_BEGIN(true);
  *device = 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  EMU_BEGIN(true);
  count(kWaits);
  return run_now([] { return CUDA_SUCCESS; });
}

// Beside the driver's functions: what host/cuda asks an emulated device.

// Fills values with the counters, as many as there is room for, and returns how many there are.
int mdlstm_emu_counters(unsigned long long* values, int room) {
  for (int i = 0; i < room && i < kCounters; i++) values[i] = counters[i];
  return kCounters;
}

// Takes the explanation of the last failure, "" when there is none since it was last taken.
void mdlstm_emu_message(char* text, int bytes) {
  const std::lock_guard<std::recursive_mutex> guard(lock);
  snprintf(text, static_cast<size_t>(bytes), "%s", message.c_str());
  message.clear();
}

}  // extern "C"
#pragma GCC visibility pop
