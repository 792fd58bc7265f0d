//! A cap on what a target may hold: memory asked for by a few bytes is a finding, whether it is touched or not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes held now.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// The most that may be held.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static ALLOCATOR: Capped = Capped;

/// Lets this process hold at most so many bytes from now on; what would take more ends it.
pub fn hold_at_most(bytes: usize) {
    MOST.store(bytes, Ordering::Relaxed);
}

/// The system's allocator, counted.
struct Capped;

impl Capped {
    fn take(bytes: usize) {
        let held = HELD.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let most = MOST.load(Ordering::Relaxed);
        if held > most {
            // Words take memory, too.
            MOST.store(usize::MAX, Ordering::Relaxed);
            eprintln!("{bytes} bytes more make {held}, at most {most} may be held");
            std::process::abort();
        }
    }

    fn give(bytes: usize) {
        HELD.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; beside it only numbers are kept.
unsafe impl GlobalAlloc for Capped {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::take(size);
        Self::give(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        Self::give(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }
}
