// Runs the blocks of a launch one after another in a random order, and the threads of a block as fibers: each until it waits
// or returns, then another, in a random order that changes at every barrier.
#include "execution.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <sys/mman.h>

Execution execution;

static uint8_t *stacks() {
    static uint8_t *base = nullptr;
    if (base == nullptr) {
        // A page that nothing may touch lies below each stack.
        const size_t each = STACK_BYTES + 4096;
        void *memory = mmap(nullptr, MOST_THREADS * each, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            return nullptr;
        }
        base = static_cast<uint8_t *>(memory);
        for (unsigned i = 0; i < MOST_THREADS; i++) {
            mprotect(base + i * each, 4096, PROT_NONE);
        }
    }
    return base;
}

static uint8_t *stack_of(unsigned thread) { return stacks() + thread * (STACK_BYTES + 4096) + 4096; }

static void yield_to_scheduler() {
    tsds_sim_switch(&execution.all[execution.current].stack_pointer, execution.scheduler);
}

static void run_thread() {
    execution.kernel->call(execution.parameters);
    Thread &self = execution.all[execution.current];
    self.wait = Wait::RETURNED;
    yield_to_scheduler();
    __builtin_trap();
}

void fail_kernel(CUresult code, const char *text, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(message, sizeof message, text, arguments);
    va_end(arguments);
    Execution &e = execution;
    note_violation(format("%s, block (%u, %u, %u), thread %u: %s", e.kernel->name, e.block[0], e.block[1], e.block[2],
                          e.current, message));
    e.fault = code;
    void *ignored;
    tsds_sim_switch(&ignored, e.scheduler);
    __builtin_trap();
}

// A block in which nothing can go on waits for threads that do not come.
static void explain_deadlock(const std::vector<unsigned> &order) {
    Execution &e = execution;
    unsigned at_barrier = 0, in_warps = 0, first = MOST_THREADS;
    for (unsigned t : order) {
        if (e.all[t].wait == Wait::BARRIER) {
            at_barrier++;
        } else if (e.all[t].wait == Wait::WARP) {
            in_warps++;
            first = std::min(first, t);
        }
    }
    std::string text = format("%s, block (%u, %u, %u): %u threads wait at a barrier and %u for others of their warp",
                              e.kernel->name, e.block[0], e.block[1], e.block[2], at_barrier, in_warps);
    if (first < MOST_THREADS) {
        const Thread &t = e.all[first];
        text += format("; thread %u wants the lanes %08x of which %08x wait and %08x have returned", first, t.mask,
                       e.waiting[first / 32], e.returned[first / 32]);
    }
    note_violation(text);
    e.fault = LAUNCH_TIMEOUT;
}

static void shuffle(std::vector<unsigned> &order) {
    Random &random = state().random;
    for (size_t i = order.size(); i > 1; i--) {
        std::swap(order[i - 1], order[random.below(i)]);
    }
}

static void run_block(std::vector<unsigned> &order) {
    Execution &e = execution;
    e.block_interval = ++e.interval;
    memset(e.waiting, 0, sizeof e.waiting);
    memset(e.passed, 0, sizeof e.passed);
    memset(e.returned, 0, sizeof e.returned);
    for (unsigned t = 0; t < e.threads; t++) {
        e.all[t].stack_pointer = new_fiber(stack_of(t), STACK_BYTES, run_thread);
        e.all[t].wait = Wait::NOTHING;
    }
    shuffle(order);
    for (;;) {
        bool has_moved = false;
        unsigned waiting = 0, returned = 0;
        for (unsigned t : order) {
            Thread &thread = e.all[t];
            if (thread.wait == Wait::NOTHING) {
                e.current = t;
                e.stack_low = reinterpret_cast<uintptr_t>(stack_of(t));
                tsds_sim_switch(&e.scheduler, thread.stack_pointer);
                has_moved = true;
                if (e.fault != SUCCESS) {
                    return;
                }
                if (thread.wait == Wait::WARP) {
                    e.waiting[t / 32] |= 1u << (t % 32);
                    complete_warp(t / 32);
                } else if (thread.wait == Wait::RETURNED) {
                    e.returned[t / 32] |= 1u << (t % 32);
                }
            }
            waiting += thread.wait == Wait::BARRIER;
            returned += thread.wait == Wait::RETURNED;
        }
        if (returned == e.threads) {
            return;
        }
        if (waiting + returned == e.threads) {
            complete_barrier();
            e.interval++;
            memset(e.passed, 0, sizeof e.passed);
            shuffle(order);
        } else if (!has_moved) {
            explain_deadlock(order);
            return;
        }
    }
}

