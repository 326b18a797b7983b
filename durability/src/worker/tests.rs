use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
use spacetime_commitlog::{LogOptions, LogReader};

use super::*;
use crate::doc_support::CountRecords;
use crate::storage::{Fault, OsStorage, SimStorage};
use crate::{EncodedRecord, Record, RecoverError, Recovered, WaitError, open};

const LONG: Duration = Duration::from_secs(60);

fn start(storage: &Arc<dyn Storage>, dir: &Path, options: &Options) -> (Recovered, Durability) {
    let opened = open(storage, dir, options, &mut CountRecords::default());
    opened.unwrap_or_else(|e| panic!("not opened: {e}"))
}

fn start_on(disk: &SimStorage, options: &Options) -> Durability {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    start(&disk, Path::new("/replica"), options).1
}

fn transaction(offset: u64) -> Transaction {
    Transaction::new(TxOffset(offset), EncodedRecord::from(vec![0]))
}

fn append_all(durability: &Durability, offsets: std::ops::Range<u64>) {
    for offset in offsets {
        let appended = durability.append(transaction(offset));
        appended.unwrap_or_else(|e| panic!("{offset}: {e}"));
    }
}

/// First offset and number of records of each commit on the disk.
fn commits(disk: &SimStorage) -> Vec<(u64, u16)> {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    let log = LogReader::open(disk, Path::new("/replica/clog"), TxOffset(0));
    let mut log = log.expect("a good log");
    let mut found = Vec::new();
    while let Some(commit) = log.next_commit().expect("a good log") {
        found.push((commit.header.start.0, commit.header.record_count));
    }
    found
}

/// A disk whose syncs of files wait for permission, to hold the thread in a known place.
#[derive(Debug)]
struct Gated {
    disk: SimStorage,
    permits: Arc<Mutex<mpsc::Receiver<()>>>,
    entered: mpsc::SyncSender<()>,
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn StorageFile>,
    permits: Arc<Mutex<mpsc::Receiver<()>>>,
    entered: mpsc::SyncSender<()>,
}

impl Storage for Gated {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        let file = self.disk.open(path, mode)?;
        Ok(Box::new(GatedFile {
            file,
            permits: Arc::clone(&self.permits),
            entered: self.entered.clone(),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        self.disk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        self.disk.lock(path, content)
    }
}

impl StorageFile for GatedFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.file.write_at(offset, bytes)
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        // Once the test has dropped its end of the gate, everything passes.
        let _ = self.entered.send(());
        let _ = self.permits.lock().recv();
        self.file.sync_data()
    }
}

/// A running durability whose thread is inside the sync of transaction 0.
struct Held {
    disk: SimStorage,
    // Dropped first: the thread then goes on, and can be joined.
    permits: mpsc::Sender<()>,
    entered: mpsc::Receiver<()>,
    durability: Durability,
}

fn held(options: &Options) -> Held {
    let disk = SimStorage::new(0);
    drop(start_on(&disk, options));
    let (permits, permits_receiver) = mpsc::channel();
    let (entered_sender, entered) = mpsc::sync_channel(0);
    let gated: Arc<dyn Storage> = Arc::new(Gated {
        disk: disk.clone(),
        permits: Arc::new(Mutex::new(permits_receiver)),
        entered: entered_sender,
    });
    // Recovery syncs the log that it found, and the watermark.
    const SYNCS_OF_RECOVERY: usize = 2;
    for _ in 0..SYNCS_OF_RECOVERY {
        permits.send(()).expect("the receiver lives in the disk");
    }
    let opening = std::thread::spawn({
        let options = options.clone();
        move || start(&gated, Path::new("/replica"), &options).1
    });
    for _ in 0..SYNCS_OF_RECOVERY {
        entered
            .recv_timeout(LONG)
            .expect("recovery syncs what it found");
    }
    let durability = opening.join().expect("opened");
    append_all(&durability, 0..1);
    entered
        .recv_timeout(LONG)
        .expect("the first commit is synced");
    Held {
        disk,
        durability,
        permits,
        entered,
    }
}

