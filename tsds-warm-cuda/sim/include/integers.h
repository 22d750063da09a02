// Arithmetic that CUDA has and C++ has not. Results are those of the hardware, also at the borders.
#pragma once

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll((unsigned long long)x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
    return __builtin_bswap32(x);
}
inline unsigned long long __brevll(unsigned long long x) {
    return ((unsigned long long)__brev((unsigned)x) << 32) | __brev((unsigned)(x >> 32));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s) {
    unsigned long long both = ((unsigned long long)y << 32) | x;
    unsigned result = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned selector = (s >> (4 * i)) & 15u;
        unsigned byte = (unsigned)(both >> (8 * (selector & 7u))) & 255u;
        if (selector & 8u) {
            byte = (byte & 128u) ? 255u : 0u;
        }
        result |= byte << (8 * i);
    }
    return result;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((long long)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline long long __mul64hi(long long a, long long b) { return (long long)(((__int128)a * b) >> 64); }
// The 32 bits that a shift of `high:low` by the amount modulo 32, or by at most 32 (`c`), leaves on top or at the bottom.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
    return (unsigned)(((((unsigned long long)high << 32) | low) << (by & 31u)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
    return (unsigned)((((unsigned long long)high << 32) | low) >> (by & 31u));
}
inline unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned by) {
    return by >= 32u ? low : __funnelshift_l(low, high, by);
}
inline unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned by) {
    return by >= 32u ? high : __funnelshift_r(low, high, by);
}

inline unsigned __float_as_uint(float x) { return (unsigned)tsds_sim::bits_of(x); }
inline int __float_as_int(float x) { return (int)tsds_sim::bits_of(x); }
inline float __uint_as_float(unsigned x) { return tsds_sim::of_bits<float>(x); }
inline float __int_as_float(int x) { return tsds_sim::of_bits<float>((unsigned)x); }
inline long long __double_as_longlong(double x) { return (long long)tsds_sim::bits_of(x); }
inline double __longlong_as_double(long long x) { return tsds_sim::of_bits<double>((unsigned long long)x); }
inline int __double2hiint(double x) { return (int)(tsds_sim::bits_of(x) >> 32); }
inline int __double2loint(double x) { return (int)tsds_sim::bits_of(x); }
inline double __hiloint2double(int high, int low) {
    return tsds_sim::of_bits<double>(((unsigned long long)(unsigned)high << 32) | (unsigned)low);
}

// Rounded to nearest even, as the host rounds; the build forbids contraction.
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __double2float_rn(double x) { return (float)x; }
inline double __ll2double_rn(long long x) { return (double)x; }
inline double __ull2double_rn(unsigned long long x) { return (double)x; }
inline double __int2double_rn(int x) { return (double)x; }
inline double __uint2double_rn(unsigned x) { return (double)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __int2float_rn(int x) { return (float)x; }

// Through a cache that does not see what the launch writes. Checked once, by the call.
template <class T> __attribute__((noinline, no_sanitize("thread"), no_sanitize("undefined"))) T __ldg(const T *at) {
    tsds_sim_constant(at, sizeof(T));
    return *at;
}
template <class T> inline T __ldcs(const T *at) { return *at; }
template <class T> inline T __ldcg(const T *at) { return *at; }
template <class T> inline void __stcs(T *at, T value) { *at = value; }
template <class T> inline void __stcg(T *at, T value) { *at = value; }

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return b < a ? b : a; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
