// What the simulated driver consists of. One lock guards all of it: calls of several threads take turns.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda.h"

// A generator of repeatable numbers (splitmix64).
struct Random {
    uint64_t state = 0;
    uint64_t next() {
        uint64_t z = (state += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }
    uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
};

// What can be set from outside; `control.cpp` has the keys.
struct Settings {
    int64_t seed = 0;
    int64_t devices = 1;
    int64_t memory = int64_t(1) << 30;
    int64_t capability = 90;
    int64_t driver_version = 12000;
    int64_t pools = 1;
    // How much of what waits in streams is run when something is added: percent, -1: as the seed says.
    int64_t eager = -1;
    int64_t races = 1;
    int64_t uninitialised = 1;
    int64_t order = 1;
    // Whether resetting the primary context ends a sticky error.
    int64_t recoverable = 0;
    int64_t trace = 0;
    // The n-th (from 1, counted from when it is set) of these fails; 0: none.
    int64_t fail_allocation = 0;
    int64_t fail_launch = 0;
    int64_t fail_launch_code = ILLEGAL_ADDRESS;
    int64_t fail_call = 0;
    int64_t fail_call_code = UNKNOWN;
    // Whether the failed call takes the context with it.
    int64_t fail_call_sticky = 0;
    // Every call gives this code.
    int64_t lost = 0;
};

struct Counters {
    int64_t calls = 0, launches = 0, allocations = 0, violations = 0, blocks = 0, copies = 0;
    int64_t live_bytes = 0, peak_bytes = 0;
    int64_t live_events = 0, live_streams = 0, live_modules = 0;
    // Since the fault was set.
    int64_t calls_to_fail = 0, allocations_to_fail = 0, launches_to_fail = 0;
};

// How the parameters of a kernel lie in a launch, and how it is called with them.
struct KernelEntry {
    const char *name;
    unsigned launch_bound;
    unsigned parameters;
    const unsigned *sizes;
    void (*call)(void *const *);
    KernelEntry *next;
};

struct Function {
    const KernelEntry *entry;
    Module *module;
};
struct Module {
    std::map<std::string, std::unique_ptr<Function>> functions;
    std::set<std::string> entries;
};
struct Pool {
    uint64_t release_threshold = 0;
};

// A place in a stream: reached when the stream has done so many operations.
struct Place {
    uint64_t stream;
    uint64_t number;
};
// Of each stream, how many of its operations are known to be done.
typedef std::map<uint64_t, uint64_t> Clock;
inline void join(Clock &to, const Clock &from) {
    for (const auto &[stream, number] : from) {
        uint64_t &known = to[stream];
        known = known < number ? number : known;
    }
}

struct Event {
    bool recorded = false;
    bool timed = false;
    Place place{};
    Clock clock;
    double milliseconds = 0;
};
struct Operation {
    std::function<CUresult()> run;
    std::vector<Place> after;
    // What is done whenever this runs.
    Clock clock;
    // Runs without the lock; may call whatever may wait for the lock.
    bool unlocked = false;
    // For people; empty unless everything is traced.
    std::string what;
};
struct Stream {
    uint64_t id;
    bool blocking = false;
    bool busy = false;
    bool destroyed = false;
    uint64_t queued = 0, done = 0;
    std::deque<Operation> operations;
    // Of the last operation that was enqueued, and of the last one that is done, itself in it.
    Clock queued_clock, done_clock;
};

// Bytes of a buffer that an operation touched.
struct Use {
    Place place;
    const char *what;
    uint64_t begin, end;
    bool is_write;
};

struct Allocation {
    uint64_t base = 0, bytes = 0, pages = 0;
    // Memory of two words about each word of four bytes: see check.h.
    uint64_t *shadow = nullptr;
    // What is not known to be over for whoever comes next: see order.cpp.
    std::vector<Use> uses;
    // Of each word, whether the launch at hand has read (1) or written (2) it; and where such words begin and end.
    uint8_t *touched = nullptr;
    uint64_t touched_begin = 0, touched_end = 0;
    // Whether the operation that allocates has run, and whether the one that frees has.
    bool usable = false, freed = false;
    // Whether it has been given to free.
    bool given_back = false;
};

struct State {
    std::mutex mutex;
    std::condition_variable changed;
    Settings settings;
    Counters counters;
    Random random;
    bool initialised = false;
    int retained = 0;
    uint64_t generation = 0;
    CUresult sticky = SUCCESS;
    std::string violation;
    std::string trace;
    std::map<uint64_t, std::unique_ptr<Stream>> streams;
    uint64_t next_stream = 16;
    // By handle. Handles are never used again, so that those of a context that is gone are known.
    std::map<uint64_t, Event> events;
    std::set<Module *> modules;
    uint64_t next_event = 16;
    // What the host knows to be done.
    Clock host_clock;
    // The operation that runs.
    Place running{};
    Clock running_clock;
    std::map<uint64_t, uint64_t> pinned;
    Pool pool;
    // Where host functions stand that have not been waited for yet.
    std::deque<Place> host_functions;
    bool host_thread = false;
};

State &state();
typedef std::unique_lock<std::mutex> Lock;

// state.cpp
void note_violation(const std::string &text);
std::string format(const char *text, ...) __attribute__((format(printf, 1, 2)));
// Drops everything that a context holds, with what waits in its streams.
void drop_context();

// control.cpp
void read_environment();

// streams.cpp
Stream *find_stream(CUstream handle);
CUstream new_stream(bool blocking);
void release_stream(Stream *stream);
Place enqueue(Stream *stream, Operation operation);
// Whether operations are to say what they are.
inline bool is_traced() { return state().settings.trace > 1; }
bool is_reached(Place place);
// Runs operations until the place is reached; gives the sticky error that came of it.
CUresult run_until(Lock &lock, Place place);
CUresult run_all(Lock &lock);
// Runs a few operations, as the seed says.
void run_some(Lock &lock, bool at_least_one);
void drop_operations();
Place last_of(Stream *stream);

// memory.cpp
CUresult allocate(uint64_t bytes, bool usable, uint64_t *address);
void make_usable(Allocation *allocation);
void release(Allocation *allocation);
void drop_allocations();
// The live or dead allocation that the address lies in (or whose guard it touches), or null.
Allocation *allocation_at(uint64_t address);
// Whether the bytes lie in one allocation that has not been given to free.
bool is_range(uint64_t address, uint64_t bytes);
// Whether they may be touched now; else says why.
bool may_touch(uint64_t address, uint64_t bytes, std::string &why);
bool is_pinned(const void *address, uint64_t bytes);
uint64_t live_buffers();
const uint64_t ARENA_BYTES = uint64_t(1) << 36;
extern uint64_t arena;

// order.cpp
// Notes what the running operation touches; an error if another one touches it that nothing orders with it.
CUresult use(Allocation *allocation, const char *what, uint64_t begin, uint64_t end, bool is_write);
// As it, of all that the launch at hand touched.
CUresult use_touched(const char *what);
void touch_word(Allocation *allocation, uint64_t at, uint64_t bytes, bool is_write);
void forget_touched();
// What the host has waited for is over.
void learn(const Clock &clock);

// module.cpp
extern KernelEntry *kernels;
CUresult load_module(const char *image, Module **module);
std::string stand_in_ptx();

// execute.cpp
struct Grid {
    unsigned blocks[3], threads[3];
};
CUresult execute(const KernelEntry *entry, void *const *parameters, const Grid &grid);