#[test]
fn transactions_become_durable_and_survive() {
    let disk = SimStorage::new(0);
    let durability = start_on(&disk, &Options::default());
    assert_eq!(durability.durable_offset().get().offset, None);
    append_all(&durability, 0..100);
    let durable = durability.durable_offset();
    durable
        .wait_for(TxOffset(99), LONG)
        .expect("no fault is planned");
    assert_eq!(durable.get().offset, Some(TxOffset(99)));
    let left = disk.after_power_cut();
    let shared: Arc<dyn Storage> = Arc::new(left);
    let (found, _) = start(&shared, Path::new("/replica"), &Options::default());
    assert_eq!(found.next, TxOffset(100));
}

#[test]
fn nothing_is_durable_before_the_sync_and_what_waits_becomes_one_commit() {
    let Held {
        disk,
        durability,
        permits,
        entered,
    } = held(&Options::default());
    append_all(&durability, 1..11);
    durability.end_commit();
    durability.end_commit();
    append_all(&durability, 11..20);
    let durable = durability.durable_offset();
    let early = durable.wait_for(TxOffset(0), Duration::from_millis(20));
    assert!(
        matches!(early, Err(WaitError::TimedOut { .. })),
        "{early:?}"
    );
    assert_eq!(durable.get().offset, None);
    drop((permits, entered));
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(19)));
    assert_eq!(commits(&disk), [(0, 1), (1, 10), (11, 9)]);
}

#[test]
fn a_full_queue_makes_the_appender_wait() {
    for by_bytes in [false, true] {
        let options = Options {
            queue_len_max: if by_bytes { 1000 } else { 5 },
            queue_bytes_max: if by_bytes { 5 } else { 1000 },
            ..Options::default()
        };
        let Held {
            durability,
            permits,
            entered,
            ..
        } = held(&options);
        append_all(&durability, 1..6);
        let appended = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                append_all(&durability, 6..7);
                appended.store(1, Ordering::SeqCst);
            });
            assert_eq!(durability.queue_len(), 5);
            std::thread::yield_now();
            assert_eq!(appended.load(Ordering::SeqCst), 0, "the queue is full");
            drop((permits, entered));
            waiting.join().expect("woken when there was room");
        });
        assert_eq!(durability.close().expect("no fault"), Some(TxOffset(6)));
    }
}

#[test]
fn a_failed_sync_ends_everything_and_wakes_everybody() {
    let options = Options {
        queue_len_max: 2,
        ..Options::default()
    };
    let Held {
        disk,
        durability,
        permits,
        entered,
    } = held(&options);
    append_all(&durability, 1..3);
    disk.fail_nth(Fault::SyncError, 0);
    let durable = durability.durable_offset();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| durable.wait_for(TxOffset(0), LONG));
        let appending = scope.spawn(|| durability.append(transaction(3)));
        drop((permits, entered));
        let waited = waiting.join().expect("no panic");
        assert!(
            matches!(waited, Err(WaitError::Failed { .. })),
            "{waited:?}"
        );
        // It either got room before the failure, or was woken by it.
        let _ = appending.join().expect("no panic");
    });
    assert_eq!(durable.get().offset, None, "nothing was acknowledged");
    let refused = durability.append(transaction(4));
    assert!(
        matches!(refused, Err(EnqueueError::Failed(_))),
        "{refused:?}"
    );
    let failure = durability.close().expect_err("closing does not hide it");
    assert!(matches!(*failure, Failure::Log(_)), "{failure}");
}

struct Panics;

impl Record for Panics {
    fn encode(&self, _: &mut Vec<u8>) {
        std::panic::panic_any("a planned panic");
    }

    fn byte_len(&self) -> usize {
        1
    }
}

