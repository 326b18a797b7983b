//! The imports and exports of a module. All unsafe code of this crate is here.
//!
//! Every import takes addresses and lengths of the module's own memory. Each wrapper passes the
//! address and the length of one slice or one local variable that lives until the call returns, and
//! the host writes to no other place and keeps no address. That is the whole argument of every
//! `SAFETY` comment below.
//!
//! Invariant: an address is never zero, which the host would take for a mistake. Rust's references
//! and slices, empty ones too, never are.

use super::{Chunk, Errno, HttpOutcome, LogRecord, RangeArguments};
use crate::rt;

mod imports {
    #[link(wasm_import_module = "spacetime_10.0")]
    unsafe extern "C" {
        pub fn table_id_from_name(name: *const u8, len: usize, out: *mut u32) -> u32;
        pub fn index_id_from_name(name: *const u8, len: usize, out: *mut u32) -> u32;
        pub fn datastore_table_row_count(table: u32, out: *mut u64) -> u32;
        pub fn datastore_table_scan_bsatn(table: u32, out: *mut u32) -> u32;
        pub fn datastore_index_scan_range_bsatn(
            index: u32,
            prefix: *const u8,
            prefix_len: usize,
            prefix_elems: u32,
            start: *const u8,
            start_len: usize,
            end: *const u8,
            end_len: usize,
            out: *mut u32,
        ) -> u32;
        pub fn datastore_delete_by_index_scan_range_bsatn(
            index: u32,
            prefix: *const u8,
            prefix_len: usize,
            prefix_elems: u32,
            start: *const u8,
            start_len: usize,
            end: *const u8,
            end_len: usize,
            out: *mut u32,
        ) -> u32;
        pub fn row_iter_bsatn_advance(iter: u32, buffer: *mut u8, len: *mut usize) -> u32;
        pub fn row_iter_bsatn_close(iter: u32) -> u32;
        pub fn datastore_insert_bsatn(table: u32, row: *mut u8, len: *mut usize) -> u32;
        pub fn datastore_update_bsatn(table: u32, index: u32, row: *mut u8, len: *mut usize)
        -> u32;
        pub fn datastore_delete_all_by_eq_bsatn(
            table: u32,
            rows: *const u8,
            len: usize,
            out: *mut u32,
        ) -> u32;
        pub fn bytes_source_read(source: u32, buffer: *mut u8, len: *mut usize) -> u32;
        pub fn bytes_sink_write(sink: u32, buffer: *const u8, len: *mut usize) -> u32;
        pub fn console_log(
            level: u32,
            target: *const u8,
            target_len: usize,
            file: *const u8,
            file_len: usize,
            line: u32,
            message: *const u8,
            message_len: usize,
        );
        pub fn console_timer_start(name: *const u8, len: usize) -> u32;
        pub fn console_timer_end(timer: u32) -> u32;
        pub fn identity(out: *mut u8);
        #[cfg(feature = "unstable")]
        pub fn volatile_nonatomic_schedule_immediate(
            name: *const u8,
            name_len: usize,
            arguments: *const u8,
            arguments_len: usize,
        );
    }

    #[link(wasm_import_module = "spacetime_10.1")]
    unsafe extern "C" {
        pub fn bytes_source_remaining_length(source: u32, out: *mut u32) -> u32;
    }

    #[link(wasm_import_module = "spacetime_10.2")]
    unsafe extern "C" {
        pub fn get_jwt(connection_id: *const u8, out: *mut u32) -> u32;
    }

    #[link(wasm_import_module = "spacetime_10.3")]
    unsafe extern "C" {
        pub fn procedure_start_mut_tx(out: *mut i64) -> u32;
        pub fn procedure_commit_mut_tx() -> u32;
        pub fn procedure_abort_mut_tx() -> u32;
        pub fn procedure_sleep_until(wake_micros: i64) -> i64;
        pub fn procedure_http_request(
            request: *const u8,
            request_len: usize,
            body: *const u8,
            body_len: usize,
            out: *mut [u32; 2],
        ) -> u32;
    }

