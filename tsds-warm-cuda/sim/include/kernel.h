// What a kernel finds in the language when it is compiled as C++ for the host: the part of CUDA that NVRTC gives without any
// header. What is left out on purpose: `__activemask` (its answer is never certain), `__reduce_*_sync` and other calls that
// compute_70 does not have, dynamic shared memory, inline PTX, clocks and printing.
#pragma once

#define __global__
#define __device__
#define __host__
#define __constant__
// All shared variables lie together, so that the simulator knows them when a kernel touches them.
#define __shared__ static __attribute__((section("tsds_shared"), aligned(16)))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __CUDA_ARCH__ 700
#define warpSize 32

struct uint2 { unsigned x, y; } __attribute__((aligned(8)));
struct uint3 { unsigned x, y, z; };
struct uint4 { unsigned x, y, z, w; } __attribute__((aligned(16)));
struct int2 { int x, y; } __attribute__((aligned(8)));
struct int4 { int x, y, z, w; } __attribute__((aligned(16)));
struct ulonglong2 { unsigned long long x, y; } __attribute__((aligned(16)));
struct longlong2 { long long x, y; } __attribute__((aligned(16)));
struct dim3 { unsigned x, y, z; };

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }
inline longlong2 make_longlong2(long long x, long long y) { return {x, y}; }

// What the simulator does for a thread. `const`: a thread keeps its place for as long as it runs.
extern "C" {
unsigned tsds_sim_thread(unsigned axis) __attribute__((const));
unsigned tsds_sim_block(unsigned axis) __attribute__((const));
unsigned tsds_sim_threads(unsigned axis) __attribute__((const));
unsigned tsds_sim_blocks(unsigned axis) __attribute__((const));
unsigned tsds_sim_barrier(int reduction, int predicate);
unsigned long long tsds_sim_warp(int what, unsigned mask, unsigned long long value, unsigned argument, int width);
unsigned long long tsds_sim_atomic(int what, void *at, int bytes, unsigned long long a, unsigned long long b);
void tsds_sim_constant(const void *at, unsigned long bytes);
void tsds_sim_trap(void) __attribute__((noreturn));
}

namespace tsds_sim {
// Numbers that execute.cpp and collectives.cpp know.
enum Reduction { NOTHING, COUNT, AND, OR };
enum Collective { SYNC, BALLOT, ANY, ALL, SHUFFLE, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, MATCH_ANY };
enum Atomic { ADD, EXCHANGE, MIN, MAX, MIN_SIGNED, MAX_SIGNED, BITS_AND, BITS_OR, BITS_XOR, COMPARE, INCREMENT, DECREMENT };

inline uint3 place(unsigned (*axis)(unsigned)) { return {axis(0), axis(1), axis(2)}; }

template <class T> inline unsigned long long bits_of(T value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "values of 32 or 64 bits");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    return bits;
}
template <class T> inline T of_bits(unsigned long long bits) {
    T value;
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}
template <class T> inline T shuffle(int what, unsigned mask, T value, unsigned argument, int width) {
    return of_bits<T>(tsds_sim_warp(what, mask, bits_of(value), argument, width));
}
template <class T> inline T atomic(int what, T *at, T a, T b = T()) {
    return of_bits<T>(tsds_sim_atomic(what, (void *)at, sizeof(T), bits_of(a), bits_of(b)));
}
} // namespace tsds_sim

#define threadIdx (::tsds_sim::place(::tsds_sim_thread))
#define blockIdx (::tsds_sim::place(::tsds_sim_block))
#define blockDim (::tsds_sim::place(::tsds_sim_threads))
#define gridDim (::tsds_sim::place(::tsds_sim_blocks))

inline void __syncthreads() { tsds_sim_barrier(tsds_sim::NOTHING, 0); }
inline int __syncthreads_count(int p) { return (int)tsds_sim_barrier(tsds_sim::COUNT, p); }
inline int __syncthreads_and(int p) { return (int)tsds_sim_barrier(tsds_sim::AND, p); }
inline int __syncthreads_or(int p) { return (int)tsds_sim_barrier(tsds_sim::OR, p); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __trap() { tsds_sim_trap(); }

inline void __syncwarp(unsigned mask = 0xffffffffu) { tsds_sim_warp(tsds_sim::SYNC, mask, 0, 0, 32); }
inline unsigned __ballot_sync(unsigned mask, int p) {
    return (unsigned)tsds_sim_warp(tsds_sim::BALLOT, mask, p != 0, 0, 32);
}
inline int __any_sync(unsigned mask, int p) { return (int)tsds_sim_warp(tsds_sim::ANY, mask, p != 0, 0, 32); }
inline int __all_sync(unsigned mask, int p) { return (int)tsds_sim_warp(tsds_sim::ALL, mask, p != 0, 0, 32); }
template <class T> inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    return tsds_sim::shuffle(tsds_sim::SHUFFLE, mask, value, (unsigned)lane, width);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    return tsds_sim::shuffle(tsds_sim::SHUFFLE_UP, mask, value, by, width);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    return tsds_sim::shuffle(tsds_sim::SHUFFLE_DOWN, mask, value, by, width);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
    return tsds_sim::shuffle(tsds_sim::SHUFFLE_XOR, mask, value, (unsigned)lanes, width);
}
template <class T> inline unsigned __match_any_sync(unsigned mask, T value) {
    return (unsigned)tsds_sim_warp(tsds_sim::MATCH_ANY, mask, tsds_sim::bits_of(value), 0, 32);
}

inline unsigned atomicAdd(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::ADD, at, a); }
inline int atomicAdd(int *at, int a) { return tsds_sim::atomic(tsds_sim::ADD, at, a); }
inline unsigned long long atomicAdd(unsigned long long *at, unsigned long long a) {
    return tsds_sim::atomic(tsds_sim::ADD, at, a);
}
inline unsigned atomicSub(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::ADD, at, 0u - a); }
inline unsigned atomicInc(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::INCREMENT, at, a); }
inline unsigned atomicDec(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::DECREMENT, at, a); }
inline unsigned atomicMin(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::MIN, at, a); }
inline unsigned atomicMax(unsigned *at, unsigned a) { return tsds_sim::atomic(tsds_sim::MAX, at, a); }
inline int atomicMin(int *at, int a) { return tsds_sim::atomic(tsds_sim::MIN_SIGNED, at, a); }
inline int atomicMax(int *at, int a) { return tsds_sim::atomic(tsds_sim::MAX_SIGNED, at, a); }
inline unsigned long long atomicMin(unsigned long long *at, unsigned long long a) {
    return tsds_sim::atomic(tsds_sim::MIN, at, a);
}
inline unsigned long long atomicMax(unsigned long long *at, unsigned long long a) {
    return tsds_sim::atomic(tsds_sim::MAX, at, a);
}
template <class T> inline T atomicExch(T *at, T a) { return tsds_sim::atomic(tsds_sim::EXCHANGE, at, a); }
template <class T> inline T atomicAnd(T *at, T a) { return tsds_sim::atomic(tsds_sim::BITS_AND, at, a); }
template <class T> inline T atomicOr(T *at, T a) { return tsds_sim::atomic(tsds_sim::BITS_OR, at, a); }
template <class T> inline T atomicXor(T *at, T a) { return tsds_sim::atomic(tsds_sim::BITS_XOR, at, a); }
template <class T> inline T atomicCAS(T *at, T expected, T value) {
    return tsds_sim::atomic(tsds_sim::COMPARE, at, expected, value);
}

#include "integers.h"
