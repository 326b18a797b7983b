//! The module under the clients: written by hand, so that any tables can be declared without
//! building anything.
//!
//! Its one reducer takes a script of changes. Each is a byte for its kind, a table or index, a
//! number whose meaning depends on the kind, a length, and so many bytes.

use anyhow::{Context as _, Result};

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    Insert {
        table: u32,
        row: Vec<u8>,
        must_work: bool,
    },
    /// Deletes rows that are equal to these.
    Delete {
        table: u32,
        rows: Vec<Vec<u8>>,
    },
    /// Replaces the row with the same key.
    Update {
        table: u32,
        index: u32,
        row: Vec<u8>,
        must_work: bool,
    },
    DeleteByPoint {
        index: u32,
        point: Vec<u8>,
    },
    Clear {
        table: u32,
    },
    /// Returns an error.
    Fail,
    /// Traps.
    Trap,
}

/// The reducer's error.
pub const FAILED: &str = "failed";

/// The reducer's arguments for a script.
#[must_use]
pub fn arguments(steps: &[Step]) -> Vec<u8> {
    let mut script = Vec::new();
    for step in steps {
        let joined;
        let (kind, target, number, bytes): (u8, u32, u32, &[u8]) = match step {
            Step::Insert {
                table,
                row,
                must_work,
            } => (0, *table, u32::from(*must_work), row),
            Step::Delete { table, rows } => {
                let count = u32::try_from(rows.len()).expect("few rows");
                joined = [&count.to_le_bytes()[..], &rows.concat()].concat();
                (1, *table, 0, &joined)
            }
            Step::Update {
                table,
                index,
                row,
                must_work,
            } => {
                joined = [&index.to_le_bytes()[..], row].concat();
                (2, *table, u32::from(*must_work), &joined)
            }
            Step::DeleteByPoint { index, point } => (3, *index, 0, point),
            Step::Clear { table } => (4, *table, 0, &[]),
            Step::Fail => (5, 0, 0, &[]),
            Step::Trap => (6, 0, 0, &[]),
        };
        script.push(kind);
        script.extend_from_slice(&target.to_le_bytes());
        script.extend_from_slice(&number.to_le_bytes());
        script.extend_from_slice(&len(bytes).to_le_bytes());
        script.extend_from_slice(bytes);
    }
    [&len(&script).to_le_bytes()[..], &script].concat()
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("scripts are short")
}

/// The module with this description, as WebAssembly.
pub fn build(description: &[u8]) -> Result<Vec<u8>> {
    let data: String = description
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let text = TEXT
        .replace("$DESCRIPTION_LEN", &description.len().to_string())
        .replace("$DESCRIPTION", &data);
    wat::parse_str(&text).context("the module's text")
}

/// Memory: 16 for lengths and results, 64 for the error, 4096 for the description, and the script
/// from 1 MiB on.
const TEXT: &str = r#"
(module
  (import "spacetime_10.0" "datastore_insert_bsatn"
    (func $insert (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_update_bsatn"
    (func $update (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_delete_all_by_eq_bsatn"
    (func $delete (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.4" "datastore_delete_by_index_scan_point_bsatn"
    (func $delete_point (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.5" "datastore_clear" (func $clear (param i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_source_read"
    (func $read (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_sink_write"
    (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (data (i32.const 64) "failed")
  (data (i32.const 4096) "$DESCRIPTION")
  (func (export "__describe_module__") (param $sink i32)
    (i32.store (i32.const 16) (i32.const $DESCRIPTION_LEN))
    (drop (call $write (local.get $sink) (i32.const 4096) (i32.const 16))))
  (func $failed (param $error i32) (result i32)
    (i32.store (i32.const 16) (i32.const 6))
    (drop (call $write (local.get $error) (i32.const 64) (i32.const 16)))
    (i32.const 1))
  (func (export "__call_reducer__")
    (param $id i32) (param i64 i64 i64 i64 i64 i64 i64) (param $args i32) (param $error i32)
    (result i32)
    (local $at i32) (local $end i32) (local $kind i32) (local $target i32) (local $number i32)
    (local $len i32) (local $status i32)
    (i32.store (i32.const 16) (i32.const 15728640))
    (drop (call $read (local.get $args) (i32.const 1048576) (i32.const 16)))
    (local.set $end (i32.add (i32.const 1048576) (i32.load (i32.const 16))))
    (local.set $at (i32.const 1048580))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $kind (i32.load8_u (local.get $at)))
        (local.set $target (i32.load offset=1 (local.get $at)))
        (local.set $number (i32.load offset=5 (local.get $at)))
        (local.set $len (i32.load offset=9 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 13)))
        (local.set $status (i32.const 0))
        (i32.store (i32.const 16) (local.get $len))
        (if (i32.eq (local.get $kind) (i32.const 0))
          (then (local.set $status
            (call $insert (local.get $target) (local.get $at) (i32.const 16)))))
        (if (i32.eq (local.get $kind) (i32.const 1))
          (then (local.set $status
            (call $delete (local.get $target) (local.get $at) (local.get $len) (i32.const 24)))))
        (if (i32.eq (local.get $kind) (i32.const 2))
          (then
            (i32.store (i32.const 16) (i32.sub (local.get $len) (i32.const 4)))
            (local.set $status
              (call $update (local.get $target) (i32.load (local.get $at))
                (i32.add (local.get $at) (i32.const 4)) (i32.const 16)))))
        (if (i32.eq (local.get $kind) (i32.const 3))
          (then (local.set $status
            (call $delete_point (local.get $target) (local.get $at) (local.get $len)
              (i32.const 24)))))
        (if (i32.eq (local.get $kind) (i32.const 4))
          (then (local.set $status (call $clear (local.get $target) (i32.const 24)))))
        (if (i32.eq (local.get $kind) (i32.const 5))
          (then (return (call $failed (local.get $error)))))
        (if (i32.eq (local.get $kind) (i32.const 6)) (then (unreachable)))
        (if (i32.and (local.get $number) (i32.ne (local.get $status) (i32.const 0)))
          (then (return (call $failed (local.get $error)))))
        (local.set $at (i32.add (local.get $at) (local.get $len)))
        (br $next)))
    (i32.const 0)))
"#;
