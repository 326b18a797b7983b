//! A module that calls any import of the host with any arguments: a test says which, in a script.
//!
//! A script is a list of steps. A step writes bytes into the arena (a piece of memory that scripts
//! work in), or calls an import; after each call the module logs what it returned and what the
//! arena looks like. Logs outlive a call that is undone, so a test sees how far a script came.
//!
//! ```text
//! step     = 0xff offset:u16 len:u16 bytes       writes into the arena
//!          | import:u8 argument*                 calls an import; it says how many arguments
//! argument = kind:u8 value:i64
//! kind     = 0 the value | 1 that offset in the arena | 2 so far behind the end of memory
//!          | 3 the u32 at that offset in the arena
//! ```
//! All numbers are little-endian.

use std::fmt::Write as _;

use spacetimedb::{
    procedure, reducer, table, view, AnonymousViewContext, ProcedureContext, ReducerContext,
};

/// Every kind of index, and generated keys. Rows have 17 bytes.
#[table(accessor = item, public, index(accessor = by_a_b, btree(columns = [a, b])))]
pub struct Item {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    #[unique]
    pub code: u32,
    pub a: u8,
    pub b: u16,
    #[index(hash)]
    pub h: u8,
    #[unique]
    #[index(direct)]
    pub d: u8,
}

/// A table without a key, with rows of any length.
#[table(accessor = bag, public)]
pub struct Bag {
    pub x: u8,
    pub s: String,
}

#[reducer]
pub fn run(_ctx: &ReducerContext, script: Vec<u8>) {
    run_script(&script);
}

#[procedure]
pub fn run_procedure(_ctx: &mut ProcedureContext, script: Vec<u8>) {
    run_script(&script);
}

/// What the view does.
#[table(accessor = view_script, public)]
pub struct ViewScript {
    #[primary_key]
    pub id: u8,
    pub script: Vec<u8>,
}

#[view(accessor = run_view, public)]
pub fn run_view(ctx: &AnonymousViewContext) -> Vec<Bag> {
    if let Some(step) = ctx.db.view_script().id().find(0) {
        run_script(&step.script);
    }
    Vec::new()
}

/// What an immediate call may name.
#[reducer]
pub fn nothing(_ctx: &ReducerContext) {}

#[link(wasm_import_module = "spacetime_10.0")]
extern "C" {
    fn table_id_from_name(a: u32, b: u32, c: u32) -> u32;
    fn index_id_from_name(a: u32, b: u32, c: u32) -> u32;
    fn datastore_table_row_count(a: u32, b: u32) -> u32;
    fn datastore_table_scan_bsatn(a: u32, b: u32) -> u32;
    #[rustfmt::skip]
    fn datastore_index_scan_range_bsatn(
        a: u32,
        b: u32,
        c: u32,
        d: u32,
        e: u32,
        f: u32,
        g: u32,
        h: u32,
        i: u32,
    ) -> u32;
    #[rustfmt::skip]
    fn datastore_btree_scan_bsatn(
        a: u32,
        b: u32,
        c: u32,
        d: u32,
        e: u32,
        f: u32,
        g: u32,
        h: u32,
        i: u32,
    ) -> u32;
    fn row_iter_bsatn_advance(a: u32, b: u32, c: u32) -> u32;
    fn row_iter_bsatn_close(a: u32) -> u32;
    fn datastore_insert_bsatn(a: u32, b: u32, c: u32) -> u32;
    fn datastore_update_bsatn(a: u32, b: u32, c: u32, d: u32) -> u32;
    #[rustfmt::skip]
    fn datastore_delete_by_index_scan_range_bsatn(
        a: u32,
        b: u32,
        c: u32,
        d: u32,
        e: u32,
        f: u32,
        g: u32,
        h: u32,
        i: u32,
    ) -> u32;
    #[rustfmt::skip]
    fn datastore_delete_by_btree_scan_bsatn(
        a: u32,
        b: u32,
        c: u32,
        d: u32,
        e: u32,
        f: u32,
        g: u32,
        h: u32,
        i: u32,
    ) -> u32;
    fn datastore_delete_all_by_eq_bsatn(a: u32, b: u32, c: u32, d: u32) -> u32;
    fn bytes_source_read(a: u32, b: u32, c: u32) -> u32;
    fn bytes_sink_write(a: u32, b: u32, c: u32) -> u32;
    #[rustfmt::skip]
    fn console_log(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32);
    fn console_timer_start(a: u32, b: u32) -> u32;
    fn console_timer_end(a: u32) -> u32;
    fn identity(a: u32);
    fn volatile_nonatomic_schedule_immediate(a: u32, b: u32, c: u32, d: u32);
}

#[link(wasm_import_module = "spacetime_10.1")]
extern "C" {
    fn bytes_source_remaining_length(a: u32, b: u32) -> u32;
}

#[link(wasm_import_module = "spacetime_10.2")]
extern "C" {
    fn get_jwt(a: u32, b: u32) -> u32;
}

#[link(wasm_import_module = "spacetime_10.3")]
extern "C" {
    fn procedure_start_mut_tx(a: u32) -> u32;
    fn procedure_commit_mut_tx() -> u32;
    fn procedure_abort_mut_tx() -> u32;
    fn procedure_sleep_until(a: i64) -> i64;
    fn procedure_http_request(a: u32, b: u32, c: u32, d: u32, e: u32) -> u32;
}

#[link(wasm_import_module = "spacetime_10.4")]
extern "C" {
    fn datastore_index_scan_point_bsatn(a: u32, b: u32, c: u32, d: u32) -> u32;
    fn datastore_delete_by_index_scan_point_bsatn(a: u32, b: u32, c: u32, d: u32) -> u32;
}