#[test]
fn a_panic_of_the_thread_is_a_failure() {
    let disk = SimStorage::new(0);
    let durability = start_on(&disk, &Options::default());
    append_all(&durability, 0..3);
    let appended = durability.append(Transaction::new(TxOffset(3), Panics));
    appended.expect("nothing has happened yet");
    let durable = durability.durable_offset();
    let waited = durable.wait_for(TxOffset(3), LONG);
    let Err(WaitError::Failed { failure, .. }) = waited else {
        panic!("{waited:?}");
    };
    assert!(matches!(*failure, Failure::Panicked));
    drop(durability);
    // The lock was released, and what was durable still is.
    let known = durable.get().offset.map_or(0, |offset| offset.0 + 1);
    let shared: Arc<dyn Storage> = Arc::new(disk);
    let (found, _) = start(&shared, Path::new("/replica"), &Options::default());
    assert!(found.next.0 >= known);
}

#[test]
fn offsets_must_be_dense() {
    let durability = start_on(&SimStorage::new(0), &Options::default());
    for wrong in [1, 7, u64::MAX] {
        let refused = durability.append(transaction(wrong));
        assert!(matches!(refused, Err(EnqueueError::OutOfOrder { .. })));
    }
    append_all(&durability, 0..2);
    let refused = durability.append(transaction(1));
    assert!(matches!(refused, Err(EnqueueError::OutOfOrder { .. })));
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(1)));
}

#[test]
fn listeners_hear_of_every_change_until_they_unsubscribe() {
    let durability = start_on(&SimStorage::new(0), &Options::default());
    let (sender, heard) = mpsc::channel();
    let subscription = durability.durable_offset().on_advance(move |state| {
        sender.send(state.offset).expect("the test listens");
    });
    append_all(&durability, 0..50);
    let mut last = None;
    while last != Some(TxOffset(49)) {
        let next = heard.recv().expect("the listener is alive");
        assert!(next > last, "offsets only grow");
        last = next;
    }
    drop(subscription);
    append_all(&durability, 50..51);
    durability.close().expect("no fault is planned");
    assert!(heard.recv().is_err(), "the listener is gone");
}

#[test]
fn waiting_for_a_transaction_that_never_comes_ends_with_the_database() {
    let durability = start_on(&SimStorage::new(0), &Options::default());
    append_all(&durability, 0..1);
    let durable = durability.durable_offset();
    durability.close().expect("no fault is planned");
    let waited = durable.wait_for(TxOffset(1), LONG);
    assert!(
        matches!(waited, Err(WaitError::Closed { .. })),
        "{waited:?}"
    );
    durable
        .wait_for(TxOffset(0), Duration::ZERO)
        .expect("durable");
}

#[test]
fn segments_follow_each_other_and_are_announced() {
    let disk = SimStorage::new(0);
    let options = Options {
        log: LogOptions {
            segment_bytes_max: 100,
            ..LogOptions::default()
        },
        ..Options::default()
    };
    let durability = start_on(&disk, &options);
    for offset in 0..20 {
        append_all(&durability, offset..offset + 1);
        let waited = durability.durable_offset().wait_for(TxOffset(offset), LONG);
        waited.expect("no fault is planned");
    }
    durability.close().expect("no fault is planned");
    let count: Vec<PathBuf> = disk.files();
    let count = count
        .iter()
        .filter(|f| f.to_string_lossy().ends_with(".stdb.log"));
    // 27 bytes a commit, so each segment takes four of them.
    assert_eq!(count.count(), 5);
    let durability = start_on(&disk, &options);
    append_all(&durability, 20..21);
    durability
        .durable_offset()
        .wait_for(TxOffset(20), LONG)
        .expect("no fault");
    // The announcement precedes nothing else, so the thread may need a moment.
    let durable = durability.durable_offset();
    append_all(&durability, 21..22);
    durable.wait_for(TxOffset(21), LONG).expect("no fault");
    assert_eq!(durability.take_new_segment(), Some(TxOffset(20)));
    assert_eq!(durability.take_new_segment(), None);
}

