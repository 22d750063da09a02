// The one state, and what is said about what went wrong.
#include "state.h"

#include <cstdlib>
#include <cstring>

#include <cstdarg>
#include <cstdio>

State &state() {
    // Never destroyed: threads of the host may still call when the process ends.
    static State *made = new State;
    return *made;
}

std::string format(const char *text, ...) {
    char buffer[1024];
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(buffer, sizeof buffer, text, arguments);
    va_end(arguments);
    return buffer;
}

void note_violation(const std::string &text) {
    State &s = state();
    s.counters.violations++;
    if (s.violation.empty()) {
        s.violation = text;
    }
    if (s.settings.trace != 0) {
        fprintf(stderr, "CUDA (simulated): %s\n", text.c_str());
    }
}

void drop_context() {
    State &s = state();
    s.generation++;
    s.streams.clear();
    s.events.clear();
    // Functions of modules that are gone may still be asked for: their memory stays.
    s.modules.clear();
    drop_allocations();
    forget_touched();
    s.host_clock.clear();
    // A context takes with it what was pinned in it, too.
    for (const auto &[memory, bytes] : s.pinned) {
        memset(reinterpret_cast<void *>(memory), 0xcd, bytes);
        free(reinterpret_cast<void *>(memory));
    }
    s.pinned.clear();
    s.counters.live_events = s.counters.live_streams = s.counters.live_modules = 0;
    s.changed.notify_all();
}
