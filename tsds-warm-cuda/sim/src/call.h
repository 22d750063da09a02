// How every call of the driver begins: it is counted, may be made to fail, and gives the sticky error if there is one.
#pragma once

#include "state.h"

enum class Needs { NOTHING, DRIVER, CONTEXT };

// The context that is current on this thread: which one of those that there have been, 0 for none.
extern thread_local uint64_t current_context;

// Whether the call may go on.
CUresult begin_call(const char *name, Needs needs);
// As it, for what gives back: the call goes on, and its result is what this one gives.
CUresult begin_release(const char *name);

#define BEGIN(needs)                                                                                                     \
    Lock lock(state().mutex);                                                                                            \
    if (CUresult failed = begin_call(__func__, needs)) {                                                                 \
        return failed;                                                                                                   \
    }

#define BEGIN_RELEASE()                                                                                                  \
    Lock lock(state().mutex);                                                                                            \
    const CUresult failed = begin_release(__func__)
