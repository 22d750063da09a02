// Looks at every access to memory that a kernel makes. Kernels are compiled with the instrumentation of the thread sanitizer,
// whose calls come here instead: an access must lie in a buffer or in shared memory, be aligned, not read shared memory that
// the block has not written, and not touch what another thread touches without a barrier between them, one of them writing
// and not both atomically.
//
// Each word of four bytes has a record of its last writer and one of its last readers:
//
//   bits 63-28  interval: counts barriers and blocks over all launches
//   bits 27-16  how many `__syncwarp` of its whole warp the thread had passed in the interval
//   bits 15-5   thread, or several of them: 1024 + warp, SEVERAL_WARPS, SEVERAL_BLOCKS
//   bit  4      atomic
//   bits 3-0    bytes
#include "execution.h"

#include <cinttypes>
#include <cstring>

extern "C" {
extern uint8_t __start_tsds_shared[] __attribute__((weak, visibility("hidden")));
extern uint8_t __stop_tsds_shared[] __attribute__((weak, visibility("hidden")));
extern uint8_t __ehdr_start[] __attribute__((visibility("hidden")));
extern uint8_t _end[] __attribute__((visibility("hidden")));
}

namespace {

const uint64_t SEVERAL_IN_WARP = 1024, SEVERAL_WARPS = 2046, SEVERAL_BLOCKS = 2047;

struct Record {
    uint64_t bits;
    uint64_t interval() const { return bits >> 28; }
    uint32_t passed() const { return bits >> 16 & 4095; }
    uint64_t thread() const { return bits >> 5 & 2047; }
    bool is_atomic() const { return bits >> 4 & 1; }
    uint32_t bytes() const { return bits & 15; }
};

Record record(uint64_t interval, uint64_t passed, uint64_t thread, bool is_atomic, uint32_t bytes) {
    return {interval << 28 | (passed & 4095) << 16 | thread << 5 | uint64_t(is_atomic) << 4 | bytes};
}

// Of the shared variables, as `Allocation::shadow`.
std::vector<uint64_t> shared_shadow;
uintptr_t shared_low = 0, shared_bytes = 0, library_low = 0, library_bytes = 0;
Allocation *last = nullptr;
bool checks_races = true, checks_uninitialised = true, checks_order = true;

// Whether the access is not ordered with that of the current thread.
bool is_unordered(Record other) {
    const Execution &e = execution;
    if (other.thread() == SEVERAL_BLOCKS || other.interval() < e.block_interval) {
        return true;
    }
    if (other.interval() < e.interval) {
        return false;
    }
    const uint64_t thread = other.thread(), warp = e.current / 32;
    const bool passed = (e.passed[warp] & 4095) != other.passed();
    if (thread < 1024) {
        return thread == e.current ? false : thread / 32 == warp ? !passed : true;
    }
    return thread == SEVERAL_IN_WARP + warp ? !passed : true;
}

Record merged_reader(Record old, Record now, uint64_t oldest) {
    const Execution &e = execution;
    if (old.interval() < oldest) {
        return now;
    }
    uint64_t thread = e.current;
    if (old.interval() < e.block_interval || old.thread() == SEVERAL_BLOCKS) {
        thread = SEVERAL_BLOCKS;
    } else if (old.interval() == e.interval && old.thread() != e.current) {
        const uint64_t warp = e.current / 32;
        const bool same_warp = old.thread() < 1024 ? old.thread() / 32 == warp : old.thread() == SEVERAL_IN_WARP + warp;
        thread = same_warp ? SEVERAL_IN_WARP + warp : SEVERAL_WARPS;
    }
    return {(now.bits & ~(uint64_t(2047) << 5)) | thread << 5 | old.bytes()};
}

std::string name_of(Record other) {
    const Execution &e = execution;
    const uint64_t thread = other.thread();
    if (thread == SEVERAL_BLOCKS || other.interval() < e.block_interval) {
        return "another block";
    }
    return thread < 1024 ? format("thread %u", unsigned(thread)) : std::string("several threads");
}

[[noreturn]] void report_race(Record other, bool was_write, bool is_write, const std::string &where) {
    fail_kernel(LAUNCH_FAILED, "race: %s %s that %s %s, with nothing that orders them", is_write ? "writes" : "reads",
                where.c_str(), name_of(other).c_str(), was_write ? "writes" : "reads");
}

std::string place_of(uintptr_t address) {
    if (address - shared_low < shared_bytes) {
        return format("shared memory at %" PRIuPTR, address - shared_low);
    }
    const Allocation *allocation = allocation_at(address);
    return format("byte %" PRIu64 " of a buffer of %" PRIu64, allocation ? address - allocation->base : 0,
                  allocation ? allocation->bytes : 0);
}

void check_word(uint64_t *shadow, uintptr_t address, uint32_t bytes, bool is_write, bool is_atomic, bool is_shared) {
    const Execution &e = execution;
    Record *records = reinterpret_cast<Record *>(shadow);
    const Record writer = records[0], reader = records[1];
    if (is_shared && checks_uninitialised && (!is_write || is_atomic) && writer.interval() < e.block_interval) {
        fail_kernel(LAUNCH_FAILED, "reads %s, which the block has not written", place_of(address).c_str());
    }
    if (!checks_races) {
        records[0] = is_write ? record(e.interval, 0, e.current, is_atomic, bytes) : writer;
        return;
    }
    // Nothing in shared memory outlives a block.
    const uint64_t oldest = is_shared ? e.block_interval : e.launch_interval;
    if (writer.interval() >= oldest && (writer.bytes() & bytes) != 0 && !(is_atomic && writer.is_atomic()) &&
        is_unordered(writer)) {
        report_race(writer, true, is_write, place_of(address));
    }
    const Record now = record(e.interval, e.passed[e.current / 32], e.current, is_atomic, bytes);
    if (is_write) {
        if (reader.interval() >= oldest && (reader.bytes() & bytes) != 0 && is_unordered(reader)) {
            report_race(reader, false, true, place_of(address));
        }
        const bool is_same = (now.bits | 15) == (writer.bits | 15);
        records[0].bits = is_same ? now.bits | writer.bytes() : now.bits;
    } else if (reader.bits != now.bits) {
        records[1] = merged_reader(reader, now, oldest);
    }
}

void check_words(uint64_t *shadow, uintptr_t offset, uintptr_t address, unsigned bytes, bool is_write, bool is_atomic,
                 bool is_shared) {
    uintptr_t word = offset / 4, first = offset % 4;
    while (bytes > 0) {
        const unsigned here = bytes < 4 - first ? bytes : unsigned(4 - first);
        check_word(shadow + 2 * word, address, ((1u << here) - 1) << first, is_write, is_atomic, is_shared);
        bytes -= here;
        address += here;
        word++;
        first = 0;
    }
}

void check_elsewhere(uintptr_t address, unsigned bytes, bool is_write) {
    // Constants of the kernels.
    if (!is_write && address - library_low < library_bytes) {
        return;
    }
    fail_kernel(ILLEGAL_ADDRESS, "%s %u bytes at %#" PRIxPTR ", where no buffer is", is_write ? "writes" : "reads", bytes,
                address);
}

} // namespace