#[test]
fn a_real_directory_can_be_opened_once_at_a_time() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let replica = dir.path().join("7");
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let options = Options {
        log: LogOptions {
            segment_bytes_max: 1000,
            ..LogOptions::default()
        },
        ..Options::default()
    };
    let (_, durability) = start(&storage, &replica, &options);
    append_all(&durability, 0..300);
    let second = open(&storage, &replica, &options, &mut CountRecords::default());
    let Err(RecoverError::InUse { holder, .. }) = second else {
        panic!("opened twice");
    };
    let expected = format!("pid={};timestamp_utc=2", std::process::id());
    assert!(holder.starts_with(&expected), "{holder}");
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(299)));

    let mut counted = CountRecords::default();
    let (found, durability) = open(&storage, &replica, &options, &mut counted).expect("closed");
    assert_eq!((found.next, counted.records), (TxOffset(300), 300));
    assert_eq!(found.cut, None);
    append_all(&durability, 300..301);
    drop(durability);
    let (found, _durability) = start(&storage, &replica, &options);
    assert_eq!(found.next, TxOffset(301));
}

#[test]
fn a_stepped_log_is_written_only_when_told() {
    let sim = SimStorage::new(0);
    let disk: Arc<dyn Storage> = Arc::new(sim.clone());
    let options = Options::default();
    let visitor = &mut CountRecords::default();
    let recovered = crate::recover(&disk, Path::new("/replica"), &options, visitor);
    let (_, group_commit) = recovered.unwrap_or_else(|e| panic!("not opened: {e}"));
    let (durability, mut stepper) = Durability::stepped(group_commit, &options);
    append_all(&durability, 0..3);
    assert_eq!(durability.durable_offset().get().offset, None);
    assert!(stepper.step());
    assert!(!stepper.step());
    assert_eq!(durability.durable_offset().get().offset, Some(TxOffset(2)));
    append_all(&durability, 3..5);
    stepper.close();
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(4)));
    assert_eq!(commits(&sim), [(0, 3), (3, 2)]);
}

#[test]
fn the_end_of_a_commit_hides_nothing_behind_it() {
    let sim = SimStorage::new(0);
    let disk: Arc<dyn Storage> = Arc::new(sim.clone());
    let options = Options {
        commit_bytes_max: 1,
        ..Options::default()
    };
    let visitor = &mut CountRecords::default();
    let recovered = crate::recover(&disk, Path::new("/replica"), &options, visitor);
    let (_, group_commit) = recovered.unwrap_or_else(|e| panic!("not opened: {e}"));
    let (durability, mut stepper) = Durability::stepped(group_commit, &options);
    append_all(&durability, 0..1);
    durability.end_commit();
    assert!(stepper.step());
    append_all(&durability, 1..2);
    stepper.close();
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(1)));
}

#[test]
fn a_failed_step_is_final_and_published() {
    let sim = SimStorage::new(0);
    let disk: Arc<dyn Storage> = Arc::new(sim.clone());
    let options = Options::default();
    let visitor = &mut CountRecords::default();
    let recovered = crate::recover(&disk, Path::new("/replica"), &options, visitor);
    let (_, group_commit) = recovered.unwrap_or_else(|e| panic!("not opened: {e}"));
    let (durability, mut stepper) = Durability::stepped(group_commit, &options);
    append_all(&durability, 0..1);
    sim.fail_nth(Fault::SyncError, 0);
    assert!(!stepper.step());
    assert!(!stepper.step());
    let state = durability.durable_offset().get();
    assert_eq!(state.offset, None);
    assert!(matches!(state.status, Status::Failed(_)));
    let refused = durability.append(transaction(1));
    assert!(matches!(refused, Err(EnqueueError::Failed(_))));
}

fn large(offset: u64) -> Transaction {
    // Outputs only, of the longest text.
    let mut bytes = vec![0x40, 255];
    bytes.resize(257, b'x');
    Transaction::new(TxOffset(offset), EncodedRecord::from(bytes))
}

