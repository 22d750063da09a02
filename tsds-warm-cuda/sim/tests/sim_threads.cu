// Kernels of the simulator's own tests: what threads of a block and lanes of a warp tell each other, and races.

typedef unsigned int u32;
typedef unsigned long long u64;
#define ALL 0xffffffffu

// Sums the 256 words of each block in shared memory.
extern "C" __global__ void __launch_bounds__(256, 2) sim_sum(const u32 *in, u32 *out) {
    __shared__ u32 sums[256];
    u32 t = threadIdx.x;
    sums[t] = in[blockIdx.x * 256 + t];
    for (u32 half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
            sums[t] += sums[t + half];
        }
    }
    if (t == 0) {
        out[blockIdx.x] = sums[0];
    }
}

// As sim_sum, with one barrier too few.
extern "C" __global__ void __launch_bounds__(256) sim_sum_without_barrier(const u32 *in, u32 *out) {
    __shared__ u32 sums[256];
    u32 t = threadIdx.x;
    sums[t] = in[blockIdx.x * 256 + t];
    __syncthreads();
    for (u32 half = 128; half > 0; half /= 2) {
        if (t < half) {
            sums[t] += sums[t + half];
        }
    }
    if (t == 0) {
        out[blockIdx.x] = sums[0];
    }
}

// Sixteen words for each of 64 threads.
extern "C" __global__ void __launch_bounds__(64) sim_warp(const u32 *in, u64 *out) {
    u32 t = threadIdx.x, lane = t & 31;
    u32 x = in[t];
    u64 wide = ((u64)x << 32) | ~x;
    u64 *to = out + 16 * t;
    to[0] = __ballot_sync(ALL, x & 1);
    to[1] = (u64)__any_sync(ALL, x == 5) << 1 | (u64)__all_sync(ALL, x < 1000);
    to[2] = __shfl_sync(ALL, x, (int)(x & 31));
    to[3] = __shfl_up_sync(ALL, x, 3);
    to[4] = __shfl_down_sync(ALL, x, 3);
    to[5] = __shfl_xor_sync(ALL, x, 5);
    to[6] = __shfl_up_sync(ALL, x, 3, 8);
    to[7] = __shfl_down_sync(ALL, x, 3, 8);
    to[8] = __shfl_xor_sync(ALL, x, 9, 8);
    to[9] = __shfl_sync(ALL, x, 11, 8);
    to[10] = __match_any_sync(ALL, x & 7);
    to[11] = __shfl_sync(ALL, wide, 1);
    to[12] = __match_any_sync(ALL, wide & 3);
    u32 evens = 0x55555555u;
    to[13] = lane % 2 == 0 ? __ballot_sync(evens, x & 2) : __ballot_sync(~evens, x & 4);
    to[14] = (u64)__syncthreads_count(x & 1);
    to[15] = (u64)__syncthreads_or(x == 1000) << 1 | (u64)__syncthreads_and(x < 1000);
}

// One of each atomic on a word of its own, by all threads of all blocks.
extern "C" __global__ void __launch_bounds__(64) sim_atomics(u32 *out, u64 *wide) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(out, i);
    atomicSub(out + 1, 1u);
    atomicMin(out + 2, i);
    atomicMax(out + 3, i);
    atomicAnd(out + 4, ~(1u << (i & 31)));
    atomicOr(out + 5, 1u << (i & 31));
    atomicXor(out + 6, i);
    atomicInc(out + 7, 9u);
    atomicCAS(out + 8, 77u, 78u);
    atomicMin((int *)(out + 9), -(int)i);
    atomicMax((int *)(out + 10), (int)i);
    atomicDec(out + 11, 9u);
    atomicAdd(wide, (u64)i << 30);
    atomicMax(wide + 1, (u64)i << 33);
}

// Results of the integer functions for two words.
extern "C" __global__ void __launch_bounds__(1) sim_integers(const u32 *in, u64 *out) {
    u32 a = in[0], b = in[1];
    u64 wide = ((u64)a << 32) | b;
    out[0] = (u64)__popc(a);
    out[1] = (u64)__clz((int)a);
    out[2] = (u64)__ffs((int)a);
    out[3] = __brev(a);
    out[4] = __umulhi(a, b);
    out[5] = __umul64hi(wide, wide);
    out[6] = __funnelshift_l(b, a, 5);
    out[7] = __funnelshift_r(b, a, 37);
    out[8] = __funnelshift_lc(b, a, 40);
    out[9] = __funnelshift_rc(b, a, 40);
    out[10] = __byte_perm(a, b, 0x7180u);
    out[11] = (u64)__popcll(wide);
    out[12] = (u64)__clzll((long long)wide);
    out[13] = (u64)__ffsll((long long)wide);
    out[14] = __brevll(wide);
    out[15] = (u64)(long long)__mulhi((int)a, (int)b);
}

// Every second thread reads what its neighbour has written, with or without a barrier for the warp between.
extern "C" __global__ void __launch_bounds__(32) sim_neighbours(u32 *out, u32 waits) {
    __shared__ u32 words[32];
    u32 t = threadIdx.x;
    words[t] = t;
    if (waits != 0) {
        __syncwarp();
    }
    out[t] = words[t ^ 1];
}

// Blocks write to one word, with an atomic or without.
extern "C" __global__ void __launch_bounds__(1) sim_blocks(u32 *out, u32 is_atomic) {
    if (is_atomic != 0) {
        atomicAdd(out, 1u);
    } else {
        out[0] += 1;
    }
}

// Reads shared memory that only thread 0 has written.
extern "C" __global__ void __launch_bounds__(32) sim_unwritten(u32 *out) {
    __shared__ u32 words[32];
    u32 t = threadIdx.x;
    if (t == 0) {
        words[0] = 1;
    }
    __syncthreads();
    out[t] = words[t];
}

// Half of the threads wait for a barrier, the others for their warp: nobody comes.
extern "C" __global__ void __launch_bounds__(32) sim_divergent(u32 *out) {
    u32 t = threadIdx.x;
    if (t < 16) {
        __syncthreads();
    } else {
        __syncwarp();
    }
    out[t] = t;
}

// Writes a word, and reads it again through the cache of constants.
extern "C" __global__ void __launch_bounds__(1) sim_constant(u32 *out) {
    out[0] = 1;
    out[1] = __ldg(out);
}
