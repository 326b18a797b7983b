//! The calls outside of a database: to the host that the thread was given.
//!
//! Invariant: without a host every call but a log record panics, and says what to do.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Chunk, Errno, HttpOutcome, LogRecord, RangeArguments};

thread_local! {
    static HOST: RefCell<Option<Rc<dyn NativeHost>>> = const { RefCell::new(None) };
}

/// Gives this thread a host, or takes it away. Returns the one it had.
pub fn set_native_host(host: Option<Rc<dyn NativeHost>>) -> Option<Rc<dyn NativeHost>> {
    HOST.with(|current| current.replace(host))
}

#[cold]
fn unavailable(call: &str) -> ! {
    panic!(
        "`{call}` is a call into the database, but this code runs outside of one: build it for \
         wasm32-unknown-unknown and publish it, or give the thread a host (`set_native_host`)"
    )
}

macro_rules! calls {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// What a module asks of the database that it runs in. Every call that is not provided
        /// panics.
        pub trait NativeHost {
            $($(#[$doc])*
            fn $name(&self, $($argument: $type),*) $(-> $result)? {
                $(let _ = $argument;)*
                unavailable(stringify!($name))
            })*

            /// Takes a record of the log.
            fn console_log(&self, record: LogRecord<'_>) {
                let _ = record;
            }
        }

        // One of them is for the feature `unstable` alone.
        $(#[allow(dead_code)]
        pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
            let host = HOST.with(|host| host.borrow().clone());
            match host {
                Some(host) => host.$name($($argument),*),
                None => unavailable(stringify!($name)),
            }
        })*
    };
}

calls! {
    /// The id of a table, by its source name.
    fn table_id_from_name(name: &str) -> Result<u32, Errno>;
    /// The id of an index, by its source name.
    fn index_id_from_name(name: &str) -> Result<u32, Errno>;
    /// How many rows a table has.
    fn datastore_table_row_count(table: u32) -> Result<u64, Errno>;
    /// A row iterator over a whole table.
    fn datastore_table_scan(table: u32) -> Result<u32, Errno>;
    /// A row iterator over the rows with this key.
    fn datastore_index_scan_point(index: u32, point: &[u8]) -> Result<u32, Errno>;
    /// A row iterator over a range of keys.
    fn datastore_index_scan_range(index: u32, range: RangeArguments<'_>) -> Result<u32, Errno>;
    /// Deletes the rows with this key.
    fn datastore_delete_by_index_scan_point(index: u32, point: &[u8]) -> Result<u32, Errno>;
    /// Deletes the rows in a range of keys.
    fn datastore_delete_by_index_scan_range(
        index: u32, range: RangeArguments<'_>
    ) -> Result<u32, Errno>;
    /// The next rows.
    fn row_iter_advance(iter: u32, buffer: &mut [u8]) -> Chunk;
    /// Gives up an iterator before its end.
    fn row_iter_close(iter: u32) -> Result<(), Errno>;
    /// Inserts; generated columns come back in the buffer, and their length.
    fn datastore_insert(table: u32, row: &mut [u8]) -> Result<usize, Errno>;
    /// Updates through a unique index; generated columns come back as with an insert.
    fn datastore_update(table: u32, index: u32, row: &mut [u8]) -> Result<usize, Errno>;
    /// Deletes the rows in an array of rows.
    fn datastore_delete_all_by_eq(table: u32, rows: &[u8]) -> Result<u32, Errno>;
    /// Deletes every row.
    fn datastore_clear(table: u32) -> Result<u64, Errno>;
    /// Reads from a byte source.
    fn bytes_source_read(source: u32, buffer: &mut [u8]) -> Chunk;
    /// How much a byte source still has.
    fn bytes_source_remaining_length(source: u32) -> Result<u32, Errno>;
    /// Writes to a byte sink; returns how much was taken.
    fn bytes_sink_write(sink: u32, bytes: &[u8]) -> Result<usize, Errno>;
    /// Starts a timer that logs.
    fn console_timer_start(name: &str) -> u32;
    /// Ends it.
    fn console_timer_end(timer: u32) -> Result<(), Errno>;
    /// The database's own identity, low byte first.
    fn identity() -> [u8; 32];
    /// A byte source with the claims of a connection's token; 0 if there are none.
    fn get_jwt(connection_id: &[u8; 16]) -> Result<u32, Errno>;
    /// Queues a call at once, whatever becomes of the transaction.
    fn volatile_nonatomic_schedule_immediate(name: &str, arguments: &[u8]);
    /// Opens a transaction; returns its time in microseconds.
    fn procedure_start_mut_tx() -> Result<i64, Errno>;
    /// Commits it.
    fn procedure_commit_mut_tx() -> Result<(), Errno>;
    /// Undoes it.
    fn procedure_abort_mut_tx() -> Result<(), Errno>;
    /// Sleeps; returns the time afterwards.
    fn procedure_sleep_until(wake_micros: i64) -> i64;
    /// Sends a request.
    fn procedure_http_request(request: &[u8], body: &[u8]) -> HttpOutcome;
}

/// Without a host, records of the log are lost: a library may log in a test.
pub(crate) fn console_log(record: LogRecord<'_>) {
    if let Some(host) = HOST.with(|host| host.borrow().clone()) {
        host.console_log(record);
    }
}
