//! `repair`: cutting a log off where it stops being whole, or beginning it behind the
//! damage where a snapshot allows that; and keeping everything that is cut.
//!
//! Two steps: a [`Plan`] says what will be done and what will be lost; only [`Plan::apply`]
//! changes anything.
//!
//! Invariants
//!   * Every file that is changed was copied before, and every file that is taken away is only
//!     renamed: `<name>.before-repair-<n>`, in the same directory, with an `n` never used before.
//!   * Nothing is done while a server has the database open.
//!   * Interrupted anywhere, the log is either still damaged or already good; the repair can be
//!     started again.
//!   * Every step is synced before the next one.
//!
//! Not here: getting back transactions from behind damage. `show` and `export` read them, but a
//! log cannot have holes.

mod behind;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use spacetime_commitlog::segment::{self, HEADER_LEN};
use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
use spacetime_durability::{LOCK_FILE, WATERMARK_FILE};
use spacetime_types::TableId;

use crate::error::OfflineError;
use crate::finding::{Finding, FindingKind, Severity};
use crate::index_check;
use crate::pass::{self, PassListener};
use crate::place::Place;
use crate::progress::Progress;
use crate::records::{RecordListener, RecordPlace};
use crate::scan::{ScannedCommit, ScannedSegment};
use crate::schemas::{Schemas, TableShape};
use crate::snapshots::{self, SNAPSHOTS_DIR};
use crate::verify::durable_end;
pub use behind::{Behind, plan_behind_snapshot};

/// One change on disk. Files are named by their path in the database's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// The file is renamed.
    SetAside { file: PathBuf, kept_as: PathBuf },
    /// The files of a snapshot that is newer than the log will be are copied, then removed.
    SetSnapshotAside {
        offset: u64,
        files: Vec<PathBuf>,
        kept_in: PathBuf,
    },
    /// A segment is made of the whole commits in another one.
    Begin {
        file: PathBuf,
        with: PathBuf,
        /// First byte of them in the content, and how many.
        byte: u64,
        bytes: u64,
        is_v0: bool,
    },
    /// The file is copied, then cut.
    Cut {
        file: PathBuf,
        kept_as: PathBuf,
        /// Bytes of content that stay.
        bytes: u64,
        bytes_cut: u64,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::SetAside { file, kept_as } => {
                write!(f, "rename {} to {}", file.display(), name_of(kept_as))
            }
            Action::SetSnapshotAside {
                offset, kept_in, ..
            } => write!(
                f,
                "move the snapshot at transaction {offset} to {}",
                kept_in.display()
            ),
            Action::Begin {
                file, with, bytes, ..
            } => write!(
                f,
                "make {} of the last {bytes} bytes of {} that are whole",
                file.display(),
                name_of(with)
            ),
            Action::Cut {
                file,
                kept_as,
                bytes,
                bytes_cut,
            } => write!(
                f,
                "cut the last {bytes_cut} bytes off {} ({bytes} stay; the original is copied \
                 to {})",
                file.display(),
                name_of(kept_as)
            ),
        }
    }
}

/// What a repair does.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The damage that makes it necessary; empty if there is none, and then nothing is done.
    pub damage: Vec<Finding>,
    /// The next transaction after the repair.
    pub new_end: u64,
    /// Transactions that are whole, and are lost because they are behind the damage.
    pub lost_readable: u64,
    /// Those that the damage itself has taken, as far as offsets tell.
    pub lost_anyway: u64,
    /// The log begins behind the damage, and a snapshot stands for what was before.
    pub behind: Option<Behind>,
    pub actions: Vec<Action>,
    #[serde(skip)]
    place: Option<Place>,
    #[serde(skip)]
    lock: Option<Arc<Box<dyn StorageLock>>>,
}

