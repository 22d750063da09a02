// Memory of the device and pinned memory of the host; copies between them.
//
// When the host's memory is looked at is what drivers document: what is not pinned is read before the call returns, and is
// written before it returns; pinned memory is read and written when the copy's turn comes.
#include "call.h"

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <cstring>

namespace {
const size_t PINNED_ALIGNMENT = 4096;

void *host(uint64_t address) { return reinterpret_cast<void *>(address); }

// What an operation says when it touches device memory that is not there at its time.
CUresult touch(const char *what, uint64_t address, uint64_t bytes, bool is_write) {
    std::string why;
    if (bytes == 0) {
        return SUCCESS;
    }
    if (may_touch(address, bytes, why)) {
        Allocation *allocation = allocation_at(address);
        const uint64_t begin = address - allocation->base;
        return use(allocation, what, begin, begin + bytes, is_write);
    }
    note_violation(format("%s touches %s", what, why.c_str()));
    return ILLEGAL_ADDRESS;
}

// Whether the host gave pinned memory that it still has.
bool is_still_pinned(const char *what, const void *address, uint64_t bytes) {
    if (is_pinned(address, bytes)) {
        return true;
    }
    note_violation(format("%s touches pinned memory that has been freed", what));
    return false;
}

CUresult copy_to_device(Lock &lock, uint64_t to, const void *from, size_t bytes, Stream *stream, bool waits) {
    State &s = state();
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    if (bytes == 0) {
        return SUCCESS;
    }
    if (from == nullptr || !is_range(to, bytes)) {
        return INVALID_VALUE;
    }
    s.counters.copies++;
    Operation operation;
    if (is_pinned(from, bytes) && !waits) {
        operation.run = [=] {
            if (!is_still_pinned("a copy to the device", from, bytes)) {
                return CUresult(ILLEGAL_ADDRESS);
            }
            const CUresult result = touch("a copy to the device", to, bytes, true);
            if (result == SUCCESS) {
                memcpy(host(to), from, bytes);
            }
            return result;
        };
    } else {
        const char *begin = static_cast<const char *>(from);
        auto staged = std::make_shared<std::vector<char>>(begin, begin + bytes);
        operation.run = [=] {
            const CUresult result = touch("a copy to the device", to, bytes, true);
            if (result == SUCCESS) {
                memcpy(host(to), staged->data(), bytes);
            }
            return result;
        };
    }
    if (is_traced()) {
        operation.what = format("%zu bytes from the host to %#" PRIx64, bytes, to);
    }
    const Place place = enqueue(stream, std::move(operation));
    if (waits) {
        return run_until(lock, place);
    }
    run_some(lock, false);
    return SUCCESS;
}

CUresult copy_to_host(Lock &lock, void *to, uint64_t from, size_t bytes, Stream *stream, bool waits) {
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    if (bytes == 0) {
        return SUCCESS;
    }
    if (to == nullptr || !is_range(from, bytes)) {
        return INVALID_VALUE;
    }
    state().counters.copies++;
    const bool pinned = is_pinned(to, bytes);
    Operation operation;
    operation.run = [=] {
        if (pinned && !is_still_pinned("a copy to the host", to, bytes)) {
            return CUresult(ILLEGAL_ADDRESS);
        }
        const CUresult result = touch("a copy to the host", from, bytes, false);
        if (result == SUCCESS) {
            memcpy(to, host(from), bytes);
        }
        return result;
    };
    if (is_traced()) {
        operation.what = format("%zu bytes from %#" PRIx64 " to the host", bytes, from);
    }
    const Place place = enqueue(stream, std::move(operation));
    if (waits || !pinned) {
        return run_until(lock, place);
    }
    run_some(lock, false);
    return SUCCESS;
}

CUresult copy_within(Lock &lock, uint64_t to, uint64_t from, size_t bytes, Stream *stream, bool waits) {
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    if (bytes == 0) {
        return SUCCESS;
    }
    if (!is_range(to, bytes) || !is_range(from, bytes)) {
        return INVALID_VALUE;
    }
    state().counters.copies++;
    Operation operation;
    operation.run = [=] {
        if (CUresult result = touch("a copy on the device", from, bytes, false)) {
            return result;
        }
        const CUresult result = touch("a copy on the device", to, bytes, true);
        if (result == SUCCESS) {
            memmove(host(to), host(from), bytes);
        }
        return result;
    };
    if (is_traced()) {
        operation.what = format("%zu bytes from %#" PRIx64 " to %#" PRIx64, bytes, from, to);
    }
    const Place place = enqueue(stream, std::move(operation));
    if (waits) {
        return run_until(lock, place);
    }
    run_some(lock, false);
    return SUCCESS;
}

CUresult fill(Lock &lock, uint64_t at, const void *pattern, size_t width, size_t count, Stream *stream, bool waits) {
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    if (count == 0) {
        return SUCCESS;
    }
    const size_t bytes = width * count;
    if (at % width != 0 || !is_range(at, bytes)) {
        return INVALID_VALUE;
    }
    uint64_t word = 0;
    memcpy(&word, pattern, width);
    Operation operation;
    operation.run = [=] {
        const CUresult result = touch("a fill", at, bytes, true);
        if (result != SUCCESS) {
            return result;
        }
        if (width == 1) {
            memset(host(at), int(word), bytes);
        } else {
            for (size_t i = 0; i < count; i++) {
                memcpy(host(at + i * width), &word, width);
            }
        }
        return result;
    };
    if (is_traced()) {
        operation.what = format("fills %zu bytes at %#" PRIx64, bytes, at);
    }
    const Place place = enqueue(stream, std::move(operation));
    if (waits) {
        return run_until(lock, place);
    }
    run_some(lock, false);
    return SUCCESS;
}

// Allocates; when there is no room, what waits in streams may make some.
CUresult allocate_after_all(Lock &lock, size_t bytes, bool usable, uint64_t *address) {
    CUresult result = allocate(bytes, usable, address);
    const State &s = state();
    const bool was_made = s.settings.fail_allocation != 0 && s.counters.allocations_to_fail == s.settings.fail_allocation;
    if (result != OUT_OF_MEMORY || was_made) {
        return result;
    }
    if (CUresult failed = run_all(lock)) {
        return failed;
    }
    return allocate(bytes, usable, address);
}
} // namespace

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    BEGIN(Needs::CONTEXT);
    uint64_t made = 0;
    const CUresult result = allocate_after_all(lock, bytes, true, &made);
    if (result == SUCCESS) {
        *address = made;
    }
    return result;
}

