// Device memory: each buffer begins at a page of its own in one large range of addresses, and at least a page that belongs to
// nothing follows it, so that an address tells its buffer. Memory is filled with 0xcd when it is given out; pages of freed
// buffers cannot be touched, and their addresses are given out again as late as possible.
#include "state.h"

#include <cinttypes>
#include <cstring>
#include <sys/mman.h>
#include <unordered_map>

uint64_t arena = 0;

namespace {
const uint64_t PAGE = 4096;
// By base. The dead ones stay until their addresses are needed.
std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
uint64_t next_base = 0;

bool reserve() {
    if (arena != 0) {
        return true;
    }
    void *memory =
        mmap(nullptr, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    arena = reinterpret_cast<uint64_t>(memory);
    next_base = arena;
    return true;
}

// Where so many bytes and a page are free, after what was given out last.
uint64_t find_base(uint64_t bytes) {
    for (int round = 0; round < 2; round++) {
        uint64_t at = next_base;
        auto next = allocations.lower_bound(at);
        while (at + bytes + PAGE <= arena + ARENA_BYTES) {
            if (next == allocations.end() || next->first >= at + bytes + PAGE) {
                return at;
            }
            if (next->second->freed) {
                next = allocations.erase(next);
            } else {
                at = next->first + next->second->pages + PAGE;
                ++next;
            }
        }
        next_base = arena;
    }
    return 0;
}

uint64_t shadow_bytes(const Allocation *allocation) { return 4 * allocation->pages; }
} // namespace

CUresult allocate(uint64_t bytes, bool usable, uint64_t *address) {
    State &s = state();
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    s.counters.allocations++;
    s.counters.allocations_to_fail++;
    if (s.settings.fail_allocation != 0 && s.counters.allocations_to_fail == s.settings.fail_allocation) {
        return OUT_OF_MEMORY;
    }
    // Devices give out memory in pieces.
    const uint64_t charged = (bytes + 511) & ~uint64_t(511);
    if (!reserve() || bytes > ARENA_BYTES || s.counters.live_bytes + int64_t(charged) > s.settings.memory) {
        return OUT_OF_MEMORY;
    }
    const uint64_t pages = (bytes + PAGE - 1) / PAGE * PAGE, base = find_base(pages);
    if (base == 0) {
        return OUT_OF_MEMORY;
    }
    auto allocation = std::make_unique<Allocation>();
    allocation->base = base;
    allocation->bytes = bytes;
    allocation->pages = pages;
    void *shadow = mmap(nullptr, shadow_bytes(allocation.get()), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    allocation->shadow = static_cast<uint64_t *>(shadow);
    next_base = base + pages + PAGE;
    s.counters.live_bytes += int64_t(charged);
    s.counters.peak_bytes = std::max(s.counters.peak_bytes, s.counters.live_bytes);
    *address = base;
    Allocation *made = allocation.get();
    allocations[base] = std::move(allocation);
    if (usable) {
        make_usable(made);
    }
    return SUCCESS;
}

void make_usable(Allocation *allocation) {
    void *memory = reinterpret_cast<void *>(allocation->base);
    if (mprotect(memory, allocation->pages, PROT_READ | PROT_WRITE) != 0) {
        return;
    }
    memset(memory, 0xcd, allocation->pages);
    allocation->usable = true;
}

void release(Allocation *allocation) {
    if (allocation->freed) {
        return;
    }
    allocation->freed = true;
    allocation->given_back = true;
    state().counters.live_bytes -= int64_t((allocation->bytes + 511) & ~uint64_t(511));
    void *memory = reinterpret_cast<void *>(allocation->base);
    mmap(memory, allocation->pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    munmap(allocation->shadow, shadow_bytes(allocation));
    allocation->shadow = nullptr;
    if (allocation->touched != nullptr) {
        munmap(allocation->touched, allocation->pages / 4);
        allocation->touched = nullptr;
    }
    allocation->uses.clear();
}

void drop_allocations() {
    for (auto &[base, allocation] : allocations) {
        release(allocation.get());
    }
}

Allocation *allocation_at(uint64_t address) {
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin()) {
        return nullptr;
    }
    Allocation *allocation = std::prev(after)->second.get();
    return address < allocation->base + allocation->pages + PAGE ? allocation : nullptr;
}

bool is_range(uint64_t address, uint64_t bytes) {
    const Allocation *allocation = allocation_at(address);
    return allocation != nullptr && !allocation->given_back && address - allocation->base <= allocation->bytes &&
           bytes <= allocation->bytes - (address - allocation->base);
}

bool may_touch(uint64_t address, uint64_t bytes, std::string &why) {
    const Allocation *allocation = allocation_at(address);
    if (allocation == nullptr) {
        why = format("%" PRIu64 " bytes at %#" PRIx64 ", where no buffer is", bytes, address);
        return false;
    }
    const uint64_t at = address - allocation->base;
    const char *state = allocation->freed ? "freed" : allocation->usable ? "" : "not yet allocated";
    if (*state != 0 || at > allocation->bytes || bytes > allocation->bytes - at) {
        why = format("bytes %" PRIu64 " to %" PRIu64 " of a %s%sbuffer of %" PRIu64, at, at + bytes, state,
                     *state != 0 ? " " : "", allocation->bytes);
        return false;
    }
    return true;
}

bool is_pinned(const void *address, uint64_t bytes) {
    const uint64_t at = reinterpret_cast<uint64_t>(address);
    const auto &pinned = state().pinned;
    auto after = pinned.upper_bound(at);
    if (after == pinned.begin()) {
        return false;
    }
    const auto [base, size] = *std::prev(after);
    return at - base <= size && bytes <= size - (at - base);
}

uint64_t live_buffers() {
    uint64_t live = 0;
    for (const auto &[base, allocation] : allocations) {
        live += !allocation->freed;
    }
    return live;
}
