//! How the system allocator treats what is freed.

/// Asks the system allocator to use what any thread freed for whatever is allocated next. For programs that own their process:
/// call it first in `main`, before there are threads.
///
/// Sealing, merging and writing Parquet allocate blocks of megabytes on many threads. By default, glibc gives each thread an
/// arena of its own and keeps there what the thread freed, so that a process comes to hold about twice what is in use. With
/// one arena it holds little more than that, and is faster, since most blocks come with their pages; small blocks are cached
/// by each thread in either case, so that threads rarely wait for one another. Where another allocator is used, on another
/// system or as the program's global allocator, this does nothing.
pub fn share_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` sets a parameter of the allocator under the allocator's own lock, takes no pointers, and is documented
    // for this parameter. An unsuccessful call leaves the parameter as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
