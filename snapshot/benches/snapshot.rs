//! Writing and loading snapshots beside a raw sequential write + fdatasync, and memcpy, of the
//! same bytes, on a real file.
//!
//! Budget: writing within 2x of raw where nothing compresses; loading, with every byte checked,
//! at 1 GB/s a core or more. The directory is that of temporary files: set TMPDIR to a real disk,
//! or memory is measured. `SNAPSHOT_BENCH_MB` sets the size (256).

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_durability::storage::OsStorage;
use spacetime_snapshot::{ObjectHash, SnapshotError, SnapshotHead, SnapshotRepo, WriteReport};
use spacetime_types::{Identity, TableId, Timestamp, TxOffset};

const PAGE_BYTES: usize = 65_536;
const ROUNDS: u64 = 3;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 16
    }
}

/// What the pages hold.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// Nothing to gain.
    Noise,
    /// (u32 counting up, i32 below 100,000)
    SmallInts,
    /// Sentences of a few hundred words.
    Text,
}

fn page(rows: Rows, number: u64, version: u64) -> Vec<u8> {
    let mut random = Random(number ^ (version << 40) ^ 0x9e37_79b9);
    let mut page = Vec::with_capacity(PAGE_BYTES + 16);
    let mut row = number * 8192;
    while page.len() < PAGE_BYTES {
        match rows {
            Rows::Noise => page.extend_from_slice(&random.next().to_le_bytes()[..4]),
            Rows::SmallInts => {
                page.extend_from_slice(&row.to_le_bytes()[..4]);
                page.extend_from_slice(&(random.next() % 100_000).to_le_bytes()[..4]);
            }
            Rows::Text => {
                let word = random.next() % 300;
                let len = 2 + (word % 9);
                let letters = (0..len)
                    .map(|n| b'a' + u8::try_from((word * 7 + n * n) % 26).expect("a letter"));
                page.extend(letters);
                page.push(b' ');
            }
        }
        row += 1;
    }
    page.truncate(PAGE_BYTES);
    page
}

struct Pages(Vec<(ObjectHash, Vec<u8>)>);

impl Pages {
    fn new(rows: Rows, count: u64) -> Self {
        let page = |number| page(rows, number, 0);
        Pages(
            (0..count)
                .map(page)
                .map(|page| (ObjectHash::of(&page), page))
                .collect(),
        )
    }

    /// Every tenth page is another one.
    fn change(&mut self, rows: Rows, version: u64) {
        for (number, slot) in (0..).zip(&mut self.0).step_by(10) {
            let page = page(rows, number, version);
            *slot = (ObjectHash::of(&page), page);
        }
    }

    fn bytes(&self) -> u64 {
        (self.0.len() * PAGE_BYTES) as u64
    }

    fn write(&self, repo: &SnapshotRepo, offset: u64) -> Result<WriteReport, SnapshotError> {
        let mut writer = repo.begin(SnapshotHead {
            identity: Identity::default(),
            tx_offset: TxOffset(offset),
            taken_at: Timestamp::UNIX_EPOCH,
            extra: Vec::new(),
        })?;
        writer.table(TableId(4096), [0; 16], 0)?;
        for (hash, page) in &self.0 {
            writer.page(*hash, |image| image.extend_from_slice(page))?;
        }
        writer.finish()
    }
}

/// The best of several rounds.
fn best(mut round: impl FnMut(u64) -> Duration) -> Duration {
    (0..ROUNDS).map(&mut round).min().expect("some rounds")
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn report(what: &str, bytes: u64, took: Duration, more: &str) {
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    println!(
        "  {what:<34} {:>8.1} ms {rate:>9.0} MB/s  {more}",
        took.as_secs_f64() * 1e3
    );
}

fn raw(dir: &Path, pages: &Pages) -> Duration {
    best(|round| {
        let file = OsStorage.open(&dir.join(format!("raw{round}")), OpenMode::CreateOrTruncate);
        let file = file.expect("a fresh file");
        timed(|| {
            for (at, chunk) in (0..).step_by(16 * PAGE_BYTES).zip(pages.0.chunks(16)) {
                let chunk: Vec<u8> = chunk.iter().flat_map(|(_, page)| page).copied().collect();
                file.write_all_at(at, &chunk).expect("room on the disk");
            }
            file.sync_data().expect("a good disk");
        })
    })
}

fn memcpy(pages: &Pages) -> Duration {
    best(|_| {
        let mut target = vec![1; PAGE_BYTES];
        timed(|| {
            for (_, page) in &pages.0 {
                target.copy_from_slice(black_box(page));
                black_box(&mut target);
            }
        })
    })
}

fn load(repo: &SnapshotRepo, offset: u64, threads: usize) -> Duration {
    best(|_| {
        timed(|| {
            let loaded = repo.load(TxOffset(offset)).expect("just written");
            let pages = &loaded.manifest().tables[0].pages;
            std::thread::scope(|scope| {
                for part in pages.chunks(pages.len().div_ceil(threads)) {
                    let loaded = &loaded;
                    scope.spawn(move || {
                        let mut buffer = Default::default();
                        for page in part.iter().flatten() {
                            let bytes = loaded.read(*page, &mut buffer).expect("just written");
                            assert_eq!(black_box(bytes).len(), PAGE_BYTES);
                        }
                    });
                }
            });
        })
    })
}

fn run(rows: Rows, count: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut pages = Pages::new(rows, count);
    let bytes = pages.bytes();
    println!("{rows:?}, {} MB in pages of 64 KiB", bytes / 1_000_000);
    report("memcpy", bytes, memcpy(&pages), "");
    report("raw write + fdatasync", bytes, raw(dir.path(), &pages), "");
    let mut full = None;
    let took = best(|round| {
        let dir = dir.path().join(format!("full{round}"));
        let repo = SnapshotRepo::open(Arc::new(OsStorage), &dir).expect("empty");
        timed(|| full = Some(pages.write(&repo, 1).expect("a good disk")))
    });
    let full = full.expect("written");
    let part = full.file_bytes_written as f64 * 100.0 / bytes as f64;
    report(
        "snapshot, nothing unchanged",
        bytes,
        took,
        &format!("stored: {part:.0} %"),
    );
    let repo = SnapshotRepo::open(Arc::new(OsStorage), &dir.path().join("full0")).expect("good");
    let mut last = None;
    let took = best(|round| {
        pages.change(rows, round + 1);
        timed(|| last = Some(pages.write(&repo, 2 + round).expect("a good disk")))
    });
    let last = last.expect("written");
    let more = format!("written: {:.1} MB", last.file_bytes_written as f64 / 1e6);
    report("snapshot, 90 % unchanged", bytes, took, &more);
    report(
        "load and check, 1 thread",
        bytes,
        load(&repo, 1 + ROUNDS, 1),
        "page cache",
    );
    report(
        "load and check, 2 threads",
        bytes,
        load(&repo, 1 + ROUNDS, 2),
        "page cache",
    );
}

fn main() {
    let given = std::env::var("SNAPSHOT_BENCH_MB").ok();
    let megabytes: u64 = given.and_then(|given| given.parse().ok()).unwrap_or(256);
    for rows in [Rows::Noise, Rows::SmallInts, Rows::Text] {
        run(rows, megabytes * (1 << 20) / PAGE_BYTES as u64);
    }
}
