// Makes a kernel known: `tsds_sim::Known<decltype(&kernel), &kernel>` calls it with the parameters of a launch.
#pragma once

#include <utility>

#include "state.h"

namespace tsds_sim {

template <class F, F kernel> struct Known;
template <class... A, void (*kernel)(A...)> struct Known<void (*)(A...), kernel> {
    static constexpr unsigned sizes[sizeof...(A) + 1] = {(unsigned)sizeof(A)..., 0};

    // Reads what the host has laid out: no access of the kernel's.
    template <size_t... I>
    __attribute__((no_sanitize("thread"), no_sanitize("undefined"))) static void call_with(void *const *parameters, std::index_sequence<I...>) {
        kernel(*static_cast<typename std::remove_reference<A>::type *>(parameters[I])...);
    }
    __attribute__((no_sanitize("thread"), no_sanitize("undefined"))) static void call(void *const *parameters) { call_with(parameters, std::index_sequence_for<A...>()); }

    static KernelEntry *entry(const char *name, unsigned launch_bound) {
        static KernelEntry entry = {name, launch_bound, sizeof...(A), sizes, call, nullptr};
        return &entry;
    }
};

inline int add(KernelEntry *entry) {
    entry->next = kernels;
    kernels = entry;
    return 0;
}

} // namespace tsds_sim
