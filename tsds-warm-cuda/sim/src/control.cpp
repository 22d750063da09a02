// What tests set and ask: `tsds_sim_set`, `tsds_sim_get` and `tsds_sim_text` by key, and the same keys from the environment, as
// `TSDS_SIM_SEED=7`, when the driver is initialised.
#include "state.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {
struct Key {
    const char *name;
    int64_t Settings::*setting;
    int64_t Counters::*counter;
};

const Key KEYS[] = {
    {"seed", &Settings::seed, nullptr},
    {"devices", &Settings::devices, nullptr},
    {"memory", &Settings::memory, nullptr},
    {"capability", &Settings::capability, nullptr},
    {"driver_version", &Settings::driver_version, nullptr},
    {"pools", &Settings::pools, nullptr},
    {"eager", &Settings::eager, nullptr},
    {"races", &Settings::races, nullptr},
    {"uninitialised", &Settings::uninitialised, nullptr},
    {"order", &Settings::order, nullptr},
    {"recoverable", &Settings::recoverable, nullptr},
    {"trace", &Settings::trace, nullptr},
    {"fail_allocation", &Settings::fail_allocation, nullptr},
    {"fail_launch", &Settings::fail_launch, nullptr},
    {"fail_launch_code", &Settings::fail_launch_code, nullptr},
    {"fail_call", &Settings::fail_call, nullptr},
    {"fail_call_code", &Settings::fail_call_code, nullptr},
    {"fail_call_sticky", &Settings::fail_call_sticky, nullptr},
    {"lost", &Settings::lost, nullptr},
    {"calls", nullptr, &Counters::calls},
    {"launches", nullptr, &Counters::launches},
    {"blocks", nullptr, &Counters::blocks},
    {"copies", nullptr, &Counters::copies},
    {"allocations", nullptr, &Counters::allocations},
    {"violations", nullptr, &Counters::violations},
    {"live_bytes", nullptr, &Counters::live_bytes},
    {"peak_bytes", nullptr, &Counters::peak_bytes},
    {"live_events", nullptr, &Counters::live_events},
    {"live_streams", nullptr, &Counters::live_streams},
    {"live_modules", nullptr, &Counters::live_modules},
};

void apply(Key key, int64_t value) {
    State &s = state();
    s.settings.*key.setting = value;
    if (key.setting == &Settings::seed) {
        s.random.state = uint64_t(value);
    } else if (key.setting == &Settings::fail_call) {
        s.counters.calls_to_fail = 0;
    } else if (key.setting == &Settings::fail_allocation) {
        s.counters.allocations_to_fail = 0;
    } else if (key.setting == &Settings::fail_launch) {
        s.counters.launches_to_fail = 0;
    }
}

// What has not been given back, for people; empty if there is nothing.
std::string leaks() {
    const State &s = state();
    std::string text;
    const auto add = [&](uint64_t count, const char *what) {
        if (count != 0) {
            text += format("%s%llu %s", text.empty() ? "" : ", ", (unsigned long long)count, what);
        }
    };
    add(live_buffers(), "buffers");
    add(s.pinned.size(), "pinned host buffers");
    add(uint64_t(s.counters.live_events), "events");
    add(uint64_t(s.counters.live_streams), "streams");
    add(uint64_t(s.counters.live_modules), "modules");
    add(uint64_t(s.retained), "contexts");
    return text;
}

void report_leaks() {
    State &s = state();
    const std::string text = leaks();
    if (s.settings.trace != 0 && !text.empty()) {
        fprintf(stderr, "CUDA (simulated): not given back at the end: %s\n", text.c_str());
    }
}
} // namespace

void read_environment() {
    for (const Key &key : KEYS) {
        std::string name = std::string("TSDS_SIM_") + key.name;
        for (char &c : name) {
            c = char(toupper(c));
        }
        const char *value = getenv(name.c_str());
        if (value != nullptr && key.setting != nullptr) {
            apply(key, strtoll(value, nullptr, 0));
        }
    }
    static const int registered = atexit(report_leaks);
    (void)registered;
}

// Sets what a key says; 0, or -1 if there is no such key or it cannot be set.
EXPORT int tsds_sim_set(const char *name, int64_t value) {
    Lock lock(state().mutex);
    for (const Key &key : KEYS) {
        if (strcmp(key.name, name) == 0 && key.setting != nullptr) {
            apply(key, value);
            return 0;
        }
    }
    return -1;
}

// The value of a key, or INT64_MIN if there is none.
EXPORT int64_t tsds_sim_get(const char *name) {
    Lock lock(state().mutex);
    const State &s = state();
    if (strcmp(name, "sticky") == 0) {
        return s.sticky;
    }
    if (strcmp(name, "live_buffers") == 0) {
        return int64_t(live_buffers());
    }
    if (strcmp(name, "live_pinned") == 0) {
        return int64_t(s.pinned.size());
    }
    if (strcmp(name, "live_contexts") == 0) {
        return s.retained;
    }
    for (const Key &key : KEYS) {
        if (strcmp(key.name, name) == 0) {
            return key.setting != nullptr ? s.settings.*key.setting : s.counters.*key.counter;
        }
    }
    return INT64_MIN;
}

// Text by key: "violation" is the first since the last reset, "leaks" what is alive, "calls" the calls of the driver since the
// last reset, one a line, "ptx" a module of all kernels. Copies what fits, with a zero at the end, and returns the whole length.
EXPORT int64_t tsds_sim_text(const char *name, char *to, int64_t room) {
    Lock lock(state().mutex);
    const State &s = state();
    std::string text;
    if (strcmp(name, "violation") == 0) {
        text = s.violation;
    } else if (strcmp(name, "leaks") == 0) {
        text = leaks();
    } else if (strcmp(name, "calls") == 0) {
        text = s.trace;
    } else if (strcmp(name, "ptx") == 0) {
        text = stand_in_ptx();
    } else {
        return -1;
    }
    if (to != nullptr && room > 0) {
        const size_t fits = std::min(text.size(), size_t(room - 1));
        memcpy(to, text.data(), fits);
        to[fits] = 0;
    }
    return int64_t(text.size());
}

// A new machine: settings and counters as at first, no error, and nothing alive. Whoever still holds something of before must
// not use it.
EXPORT void tsds_sim_reset() {
    Lock lock(state().mutex);
    State &s = state();
    // Host functions that run at the moment have their way first.
    s.changed.wait(lock, [&] {
        for (const auto &[id, stream] : s.streams) {
            if (stream->busy) {
                return false;
            }
        }
        return true;
    });
    drop_context();
    s.retained = 0;
    s.sticky = SUCCESS;
    s.violation.clear();
    s.trace.clear();
    s.settings = Settings();
    s.counters = Counters();
    s.random = Random();
    read_environment();
}