#[link(wasm_import_module = "spacetime_10.5")]
extern "C" {
    fn datastore_clear(a: u32, b: u32) -> u32;
}

const ARENA_BYTES: usize = 512;
const POKE: u8 = 0xff;

static mut ARENA: [u8; ARENA_BYTES] = [0; ARENA_BYTES];

fn arena() -> *mut u8 {
    (&raw mut ARENA).cast()
}

/// A copy of the arena: the host writes into it behind the compiler's back.
fn arena_now() -> [u8; ARENA_BYTES] {
    // SAFETY: the arena is that long, and there is one thread.
    unsafe { std::ptr::read_volatile((&raw const ARENA).cast()) }
}

/// What is left of a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk().expect("a whole script");
        self.0 = rest;
        *head
    }

    fn argument(&mut self) -> i64 {
        let [kind] = self.take();
        let value = i64::from_le_bytes(self.take());
        match kind {
            0 => value,
            1 => arena() as i64 + value,
            2 => memory_bytes() + value,
            _ => {
                let at = value as usize;
                let bytes: [u8; 4] = arena_now()[at..at + 4].try_into().expect("four bytes");
                i64::from(u32::from_le_bytes(bytes))
            }
        }
    }

    fn arguments<const N: usize>(&mut self) -> [u32; N] {
        std::array::from_fn(|_| self.argument() as u32)
    }
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> i64 {
    core::arch::wasm32::memory_size(0) as i64 * 65536
}

#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> i64 {
    0
}

fn run_script(script: &[u8]) {
    // SAFETY: the arena is that long, and there is one thread.
    unsafe { std::ptr::write_bytes(arena(), 0, ARENA_BYTES) };
    let mut script = Script(script);
    while !script.0.is_empty() {
        let [step] = script.take();
        if step == POKE {
            let at = usize::from(u16::from_le_bytes(script.take()));
            let len = usize::from(u16::from_le_bytes(script.take()));
            let (bytes, rest) = script.0.split_at(len);
            assert!(at + len <= ARENA_BYTES, "the bytes are for the arena");
            // SAFETY: checked just now.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arena().add(at), len) };
            script.0 = rest;
            continue;
        }
        let returned = call(step, &mut script);
        tell(returned);
    }
}

/// Logs how a call ended, as the test reads it.
fn tell(returned: i64) {
    let mut text = format!("{returned} {} {} ", arena() as usize, memory_bytes());
    for byte in arena_now() {
        let _ = write!(text, "{byte:02x}");
    }
    let target = "step";
    // SAFETY: the strings live until the call is over.
    unsafe {
        console_log(
            2,
            target.as_ptr() as u32,
            target.len() as u32,
            0,
            0,
            u32::MAX,
            text.as_ptr() as u32,
            text.len() as u32,
        );
    }
}

/// Calls an import. The host must cope with any arguments, so this is as safe as the arena is big.
#[rustfmt::skip]
fn call(import: u8, script: &mut Script<'_>) -> i64 {
    macro_rules! with {
        ($import:ident($($arg:ident),*)) => {{
            let [$($arg),*] = script.arguments();
            // SAFETY: pointers that the host may write through lead into the arena.
            i64::from(unsafe { $import($($arg),*) } as i32)
        }};
    }
    macro_rules! without_result {
        ($import:ident($($arg:ident),*)) => {{
            let [$($arg),*] = script.arguments();
            // SAFETY: as above.
            unsafe { $import($($arg),*) };
            0
        }};
    }
    match import {
        0 => with!(table_id_from_name(a, b, c)),
        1 => with!(index_id_from_name(a, b, c)),
        2 => with!(datastore_table_row_count(a, b)),
        3 => with!(datastore_table_scan_bsatn(a, b)),
        4 => with!(datastore_index_scan_range_bsatn(a, b, c, d, e, f, g, h, i)),
        5 => with!(datastore_btree_scan_bsatn(a, b, c, d, e, f, g, h, i)),
        6 => with!(row_iter_bsatn_advance(a, b, c)),
        7 => with!(row_iter_bsatn_close(a)),
        8 => with!(datastore_insert_bsatn(a, b, c)),
        9 => with!(datastore_update_bsatn(a, b, c, d)),
        10 => with!(datastore_delete_by_index_scan_range_bsatn(a, b, c, d, e, f, g, h, i)),
        11 => with!(datastore_delete_by_btree_scan_bsatn(a, b, c, d, e, f, g, h, i)),
        12 => with!(datastore_delete_all_by_eq_bsatn(a, b, c, d)),
        13 => with!(bytes_source_read(a, b, c)),
        14 => with!(bytes_sink_write(a, b, c)),
        15 => without_result!(console_log(a, b, c, d, e, f, g, h)),
        16 => with!(console_timer_start(a, b)),
        17 => with!(console_timer_end(a)),
        18 => without_result!(identity(a)),
        19 => without_result!(volatile_nonatomic_schedule_immediate(a, b, c, d)),
        20 => with!(bytes_source_remaining_length(a, b)),
        21 => with!(get_jwt(a, b)),
        22 => with!(procedure_start_mut_tx(a)),
        23 => with!(procedure_commit_mut_tx()),
        24 => with!(procedure_abort_mut_tx()),
        25 => {
            let until = script.argument();
            // SAFETY: no pointers.
            unsafe { procedure_sleep_until(until) }
        }
        26 => with!(procedure_http_request(a, b, c, d, e)),
        27 => with!(datastore_index_scan_point_bsatn(a, b, c, d)),
        28 => with!(datastore_delete_by_index_scan_point_bsatn(a, b, c, d)),
        29 => with!(datastore_clear(a, b)),
        other => panic!("there is no import {other}"),
    }
}
