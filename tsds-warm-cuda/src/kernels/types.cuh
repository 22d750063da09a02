// What every kernel is made of: integers of known width, the parameters of a launch, and the sizes of the contract.
// No system header is included, so that the runtime compiler needs none.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

// The 16 parameters. `w[0]` is the number of workgroups, which is the grid.
struct Params {
    u32 w[16];
};

#define NONE 0xffffffffu
// All lanes of a warp.
#define ALL_LANES 0xffffffffu
// The most items of a block of the contract.
#define BLOCK_ITEMS 2048u
// Words of a bitmap over the items of a block.
#define BLOCK_WORDS 64u

static __device__ __forceinline__ u32 min_of(u32 a, u32 b) { return a < b ? a : b; }
static __device__ __forceinline__ u32 max_of(u32 a, u32 b) { return a > b ? a : b; }