fn append_large(durability: &Durability, offsets: std::ops::Range<u64>) {
    for offset in offsets {
        let appended = durability.append(large(offset));
        appended.unwrap_or_else(|e| panic!("{offset}: {e}"));
    }
}

/// Lets the first commit go and holds the second one, which is large, in its sync.
fn hold_a_large_commit(held: &Held) {
    append_large(&held.durability, 1..401);
    held.permits.send(()).expect("the thread waits");
    held.entered
        .recv_timeout(LONG)
        .expect("the second commit is synced");
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_next_commit_is_encoded_during_a_sync() {
    let held = held(&Options::default());
    hold_a_large_commit(&held);
    append_large(&held.durability, 401..1000);
    wait_until("the helper takes most of what waits", || {
        held.durability.queue_len() < 200
    });
    held.durability.end_commit();
    append_large(&held.durability, 1000..1200);
    let durable = held.durability.durable_offset();
    assert_eq!(durable.get().offset, Some(TxOffset(0)), "the disk is slow");
    let Held {
        disk,
        durability,
        permits,
        entered,
    } = held;
    drop((permits, entered));
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(1199)));
    assert_eq!(commits(&disk), [(0, 1), (1, 400), (401, 599), (1000, 200)]);
    let left: Arc<dyn Storage> = Arc::new(disk.after_power_cut());
    let (found, _) = start(&left, Path::new("/replica"), &Options::default());
    assert_eq!(found.next, TxOffset(1200));
}

#[test]
fn a_stalled_disk_holds_back_a_bounded_amount() {
    let options = Options {
        queue_bytes_max: 64 << 10,
        commit_bytes_max: 64 << 10,
        ..Options::default()
    };
    let held = held(&options);
    append_large(&held.durability, 1..200);
    held.permits.send(()).expect("the thread waits");
    held.entered.recv_timeout(LONG).expect("the second commit");
    let appended = AtomicU64::new(200);
    let (mut taken, mut durable_then) = (0, None);
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for offset in 200..5000 {
                let done = held.durability.append(large(offset));
                done.unwrap_or_else(|e| panic!("{offset}: {e}"));
                appended.store(offset + 1, Ordering::SeqCst);
            }
        });
        // What the queue and the next commit hold, and one more that waits.
        let begin = std::time::Instant::now();
        while appended.load(Ordering::SeqCst) < 200 + 400 && begin.elapsed() < LONG {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        taken = appended.load(Ordering::SeqCst) - 200;
        durable_then = held.durability.durable_offset().get().offset;
        // The stall is over.
        held.permits.send(()).expect("the thread waits");
        while !appending.is_finished() {
            let _ = held.entered.recv_timeout(Duration::from_millis(1));
            let _ = held.permits.send(());
        }
    });
    let Held {
        durability,
        permits,
        entered,
        ..
    } = held;
    drop((permits, entered));
    assert_eq!(durability.close().expect("no fault"), Some(TxOffset(4999)));
    assert!((400..=520).contains(&taken), "{taken} were taken meanwhile");
    assert_eq!(durable_then, Some(TxOffset(0)), "nothing new was durable");
}

#[test]
fn a_panic_of_the_helper_is_a_failure() {
    let held = held(&Options::default());
    hold_a_large_commit(&held);
    append_large(&held.durability, 401..500);
    held.durability
        .append(Transaction::new(TxOffset(500), Panics))
        .expect("nothing has happened yet");
    append_large(&held.durability, 501..700);
    wait_until("the helper has failed", || {
        held.durability.shared.queue.lock().encoding.has_failed()
    });
    let Held {
        disk,
        durability,
        permits,
        entered,
    } = held;
    drop((permits, entered));
    let failure = durability.close().expect_err("a panic");
    assert!(matches!(*failure, Failure::Panicked), "{failure}");
    assert_eq!(commits(&disk), [(0, 1), (1, 400)]);
}