// What still waits in streams and touches the memory will fail: the host has to wait first.
EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
    BEGIN_RELEASE();
    if (address == 0) {
        return failed;
    }
    Allocation *allocation = allocation_at(address);
    if (allocation == nullptr || allocation->base != address || allocation->given_back) {
        return failed != SUCCESS ? failed : INVALID_VALUE;
    }
    release(allocation);
    return failed;
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream handle) {
    BEGIN(Needs::CONTEXT);
    if (state().settings.pools == 0) {
        return NOT_SUPPORTED;
    }
    Stream *stream = find_stream(handle);
    if (stream == nullptr) {
        return INVALID_HANDLE;
    }
    uint64_t made = 0;
    if (CUresult result = allocate_after_all(lock, bytes, false, &made)) {
        return result;
    }
    Operation operation;
    operation.run = [made] {
        Allocation *allocation = allocation_at(made);
        make_usable(allocation);
        return use(allocation, "an allocation", 0, allocation->bytes, true);
    };
    if (is_traced()) {
        operation.what = format("allocates %zu bytes at %#" PRIx64, bytes, made);
    }
    // What made room may have run the host's functions: the stream is looked for again.
    stream = find_stream(handle);
    if (stream == nullptr) {
        release(allocation_at(made));
        return INVALID_HANDLE;
    }
    enqueue(stream, std::move(operation));
    *address = made;
    run_some(lock, false);
    return SUCCESS;
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle) {
    BEGIN_RELEASE();
    Allocation *allocation = allocation_at(address);
    Stream *stream = find_stream(handle);
    if (allocation == nullptr || allocation->base != address || allocation->given_back) {
        return failed != SUCCESS ? failed : INVALID_VALUE;
    }
    allocation->given_back = true;
    if (stream == nullptr || state().sticky != SUCCESS) {
        release(allocation);
        return failed != SUCCESS ? failed : INVALID_HANDLE;
    }
    Operation operation;
    operation.run = [address] {
        Allocation *allocation = allocation_at(address);
        const CUresult result = use(allocation, "freeing", 0, allocation->bytes, true);
        release(allocation);
        return result;
    };
    if (is_traced()) {
        operation.what = format("frees %#llx", address);
    }
    enqueue(stream, std::move(operation));
    run_some(lock, false);
    return failed;
}

EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    BEGIN(Needs::CONTEXT);
    const State &s = state();
    *total = size_t(s.settings.memory);
    *free_bytes = size_t(std::max<int64_t>(0, s.settings.memory - s.counters.live_bytes));
    return SUCCESS;
}

EXPORT CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    BEGIN(Needs::CONTEXT);
    State &s = state();
    s.counters.allocations++;
    s.counters.allocations_to_fail++;
    if (s.settings.fail_allocation != 0 && s.counters.allocations_to_fail == s.settings.fail_allocation) {
        return OUT_OF_MEMORY;
    }
    void *made = nullptr;
    if (bytes == 0 || posix_memalign(&made, PINNED_ALIGNMENT, bytes) != 0) {
        return bytes == 0 ? INVALID_VALUE : OUT_OF_MEMORY;
    }
    memset(made, 0xcd, bytes);
    s.pinned[reinterpret_cast<uint64_t>(made)] = bytes;
    *memory = made;
    return SUCCESS;
}

EXPORT CUresult cuMemAllocHost_v2(void **memory, size_t bytes) { return cuMemHostAlloc(memory, bytes, 0); }

EXPORT CUresult cuMemFreeHost(void *memory) {
    BEGIN_RELEASE();
    State &s = state();
    auto found = s.pinned.find(reinterpret_cast<uint64_t>(memory));
    if (found == s.pinned.end()) {
        return failed != SUCCESS ? failed : INVALID_VALUE;
    }
    memset(memory, 0xcd, found->second);
    s.pinned.erase(found);
    free(memory);
    return failed;
}

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
    BEGIN(Needs::CONTEXT);
    return copy_to_device(lock, to, from, bytes, find_stream(stream), false);
}
EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    BEGIN(Needs::CONTEXT);
    return copy_to_device(lock, to, from, bytes, find_stream(nullptr), true);
}
EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
    BEGIN(Needs::CONTEXT);
    return copy_to_host(lock, to, from, bytes, find_stream(stream), false);
}
EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    BEGIN(Needs::CONTEXT);
    return copy_to_host(lock, to, from, bytes, find_stream(nullptr), true);
}
EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    BEGIN(Needs::CONTEXT);
    return copy_within(lock, to, from, bytes, find_stream(stream), false);
}
EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    BEGIN(Needs::CONTEXT);
    return copy_within(lock, to, from, bytes, find_stream(nullptr), false);
}
EXPORT CUresult cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t count, CUstream stream) {
    BEGIN(Needs::CONTEXT);
    return fill(lock, at, &value, 1, count, find_stream(stream), false);
}
EXPORT CUresult cuMemsetD8_v2(CUdeviceptr at, unsigned char value, size_t count) {
    BEGIN(Needs::CONTEXT);
    return fill(lock, at, &value, 1, count, find_stream(nullptr), false);
}
EXPORT CUresult cuMemsetD32Async(CUdeviceptr at, unsigned value, size_t count, CUstream stream) {
    BEGIN(Needs::CONTEXT);
    return fill(lock, at, &value, 4, count, find_stream(stream), false);
}
EXPORT CUresult cuMemsetD32_v2(CUdeviceptr at, unsigned value, size_t count) {
    BEGIN(Needs::CONTEXT);
    return fill(lock, at, &value, 4, count, find_stream(nullptr), false);
}

EXPORT CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice) {
    BEGIN(Needs::DRIVER);
    *pool = &state().pool;
    return SUCCESS;
}
EXPORT CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice) {
    BEGIN(Needs::DRIVER);
    *pool = &state().pool;
    return SUCCESS;
}
EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool, size_t) {
    BEGIN(Needs::DRIVER);
    return SUCCESS;
}
EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value) {
    BEGIN(Needs::DRIVER);
    if (attribute == 4) {
        pool->release_threshold = *static_cast<uint64_t *>(value);
    }
    return SUCCESS;
}
// The threshold; what is reserved and used; other attributes are switches that are on.
EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value) {
    BEGIN(Needs::DRIVER);
    const Counters &counters = state().counters;
    if (attribute < 4) {
        *static_cast<int *>(value) = 1;
    } else if (attribute == 4) {
        *static_cast<uint64_t *>(value) = pool->release_threshold;
    } else {
        const bool is_peak = attribute == 6 || attribute == 8;
        *static_cast<uint64_t *>(value) = uint64_t(is_peak ? counters.peak_bytes : counters.live_bytes);
    }
    return SUCCESS;
}
