// Streams: what is enqueued waits, and runs when somebody waits for it, asks after it, or when the seed says so. Of several
// streams that could go on a random one does. Nothing orders operations but their stream, the events that it waits for, and
// the default stream.
#include "state.h"

#include <cstdio>

namespace {
void trace(const char *verb, const Stream &stream, uint64_t number, const Operation &operation) {
    if (is_traced() && !operation.what.empty()) {
        fprintf(stderr, "CUDA (simulated): %s in stream %llu, number %llu: %s\n", verb, (unsigned long long)stream.id,
                (unsigned long long)number, operation.what.c_str());
    }
}

const uint64_t DEFAULT_STREAM = 1, PER_THREAD_STREAM = 2;

Stream *stream_of(uint64_t id) {
    auto &streams = state().streams;
    auto found = streams.find(id);
    if (found != streams.end()) {
        return found->second.get();
    }
    if (id != DEFAULT_STREAM && id != PER_THREAD_STREAM) {
        return nullptr;
    }
    auto stream = std::make_unique<Stream>();
    stream->id = id;
    stream->blocking = id == PER_THREAD_STREAM;
    return (streams[id] = std::move(stream)).get();
}

bool can_go_on(const Stream &stream) {
    if (stream.busy || stream.operations.empty()) {
        return false;
    }
    for (Place place : stream.operations.front().after) {
        if (!is_reached(place)) {
            return false;
        }
    }
    return true;
}

// Runs one operation of a random stream that can go on; false if there is none.
bool run_one(Lock &lock) {
    State &s = state();
    std::vector<Stream *> ready;
    for (auto &[id, stream] : s.streams) {
        if (can_go_on(*stream)) {
            ready.push_back(stream.get());
        }
    }
    if (ready.empty()) {
        return false;
    }
    Stream *stream = ready[s.random.below(ready.size())];
    Operation operation = std::move(stream->operations.front());
    stream->operations.pop_front();
    stream->busy = true;
    trace("runs", *stream, stream->done + 1, operation);
    s.running = {stream->id, stream->done + 1};
    s.running_clock = operation.clock;
    const uint64_t generation = s.generation;
    CUresult result;
    if (operation.unlocked) {
        lock.unlock();
        result = operation.run();
        lock.lock();
        if (generation != s.generation) {
            // The context went meanwhile, and the stream with it.
            return true;
        }
    } else {
        result = operation.run();
    }
    stream->busy = false;
    stream->done++;
    join(stream->done_clock, operation.clock);
    if (result != SUCCESS) {
        if (s.sticky == SUCCESS) {
            s.sticky = result;
        }
        drop_operations();
    }
    if (stream->destroyed && stream->operations.empty()) {
        s.streams.erase(stream->id);
    }
    s.changed.notify_all();
    return true;
}
} // namespace

Stream *find_stream(CUstream handle) {
    uint64_t id = reinterpret_cast<uint64_t>(handle);
    Stream *stream = stream_of(id == 0 ? DEFAULT_STREAM : id);
    return stream != nullptr && !stream->destroyed ? stream : nullptr;
}

CUstream new_stream(bool blocking) {
    State &s = state();
    auto stream = std::make_unique<Stream>();
    // Identities are never used again, so that a place in a stream that is gone is known to be reached.
    const uint64_t id = s.next_stream;
    s.next_stream += 16;
    stream->id = id;
    stream->blocking = blocking;
    s.streams[id] = std::move(stream);
    s.counters.live_streams++;
    return reinterpret_cast<CUstream>(id);
}

void release_stream(Stream *stream) {
    state().counters.live_streams--;
    stream->destroyed = true;
    if (stream->operations.empty() && !stream->busy) {
        state().streams.erase(stream->id);
    }
}

Place last_of(Stream *stream) { return {stream->id, stream->queued}; }

Place enqueue(Stream *stream, Operation operation) {
    if (stream->id == DEFAULT_STREAM) {
        for (auto &[id, other] : state().streams) {
            if (other->blocking) {
                operation.after.push_back(last_of(other.get()));
                join(operation.clock, other->queued_clock);
            }
        }
    } else if (stream->blocking) {
        operation.after.push_back(last_of(stream_of(DEFAULT_STREAM)));
        join(operation.clock, stream_of(DEFAULT_STREAM)->queued_clock);
    }
    stream->queued++;
    join(operation.clock, stream->queued_clock);
    join(operation.clock, state().host_clock);
    operation.clock[stream->id] = stream->queued;
    stream->queued_clock = operation.clock;
    trace("enqueued", *stream, stream->queued, operation);
    stream->operations.push_back(std::move(operation));
    return last_of(stream);
}

bool is_reached(Place place) {
    auto &streams = state().streams;
    auto found = streams.find(place.stream);
    return found == streams.end() || found->second->done >= place.number;
}

CUresult run_until(Lock &lock, Place place) {
    State &s = state();
    const uint64_t generation = s.generation;
    while (generation == s.generation && s.sticky == SUCCESS && !is_reached(place)) {
        if (!run_one(lock)) {
            // Another thread is in the middle of the operation that is waited for.
            s.changed.wait(lock);
        }
    }
    auto found = s.streams.find(place.stream);
    if (s.sticky == SUCCESS && found != s.streams.end()) {
        learn(found->second->done_clock);
    }
    return s.sticky;
}

CUresult run_all(Lock &lock) {
    State &s = state();
    std::vector<Place> places;
    for (auto &[id, stream] : s.streams) {
        places.push_back(last_of(stream.get()));
    }
    for (Place place : places) {
        if (CUresult result = run_until(lock, place)) {
            return result;
        }
    }
    return SUCCESS;
}

void run_some(Lock &lock, bool at_least_one) {
    State &s = state();
    // By seed nothing runs before it must, all of it at once, or half of it.
    const int64_t eager = s.settings.eager >= 0 ? s.settings.eager : (s.settings.seed % 3) * 50;
    while (s.sticky == SUCCESS && (at_least_one || int64_t(s.random.below(100)) < eager)) {
        at_least_one = false;
        if (!run_one(lock)) {
            return;
        }
    }
}

void drop_operations() {
    for (auto &[id, stream] : state().streams) {
        std::deque<Operation> dropped;
        dropped.swap(stream->operations);
        // As drivers do, without calling the host functions among them.
        stream->done += dropped.size();
    }
}
