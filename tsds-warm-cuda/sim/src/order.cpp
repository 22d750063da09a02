// Whether operations of several streams that touch the same memory are ordered: by streams, events, or a host that waited for one
// before it enqueued the other. Each operation has a clock: of every stream, which operations are done whenever it runs. A buffer
// knows who touched which of its bytes; what comes next and touches them must know of those, unless both only read. So a missing
// order is found whatever order things happened to take.
#include "state.h"

#include <algorithm>
#include <cinttypes>
#include <sys/mman.h>

namespace {
// More uses than this of a buffer are looked through for such as everybody knows.
const size_t MANY_USES = 64;

std::vector<Allocation *> touched;

bool is_known(const Clock &clock, Place place) {
    auto found = clock.find(place.stream);
    return found != clock.end() && found->second >= place.number;
}

// Forgets what the host has waited for, since all that is enqueued from now on knows of it, unless something still waits in a stream.
void forget_known(Allocation *allocation) {
    const State &s = state();
    for (const auto &[id, stream] : s.streams) {
        if (!stream->operations.empty()) {
            return;
        }
    }
    auto &uses = allocation->uses;
    size_t kept = 0;
    for (const Use &use : uses) {
        // The operation at hand has left its stream, but may know less than the host.
        if (!is_known(s.host_clock, use.place) || !is_known(s.running_clock, use.place)) {
            uses[kept++] = use;
        }
    }
    uses.resize(kept);
}

bool covers(const Use &old, const Use &now) {
    return old.begin >= now.begin && old.end <= now.end && (now.is_write || !old.is_write);
}
} // namespace

CUresult use(Allocation *allocation, const char *what, uint64_t begin, uint64_t end, bool is_write) {
    State &s = state();
    if (s.settings.order == 0) {
        return SUCCESS;
    }
    const Use now = {s.running, what, begin, end, is_write};
    auto &uses = allocation->uses;
    size_t kept = 0;
    for (size_t i = 0; i < uses.size(); i++) {
        const Use old = uses[i];
        const bool known = is_known(s.running_clock, old.place);
        if (!known && (old.is_write || is_write) && old.begin < end && begin < old.end) {
            note_violation(format("nothing orders %s in stream %" PRIu64 " and %s in stream %" PRIu64
                                  ": they touch bytes %" PRIu64 " to %" PRIu64 " of a buffer of %" PRIu64,
                                  old.what, old.place.stream, what, now.place.stream, std::max(begin, old.begin),
                                  std::min(end, old.end), allocation->bytes));
            return LAUNCH_FAILED;
        }
        // Who is ordered after this one is ordered after what it knows.
        if (!(known && covers(old, now))) {
            uses[kept++] = old;
        }
    }
    uses.resize(kept);
    if (uses.size() > MANY_USES) {
        forget_known(allocation);
    }
    uses.push_back(now);
    return SUCCESS;
}

void touch_word(Allocation *allocation, uint64_t at, uint64_t bytes, bool is_write) {
    if (allocation->touched == nullptr) {
        void *memory = mmap(nullptr, allocation->pages / 4, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            return;
        }
        allocation->touched = static_cast<uint8_t *>(memory);
    }
    const uint64_t first = at / 4, end = (at + bytes + 3) / 4;
    if (allocation->touched_end == 0) {
        touched.push_back(allocation);
        allocation->touched_begin = first;
    }
    allocation->touched_begin = std::min(allocation->touched_begin, first);
    allocation->touched_end = std::max(allocation->touched_end, end);
    for (uint64_t word = first; word < end; word++) {
        allocation->touched[word] |= is_write ? 2 : 1;
    }
}

// Uses of the words that are touched in one way: read alone, or written. Of very many a random choice stands for all.
static CUresult use_words(Allocation *allocation, const char *what, bool is_write) {
    const uint8_t *words = allocation->touched;
    const auto counts = [&](uint64_t word) { return is_write ? (words[word] & 2) != 0 : words[word] == 1; };
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    uint64_t found = 0;
    for (uint64_t word = allocation->touched_begin; word < allocation->touched_end;) {
        if (!counts(word)) {
            word++;
            continue;
        }
        const uint64_t begin = word;
        while (word < allocation->touched_end && counts(word)) {
            word++;
        }
        found++;
        if (ranges.size() < MANY_USES) {
            ranges.push_back({4 * begin, 4 * word});
        } else if (const uint64_t at = state().random.below(found); at < MANY_USES) {
            ranges[at] = {4 * begin, 4 * word};
        }
    }
    for (auto [begin, end] : ranges) {
        if (CUresult result = use(allocation, what, begin, end, is_write)) {
            return result;
        }
    }
    return SUCCESS;
}

CUresult use_touched(const char *what) {
    CUresult result = SUCCESS;
    for (Allocation *allocation : touched) {
        for (bool is_write : {true, false}) {
            if (result == SUCCESS) {
                result = use_words(allocation, what, is_write);
            }
        }
    }
    forget_touched();
    return result;
}

void forget_touched() {
    for (Allocation *allocation : touched) {
        if (allocation->touched != nullptr) {
            std::fill(allocation->touched + allocation->touched_begin, allocation->touched + allocation->touched_end, 0);
        }
        allocation->touched_begin = allocation->touched_end = 0;
    }
    touched.clear();
}

void learn(const Clock &clock) { join(state().host_clock, clock); }
