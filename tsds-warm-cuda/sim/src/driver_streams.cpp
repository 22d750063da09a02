// Streams, events, host functions, modules and launches.
#include "call.h"

#include <chrono>
#include <cstring>
#include <thread>

namespace {
double milliseconds() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

Event *find_event(CUevent handle) {
    auto &events = state().events;
    auto found = events.find(reinterpret_cast<uint64_t>(handle));
    return found == events.end() ? nullptr : &found->second;
}

// Calls host functions when nobody else runs what they wait for.
void start_host_thread() {
    State &s = state();
    if (s.host_thread) {
        return;
    }
    s.host_thread = true;
    std::thread([] {
        State &s = state();
        Lock lock(s.mutex);
        for (;;) {
            s.changed.wait(lock, [&] { return s.sticky == SUCCESS && !s.host_functions.empty(); });
            const Place place = s.host_functions.front();
            s.host_functions.pop_front();
            run_until(lock, place);
        }
    }).detach();
}
} // namespace

EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    BEGIN(Needs::CONTEXT);
    if (flags > 1) {
        return INVALID_VALUE;
    }
    *stream = new_stream(flags == 0);
    return SUCCESS;
}
EXPORT CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int) {
    BEGIN(Needs::CONTEXT);
    if (flags > 1) {
        return INVALID_VALUE;
    }
    *stream = new_stream(flags == 0);
    return SUCCESS;
}
EXPORT CUresult cuStreamDestroy_v2(CUstream handle) {
    BEGIN_RELEASE();
    Stream *stream = find_stream(handle);
    if (stream == nullptr || stream->id < 16) {
        return failed != SUCCESS ? failed : INVALID_HANDLE;
    }
    release_stream(stream);
    return failed;
}
EXPORT CUresult cuStreamSynchronize(CUstream handle) {
    BEGIN(Needs::CONTEXT);
    Stream *stream = find_stream(handle);
    return stream == nullptr ? INVALID_HANDLE : run_until(lock, last_of(stream));
}
EXPORT CUresult cuStreamQuery(CUstream handle) {
    BEGIN(Needs::CONTEXT);
    Stream *stream = find_stream(handle);
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    const Place place = last_of(stream);
    if (!is_reached(place)) {
        run_some(lock, true);
    }
    if (is_reached(place)) {
        // Nothing is left to run: the host learns of it.
        return run_until(lock, place);
    }
    return state().sticky != SUCCESS ? state().sticky : NOT_READY;
}
EXPORT CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
    BEGIN(Needs::CONTEXT);
    Stream *stream = find_stream(handle);
    Event *event = find_event(event_handle);
    if (stream == nullptr || event == nullptr) {
        return INVALID_HANDLE;
    }
    if (event->recorded) {
        Operation operation;
        operation.run = [] { return CUresult(SUCCESS); };
        operation.after = {event->place};
        operation.clock = event->clock;
        if (is_traced()) {
            operation.what = format("waits for number %llu of stream %llu", (unsigned long long)event->place.number,
                                    (unsigned long long)event->place.stream);
        }
        enqueue(stream, std::move(operation));
    }
    return SUCCESS;
}
EXPORT CUresult cuStreamIsCapturing(CUstream, int *status) {
    BEGIN(Needs::CONTEXT);
    *status = 0;
    return SUCCESS;
}

EXPORT CUresult cuEventCreate(CUevent *handle, unsigned flags) {
    BEGIN(Needs::CONTEXT);
    State &s = state();
    const uint64_t made = s.next_event;
    s.next_event += 16;
    s.events[made].timed = (flags & 2) == 0;
    s.counters.live_events++;
    *handle = reinterpret_cast<CUevent>(made);
    return SUCCESS;
}
EXPORT CUresult cuEventDestroy_v2(CUevent handle) {
    BEGIN_RELEASE();
    State &s = state();
    if (s.events.erase(reinterpret_cast<uint64_t>(handle)) == 0) {
        return failed != SUCCESS ? failed : INVALID_HANDLE;
    }
    s.counters.live_events--;
    return failed;
}
EXPORT CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
    BEGIN(Needs::CONTEXT);
    Stream *stream = find_stream(stream_handle);
    Event *event = find_event(handle);
    if (stream == nullptr || event == nullptr) {
        return INVALID_HANDLE;
    }
    Operation operation;
    operation.run = [handle] {
        if (Event *recorded = find_event(handle)) {
            recorded->milliseconds = milliseconds();
        }
        return CUresult(SUCCESS);
    };
    if (is_traced()) {
        operation.what = "records an event";
    }
    event->place = enqueue(stream, std::move(operation));
    event->recorded = true;
    event->clock = stream->queued_clock;
    run_some(lock, false);
    return SUCCESS;
}
EXPORT CUresult cuEventSynchronize(CUevent handle) {
    BEGIN(Needs::CONTEXT);
    const Event *event = find_event(handle);
    if (event == nullptr) {
        return INVALID_HANDLE;
    }
    return event->recorded ? run_until(lock, event->place) : SUCCESS;
}
// Asking moves the device on a little: who asks again and again gets an answer.
EXPORT CUresult cuEventQuery(CUevent handle) {
    BEGIN(Needs::CONTEXT);
    const Event *event = find_event(handle);
    if (event == nullptr) {
        return INVALID_HANDLE;
    }
    const bool recorded = event->recorded;
    const Place place = event->place;
    if (recorded && !is_reached(place)) {
        run_some(lock, true);
    }
    if (!recorded || is_reached(place)) {
        return recorded ? run_until(lock, place) : state().sticky;
    }
    return state().sticky != SUCCESS ? state().sticky : NOT_READY;
}
EXPORT CUresult cuEventElapsedTime(float *elapsed, CUevent from, CUevent to) {
    BEGIN(Needs::CONTEXT);
    const Event *begin = find_event(from), *end = find_event(to);
    if (begin == nullptr || end == nullptr || !begin->recorded || !end->recorded || !begin->timed || !end->timed) {
        return INVALID_HANDLE;
    }
    if (!is_reached(begin->place) || !is_reached(end->place)) {
        return NOT_READY;
    }
    *elapsed = float(end->milliseconds - begin->milliseconds);
    return SUCCESS;
}

