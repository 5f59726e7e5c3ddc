// cuda.h: CUDA C++ for a CPU, as much of it as the kernels here use. The same source runs: the
// threads of a block are fibers (threads.cpp) that take turns at each barrier and each shuffle.
#pragma once
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __shared__ static  // blocks run one after the other
#define __constant__ static
#define CUDART_INF_F INFINITY
#define CUDART_INF ((double)INFINITY)

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
extern "C" {
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
void __syncthreads();
void cuda_meet(unsigned mask);
unsigned long long cuda_exchange(unsigned mask, unsigned long long value, int from);
void* cuda_dynamic_shared();
const char* cuda_run(void (*body)(void*), void* data, const unsigned* grid, const unsigned* block,
                     unsigned shared, int order);
}
enum { warpSize = 32 };

// -- half precision -------------------------------------------------------------------------------
inline float cuda_half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, part = h & 1023, bits;
  if (exponent == 31) bits = sign | 0x7F800000u | (part << 13);
  else if (exponent) bits = sign | ((exponent + 112) << 23) | (part << 13);
  else {
    float tiny = std::ldexp((float)part, -24);
    return sign ? -tiny : tiny;
  }
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

inline uint16_t cuda_float_to_half(float f) {  // to the nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  uint16_t sign = (bits >> 16) & 0x8000;
  float size = std::fabs(f);
  if (size != size) return sign | 0x7E00;
  if (size >= 65520.0f) return sign | 0x7C00;
  if (size < 6.103515625e-05f) return sign | (uint16_t)std::nearbyint(size * 16777216.0f);
  bits &= 0x7FFFFFFF;
  bits += 0xFFF + ((bits >> 13) & 1);
  return sign | (uint16_t)((bits >> 13) - (112u << 10));
}

struct __half {
  uint16_t bits;
  __half() = default;
  explicit __half(float v) : bits(cuda_float_to_half(v)) {}
  explicit __half(double v) : __half((float)v) {}
  explicit __half(int v) : __half((float)v) {}
  operator float() const { return cuda_half_to_float(bits); }
};

struct __nv_bfloat16 {
  uint16_t bits;
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float v) {
    uint32_t all;
    std::memcpy(&all, &v, 4);
    bits = v != v ? 0x7FFF : (uint16_t)((all + 0x7FFF + ((all >> 16) & 1)) >> 16);
  }
  explicit __nv_bfloat16(double v) : __nv_bfloat16((float)v) {}
  explicit __nv_bfloat16(int v) : __nv_bfloat16((float)v) {}
  operator float() const {
    uint32_t all = (uint32_t)bits << 16;
    float out;
    std::memcpy(&out, &all, 4);
    return out;
  }
};
typedef __half float16;  // CuPy's names, in its own kernels
typedef __nv_bfloat16 bfloat16;
inline float __half2float(__half v) { return v; }
inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __half __float2half(float v) { return __half(v); }
inline __half __float2half_rn(float v) { return __half(v); }
inline __nv_bfloat16 __float2bfloat16(float v) { return __nv_bfloat16(v); }
inline __nv_bfloat16 __float2bfloat16_rn(float v) { return __nv_bfloat16(v); }

