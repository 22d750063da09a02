// The block of threads that runs at the moment. One runs at a time, on the thread of the host that asked for it.
#pragma once

#include "state.h"

const unsigned MOST_THREADS = 1024;
const size_t STACK_BYTES = 64 << 10;

enum class Wait : uint8_t { NOTHING, BARRIER, WARP, RETURNED };

struct Thread {
    void *stack_pointer;
    Wait wait;
    // What the thread waits with: for a barrier or a collective of its warp.
    int what, width;
    unsigned mask, argument;
    unsigned long long value;
};

struct Execution {
    const KernelEntry *kernel = nullptr;
    void *const *parameters = nullptr;
    Grid grid{};
    unsigned block[3] = {0, 0, 0};
    unsigned threads = 0;
    unsigned current = 0;
    // Where the stack of the current thread lies.
    uintptr_t stack_low = 0;
    void *scheduler = nullptr;
    // Of each warp: which lanes wait for a collective, and how many `__syncwarp` all of it has passed in this interval.
    uint32_t waiting[MOST_THREADS / 32] = {};
    uint32_t passed[MOST_THREADS / 32] = {};
    uint32_t returned[MOST_THREADS / 32] = {};
    // Numbers what lies between barriers, over all launches; the first ones of the launch and of the block.
    uint64_t interval = 1, launch_interval = 1, block_interval = 1;
    CUresult fault = SUCCESS;
    Thread all[MOST_THREADS];
};

extern Execution execution;

// Ends the launch: this thread and all others are not resumed.
[[noreturn]] void fail_kernel(CUresult code, const char *text, ...) __attribute__((format(printf, 2, 3)));

// collectives.cpp: completes the collective of the warp if every lane that it names waits for it.
void complete_warp(unsigned warp);
// Gives the threads at a barrier its result.
void complete_barrier();

// check.cpp
void prepare_checks();
void check_access(uintptr_t address, unsigned bytes, bool is_write, bool is_atomic);

// fiber: saves the stack pointer of what runs, and goes on with the other.
extern "C" void tsds_sim_switch(void **from, void *to);
// A stack that begins with the function when it is switched to.
void *new_fiber(uint8_t *low, size_t bytes, void (*begin)());
