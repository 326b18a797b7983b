//! A module that calls the host as no honest module would.
//!
//! It is written against the bare imports and exports, without the official library. Its
//! reducers take no arguments. There are three kinds, told apart by the start of the name:
//!   * `trap_...`: the host must end the call; a reducer that gets past it answers "survived";
//!   * `errno_...`: the host must answer with an error number; the reducer commits if it was
//!     the right one, and says which it was otherwise;
//!   * `odd_...`: the host must simply cope.
//!
//! Invariant: a reducer's id is its place in `REDUCERS`, since that is the order in which the
//! module describes them.

use std::hint::black_box;

/// An address far outside the memory of this module.
const OUTSIDE: usize = 0xffff_ff00;
/// A handle that the host has never given out.
const UNKNOWN: u32 = 123_456;

const NO_SUCH_TABLE: u16 = 4;
const NO_SUCH_INDEX: u16 = 5;
const NO_SUCH_ITER: u16 = 6;
const NO_SUCH_TIMER: u16 = 7;
const NO_SUCH_BYTES: u16 = 8;

/// What `__call_reducer__` returns.
const COMMITTED: i32 = 0;
const FAILED: i32 = 1;

#[link(wasm_import_module = "spacetime_10.0")]
extern "C" {
    fn table_id_from_name(name: *const u8, name_len: usize, out: *mut u32) -> u16;
    fn index_id_from_name(name: *const u8, name_len: usize, out: *mut u32) -> u16;
    fn datastore_table_scan_bsatn(table: u32, out: *mut u32) -> u16;
    fn datastore_index_scan_range_bsatn(
        index: u32,
        prefix: *const u8,
        prefix_len: usize,
        prefix_elems: u32,
        start: *const u8,
        start_len: usize,
        end: *const u8,
        end_len: usize,
        out: *mut u32,
    ) -> u16;
    fn datastore_insert_bsatn(table: u32, row: *mut u8, row_len: *mut usize) -> u16;
    fn row_iter_bsatn_advance(iter: u32, buffer: *mut u8, buffer_len: *mut usize) -> i16;
    fn row_iter_bsatn_close(iter: u32) -> u16;
    fn bytes_source_read(source: u32, buffer: *mut u8, buffer_len: *mut usize) -> i16;
    fn bytes_sink_write(sink: u32, buffer: *const u8, buffer_len: *mut usize) -> u16;
    fn console_log(
        level: u32,
        target: *const u8,
        target_len: usize,
        file: *const u8,
        file_len: usize,
        line: u32,
        text: *const u8,
        text_len: usize,
    );
    fn console_timer_start(name: *const u8, name_len: usize) -> u32;
    fn console_timer_end(timer: u32) -> u16;
    fn identity(out: *mut u8);
}