// -- functions ------------------------------------------------------------------------------------
using std::abs; using std::ceil; using std::cos; using std::erf; using std::exp; using std::expm1;
using std::fabs; using std::floor; using std::fma; using std::fmax; using std::fmin;
using std::isfinite; using std::isinf; using std::isnan; using std::log; using std::log1p;
using std::pow; using std::rint; using std::round; using std::sin; using std::sqrt; using std::tanh;
#define CUDA_SMALLER(T) \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
CUDA_SMALLER(int)
CUDA_SMALLER(unsigned)
CUDA_SMALLER(long long)
CUDA_SMALLER(unsigned long long)
CUDA_SMALLER(long)
inline float min(float a, float b) { return fmin(a, b); }  // a number before NaN
inline float max(float a, float b) { return fmax(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline float rsqrtf(float v) { return 1.0f / std::sqrt(v); }
inline float rsqrt(float v) { return 1.0f / std::sqrt(v); }
inline double rsqrt(double v) { return 1.0 / std::sqrt(v); }
inline double sinpi(double v) { return std::sin(v * 3.14159265358979323846); }
inline double cospi(double v) { return std::cos(v * 3.14159265358979323846); }
inline float sinpif(float v) { return (float)sinpi(v); }
inline float cospif(float v) { return (float)cospi(v); }
inline float __expf(float v) { return std::exp(v); }
inline float __logf(float v) { return std::log(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline unsigned __umulhi(unsigned a, unsigned b) { return ((unsigned long long)a * b) >> 32; }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
template <class A, class B> inline A cuda_as(B v) {
  static_assert(sizeof(A) == sizeof(B), "of one size");
  A out;
  std::memcpy(&out, &v, sizeof v);
  return out;
}
inline int __float_as_int(float v) { return cuda_as<int>(v); }
inline unsigned __float_as_uint(float v) { return cuda_as<unsigned>(v); }
inline float __int_as_float(int v) { return cuda_as<float>(v); }
inline float __uint_as_float(unsigned v) { return cuda_as<float>(v); }
template <class T> inline T __ldg(const T* p) { return *p; }
inline void __threadfence() {}
inline void __threadfence_block() {}

#define CUDA_VECTOR(T, name) \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; }; \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; }; \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUDA_VECTOR(float, float)
CUDA_VECTOR(double, double)
CUDA_VECTOR(int, int)
CUDA_VECTOR(unsigned, uint)

// -- atomic: fibers take turns at barriers only ---------------------------------------------------
template <class T> inline T atomicAdd(T* p, typename std::common_type<T>::type v) {
  T old = *p;
  *p = (T)(old + v);
  return old;
}
template <class T> inline T atomicMax(T* p, typename std::common_type<T>::type v) {
  T old = *p;
  if (old < v) *p = v;
  return old;
}
template <class T> inline T atomicMin(T* p, typename std::common_type<T>::type v) {
  T old = *p;
  if (v < old) *p = v;
  return old;
}
template <class T> inline T atomicOr(T* p, typename std::common_type<T>::type v) {
  T old = *p;
  *p = old | v;
  return old;
}
template <class T> inline T atomicExch(T* p, typename std::common_type<T>::type v) {
  T old = *p;
  *p = v;
  return old;
}
template <class T> inline T atomicCAS(T* p, typename std::common_type<T>::type compare,
                                      typename std::common_type<T>::type v) {
  T old = *p;
  if (old == compare) *p = v;
  return old;
}

// -- between the threads of a warp ----------------------------------------------------------------
extern "C" unsigned cuda_lane();
template <class T> inline T cuda_from(unsigned mask, T v, int from) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  unsigned long long bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  bits = cuda_exchange(mask, bits, from);
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
template <class T> inline T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
  int lane = cuda_lane();
  return cuda_from(mask, v, (lane & ~(width - 1)) | (from & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32) {
  int lane = cuda_lane(), from = lane ^ with;
  return cuda_from(mask, v, from / width > lane / width ? lane : from);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32) {
  int lane = cuda_lane(), from = lane + (int)by;
  return cuda_from(mask, v, from / width != lane / width ? lane : from);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32) {
  int lane = cuda_lane(), from = lane - (int)by;
  return cuda_from(mask, v, from < (lane & ~(width - 1)) ? lane : from);
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { cuda_meet(mask); }
inline unsigned __ballot_sync(unsigned mask, int holds) {
  unsigned out = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) out |= (unsigned)__shfl_sync(mask, holds != 0, lane) << lane;
  return out;
}
inline int __any_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) != 0; }
inline int __all_sync(unsigned mask, int holds) { return __ballot_sync(mask, !holds) == 0; }

// -- how Python calls a kernel --------------------------------------------------------------------
template <class F> struct CudaCall;
template <class... A> struct CudaCall<void (*)(A...)> {
  void (*kernel)(A...);
  void** arguments;
  template <size_t... I> void go(std::index_sequence<I...>) {
    kernel(*(typename std::decay<A>::type*)arguments[I]...);
  }
  static void body(void* self) { ((CudaCall*)self)->go(std::index_sequence_for<A...>()); }
  // A letter and a size for each parameter: pointer, floating, integer, or something else.
  static void describe(char* out) {
    const char kinds[] = {(std::is_pointer<A>::value          ? 'p'
                           : std::is_floating_point<A>::value ? 'f'
                           : std::is_integral<A>::value       ? 'i'
                                                              : 's')..., 0};
    const int sizes[] = {(int)sizeof(A)..., 0};
    for (size_t i = 0; i < sizeof...(A); ++i) {
      *out++ = kinds[i];
      *out++ = (char)('0' + sizes[i] % 64);
    }
    *out = 0;
  }
};
#define CUDA_EXPORT extern "C" __attribute__((visibility("default")))
#define CUDA_ON_CPU(number, ...) \
  CUDA_EXPORT const char* cuda_launch_##number(void** arguments, const unsigned* grid, \
                                          const unsigned* block, unsigned shared, int order) { \
    typedef CudaCall<decltype(&__VA_ARGS__)> Call; \
    Call call{&__VA_ARGS__, arguments}; \
    return cuda_run(Call::body, &call, grid, block, shared, order); \
  } \
  CUDA_EXPORT void cuda_describe_##number(char* out) { \
    CudaCall<decltype(&__VA_ARGS__)>::describe(out); \
  }
