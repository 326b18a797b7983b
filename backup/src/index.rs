//! What one backup consists of.
//!
//! The file is one JSON object and a line with its BLAKE3. It is written last.

use serde::{Deserialize, Serialize};

use crate::depot::{Depot, DepotError};
use crate::object::Piece;
use crate::stream::is_safe_path;

/// Format of the index and of what it names.
const FORMAT: u32 = 1;
/// Largest index that is read.
const INDEX_BYTES_MAX: usize = 256 << 20;

/// One backup of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupIndex {
    pub format: u32,
    /// The database's identity, in hexadecimal digits.
    pub database: String,
    pub owner: String,
    pub names: Vec<String>,
    /// The backup has every transaction before this one.
    pub end: u64,
    /// When it was taken, in microseconds since the Unix epoch.
    pub taken_at_micros: i64,
    pub files: Vec<IndexedFile>,
}

/// A file of the database's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedFile {
    /// Relative, with `/`.
    pub path: String,
    pub len: u64,
    /// What it consists of, in order.
    pub pieces: Vec<Piece>,
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error("{place} is damaged: {what}")]
    Damaged { place: String, what: String },
    #[error("{place} is of format {found}; this program knows {FORMAT}")]
    Format { place: String, found: u32 },
}

impl BackupIndex {
    pub(crate) const FORMAT: u32 = FORMAT;

    /// Where it is kept. Sorted by key, the indexes of a database are sorted by age.
    #[must_use]
    pub fn key(&self) -> String {
        format!("backups/{}/{}.json", self.database, self.id())
    }

    /// Tells it from other backups of the same database.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:020}-{}", self.end, self.taken_at_micros)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_string(self);
        let json = json.unwrap_or_else(|error| panic!("strings and numbers have a form: {error}"));
        let sum = blake3::hash(json.as_bytes()).to_hex();
        format!("{json}\nblake3 {sum}\n").into_bytes()
    }

    fn decode(bytes: &[u8], place: &str) -> Result<BackupIndex, IndexError> {
        let damaged = |what: &str| IndexError::Damaged {
            place: place.to_owned(),
            what: what.to_owned(),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let (json, sum) = text
            .split_once('\n')
            .ok_or_else(|| damaged("its end is missing"))?;
        if sum != format!("blake3 {}\n", blake3::hash(json.as_bytes()).to_hex()) {
            return Err(damaged("its checksum does not hold"));
        }
        let index: BackupIndex =
            serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
        if index.format != FORMAT {
            return Err(IndexError::Format {
                place: place.to_owned(),
                found: index.format,
            });
        }
        for file in &index.files {
            let len = file
                .pieces
                .iter()
                .try_fold(0_u64, |len, piece| len.checked_add(piece.len));
            if !is_safe_path(&file.path) || len != Some(file.len) {
                return Err(damaged(&format!("its entry of {} is wrong", file.path)));
            }
        }
        Ok(index)
    }
}

/// The keys of all backups of a database, or of all databases; the newest of each last.
pub fn list(depot: &dyn Depot, database: Option<&str>) -> Result<Vec<String>, DepotError> {
    let prefix = match database {
        Some(database) => format!("backups/{database}/"),
        None => "backups/".to_owned(),
    };
    let mut keys = depot.list(&prefix)?;
    keys.retain(|key| key.ends_with(".json"));
    Ok(keys)
}

/// Reads and checks an index.
pub fn load(depot: &dyn Depot, key: &str) -> Result<BackupIndex, IndexError> {
    let place = depot.place(key);
    match depot.get(key, INDEX_BYTES_MAX)? {
        Some(bytes) => BackupIndex::decode(&bytes, &place),
        None => Err(IndexError::Damaged {
            place,
            what: "it is missing".to_owned(),
        }),
    }
}