CUresult execute(const KernelEntry *entry, void *const *parameters, const Grid &grid) {
    Execution &e = execution;
    if (stacks() == nullptr) {
        return OUT_OF_MEMORY;
    }
    e.kernel = entry;
    e.parameters = parameters;
    e.grid = grid;
    e.threads = grid.threads[0] * grid.threads[1] * grid.threads[2];
    e.fault = SUCCESS;
    e.launch_interval = ++e.interval;
    prepare_checks();
    std::vector<unsigned> order(e.threads);
    std::iota(order.begin(), order.end(), 0);
    const uint64_t blocks = uint64_t(grid.blocks[0]) * grid.blocks[1] * grid.blocks[2];
    state().counters.blocks += int64_t(blocks);
    // Every block once: a step that has no divisor in common with their number visits all.
    uint64_t step = blocks == 1 ? 1 : 1 + state().random.below(blocks - 1);
    while (std::gcd(step, blocks) != 1) {
        step++;
    }
    uint64_t at = state().random.below(blocks);
    for (uint64_t i = 0; i < blocks && e.fault == SUCCESS; i++) {
        at = (at + step) % blocks;
        e.block[0] = unsigned(at % grid.blocks[0]);
        e.block[1] = unsigned(at / grid.blocks[0] % grid.blocks[1]);
        e.block[2] = unsigned(at / grid.blocks[0] / grid.blocks[1]);
        run_block(order);
    }
    e.kernel = nullptr;
    if (e.fault != SUCCESS) {
        forget_touched();
        return e.fault;
    }
    return use_touched(entry->name);
}

extern "C" {
__attribute__((visibility("hidden"))) unsigned tsds_sim_block(unsigned axis) { return execution.block[axis]; }
__attribute__((visibility("hidden"))) unsigned tsds_sim_threads(unsigned axis) { return execution.grid.threads[axis]; }
__attribute__((visibility("hidden"))) unsigned tsds_sim_blocks(unsigned axis) { return execution.grid.blocks[axis]; }
__attribute__((visibility("hidden"))) unsigned tsds_sim_thread(unsigned axis) {
    const unsigned *threads = execution.grid.threads;
    unsigned t = execution.current;
    return axis == 0 ? t % threads[0] : axis == 1 ? t / threads[0] % threads[1] : t / threads[0] / threads[1];
}
__attribute__((visibility("hidden"))) void tsds_sim_trap() { fail_kernel(LAUNCH_FAILED, "the kernel traps"); }

__attribute__((visibility("hidden"))) unsigned tsds_sim_barrier(int reduction, int predicate) {
    Thread &self = execution.all[execution.current];
    self.wait = Wait::BARRIER;
    self.what = reduction;
    self.value = predicate != 0;
    yield_to_scheduler();
    return unsigned(self.value);
}

__attribute__((visibility("hidden"))) unsigned long long tsds_sim_warp(int what, unsigned mask, unsigned long long value,
                                                                       unsigned argument, int width) {
    Thread &self = execution.all[execution.current];
    if ((mask >> (execution.current % 32) & 1) == 0) {
        fail_kernel(LAUNCH_FAILED, "calls a collective of the lanes %08x without being one of them", mask);
    }
    self.wait = Wait::WARP;
    self.what = what;
    self.mask = mask;
    self.value = value;
    self.argument = argument;
    self.width = width;
    yield_to_scheduler();
    return self.value;
}
}
