//! Rows from a snapshot.
//!
//! Invariants
//!   * Every object is checked against its hash, and every page and row for what it is: a
//!     snapshot that is wrong leads to an error, never to a wrong row.
//!
//! Not here: which snapshot, and the log that comes after it.

use std::sync::Arc;

use spacetime_page::{BlobStore, ImageError, RestoredPage, RowLayout};
use spacetime_snapshot::{LoadedSnapshot, ObjectBuffer, ObjectIndex, SnapshotError, TableEntry};
use spacetime_table::system::StModule;
use spacetime_table::{Datastore, RestoreError, RestoredBlob};
use spacetime_types::{Identity, TableId};

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// It cannot be read, or is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It holds no consistent state.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A page is no page of its table.
    #[error("page {position} of the table id {table} is wrong: {error}")]
    Page {
        table: TableId,
        position: usize,
        error: ImageError,
    },
    /// This version leaves no pages out.
    #[error("page {position} of the table id {table} is left out")]
    AbsentPage { table: TableId, position: usize },
    /// The rows say that they are of another database.
    #[error("it is of the database {found} and has the rows of {rows}")]
    OtherDatabase { found: Identity, rows: Identity },
}

/// The identity of the database, as its rows say; zero if they do not.
pub(crate) fn identity_of(datastore: &Datastore) -> Identity {
    let mut modules = datastore.system_rows::<StModule>();
    modules
        .next()
        .map_or(Identity::ZERO, |(_, row)| row.database_identity)
}

/// Brings the rows back, with so many threads. The replay of the log that follows is open then.
pub fn restore_snapshot(
    datastore: &mut Datastore,
    snapshot: &LoadedSnapshot,
    threads: usize,
) -> Result<(), BadSnapshot> {
    let manifest = snapshot.manifest();
    let mut blobs = Vec::with_capacity(manifest.blobs.len());
    for blob in &manifest.blobs {
        let entry = manifest.object(blob.object).ok_or(SnapshotError::Misuse {
            what: "a blob without an object",
        })?;
        blobs.push(RestoredBlob {
            name: entry.hash.0,
            bytes: snapshot.object(blob.object)?.into(),
            uses: blob.uses,
        });
    }
    datastore.restore_begin(blobs)?;
    let mut tables: Vec<&TableEntry> = manifest.tables.iter().collect();
    tables.sort_unstable_by_key(|table| table.table);
    for table in tables {
        let (layout, blobs) = datastore.restore_layout(table.table, table.fingerprint)?;
        let pages = read_pages(snapshot, table, &layout, blobs, threads)?;
        datastore.restore_pages(table.table, table.fingerprint, table.row_count, pages)?;
    }
    datastore.restore_end()?;
    let (found, rows) = (manifest.identity, identity_of(datastore));
    if found != rows {
        return Err(BadSnapshot::OtherDatabase { found, rows });
    }
    Ok(())
}

/// The pages of a table, in order.
fn read_pages(
    snapshot: &LoadedSnapshot,
    table: &TableEntry,
    layout: &Arc<RowLayout>,
    blobs: &BlobStore,
    threads: usize,
) -> Result<Vec<RestoredPage>, BadSnapshot> {
    const PAGES_PER_THREAD_MIN: usize = 16;
    let read = |first: usize, pages: &[Option<ObjectIndex>]| {
        let mut buffer = ObjectBuffer::default();
        let mut read = Vec::with_capacity(pages.len());
        for (position, page) in (first..).zip(pages) {
            let id = table.table;
            let index = page.ok_or(BadSnapshot::AbsentPage {
                table: id,
                position,
            })?;
            let image = snapshot.read(index, &mut buffer)?;
            let page =
                RestoredPage::decode(layout, image, blobs).map_err(|error| BadSnapshot::Page {
                    table: id,
                    position,
                    error,
                })?;
            let hash = snapshot.manifest().object(index).map(|entry| entry.hash.0);
            read.push(match hash {
                Some(hash) => page.with_hash(hash),
                None => page,
            });
        }
        Ok(read)
    };
    let share = table
        .pages
        .len()
        .div_ceil(threads)
        .max(PAGES_PER_THREAD_MIN);
    if share >= table.pages.len() {
        return read(0, &table.pages);
    }
    std::thread::scope(|scope| {
        let shares = table.pages.chunks(share).enumerate();
        let readers: Vec<_> = shares
            .map(|(nth, pages)| scope.spawn(move || read(nth * share, pages)))
            .collect();
        let mut pages = Vec::with_capacity(table.pages.len());
        for reader in readers {
            let read = reader.join();
            let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            pages.extend(read?);
        }
        Ok(pages)
    })
}