impl Plan {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

/// Looks at a log, and says what cutting it off would do. Holds the database's lock until the plan
/// is dropped. With `keep_until`, the log is cut before that transaction even if it is whole.
pub fn plan(
    place: &Place,
    keep_until: Option<u64>,
    progress: &dyn Progress,
) -> Result<Plan, OfflineError> {
    let lock = take_lock(place)?;
    let survey = survey(place, keep_until, progress)?;
    let mut plan = Plan {
        damage: survey.damage,
        new_end: survey.good_end.unwrap_or_default(),
        lost_readable: survey.lost_readable,
        lost_anyway: survey.lost_anyway,
        behind: None,
        actions: Vec::new(),
        place: Some(place.clone()),
        lock: lock.map(Arc::new),
    };
    if survey.stopped {
        plan.actions = actions(place, &survey.cut, plan.new_end)?;
    } else if survey.is_watermark_wrong {
        let path = PathBuf::from(WATERMARK_FILE);
        let kept_as = kept_name(&path, free_number(place)?);
        let file = path;
        plan.actions = vec![Action::SetAside { file, kept_as }];
    }
    Ok(plan)
}

fn survey(
    place: &Place,
    keep_until: Option<u64>,
    progress: &dyn Progress,
) -> Result<Survey, OfflineError> {
    let mut survey = Survey {
        keep_until,
        ..Survey::default()
    };
    pass::run(
        place,
        &mut Schemas::at_start_of(place),
        &mut survey,
        progress,
    )?;
    survey.check_watermark(place);
    Ok(survey)
}

/// Keeps servers away. A log that lies somewhere alone has no lock.
pub(crate) fn take_lock(place: &Place) -> Result<Option<Box<dyn StorageLock>>, OfflineError> {
    let Some(replica) = place.replica_dir() else {
        return Ok(None);
    };
    let path = replica.join(LOCK_FILE);
    let content = format!("pid={};repair", std::process::id());
    match place.storage.lock(&path, &content) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.source.kind() == io::ErrorKind::WouldBlock => {
            let mut bytes = [0; 200];
            let holder = place
                .storage
                .open(&path, OpenMode::Read)
                .and_then(|file| file.read_at(0, &mut bytes));
            let len = holder.unwrap_or_default().min(bytes.len());
            let holder = match len {
                0 => "another process".to_owned(),
                len => String::from_utf8_lossy(&bytes[..len]).into_owned(),
            };
            let dir = replica.to_owned();
            Err(OfflineError::InUse { dir, holder })
        }
        Err(error) => Err(error.into()),
    }
}

/// Finds the last commit before which, and including which, everything is whole.
#[derive(Default)]
struct Survey {
    keep_until: Option<u64>,
    /// The first damage was met; from here on only losses are counted.
    stopped: bool,
    damage: Vec<Finding>,
    /// Where the log is cut.
    cut: CutPoint,
    good_end: Option<u64>,
    /// The commit that is being read.
    commit: Option<OpenCommit>,
    lost_readable: u64,
    lost_anyway: u64,
    is_watermark_wrong: bool,
}

#[derive(Clone, Debug, Default)]
struct CutPoint {
    /// The segment that holds the last good commit. `None` if there is no good commit.
    file: Option<String>,
    byte: u64,
}

struct OpenCommit {
    file: String,
    frame_end: u64,
    start: u64,
    end: u64,
    records: u64,
}

impl Survey {
    /// Takes the commit that was read up to now for good, unless something was found in it.
    fn settle_commit(&mut self) {
        let Some(commit) = self.commit.take() else {
            return;
        };
        let is_whole = commit.records == commit.end - commit.start;
        if self.keep_until.is_some_and(|until| commit.end > until) {
            self.stopped = true;
        }
        if self.stopped || !is_whole {
            self.lost_readable += commit.records;
            return;
        }
        self.cut = CutPoint {
            file: Some(commit.file),
            byte: commit.frame_end,
        };
        self.good_end = Some(commit.end);
    }

    fn check_watermark(&mut self, place: &Place) {
        self.settle_commit();
        let end = self.good_end.unwrap_or_default();
        let text = match durable_end(place) {
            Ok(Some(durable_end)) if durable_end > end => format!(
                "all transactions before {durable_end} were on disk, but the log ends before {end}"
            ),
            Ok(_) => return,
            Err(text) => text,
        };
        self.is_watermark_wrong = true;
        if !self.stopped {
            let (level, kind) = (Severity::Damage, FindingKind::EndMissing);
            let finding = Finding::new(level, kind, WATERMARK_FILE, 0, end, text);
            self.damage.push(finding);
        }
    }
}

