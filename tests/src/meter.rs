//! Measures how much memory a call takes: an allocator that counts, thread by thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread has allocated and not freed; negative when it frees what others allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The largest that `LIVE` has been.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with a count. [`conformance_main!`](crate::conformance_main) installs it as the global
/// allocator; without it, cases that bound memory are shown as `unsupported:memory_meter`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryMeter;

fn count(bytes: isize) {
    // While a thread ends its counters may be gone; nobody measures then.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose promises are then ours; counting touches
// thread-local cells that need neither allocation nor destructors.
unsafe impl GlobalAlloc for MemoryMeter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as in `alloc`; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist for a moment.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as in `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The most bytes that this thread held during `work` beyond what it held before.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Bytes that this thread has allocated and not freed, or less if it freed what others allocated: for differences only.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// Whether the meter is the global allocator of this program.
pub(crate) fn is_installed() -> bool {
    peak_of(|| std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(4_096)))).1 >= 4_096
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static METER: MemoryMeter = MemoryMeter;

    #[test]
    fn the_peak_counts_what_was_freed_again() {
        assert!(is_installed());
        let (length, peak) = peak_of(|| {
            let first = vec![1u8; 10_000];
            let length = first.len();
            drop(first);
            length + vec![1u8; 5_000].len()
        });
        assert_eq!(length, 15_000);
        assert!((10_000..12_000).contains(&peak), "{peak}");
    }

    #[test]
    fn what_was_freed_is_live_no_longer() {
        let before = live();
        let kept = vec![1u8; 10_000];
        drop(vec![1u8; 50_000]);
        assert!((10_000..12_000).contains(&(live() - before)));
        drop(kept);
        assert!(live() - before < 2_000);
    }

    #[test]
    fn growing_counts_both_copies() {
        let (_, peak) = peak_of(|| {
            let mut bytes = Vec::<u8>::with_capacity(10_000);
            bytes.reserve_exact(20_000);
            bytes
        });
        assert!(peak >= 30_000, "{peak}");
    }
}
