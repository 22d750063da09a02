// What threads tell each other at a barrier, and what the lanes of a warp do.
#include "execution.h"

namespace {
// The numbers of kernel.h.
enum Reduction { NOTHING, COUNT, AND, OR };
enum Collective { SYNC, BALLOT, ANY, ALL, SHUFFLE, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, MATCH_ANY };
} // namespace

void complete_barrier() {
    Execution &e = execution;
    unsigned waiting = 0, ones = 0;
    for (unsigned t = 0; t < e.threads; t++) {
        if (e.all[t].wait == Wait::BARRIER) {
            waiting++;
            ones += unsigned(e.all[t].value);
        }
    }
    for (unsigned t = 0; t < e.threads; t++) {
        Thread &thread = e.all[t];
        if (thread.wait == Wait::BARRIER) {
            thread.value = thread.what == COUNT ? ones : thread.what == AND ? ones == waiting : ones > 0;
            thread.wait = Wait::NOTHING;
        }
    }
}

// The lane whose value a shuffle gives lane `lane`, or the lane itself where the source lies outside of its group.
static unsigned source_of(const Thread &thread, unsigned lane) {
    const unsigned width = unsigned(thread.width), first = lane & ~(width - 1), by = thread.argument;
    switch (thread.what) {
    case SHUFFLE:
        return first + (by & (width - 1));
    case SHUFFLE_UP:
        return by <= lane - first ? lane - by : lane;
    case SHUFFLE_DOWN:
        return by < width - (lane - first) ? lane + by : lane;
    default:
        // Of an earlier group it gives the value, of a later one the own.
        return (lane ^ by) < first + width ? (lane ^ by) : lane;
    }
}

static unsigned long long result_of(Thread *warp, unsigned lane, const unsigned long long *values) {
    const Thread &thread = warp[lane];
    unsigned ballot = 0;
    switch (thread.what) {
    case SYNC:
        return 0;
    case BALLOT:
    case ANY:
    case ALL:
        for (unsigned i = 0; i < 32; i++) {
            ballot |= (thread.mask >> i & 1) && values[i] ? 1u << i : 0;
        }
        return thread.what == BALLOT ? ballot : thread.what == ANY ? ballot != 0 : ballot == thread.mask;
    case MATCH_ANY:
        for (unsigned i = 0; i < 32; i++) {
            ballot |= (thread.mask >> i & 1) && values[i] == values[lane] ? 1u << i : 0;
        }
        return ballot;
    default: {
        const unsigned source = source_of(thread, lane);
        if (source >= 32 || (thread.mask >> source & 1) == 0) {
            // Not defined: nobody may rely on it.
            return 0xcdcdcdcdcdcdcdcdull;
        }
        return values[source];
    }
    }
}

void complete_warp(unsigned warp) {
    Execution &e = execution;
    Thread *lanes = e.all + 32 * warp;
    const unsigned last = e.current % 32, mask = lanes[last].mask;
    if ((e.waiting[warp] & mask) != mask) {
        return;
    }
    for (unsigned i = 0; i < 32; i++) {
        if ((mask >> i & 1) && (lanes[i].mask != mask || lanes[i].what != lanes[last].what)) {
            return;
        }
    }
    unsigned long long values[32] = {};
    for (unsigned i = 0; i < 32; i++) {
        values[i] = mask >> i & 1 ? lanes[i].value : 0;
    }
    for (unsigned i = 0; i < 32; i++) {
        if (mask >> i & 1) {
            lanes[i].value = result_of(lanes, i, values);
            lanes[i].wait = Wait::NOTHING;
        }
    }
    e.waiting[warp] &= ~mask;
    // What lanes did before is over for all of them if the whole warp waits in `__syncwarp`. Other collectives order no memory.
    if (lanes[last].what != SYNC) {
        return;
    }
    const unsigned in_warp = e.threads - 32 * warp < 32 ? (1u << (e.threads - 32 * warp)) - 1 : ~0u;
    if ((mask | e.returned[warp]) == (in_warp | mask)) {
        e.passed[warp]++;
    }
}