    #[link(wasm_import_module = "spacetime_10.4")]
    unsafe extern "C" {
        pub fn datastore_index_scan_point_bsatn(
            index: u32,
            point: *const u8,
            len: usize,
            out: *mut u32,
        ) -> u32;
        pub fn datastore_delete_by_index_scan_point_bsatn(
            index: u32,
            point: *const u8,
            len: usize,
            out: *mut u32,
        ) -> u32;
    }

    #[link(wasm_import_module = "spacetime_10.5")]
    unsafe extern "C" {
        pub fn datastore_clear(table: u32, out: *mut u64) -> u32;
    }
}

/// Only the low half counts: that is what the host promises.
fn code(answer: u32) -> u16 {
    let [low, high, ..] = answer.to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn checked<T>(answer: u32, value: T) -> Result<T, Errno> {
    match Errno::from_code(code(answer)) {
        None => Ok(value),
        Some(errno) => Err(errno),
    }
}

fn chunk(answer: u32, len: usize) -> Chunk {
    match code(answer) {
        0 => Chunk::More(len),
        u16::MAX => Chunk::Last(len),
        code => match Errno::from_code(code) {
            Some(Errno::BUFFER_TOO_SMALL) => Chunk::TooSmall(len),
            Some(errno) => Chunk::Failed(errno),
            None => Chunk::More(len),
        },
    }
}

/// A call that fills in one number.
macro_rules! filled_in {
    ($zero:expr, |$out:ident| $call:expr) => {{
        let mut value = $zero;
        let $out = &raw mut value;
        // SAFETY: the slices and the place for the answer live until the call returns.
        let answer = unsafe { $call };
        checked(answer, value)
    }};
}

pub(crate) fn table_id_from_name(name: &str) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::table_id_from_name(
        name.as_ptr(),
        name.len(),
        out
    ))
}

pub(crate) fn index_id_from_name(name: &str) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::index_id_from_name(
        name.as_ptr(),
        name.len(),
        out
    ))
}

pub(crate) fn datastore_table_row_count(table: u32) -> Result<u64, Errno> {
    filled_in!(0, |out| imports::datastore_table_row_count(table, out))
}

pub(crate) fn datastore_table_scan(table: u32) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::datastore_table_scan_bsatn(table, out))
}

pub(crate) fn datastore_index_scan_point(index: u32, point: &[u8]) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::datastore_index_scan_point_bsatn(
        index,
        point.as_ptr(),
        point.len(),
        out
    ))
}

pub(crate) fn datastore_index_scan_range(
    index: u32,
    range: RangeArguments<'_>,
) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::datastore_index_scan_range_bsatn(
        index,
        range.prefix.as_ptr(),
        range.prefix.len(),
        range.prefix_elems,
        range.start.as_ptr(),
        range.start.len(),
        range.end.as_ptr(),
        range.end.len(),
        out
    ))
}

pub(crate) fn datastore_delete_by_index_scan_point(index: u32, point: &[u8]) -> Result<u32, Errno> {
    filled_in!(
        0,
        |out| imports::datastore_delete_by_index_scan_point_bsatn(
            index,
            point.as_ptr(),
            point.len(),
            out
        )
    )
}

pub(crate) fn datastore_delete_by_index_scan_range(
    index: u32,
    range: RangeArguments<'_>,
) -> Result<u32, Errno> {
    filled_in!(
        0,
        |out| imports::datastore_delete_by_index_scan_range_bsatn(
            index,
            range.prefix.as_ptr(),
            range.prefix.len(),
            range.prefix_elems,
            range.start.as_ptr(),
            range.start.len(),
            range.end.as_ptr(),
            range.end.len(),
            out
        )
    )
}

pub(crate) fn row_iter_advance(iter: u32, buffer: &mut [u8]) -> Chunk {
    let mut len = buffer.len();
    // SAFETY: the buffer and its length live until the call returns.
    let answer =
        unsafe { imports::row_iter_bsatn_advance(iter, buffer.as_mut_ptr(), &raw mut len) };
    chunk(answer, len)
}

pub(crate) fn row_iter_close(iter: u32) -> Result<(), Errno> {
    // SAFETY: no address is passed.
    checked(unsafe { imports::row_iter_bsatn_close(iter) }, ())
}

