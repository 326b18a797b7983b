;; A C# module in the shape that .NET gives it: the runtime's start, stubs of WASI inside, and
;; initialisers that need the runtime. Calls before the start trap.
(module
  (type $reducer (func (param i32 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32)))
  (import "spacetime_10.0" "table_id_from_name" (func $table_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_insert_bsatn" (func $insert (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "index_id_from_name" (func $index_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_btree_scan_bsatn"
    (func $btree_scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "row_iter_bsatn_advance"
    (func $advance (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_source_read" (func $read (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_sink_write" (func $write (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "console_log"
    (func $log (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 2)
  (global $started (mut i32) (i32.const 0))
  (global $found (mut i32) (i32.const 0))
  (data (i32.const 1024) "Person")
  (data (i32.const 1040) "Person_Id_idx_btree")
  (data (i32.const 1072) "System.Exception: no")
  (data (i32.const 1104) "runtime started")
  (data (i32.const 1136) "wasi")
  (data (i32.const 1152) "\00\00\00\00\04\00\00\00init") ;; a person
  (data (i32.const 1168) "\02") ;; an unbounded end of a range
  (data (i32.const 8192) "@DEFINITION@")

  ;; What the toolchain links in place of WASI.
  (func $fd_write (export "__imported_wasi_snapshot_preview1_fd_write")
    (param $fd i32) (param $text i32) (param $len i32) (result i32)
    (call $log (select (i32.const 1) (i32.const 2) (i32.eq (local.get $fd) (i32.const 2)))
      (i32.const 1136) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const -1)
      (local.get $text) (local.get $len))
    (i32.const 0))

  (func $start (export "_start")
    (global.set $started (i32.const 1))
    (drop (call $fd_write (i32.const 1) (i32.const 1104) (i32.const 15))))
  (func (export "__preinit__10_startup")
    (call $start) ;; by the module
    (if (i32.eqz (global.get $started)) (then (unreachable))))
  (func (export "__preinit__20_find_Person")
    (if (i32.eqz (global.get $started)) (then (unreachable)))
    (global.set $found (i32.add (global.get $found) (i32.const 1))))

  (func (export "__describe_module__") (param $sink i32)
    (if (i32.ne (global.get $found) (i32.const 1)) (then (unreachable)))
    (i32.store (i32.const 16) (i32.const @LENGTH@))
    (drop (call $write (local.get $sink) (i32.const 8192) (i32.const 16))))

  ;; Puts the row at $row into the table.
  (func $add (param $row i32) (param $len i32)
    (if (call $table_id (i32.const 1024) (i32.const 6) (i32.const 20)) (then (unreachable)))
    (i32.store (i32.const 16) (local.get $len))
    (if (call $insert (i32.load (i32.const 20)) (local.get $row) (i32.const 16))
      (then (unreachable))))

  ;; The number of rows, as a digit of text: every row is taken for twelve bytes or so.
  (func $count (result i32)
    (local $rows i32)
    (if (call $index_id (i32.const 1040) (i32.const 19) (i32.const 24)) (then (unreachable)))
    (if (call $btree_scan (i32.load (i32.const 24)) (i32.const 1) (i32.const 0) (i32.const 0)
          (i32.const 1168) (i32.const 1) (i32.const 1168) (i32.const 1) (i32.const 28))
      (then (unreachable)))
    (i32.store (i32.const 16) (i32.const 4096))
    (if (i32.ne (call $advance (i32.load (i32.const 28)) (i32.const 4096) (i32.const 16))
          (i32.const -1))
      (then (unreachable)))
    (i32.div_u (i32.load (i32.const 16)) (i32.const 12)))

  (func (export "__call_reducer__") (type $reducer)
    (local $len i32)
    (if (i32.eqz (global.get $started)) (then (unreachable)))
    ;; Reads the arguments into a buffer.
    (if (local.get 8)
      (then
        (i32.store (i32.const 16) (i32.const 1024))
        (if (i32.ne (call $read (local.get 8) (i32.const 4096) (i32.const 16)) (i32.const -1))
          (then (unreachable)))
        (local.set $len (i32.load (i32.const 16)))))
    (if (i32.eq (local.get 0) (i32.const 0)) ;; Add: the arguments are the row
      (then (call $add (i32.const 4096) (local.get $len)) (return (i32.const 0))))
    (if (i32.eq (local.get 0) (i32.const 1)) ;; Count: answers with an error
      (then
        (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (call $count)))
        (i32.store (i32.const 16) (i32.const 1))
        (drop (call $write (local.get 9) (i32.const 4096) (i32.const 16)))
        (return (i32.const 1))))
    (if (i32.eq (local.get 0) (i32.const 2)) ;; Fail: an exception, logged as a panic
      (then
        (call $log (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const -1) (i32.const 1090) (i32.const 2))
        (i32.store (i32.const 16) (i32.const 20))
        (drop (call $write (local.get 9) (i32.const 1072) (i32.const 16)))
        (return (i32.const 1))))
    (call $add (i32.const 1152) (i32.const 12)) ;; Init
    (i32.const 0))
)