type Outcome = Result<i32, Vec<u8>>;
type Reducer = (&'static str, fn(u32) -> Outcome);

const REDUCERS: [Reducer; 21] = [
    ("trap_name_at_null", |_| {
        survived(name_lookup(std::ptr::null(), 0))
    }),
    ("trap_name_outside_memory", |_| {
        survived(name_lookup(OUTSIDE as *const u8, 4))
    }),
    ("trap_name_longer_than_memory", |_| {
        survived(name_lookup(b"x".as_ptr(), usize::MAX))
    }),
    ("trap_name_not_utf8", |_| {
        survived(name_lookup([0xff, 0xfe].as_ptr(), 2))
    }),
    ("trap_result_outside_memory", |_| {
        survived(unsafe { table_id_from_name(b"st_table".as_ptr(), 8, OUTSIDE as *mut u32) })
    }),
    ("trap_identity_outside_memory", |_| {
        unsafe { identity(OUTSIDE as *mut u8) };
        survived(0)
    }),
    ("trap_row_outside_memory", |_| {
        let mut len = 64;
        survived(unsafe { datastore_insert_bsatn(1, OUTSIDE as *mut u8, &mut len) })
    }),
    ("trap_error_text_outside_memory", |sink| {
        let mut len = 1 << 20;
        survived(unsafe { bytes_sink_write(sink, OUTSIDE as *const u8, &mut len) })
    }),
    ("trap_too_many_prefix_columns", |_| {
        survived(scan_range(1, 1 << 16))
    }),
    ("errno_table", |_| {
        let mut iter = 0;
        expect(NO_SUCH_TABLE, unsafe {
            datastore_table_scan_bsatn(UNKNOWN, &mut iter)
        })
    }),
    ("errno_table_name", |_| {
        expect(NO_SUCH_TABLE, name_lookup(b"nowhere".as_ptr(), 7))
    }),
    ("errno_index", |_| {
        expect(NO_SUCH_INDEX, scan_range(UNKNOWN, 0))
    }),
    ("errno_index_name", |_| {
        let mut id = 0;
        expect(NO_SUCH_INDEX, unsafe {
            index_id_from_name(b"nowhere".as_ptr(), 7, &mut id)
        })
    }),
    ("errno_iterator", |_| {
        let (mut buffer, mut len) = ([0; 8], 8);
        let status = unsafe { row_iter_bsatn_advance(UNKNOWN, buffer.as_mut_ptr(), &mut len) };
        expect(NO_SUCH_ITER, status as u16)?;
        expect(NO_SUCH_ITER, unsafe { row_iter_bsatn_close(0) })
    }),
    ("errno_bytes", |_| {
        let (mut buffer, mut len) = ([0; 8], 8);
        let status = unsafe { bytes_source_read(UNKNOWN, buffer.as_mut_ptr(), &mut len) };
        expect(NO_SUCH_BYTES, status as u16)?;
        expect(NO_SUCH_BYTES, unsafe {
            bytes_sink_write(UNKNOWN, buffer.as_ptr(), &mut len)
        })
    }),
    ("errno_timer", |_| {
        expect(NO_SUCH_TIMER, unsafe { console_timer_end(UNKNOWN) })
    }),
    ("odd_return_code", |_| Ok(77)),
    ("odd_error_text", |_| Err(vec![b'a', 0xff, b'b'])),
    ("odd_large_error_text", |_| Err(vec![b'x'; 16 << 20])),
    ("odd_log_lines", |_| {
        log(99, b"a level that there is not".as_ptr(), 25);
        log(2, [0xff, 0xfe].as_ptr(), 2);
        log(2, std::ptr::null(), 5);
        log(2, OUTSIDE as *const u8, usize::MAX);
        Ok(COMMITTED)
    }),
    ("odd_many_timers", |_| {
        for _ in 0..100_000 {
            black_box(unsafe { console_timer_start(b"timer".as_ptr(), 5) });
        }
        Ok(COMMITTED)
    }),
];

/// Describes the reducers, and nothing else.
#[no_mangle]
extern "C" fn __describe_module__(sink: u32) {
    // The tenth format, with one section: the third, the reducers.
    let mut bytes = vec![2, 1, 0, 0, 0, 3];
    bytes.extend((REDUCERS.len() as u32).to_le_bytes());
    for (name, _) in REDUCERS {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend(name.as_bytes());
        // No parameters; clients may call it; nothing comes back, or an error as a string.
        bytes.extend([0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 4]);
    }
    write_all(sink, &bytes);
}

/// The identity, the connection and the time are of no interest here.
#[no_mangle]
extern "C" fn __call_reducer__(
    id: u32,
    _sender_0: u64,
    _sender_1: u64,
    _sender_2: u64,
    _sender_3: u64,
    _connection_0: u64,
    _connection_1: u64,
    _timestamp: u64,
    _arguments: u32,
    error_sink: u32,
) -> i32 {
    let outcome = match REDUCERS.get(id as usize) {
        Some((_, reducer)) => reducer(error_sink),
        None => Err(b"no such reducer".to_vec()),
    };
    match outcome {
        Ok(code) => code,
        Err(text) => {
            write_all(error_sink, &text);
            FAILED
        }
    }
}

fn name_lookup(name: *const u8, len: usize) -> u16 {
    let mut id = 0;
    unsafe { table_id_from_name(name, len, &mut id) }
}

fn scan_range(index: u32, prefix_elems: u32) -> u16 {
    let (unbounded, mut iter) = ([2u8], 0);
    let bound = unbounded.as_ptr();
    unsafe {
        datastore_index_scan_range_bsatn(
            index,
            bound,
            0,
            prefix_elems,
            bound,
            1,
            bound,
            1,
            &mut iter,
        )
    }
}

fn log(level: u32, text: *const u8, len: usize) {
    let nothing = std::ptr::null();
    unsafe { console_log(level, nothing, 0, nothing, 0, 0, text, len) }
}

fn survived(errno: u16) -> Outcome {
    Err(format!("survived: the host answered {errno}").into_bytes())
}

fn expect(expected: u16, found: u16) -> Outcome {
    if found == expected {
        return Ok(COMMITTED);
    }
    Err(format!("the host answered {found}, not {expected}").into_bytes())
}

fn write_all(sink: u32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut len = bytes.len();
        let errno = unsafe { bytes_sink_write(sink, bytes.as_ptr(), &mut len) };
        if errno != 0 {
            return;
        }
        bytes = &bytes[len..];
    }
}
