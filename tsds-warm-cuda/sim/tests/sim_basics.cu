// Kernels of the simulator's own tests: memory and its faults.

typedef unsigned int u32;

// out[i] = i + add, for i < n.
extern "C" __global__ void __launch_bounds__(256) sim_fill(u32 *out, u32 n, u32 add) {
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        out[i] = i + add;
    }
}

// out[i] = 2 * in[i], for i < n.
extern "C" __global__ void __launch_bounds__(256) sim_double(const u32 *in, u32 *out, u32 n) {
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        out[i] = 2 * in[i];
    }
}

// Writes one word at an index; reads one at another into out[0] first if `reads`.
extern "C" __global__ void __launch_bounds__(1) sim_touch(u32 *out, unsigned long long index, u32 reads) {
    if (reads != 0) {
        out[0] = out[index];
    } else {
        out[index] = 7;
    }
}

// Reads 8 bytes that begin at a byte.
extern "C" __global__ void __launch_bounds__(1) sim_misaligned(const unsigned char *in, unsigned long long *out, u32 at) {
    *out = *(const unsigned long long *)(in + at);
}

extern "C" __global__ void __launch_bounds__(1) sim_shift(u32 *out, u32 by) { *out = 1u << by; }

extern "C" __global__ void __launch_bounds__(1) sim_trap() { __trap(); }

// Where the block and the thread stand, in the order in which threads come to it.
extern "C" __global__ void __launch_bounds__(64) sim_order(u32 *next, u32 *out) {
    out[atomicAdd(next, 1u)] = blockIdx.x * blockDim.x + threadIdx.x;
}