impl RecordListener for Survey {
    fn begin(&mut self, _place: RecordPlace<'_>) {}

    fn insert(&mut self, _shape: &Arc<TableShape>, _row: &[u8]) {}

    fn delete(&mut self, _shape: &Arc<TableShape>, _row: &[u8]) {}

    fn truncate(&mut self, _table: TableId, _shape: Option<&Arc<TableShape>>) {}

    fn end(&mut self, _bytes: &[u8]) {
        if let Some(commit) = &mut self.commit {
            commit.records += 1;
        }
    }
}

impl PassListener for Survey {
    fn commit(&mut self, commit: &ScannedCommit<'_>) {
        self.settle_commit();
        let start = commit.header.start.0;
        self.good_end.get_or_insert(start);
        self.commit = Some(OpenCommit {
            file: commit.file.to_owned(),
            frame_end: commit.at + commit.header.frame_len(commit.version),
            start,
            end: start + u64::from(commit.header.record_count),
            records: 0,
        });
    }

    fn finding(&mut self, finding: Finding) {
        const FINDING_COUNT_MAX: usize = 100;
        if finding.severity != Severity::Damage {
            return;
        }
        // Damage before the first commit of a log is at its start, also if it is told later.
        let good_end = self.good_end.unwrap_or(u64::MAX);
        self.good_end = Some(good_end.min(finding.offset));
        // What is missing before a commit is told when the commit is met: it is behind the damage.
        let is_in_or_before = self
            .commit
            .as_ref()
            .is_some_and(|commit| finding.offset < commit.end);
        if is_in_or_before {
            self.stopped = true;
        }
        self.settle_commit();
        self.stopped = true;
        if let Some(resumes) = &finding.resumes {
            self.lost_anyway += resumes.offset.saturating_sub(finding.offset);
        }
        if self.damage.len() < FINDING_COUNT_MAX {
            self.damage.push(finding);
        }
    }

