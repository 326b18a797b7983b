//! Buffers that are used again: a call that looks up a thousand rows asks for memory once.
//!
//! Invariant: a buffer has one user at a time; whoever takes one gives it back or drops it.

use std::cell::RefCell;

/// More than this many buffers of a kind are not kept.
const KEPT_MAX: usize = 8;

/// Buffers that have grown larger than this are not kept.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// What a row buffer starts with; the host fills it with as many rows as fit.
const ROW_BUFFER_BYTES: usize = 1 << 16;

struct Kept {
    writing: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const {
        RefCell::new(Kept {
            writing: Vec::new(),
            rows: Vec::new(),
        })
    };
}

fn keep(kept: &mut Vec<Vec<u8>>, buffer: Vec<u8>) {
    if kept.len() < KEPT_MAX && buffer.capacity() <= KEPT_BYTES_MAX {
        kept.push(buffer);
    }
}

/// Runs `body` with an empty buffer to write into.
pub(crate) fn with_buffer<T>(body: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = KEPT
        .with_borrow_mut(|kept| kept.writing.pop())
        .unwrap_or_default();
    buffer.clear();
    let result = body(&mut buffer);
    KEPT.with_borrow_mut(|kept| keep(&mut kept.writing, buffer));
    result
}

/// A buffer for the host to fill: its length is the room in it.
pub(crate) fn take_row_buffer() -> Vec<u8> {
    let kept = KEPT.with_borrow_mut(|kept| kept.rows.pop());
    kept.unwrap_or_else(|| vec![0; ROW_BUFFER_BYTES])
}

pub(crate) fn give_row_buffer(buffer: Vec<u8>) {
    // `try_with`: a row iterator may be dropped while the thread ends.
    let _ = KEPT.try_with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut() {
            keep(&mut kept.rows, buffer);
        }
    });
}