EXPORT CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data) {
    BEGIN(Needs::CONTEXT);
    State &s = state();
    Stream *stream = find_stream(handle);
    if (stream == nullptr || function == nullptr) {
        return stream == nullptr ? INVALID_HANDLE : INVALID_VALUE;
    }
    Operation operation;
    operation.unlocked = true;
    operation.run = [=] {
        function(data);
        return CUresult(SUCCESS);
    };
    s.host_functions.push_back(enqueue(stream, std::move(operation)));
    start_host_thread();
    s.changed.notify_all();
    return SUCCESS;
}

EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    BEGIN(Needs::CONTEXT);
    return image == nullptr ? INVALID_VALUE : load_module(static_cast<const char *>(image), module);
}
EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, int *, void **) {
    BEGIN(Needs::CONTEXT);
    return image == nullptr ? INVALID_VALUE : load_module(static_cast<const char *>(image), module);
}
EXPORT CUresult cuModuleUnload(CUmodule module) {
    BEGIN_RELEASE();
    State &s = state();
    if (s.modules.erase(module) == 0) {
        return failed != SUCCESS ? failed : INVALID_HANDLE;
    }
    s.counters.live_modules--;
    return failed;
}
EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    BEGIN(Needs::CONTEXT);
    if (state().modules.count(module) == 0) {
        return INVALID_HANDLE;
    }
    if (module->entries.count(name) == 0) {
        return NOT_FOUND;
    }
    auto &made = module->functions[name];
    if (made == nullptr) {
        made = std::make_unique<Function>();
        made->module = module;
        for (const KernelEntry *entry = kernels; entry != nullptr; entry = entry->next) {
            if (strcmp(entry->name, name) == 0) {
                made->entry = entry;
            }
        }
    }
    *function = made.get();
    return SUCCESS;
}
EXPORT CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function) {
    BEGIN(Needs::CONTEXT);
    if (function == nullptr || state().modules.count(function->module) == 0) {
        return INVALID_HANDLE;
    }
    *value = attribute == 0 ? int(function->entry->launch_bound) : 0;
    return SUCCESS;
}
EXPORT CUresult cuFuncSetAttribute(CUfunction, int, int) {
    BEGIN(Needs::CONTEXT);
    return SUCCESS;
}
EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int threads, size_t) {
    BEGIN(Needs::CONTEXT);
    *blocks = threads <= 0 ? 0 : std::min(32, 2048 / threads);
    return SUCCESS;
}

EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                               unsigned block_y, unsigned block_z, unsigned shared, CUstream handle, void **parameters,
                               void **extra) {
    BEGIN(Needs::CONTEXT);
    State &s = state();
    Stream *stream = find_stream(handle);
    if (stream == nullptr || function == nullptr || s.modules.count(function->module) == 0) {
        return INVALID_HANDLE;
    }
    const KernelEntry *entry = function->entry;
    const uint64_t threads = uint64_t(block_x) * block_y * block_z;
    if (uint64_t(grid_x) * grid_y * grid_z == 0 || threads == 0 || grid_x > 0x7fffffff || grid_y > 65535 ||
        grid_z > 65535 || block_x > 1024 || block_y > 1024 || block_z > 64 || threads > 1024) {
        return INVALID_VALUE;
    }
    if (threads > entry->launch_bound) {
        return LAUNCH_OUT_OF_RESOURCES;
    }
    if (shared != 0 || extra != nullptr || (entry->parameters > 0 && parameters == nullptr)) {
        return INVALID_VALUE;
    }
    s.counters.launches++;
    s.counters.launches_to_fail++;
    const bool fails = s.settings.fail_launch != 0 && s.counters.launches_to_fail == s.settings.fail_launch;
    const CUresult code = CUresult(s.settings.fail_launch_code);
    // Parameters are what they are now: each at a multiple of 16.
    auto copied = std::make_shared<std::vector<std::vector<uint64_t>>>();
    for (unsigned i = 0; i < entry->parameters; i++) {
        std::vector<uint64_t> words((entry->sizes[i] + 15) / 16 * 2);
        memcpy(words.data(), parameters[i], entry->sizes[i]);
        copied->push_back(std::move(words));
    }
    const Grid grid = {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}};
    Operation operation;
    operation.run = [=] {
        if (fails) {
            return code;
        }
        std::vector<void *> pointers;
        for (auto &words : *copied) {
            pointers.push_back(words.data());
        }
        return execute(entry, pointers.data(), grid);
    };
    if (is_traced()) {
        operation.what = format("%s, %u blocks", entry->name, grid_x * grid_y * grid_z);
    }
    enqueue(stream, std::move(operation));
    run_some(lock, false);
    return SUCCESS;
}
