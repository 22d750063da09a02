// `[slab, meta, filter, mask, counts]`: as `runs`, of rows in storage order where columns may be encoded. A lane gets the value before its own
// from its neighbour, the first one of a warp from the warp before through shared memory. O(rows * slots).
#include "bucket.cuh"
#include "encoded.cuh"

// A value and its validity, equal if and only if rows do not differ.
struct __align__(16) Standing {
    u64 value;
    u32 is_valid;
};

// Collects which of a strand's rows differ from the row before.
struct Comparison {
    u32 strand;
    // Of the warp's first row, and of its last row so far.
    Standing first;
    Standing last;
};

static __device__ __forceinline__ bool differ(const Standing& a, const Standing& b) {
    return a.value != b.value || a.is_valid != b.is_valid;
}

static __device__ __forceinline__ Standing from_lane(const Standing& own, u32 lane) {
    return {__shfl_sync(ALL_LANES, own.value, lane), __shfl_sync(ALL_LANES, own.is_valid, lane)};
}

// Round `k`; rounds follow each other. The whole warp takes part.
static __device__ __forceinline__ void compare(Comparison& own, u32 k, u64 value, u32 is_valid) {
    Standing mine = {is_valid != 0u ? value : 0ull, is_valid};
    Standing before = {__shfl_up_sync(ALL_LANES, mine.value, 1), __shfl_up_sync(ALL_LANES, mine.is_valid, 1)};
    if (lane_of_thread() == 0u) {
        before = own.last;
    }
    // The first row of the warp is compared when all warps are through.
    bool is_first = k == 0u && lane_of_thread() == 0u;
    own.strand |= (u32)(!is_first && differ(mine, before)) << k;
    if (k == 0u) {
        own.first = from_lane(mine, 0u);
    }
    own.last = from_lane(mine, 31u);
}

// The strand with the first row of the warp. Every thread of the block takes part.
static __device__ __forceinline__ u32 compared(const Comparison& own) {
    __shared__ Standing last_of_warp[WARPS];
    u32 warp = warp_of_thread();
    // What was there before has been read.
    __syncthreads();
    if (lane_of_thread() == 0u) {
        last_of_warp[warp] = own.last;
    }
    __syncthreads();
    bool is_first = lane_of_thread() == 0u && (warp == 0u || differ(own.first, last_of_warp[warp == 0u ? 0u : warp - 1u]));
    return own.strand | (u32)is_first;
}

// Calls `use(k, value)` for each round of the warp's rows, as `each_lane`, of a column of whichever form.
template <class Use>
static __device__ __forceinline__ void
each_value(const u32* slab, const u32* meta, const Params& p, const Block& block, const Column& column, u32 slot, const Use& use) {
    if (is_encoded(meta, p, block.part, slot)) {
        Encoded own = encoded_at(slab, meta, p, block.part, slot, block.first);
        each_lane(own, block.items, false, [&](u32 k, u64 lane, bool, bool) {
            use(k, own.is_wide ? lane : lane & 0xffffffffull);
        });
        return;
    }
    u32 rows[ROUNDS];
    strand_items(block.first, rows);
    u64 values[ROUNDS];
    load_values(column, rows, strand_mask(block.items), values);
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        if (WARP_ITEMS * warp_of_thread() + 32u * k < block.items) {
            use(k, values[k]);
        }
    }
}

// Which of the counting rows begin, of those that differ: each before which a row differs, since the one that counted before.
static __device__ __forceinline__ u32 begins_of(u32 differs, u32 counted) {
    // Of each warp: whether a row counts, and whether one differs after the last one that does.
    __shared__ u32 counts_in[WARPS];
    __shared__ u32 differs_in[WARPS];
    u32 lane = lane_of_thread();
    u32 warp = warp_of_thread();
    u32 begins = 0;
    // Whether a row differs after the last one that counts; in `first` as long as none does, without what warps before have.
    u32 pending = 0;
    u32 any_counts = 0;
    // Rows that begin if a row of warps before does: there is none that counts before them in the warp.
    u32 depends = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 differing = __ballot_sync(ALL_LANES, (differs >> k) & 1u);
        u32 counting = __ballot_sync(ALL_LANES, (counted >> k) & 1u);
        u32 up_to = lanes_before() | (1u << lane);
        u32 before = counting & lanes_before();
        // Lanes behind the one that counted before.
        u32 behind = before == 0u ? ALL_LANES : ~(ALL_LANES >> __clz((i32)before));
        bool differed = (differing & up_to & behind) != 0u || (before == 0u && pending != 0u);
        bool counts = (counted >> k) & 1u;
        begins |= (u32)(counts && differed) << k;
        depends |= (u32)(counts && !differed && before == 0u && any_counts == 0u) << k;
        u32 tail = counting == 0u ? ALL_LANES : ~(ALL_LANES >> __clz((i32)counting));
        pending = ((differing & tail) != 0u || (counting == 0u && pending != 0u)) ? 1u : 0u;
        any_counts |= counting != 0u ? 1u : 0u;
    }
    if (lane == 0u) {
        counts_in[warp] = any_counts;
        differs_in[warp] = pending;
    }
    __syncthreads();
    bool differed = false;
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        if (w < warp) {
            differed = differs_in[w] != 0u || (counts_in[w] == 0u && differed);
        }
    }
    return differed ? begins | depends : begins;
}

extern "C" __global__ void __launch_bounds__(256)
tsds_runs_encoded(const u32* slab, const u32* meta, const u32* filter, u32* mask_out, u32* counts, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 wanted = strand_mask(block.items);
    u32 rows[ROUNDS];
    strand_items(block.first, rows);
    u32 differs = threadIdx.x == 0u ? 1u : 0u;
    for (u32 s = 0; s < p.w[9]; s++) {
        u32 slot = __ldg(meta + p.w[7] + s);
        Column column = column_at(slab, meta, p, block.part, slot);
        u32 valid = load_valid(column, rows, wanted);
        Comparison own = {};
        each_value(slab, meta, p, block, column, slot, [&](u32 k, u64 value) { compare(own, k, value, (valid >> k) & 1u); });
        differs |= compared(own);
    }
    if (p.w[6] != NONE) {
        u32 slot = p.w[6];
        Column column = column_at(slab, meta, p, block.part, slot);
        // Times are signed numbers of 64 bits.
        set_class(column, SIGNED, PLAIN_64);
        const u32* starts = meta + part_word(meta, p, block.part, PART_BUCKETS);
        u32 many = part_word(meta, p, block.part, PART_BUCKET_COUNT);
        Comparison own = {};
        // Times mostly stay in a bucket: only where one leaves it is the next one looked up.
        u32 bucket = 0;
        u64 least = ONES_64;
        u64 last = 0;
        each_value(slab, meta, p, block, column, slot, [&](u32 k, u64 value) {
            u64 time = key_of(column, value);
            if (time < least || time > last) {
                u32 until = starts_until(starts, 0u, many, time);
                bucket = max_of(until, 1u) - 1u;
                least = bucket > 0u ? start_at(starts, bucket) : 0ull;
                last = bucket + 1u < many ? start_at(starts, bucket + 1u) - 1ull : ONES_64;
            }
            compare(own, k, bucket, 1u);
        });
        differs |= compared(own);
    }
    differs &= wanted;
    u32 strand = p.w[8] == 1u ? differs : begins_of(differs, strand_of_words(filter, block));
    write_marks(mask_out, counts, block.number, strand);
}
