//! Compiled modules on disk, so that a server that starts need not compile them again.
//!
//! Machine code that is loaded from a file runs with the rights of the server, unchecked. So the
//! one question of this crate is whether a file is what this server wrote.
//!
//! Invariants
//!   * A file is used only if its bytes, all of them, carry a code that only the holder of the
//!     key can make ([`CacheKey`]), over the module's id and the code. What is torn, damaged,
//!     exchanged, or comes from another server does not; it is removed and compiled anew.
//!   * The id is a hash of the module's bytes, the runtime's version, its settings and the
//!     processor's features, so code for another engine has another name.
//!   * The code is checked in memory and loaded from the same memory: nothing that happens to the
//!     file in between counts.
//!   * The files together have at most so many bytes as were asked for; the one that was not used
//!     for longest goes first.
//!   * Nothing here is needed: whatever fails costs time only. Files are not synced; one that a
//!     power cut tears is found out by its code.
//!
//! Not here: limits on time, and when to compile.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;
use wasmtime::{Engine, Module};

/// What a file starts with; the last byte counts the versions of this layout.
const MAGIC: [u8; 8] = *b"stdbcod\x01";
const MAC_LEN: usize = 32;
const HEAD_LEN: usize = MAGIC.len() + MAC_LEN;

/// The ending of a whole file, and of one that is being written.
const WHOLE: &str = "code";
const PARTIAL: &str = "new";

/// What makes this server's files its own.
#[derive(Clone)]
pub struct CacheKey([u8; 32]);

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey")
    }
}

impl CacheKey {
    /// A key that is made from a secret of the server which the cache's directory does not hold.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> CacheKey {
        CacheKey(blake3::derive_key(
            "spacetime 2026 compiled modules on disk",
            secret,
        ))
    }
}

/// Names the code of one module for one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CodeId([u8; 32]);

impl CodeId {
    fn of(engine: &Engine, wasm: &[u8]) -> CodeId {
        let mut hasher = HashBytes(blake3::Hasher::new());
        // Covers the runtime's version, its settings, the target and its features.
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let HashBytes(mut id) = hasher;
        id.update(blake3::hash(wasm).as_bytes());
        CodeId(*id.finalize().as_bytes())
    }

    fn file_name(&self, ending: &str) -> String {
        format!("{}.{ending}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// Takes what `Hash` feeds to a hasher into one that is the same in every process.
struct HashBytes(blake3::Hasher);

impl Hasher for HashBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.0.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A directory with compiled modules.
#[derive(Debug)]
pub struct CodeCache {
    directory: PathBuf,
    key: CacheKey,
    bytes_max: u64,
    /// One file is written at a time.
    writing: Mutex<()>,
}

impl CodeCache {
    /// A cache in `directory`, which is made if need be, for its owner only.
    pub fn open(directory: PathBuf, key: CacheKey, bytes_max: u64) -> io::Result<CodeCache> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        let cache = CodeCache {
            directory,
            key,
            bytes_max,
            writing: Mutex::new(()),
        };
        for (path, _) in cache.files(PARTIAL)? {
            remove(&path);
        }
        Ok(cache)
    }

    /// The code of a module, if it is here.
    #[must_use]
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> Option<Module> {
        let id = CodeId::of(engine, wasm);
        let path = self.directory.join(id.file_name(WHOLE));
        let contents = match self.read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "compiled module not read");
                }
                return None;
            }
        };
        let Some(code) = self.verified(&id, &contents) else {
            tracing::warn!(file = %path.display(), "compiled module damaged or foreign: removed");
            remove(&path);
            return None;
        };
        // SAFETY: `deserialize` asks for bytes that `Module::serialize` gave, unchanged. `code` is
        // followed by nobody else: it is in memory of this function. Its authentication code was
        // made with a secret key that only `compile` below uses, over the bytes that `serialize`
        // returned for this very id, that is for this module and an engine with the same
        // compatibility hash. Whoever knows the key is the server or has its private key.
        let loaded = unsafe { Module::deserialize(engine, code) };
        match loaded {
            Ok(module) => Some(module),
            Err(error) => {
                tracing::warn!(file = %path.display(), "compiled module not usable: {error:#}");
                remove(&path);
                None
            }
        }
    }

    /// Compiles a module and keeps the code. Takes long.
    pub fn compile(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let module = Module::from_binary(engine, wasm)?;
        if let Err(error) = self.keep(engine, wasm, &module) {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "a compiled module could not be kept");
        }
        Ok(module)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        if len > self.bytes_max {
            return Err(io::Error::other("it is larger than the whole cache may be"));
        }
        // The age by which files go. If it cannot be set, this one goes earlier.
        let _ = file.set_modified(SystemTime::now());
        let mut contents = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        file.take(self.bytes_max).read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// The code in a file's contents, if it is what this server wrote for `id`.
    fn verified<'a>(&self, id: &CodeId, contents: &'a [u8]) -> Option<&'a [u8]> {
        let (head, code) = contents.split_at_checked(HEAD_LEN)?;
        let (magic, mac) = head.split_at(MAGIC.len());
        let mac: [u8; MAC_LEN] = mac.try_into().ok()?;
        // Hashes are compared in constant time.
        (magic == MAGIC && self.mac(id, code) == mac).then_some(code)
    }

    fn mac(&self, id: &CodeId, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key.0);
        hasher.update(&MAGIC).update(&id.0).update(code);
        hasher.finalize()
    }

    fn keep(&self, engine: &Engine, wasm: &[u8], module: &Module) -> io::Result<()> {
        let id = CodeId::of(engine, wasm);
        let code = module.serialize().map_err(io::Error::other)?;
        let len = u64::try_from(HEAD_LEN + code.len()).unwrap_or(u64::MAX);
        let _writing = self.writing.lock();
        if !self.make_room(len)? {
            return Ok(());
        }
        let partial = self.directory.join(id.file_name(PARTIAL));
        let written = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&partial)?;
            file.write_all(&MAGIC)?;
            file.write_all(self.mac(&id, &code).as_bytes())?;
            file.write_all(&code)?;
            fs::rename(&partial, self.directory.join(id.file_name(WHOLE)))
        };
        written().inspect_err(|_| remove(&partial))
    }

    /// Removes the oldest files until one of `len` bytes fits. False if it never will.
    fn make_room(&self, len: u64) -> io::Result<bool> {
        if len > self.bytes_max {
            return Ok(false);
        }
        let mut files = Vec::new();
        for (path, metadata) in self.files(WHOLE)? {
            files.push((metadata.modified()?, metadata.len(), path));
        }
        files.sort_unstable();
        let mut used: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, old_len, path) in files {
            if used <= self.bytes_max - len {
                break;
            }
            fs::remove_file(&path)?;
            used -= old_len;
        }
        Ok(true)
    }

    fn files(&self, ending: &str) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|found| found == ending) {
                files.push((path, entry.metadata()?));
            }
        }
        Ok(files)
    }
}

/// A file that stays is only a waste of space, or is found damaged again.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "not removed");
    }
}