    fn segment(&mut self, _segment: ScannedSegment) {
        self.settle_commit();
    }
}

/// The changes that leave everything up to `cut`, in the order in which they are safe.
fn actions(place: &Place, cut: &CutPoint, new_end: u64) -> Result<Vec<Action>, OfflineError> {
    let number = free_number(place)?;
    let inner = |file: &str| inner(place, file);
    let set_aside = |file: PathBuf| {
        let kept_as = kept_name(&file, number);
        Action::SetAside { file, kept_as }
    };
    let mut actions = Vec::new();
    // First what would contradict a shorter log.
    if let Some(replica) = place.replica_dir() {
        let watermark = place
            .storage
            .open(&replica.join(WATERMARK_FILE), OpenMode::Read);
        if watermark.is_ok() {
            actions.push(set_aside(PathBuf::from(WATERMARK_FILE)));
        }
        for (offset, files) in snapshots::ahead_of(place, new_end)? {
            let kept_in = kept_name(Path::new(SNAPSHOTS_DIR), number);
            actions.push(Action::SetSnapshotAside {
                offset,
                files,
                kept_in,
            });
        }
    }
    let segments = place.segments()?;
    let names = place.storage.list(place.log_dir())?;
    // Then whole segments, the last one first: what is left is a log at any time.
    for (nth, start) in segments.iter().enumerate().rev() {
        let file = segment::file_name(*start);
        let is_kept = cut.file.as_ref().is_some_and(|last| file <= *last);
        let is_first = nth == 0;
        let index = index_check::file_name(start.0);
        let keeps_index = is_kept && cut.file.as_ref() != Some(&file);
        if names.contains(&index) && !keeps_index {
            actions.push(set_aside(inner(&index)));
        }
        let content = segment::open(&*place.storage, &place.log_dir().join(&file))?;
        let len = content.file.byte_len()?;
        // The first segment stays in any case, if only to say where the log begins.
        let bytes = match (&cut.file, is_first) {
            (Some(last), _) if *last == file => cut.byte,
            (None, true) => HEADER_LEN as u64,
            _ if is_kept => continue,
            _ => {
                actions.push(set_aside(inner(&file)));
                continue;
            }
        };
        let (file, kept_as) = (inner(&file), kept_name(&inner(&file), number));
        if len > bytes || cut.file.is_none() {
            actions.push(Action::Cut {
                file,
                kept_as,
                bytes: bytes.min(len),
                bytes_cut: len.saturating_sub(bytes),
            });
        }
    }
    Ok(actions)
}

/// A file of the log, by its path in the database's directory.
fn inner(place: &Place, file: &str) -> PathBuf {
    match place.replica_dir() {
        Some(_) => Path::new(spacetime_durability::CLOG_DIR).join(file),
        None => PathBuf::from(file),
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn kept_name(file: &Path, number: u32) -> PathBuf {
    file.with_file_name(format!("{}.before-repair-{number}", name_of(file)))
}

/// A number that no earlier repair used.
fn free_number(place: &Place) -> Result<u32, StorageError> {
    let mut names = place.storage.list(place.log_dir())?;
    if let Some(replica) = place.replica_dir() {
        names.extend(place.storage.list(replica)?);
    }
    let used = names.iter().filter_map(|name| {
        let (_, number) = name.rsplit_once(".before-repair-")?;
        number.parse::<u32>().ok()
    });
    Ok(used.max().map_or(1, |last| last.saturating_add(1)))
}

impl Plan {
    /// Carries the plan out.
    pub fn apply(self) -> Result<(), OfflineError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let root = place.replica_dir().unwrap_or_else(|| place.log_dir());
        let storage = &*place.storage;
        for action in &self.actions {
            match action {
                Action::SetAside { file, kept_as } => {
                    storage.rename(&root.join(file), &root.join(kept_as))?;
                    sync_parent(storage, &root.join(file))?;
                }
                Action::SetSnapshotAside {
                    offset,
                    files,
                    kept_in,
                } => set_snapshot_aside(place, *offset, files, &root.join(kept_in))?,
                Action::Begin {
                    file,
                    with,
                    byte,
                    bytes,
                    is_v0,
                } => {
                    let (file, with) = (root.join(file), root.join(with));
                    behind::begin(place, &file, &with, (*byte, *bytes), *is_v0)?;
                }
                Action::Cut {
                    file,
                    kept_as,
                    bytes,
                    ..
                } => cut_file(place, &root.join(file), &root.join(kept_as), *bytes)?,
            }
        }
        // The lock is held up to here.
        drop(self.lock);
        Ok(())
    }
}

fn sync_parent(storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
    match path.parent() {
        Some(parent) => storage.sync_dir(parent),
        None => Ok(()),
    }
}

/// Copies the files of a snapshot, then removes it. Files that older ones need stay.
fn set_snapshot_aside(
    place: &Place,
    offset: u64,
    files: &[PathBuf],
    kept_in: &Path,
) -> Result<(), OfflineError> {
    let storage = &*place.storage;
    storage.create_dir(kept_in)?;
    sync_parent(storage, kept_in)?;
    for file in files {
        copy_file(storage, file, &kept_in.join(name_of(file)))?;
    }
    storage.sync_dir(kept_in)?;
    snapshots::remove_locked(place, offset)
}

fn copy_file(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), StorageError> {
    let original = storage.open(from, OpenMode::Read)?;
    let copy = storage.open(to, OpenMode::CreateOrTruncate)?;
    copy_range(&*original, 0, &*copy, 0, original.byte_len()?)?;
    copy.sync_data()
}

/// Copies a segment, then replaces it by the first bytes of its content.
fn cut_file(place: &Place, path: &Path, kept_as: &Path, bytes: u64) -> Result<(), OfflineError> {
    let storage = &*place.storage;
    copy_file(storage, path, kept_as)?;
    sync_parent(storage, path)?;

    let content = segment::open(&*place.storage, path)?;
    let temporary = path.with_extension("repair");
    let shorter = storage.open(&temporary, OpenMode::CreateOrTruncate)?;
    copy_range(&*content.file, 0, &*shorter, 0, bytes)?;
    if bytes <= HEADER_LEN as u64 {
        // The header itself may be what is damaged.
        shorter.write_all_at(0, &segment::encode_header())?;
    }
    shorter.sync_data()?;
    drop((content, shorter));
    storage.rename(&temporary, path)?;
    sync_parent(storage, path)?;
    Ok(())
}

fn copy_range(
    from: &dyn StorageFile,
    from_byte: u64,
    to: &dyn StorageFile,
    to_byte: u64,
    len: u64,
) -> Result<(), StorageError> {
    const PIECE_BYTES: u64 = 1 << 20;
    let mut piece = Vec::new();
    let mut at = 0;
    while at < len {
        let piece_len = (len - at).min(PIECE_BYTES);
        piece.resize(usize::try_from(piece_len).unwrap_or(0), 0);
        from.read_exact_at(from_byte + at, &mut piece)?;
        to.write_all_at(to_byte + at, &piece)?;
        at += piece_len;
    }
    Ok(())
}
