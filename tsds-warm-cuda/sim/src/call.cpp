#include "call.h"

#include <cstdio>

thread_local uint64_t current_context = 0;

namespace {
CUresult note(const char *name, CUresult result) {
    State &s = state();
    s.trace += name;
    if (result != SUCCESS) {
        s.trace += format(" -> %d", result);
    }
    s.trace += '\n';
    // Enough to tell which call was which, without growing for as long as a process runs.
    if (s.trace.size() > 1 << 20) {
        s.trace.erase(0, 1 << 19);
    }
    if (s.settings.trace > 1) {
        fprintf(stderr, "CUDA (simulated): %s%s\n", name, result != SUCCESS ? " fails" : "");
    }
    return result;
}

CUresult injected() {
    State &s = state();
    s.counters.calls++;
    s.counters.calls_to_fail++;
    if (s.settings.lost != 0) {
        return CUresult(s.settings.lost);
    }
    if (s.settings.fail_call != 0 && s.counters.calls_to_fail == s.settings.fail_call) {
        if (s.settings.fail_call_sticky != 0) {
            s.sticky = CUresult(s.settings.fail_call_code);
            drop_operations();
        }
        return CUresult(s.settings.fail_call_code);
    }
    return SUCCESS;
}
} // namespace

CUresult begin_call(const char *name, Needs needs) {
    State &s = state();
    if (CUresult failed = injected()) {
        return note(name, failed);
    }
    if (needs != Needs::NOTHING && !s.initialised) {
        return note(name, NOT_INITIALIZED);
    }
    if (needs == Needs::CONTEXT) {
        if (s.sticky != SUCCESS) {
            return note(name, s.sticky);
        }
        if (s.retained == 0 || current_context != s.generation + 1) {
            return note(name, INVALID_CONTEXT);
        }
    }
    return note(name, SUCCESS);
}

CUresult begin_release(const char *name) { return begin_call(name, Needs::CONTEXT); }
