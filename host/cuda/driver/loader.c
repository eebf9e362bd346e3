/*
 * libcuda.a: every driver function, looked up in libcuda.so.1 (or the library that MDLSTM_CUDA_LIBRARY names) when it is
 * first called. The binary therefore needs the C library only, and starts where there is no driver.
 */
#include "cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static char refused[512];    /* why there is no library */
static const char *missing;   /* the function last looked for in vain */

static void open_library(void) {
  const char *chosen = getenv("MDLSTM_CUDA_LIBRARY");
  int own = chosen && *chosen;
  void *opened = dlopen(own ? chosen : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!opened) {
    const char *reason = dlerror();
    snprintf(refused, sizeof refused, "%s%s", own ? "MDLSTM_CUDA_LIBRARY: " : "", reason ? reason : "not loaded");
  } else if (!dlsym(opened, "cuInit")) { /* some other library: say so once, instead of failing function by function */
    snprintf(refused, sizeof refused, "%s%s is not a CUDA driver library: it has no function cuInit",
             own ? "MDLSTM_CUDA_LIBRARY: " : "", own ? chosen : "libcuda.so.1");
    dlclose(opened);
  } else {
    library = opened;
  }
}

const char *mdlstm_cuda_refused(void) { return refused; }

const char *mdlstm_cuda_missing(void) { return __atomic_load_n(&missing, __ATOMIC_ACQUIRE); }

void *mdlstm_cuda_symbol(const char *name) {
  pthread_once(&once, open_library);
  return library ? dlsym(library, name) : NULL;
}

static CUresult find(const char *name, void **slot) {
  void *function = mdlstm_cuda_symbol(name);
  if (!library) return CUDA_ERROR_SHARED_OBJECT_INIT_FAILED;
  if (!function) {
    __atomic_store_n(&missing, name, __ATOMIC_RELEASE);
    return CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;
  }
  __atomic_store_n(slot, function, __ATOMIC_RELEASE);
  return CUDA_SUCCESS;
}

/* Two threads may both look a function up; they store the same address. */
#define F(name, parameters, arguments)                         \
  CUresult name parameters {                                   \
    static void *found_at;                                     \
    if (!__atomic_load_n(&found_at, __ATOMIC_ACQUIRE)) {       \
      CUresult lookup = find(#name, &found_at);                \
      if (lookup != CUDA_SUCCESS) return lookup;               \
    }                                                          \
    return ((CUresult(*) parameters)found_at) arguments;       \
  }
#include "cuda_functions.h"
#undef F
