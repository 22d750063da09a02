// The calls that compilers put into kernels: those of the thread sanitizer for accesses, those of the undefined behaviour
// sanitizer for what C++ leaves open and a GPU may do differently.
#include "execution.h"

#include <cinttypes>
#include <cstring>

#define HIDDEN extern "C" __attribute__((visibility("hidden")))

static inline void aligned(void *at, unsigned bytes, bool is_write) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    if ((address & (bytes - 1)) != 0) {
        fail_kernel(MISALIGNED_ADDRESS, "%s %u bytes at an address that is %" PRIuPTR " beyond a multiple of that",
                    is_write ? "writes" : "reads", bytes, address & (bytes - 1));
    }
    check_access(address, bytes, is_write, false);
}

#define ACCESS(bytes)                                                                                                    \
    HIDDEN void __tsan_read##bytes(void *at) { aligned(at, bytes, false); }                                              \
    HIDDEN void __tsan_write##bytes(void *at) { aligned(at, bytes, true); }                                              \
    HIDDEN void __tsan_volatile_read##bytes(void *at) { aligned(at, bytes, false); }                                     \
    HIDDEN void __tsan_volatile_write##bytes(void *at) { aligned(at, bytes, true); }                                     \
    HIDDEN void __tsan_unaligned_read##bytes(void *at) { check_access(uintptr_t(at), bytes, false, false); }             \
    HIDDEN void __tsan_unaligned_write##bytes(void *at) { check_access(uintptr_t(at), bytes, true, false); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

HIDDEN void __tsan_read_range(void *at, size_t bytes) { check_access(uintptr_t(at), unsigned(bytes), false, false); }
HIDDEN void __tsan_write_range(void *at, size_t bytes) { check_access(uintptr_t(at), unsigned(bytes), true, false); }
HIDDEN void __tsan_init() {}
HIDDEN void __tsan_func_entry(void *) {}
HIDDEN void __tsan_func_exit() {}
HIDDEN void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
    check_access(uintptr_t(from), unsigned(bytes), false, false);
    check_access(uintptr_t(to), unsigned(bytes), true, false);
    return memcpy(to, from, bytes);
}
HIDDEN void *__tsan_memmove(void *to, const void *from, size_t bytes) {
    check_access(uintptr_t(from), unsigned(bytes), false, false);
    check_access(uintptr_t(to), unsigned(bytes), true, false);
    return memmove(to, from, bytes);
}
HIDDEN void *__tsan_memset(void *to, int value, size_t bytes) {
    check_access(uintptr_t(to), unsigned(bytes), true, false);
    return memset(to, value, bytes);
}

// All data that the undefined behaviour sanitizer hands over begins with the place in the source.
struct Source {
    const char *file;
    uint32_t line, column;
};

[[noreturn]] static void undefined(const void *data, const char *what) {
    const Source *source = static_cast<const Source *>(data);
    const char *file = source->file ? strrchr(source->file, '/') : nullptr;
    fail_kernel(LAUNCH_FAILED, "%s in %s:%u:%u", what, file ? file + 1 : source->file ? source->file : "?", source->line,
                source->column);
}

#define UNDEFINED(name, what)                                                                                            \
    HIDDEN void __ubsan_handle_##name(void *data) { undefined(data, what); }
UNDEFINED(shift_out_of_bounds, "a shift by as many bits as the number has, or more")
UNDEFINED(divrem_overflow, "a division by zero, or one that overflows")
UNDEFINED(add_overflow, "a signed addition overflows")
UNDEFINED(sub_overflow, "a signed subtraction overflows")
UNDEFINED(mul_overflow, "a signed multiplication overflows")
UNDEFINED(negate_overflow, "a signed negation overflows")
UNDEFINED(out_of_bounds, "an index beyond the end of its array")
UNDEFINED(type_mismatch_v1, "a null or misaligned pointer")
UNDEFINED(pointer_overflow, "a pointer overflows")
UNDEFINED(builtin_unreachable, "a place is reached that cannot be")
UNDEFINED(missing_return, "a function ends without the value it owes")
UNDEFINED(load_invalid_value, "a value that its type does not have")
UNDEFINED(float_cast_overflow, "a number that does not fit its new type")
UNDEFINED(invalid_builtin, "a builtin called with what it is not defined for")
UNDEFINED(vla_bound_not_positive, "an array of no or negative length")
UNDEFINED(nonnull_arg, "a null pointer where none may be")

namespace {
enum Atomic { ADD, EXCHANGE, MIN, MAX, MIN_SIGNED, MAX_SIGNED, BITS_AND, BITS_OR, BITS_XOR, COMPARE, INCREMENT, DECREMENT };

template <class U, class S> unsigned long long atomic(int what, void *at, U a, U b) {
    U old, next;
    memcpy(&old, at, sizeof old);
    switch (what) {
    case ADD: next = U(old + a); break;
    case EXCHANGE: next = a; break;
    case MIN: next = a < old ? a : old; break;
    case MAX: next = a > old ? a : old; break;
    case MIN_SIGNED: next = S(a) < S(old) ? a : old; break;
    case MAX_SIGNED: next = S(a) > S(old) ? a : old; break;
    case BITS_AND: next = old & a; break;
    case BITS_OR: next = old | a; break;
    case BITS_XOR: next = old ^ a; break;
    case INCREMENT: next = old >= a ? 0 : old + 1; break;
    case DECREMENT: next = old == 0 || old > a ? a : old - 1; break;
    default: next = old == a ? b : old; break;
    }
    memcpy(at, &next, sizeof next);
    return old;
}
} // namespace

HIDDEN unsigned long long tsds_sim_atomic(int what, void *at, int bytes, unsigned long long a, unsigned long long b) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    if ((address & uintptr_t(bytes - 1)) != 0) {
        fail_kernel(MISALIGNED_ADDRESS, "an atomic of %d bytes at an address that is %" PRIuPTR " beyond a multiple of that",
                    bytes, address & uintptr_t(bytes - 1));
    }
    check_access(address, unsigned(bytes), true, true);
    return bytes == 4 ? atomic<uint32_t, int32_t>(what, at, uint32_t(a), uint32_t(b))
                      : atomic<uint64_t, int64_t>(what, at, a, b);
}
