#pragma once

// n elements beyond p, for arrays that may be none.
template <class T>
static __device__ __forceinline__ T* beyond(T* p, size_t n) {
    return p != nullptr ? p + n : nullptr;
}