pub(crate) fn datastore_insert(table: u32, row: &mut [u8]) -> Result<usize, Errno> {
    let mut len = row.len();
    // SAFETY: the row and its length live until the call returns.
    let answer = unsafe { imports::datastore_insert_bsatn(table, row.as_mut_ptr(), &raw mut len) };
    checked(answer, len)
}

pub(crate) fn datastore_update(table: u32, index: u32, row: &mut [u8]) -> Result<usize, Errno> {
    let mut len = row.len();
    // SAFETY: the row and its length live until the call returns.
    let answer =
        unsafe { imports::datastore_update_bsatn(table, index, row.as_mut_ptr(), &raw mut len) };
    checked(answer, len)
}

pub(crate) fn datastore_delete_all_by_eq(table: u32, rows: &[u8]) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::datastore_delete_all_by_eq_bsatn(
        table,
        rows.as_ptr(),
        rows.len(),
        out
    ))
}

pub(crate) fn datastore_clear(table: u32) -> Result<u64, Errno> {
    filled_in!(0, |out| imports::datastore_clear(table, out))
}

pub(crate) fn bytes_source_read(source: u32, buffer: &mut [u8]) -> Chunk {
    let mut len = buffer.len();
    // SAFETY: the buffer and its length live until the call returns.
    let answer = unsafe { imports::bytes_source_read(source, buffer.as_mut_ptr(), &raw mut len) };
    chunk(answer, len)
}

pub(crate) fn bytes_source_remaining_length(source: u32) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::bytes_source_remaining_length(source, out))
}

pub(crate) fn bytes_sink_write(sink: u32, bytes: &[u8]) -> Result<usize, Errno> {
    let mut len = bytes.len();
    // SAFETY: the bytes and their length live until the call returns.
    let answer = unsafe { imports::bytes_sink_write(sink, bytes.as_ptr(), &raw mut len) };
    checked(answer, len)
}

pub(crate) fn console_log(record: LogRecord<'_>) {
    // An absent text is the one place where the host wants a zero address.
    let absent = (std::ptr::null(), 0);
    let (target, target_len) = record
        .target
        .map_or(absent, |text| (text.as_ptr(), text.len()));
    let (file, file_len) = record
        .file
        .map_or(absent, |text| (text.as_ptr(), text.len()));
    let line = record.line.unwrap_or(u32::MAX);
    let (message, message_len) = (record.message.as_ptr(), record.message.len());
    // SAFETY: the texts live until the call returns.
    unsafe {
        imports::console_log(
            record.level,
            target,
            target_len,
            file,
            file_len,
            line,
            message,
            message_len,
        );
    }
}

pub(crate) fn console_timer_start(name: &str) -> u32 {
    // SAFETY: the name lives until the call returns.
    unsafe { imports::console_timer_start(name.as_ptr(), name.len()) }
}

pub(crate) fn console_timer_end(timer: u32) -> Result<(), Errno> {
    // SAFETY: no address is passed.
    checked(unsafe { imports::console_timer_end(timer) }, ())
}

pub(crate) fn identity() -> [u8; 32] {
    let mut bytes = [0; 32];
    // SAFETY: the array has the 32 bytes that the host writes, and lives until the call returns.
    unsafe { imports::identity(bytes.as_mut_ptr()) };
    bytes
}

pub(crate) fn get_jwt(connection_id: &[u8; 16]) -> Result<u32, Errno> {
    filled_in!(0, |out| imports::get_jwt(connection_id.as_ptr(), out))
}

#[cfg(feature = "unstable")]
pub(crate) fn volatile_nonatomic_schedule_immediate(name: &str, arguments: &[u8]) {
    // SAFETY: both slices live until the call returns.
    unsafe {
        imports::volatile_nonatomic_schedule_immediate(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
        );
    }
}

pub(crate) fn procedure_start_mut_tx() -> Result<i64, Errno> {
    filled_in!(0, |out| imports::procedure_start_mut_tx(out))
}

pub(crate) fn procedure_commit_mut_tx() -> Result<(), Errno> {
    // SAFETY: no address is passed.
    checked(unsafe { imports::procedure_commit_mut_tx() }, ())
}