void prepare_checks() {
    const Settings &settings = state().settings;
    checks_races = settings.races != 0;
    checks_uninitialised = settings.uninitialised != 0;
    checks_order = settings.order != 0;
    last = nullptr;
    if (library_low == 0) {
        library_low = reinterpret_cast<uintptr_t>(__ehdr_start);
        library_bytes = reinterpret_cast<uintptr_t>(_end) - library_low;
        shared_low = reinterpret_cast<uintptr_t>(__start_tsds_shared);
        shared_bytes = reinterpret_cast<uintptr_t>(__stop_tsds_shared) - shared_low;
        shared_shadow.resize(2 * (shared_bytes / 4 + 1));
    }
    memset(__start_tsds_shared, 0xcd, shared_bytes);
}

void check_access(uintptr_t address, unsigned bytes, bool is_write, bool is_atomic) {
    const Execution &e = execution;
    if (address - e.stack_low < STACK_BYTES) {
        return;
    }
    if (address - shared_low < shared_bytes) {
        check_words(shared_shadow.data(), address - shared_low, address, bytes, is_write, is_atomic, true);
        return;
    }
    if (e.kernel == nullptr) {
        return;
    }
    if (address - arena >= ARENA_BYTES) {
        check_elsewhere(address, bytes, is_write);
        return;
    }
    if (last == nullptr || address - last->base > last->bytes || bytes > last->bytes - (address - last->base)) {
        std::string why;
        if (!may_touch(address, bytes, why)) {
            fail_kernel(ILLEGAL_ADDRESS, "%s %s", is_write ? "writes" : "reads", why.c_str());
        }
        last = allocation_at(address);
    }
    if (checks_order) {
        touch_word(last, address - last->base, bytes, is_write);
    }
    check_words(last->shadow, address - last->base, address, bytes, is_write, is_atomic, false);
}

extern "C" __attribute__((visibility("hidden"))) void tsds_sim_constant(const void *at, unsigned long bytes) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    if ((address & (bytes - 1)) != 0) {
        fail_kernel(MISALIGNED_ADDRESS, "reads %lu bytes at an address that is %" PRIuPTR " beyond a multiple of that", bytes,
                    address & (bytes - 1));
    }
    check_access(address, unsigned(bytes), false, false);
    if (address - arena >= ARENA_BYTES) {
        return;
    }
    const Record *writer = reinterpret_cast<const Record *>(last->shadow + (address - last->base) / 4 * 2);
    if (writer->interval() >= execution.launch_interval) {
        fail_kernel(LAUNCH_FAILED, "reads %s as a constant, which the launch has written", place_of(address).c_str());
    }
}
