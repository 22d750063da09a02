// Switches between the threads of a block: saves what the calling convention wants to be kept, and nothing else.
#include "execution.h"

#if defined(__x86_64__)

asm(R"(
.text
.hidden tsds_sim_switch
.globl tsds_sim_switch
.type tsds_sim_switch, @function
tsds_sim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size tsds_sim_switch, . - tsds_sim_switch
)");

void *new_fiber(uint8_t *low, size_t bytes, void (*begin)()) {
    void **top = reinterpret_cast<void **>(low + bytes);
    // The function begins as if it had been called: the stack is aligned but for a return address, which is null.
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(begin);
    for (int i = 0; i < 6; i++) {
        *--top = nullptr;
    }
    return top;
}

#elif defined(__aarch64__)

asm(R"(
.text
.hidden tsds_sim_switch
.globl tsds_sim_switch
.type tsds_sim_switch, %function
tsds_sim_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size tsds_sim_switch, . - tsds_sim_switch
)");

void *new_fiber(uint8_t *low, size_t bytes, void (*begin)()) {
    void **top = reinterpret_cast<void **>(low + bytes) - 20;
    for (int i = 0; i < 20; i++) {
        top[i] = nullptr;
    }
    top[11] = reinterpret_cast<void *>(begin);
    return top;
}

#else
#error "the simulator has no switch between threads for this processor"
#endif