pub(crate) fn procedure_abort_mut_tx() -> Result<(), Errno> {
    // SAFETY: no address is passed.
    checked(unsafe { imports::procedure_abort_mut_tx() }, ())
}

pub(crate) fn procedure_sleep_until(wake_micros: i64) -> i64 {
    // SAFETY: no address is passed.
    unsafe { imports::procedure_sleep_until(wake_micros) }
}

pub(crate) fn procedure_http_request(request: &[u8], body: &[u8]) -> HttpOutcome {
    let mut out = [0u32; 2];
    // SAFETY: both slices and the two places for handles live until the call returns.
    let answer = unsafe {
        imports::procedure_http_request(
            request.as_ptr(),
            request.len(),
            body.as_ptr(),
            body.len(),
            &raw mut out,
        )
    };
    let [head, body] = out;
    match Errno::from_code(code(answer)) {
        None => HttpOutcome::Response { head, body },
        Some(Errno::HTTP_ERROR) => HttpOutcome::Failed(head),
        Some(errno) => HttpOutcome::Refused(errno),
    }
}

/// The exports. Their names and signatures are what the host looks for; none takes an address.
mod exports {
    use super::rt;

    // SAFETY (of all attributes here): no other item of a module has these names, since the host
    // gives them a meaning and this library is linked once.
    #[unsafe(no_mangle)]
    extern "C" fn __preinit__00_panic_hook() {
        crate::logger::install_panic_hook();
    }

    #[unsafe(no_mangle)]
    extern "C" fn __preinit__15_init_log() {
        crate::logger::install();
    }

    #[unsafe(no_mangle)]
    extern "C" fn __describe_module__(sink: u32) {
        super::super::write_sink(sink, &rt::describe());
    }

    #[unsafe(no_mangle)]
    extern "C" fn __call_reducer__(
        id: u32,
        sender_0: u64,
        sender_1: u64,
        sender_2: u64,
        sender_3: u64,
        connection_0: u64,
        connection_1: u64,
        timestamp: i64,
        arguments: u32,
        error: u32,
    ) -> i32 {
        let sender = [sender_0, sender_1, sender_2, sender_3];
        let caller = rt::Caller::new(sender, [connection_0, connection_1], timestamp);
        rt::call_reducer(id, caller, arguments, error)
    }

    #[unsafe(no_mangle)]
    extern "C" fn __call_procedure__(
        id: u32,
        sender_0: u64,
        sender_1: u64,
        sender_2: u64,
        sender_3: u64,
        connection_0: u64,
        connection_1: u64,
        timestamp: i64,
        arguments: u32,
        result: u32,
    ) -> i32 {
        let sender = [sender_0, sender_1, sender_2, sender_3];
        let caller = rt::Caller::new(sender, [connection_0, connection_1], timestamp);
        rt::call_procedure(id, caller, arguments, result)
    }

    #[unsafe(no_mangle)]
    extern "C" fn __call_view__(
        id: u32,
        sender_0: u64,
        sender_1: u64,
        sender_2: u64,
        sender_3: u64,
        _arguments: u32,
        sink: u32,
    ) -> i32 {
        rt::call_view(id, [sender_0, sender_1, sender_2, sender_3], sink)
    }

    #[unsafe(no_mangle)]
    extern "C" fn __call_view_anon__(id: u32, _arguments: u32, sink: u32) -> i32 {
        rt::call_anonymous_view(id, sink)
    }

    #[cfg(feature = "unstable")]
    #[unsafe(no_mangle)]
    extern "C" fn __call_http_handler__(
        id: u32,
        timestamp: i64,
        request: u32,
        body: u32,
        response_sink: u32,
        body_sink: u32,
    ) -> i32 {
        rt::call_http_handler(id, timestamp, [request, body], [response_sink, body_sink])
    }
}

/// Whoever asks for the system's randomness in a module gets an error: there is none.
#[cfg(feature = "rand")]
mod randomness {
    fn refuse(_: &mut [u8]) -> Result<(), getrandom::Error> {
        panic!("there is no system randomness in a module: use `ctx.rng()` or `ctx.random()`")
    }
    getrandom::register_custom_getrandom!(refuse);
}
