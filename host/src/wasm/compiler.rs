//! Compiling modules, beside everything else; or not, where the code of a module is there already.
//!
//! Invariants
//!   * Compiling runs on threads of its own that leave a core to those who serve, and at most
//!     [`COMPILING_MAX`] modules of publishers are compiled at once. One that nobody waits for any
//!     more counts until it is done: the runtime cannot stop in the middle.
//!   * A program that some database runs is shared, not compiled or loaded again.
//!   * What is stored in a database is compiled however long it takes: it was accepted once.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use spacetime_code_cache::{CacheKey, CodeCache};
use tokio::sync::Semaphore;
use wasmtime::{Engine, Module};

use super::engine::WasmEngine;
use super::program::{Linked, LoadProgramError, Program};

/// Modules of publishers that are compiled at once.
const COMPILING_MAX: usize = 2;

/// Deep enough for the nesting that the runtime's validator lets through.
const COMPILER_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Compiling for longer is said in the server's log.
const SLOW_COMPILE: Duration = Duration::from_secs(5);

/// How modules are compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// How long whoever publishes a module waits for it to be compiled.
    pub time_max: Duration,
    /// Compiled modules are kept on disk under this key; without one they are not.
    pub cache_key: Option<CacheKey>,
    /// Most bytes of them.
    pub cache_bytes_max: u64,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            time_max: Duration::from_secs(120),
            cache_key: None,
            cache_bytes_max: 2 << 30,
        }
    }
}

/// Programs that are in use, by the hash of their bytes.
type InUse = FxHashMap<[u8; 32], Weak<Linked>>;

/// Compiles modules for one server.
#[derive(Debug)]
pub(super) struct Compiler {
    threads: rayon::ThreadPool,
    cache: Option<CodeCache>,
    time_max: Duration,
    publishing: Arc<Semaphore>,
    in_use: Mutex<InUse>,
}

impl Compiler {
    /// `directory` is where compiled modules are kept, if they are.
    pub(super) fn new(
        options: &CompileOptions,
        directory: Option<PathBuf>,
    ) -> wasmtime::Result<Compiler> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(cores.saturating_sub(1).max(1))
            .thread_name(|number| format!("compile-{number}"))
            .stack_size(COMPILER_STACK_BYTES)
            .build()
            .map_err(|error| wasmtime::Error::msg(format!("no threads to compile: {error}")))?;
        Ok(Compiler {
            threads,
            cache: open_cache(options, directory),
            time_max: options.time_max,
            publishing: Arc::new(Semaphore::new(COMPILING_MAX)),
            in_use: Mutex::default(),
        })
    }

    fn in_use(&self, hash: &[u8; 32]) -> Option<Arc<Linked>> {
        self.in_use.lock().get(hash).and_then(Weak::upgrade)
    }

    /// Makes a program findable for others. If another thread was faster, its one is given back.
    fn share(&self, hash: [u8; 32], linked: Linked) -> Arc<Linked> {
        let mut in_use = self.in_use.lock();
        if let Some(there) = in_use.get(&hash).and_then(Weak::upgrade) {
            return there;
        }
        in_use.retain(|_, linked| linked.strong_count() > 0);
        let linked = Arc::new(linked);
        in_use.insert(hash, Arc::downgrade(&linked));
        linked
    }

    /// The code of a module, if it is on disk.
    fn kept(&self, engine: &Engine, wasm: &[u8]) -> Option<Module> {
        self.cache.as_ref()?.load(engine, wasm)
    }

    fn compile(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let started = Instant::now();
        let module = self.threads.install(|| match &self.cache {
            Some(cache) => cache.compile(engine, wasm),
            None => Module::from_binary(engine, wasm),
        });
        let took = started.elapsed();
        if took >= SLOW_COMPILE {
            tracing::warn!(bytes = wasm.len(), ?took, "a module took long to compile");
        }
        module
    }
}

/// A server without a cache starts slowly, but it starts.
fn open_cache(options: &CompileOptions, directory: Option<PathBuf>) -> Option<CodeCache> {
    let (key, directory) = (options.cache_key.clone()?, directory?);
    if options.cache_bytes_max == 0 {
        return None;
    }
    match CodeCache::open(directory.clone(), key, options.cache_bytes_max) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let directory = directory.display();
            tracing::warn!(%directory, %error, "compiled modules are not kept");
            None
        }
    }
}

/// Loads without compiling; `None` if that is not possible.
fn load_ready(
    engine: &Arc<WasmEngine>,
    wasm: &[u8],
    hash: [u8; 32],
) -> Option<Result<Program, LoadProgramError>> {
    let compiler = engine.compiler();
    if let Some(linked) = compiler.in_use(&hash) {
        return Some(Ok(Program::new(engine, linked)));
    }
    let module = compiler.kept(engine.engine(), wasm)?;
    Some(finish(engine, &module, hash))
}

fn compile(
    engine: &Arc<WasmEngine>,
    wasm: &[u8],
    hash: [u8; 32],
) -> Result<Program, LoadProgramError> {
    let module = engine.compiler().compile(engine.engine(), wasm);
    finish(engine, &module.map_err(LoadProgramError::Compile)?, hash)
}

fn finish(
    engine: &Arc<WasmEngine>,
    module: &Module,
    hash: [u8; 32],
) -> Result<Program, LoadProgramError> {
    let linked = Linked::new(engine, module)?;
    Ok(Program::new(engine, engine.compiler().share(hash, linked)))
}

impl Program {
    /// Compiles and checks. Takes as long as it takes: not for the writer thread while it serves,
    /// and not for modules that come from outside (see [`Program::load_in_time`]).
    pub fn load(engine: &Arc<WasmEngine>, wasm: &[u8]) -> Result<Program, LoadProgramError> {
        let hash = hash_within_limit(wasm)?;
        load_ready(engine, wasm, hash).unwrap_or_else(|| compile(engine, wasm, hash))
    }

    /// The same within the limits for publishers. What takes longer is not waited for.
    pub async fn load_in_time(
        engine: &Arc<WasmEngine>,
        wasm: Bytes,
    ) -> Result<Program, LoadProgramError> {
        let ready = blocking({
            let (engine, wasm) = (Arc::clone(engine), wasm.clone());
            move || {
                let hash = hash_within_limit(&wasm)?;
                match load_ready(&engine, &wasm, hash) {
                    Some(program) => Ok(Ready::Loaded(Box::new(program?))),
                    None => Ok(Ready::ToCompile(hash)),
                }
            }
        });
        let hash = match ready.await? {
            Ready::Loaded(program) => return Ok(*program),
            Ready::ToCompile(hash) => hash,
        };
        let compiler = engine.compiler();
        let time_max = compiler.time_max;
        let turn = Arc::clone(&compiler.publishing).acquire_owned();
        let turn = match tokio::time::timeout(time_max, turn).await {
            Ok(Ok(turn)) => turn,
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => return Err(LoadProgramError::CompilersBusy(time_max)),
        };
        let compiled = blocking({
            let engine = Arc::clone(engine);
            move || {
                let _turn = turn;
                compile(&engine, &wasm, hash)
            }
        });
        let compiled = tokio::time::timeout(time_max, compiled).await;
        compiled.unwrap_or(Err(LoadProgramError::CompileTooSlow(time_max)))
    }
}

enum Ready {
    Loaded(Box<Program>),
    ToCompile([u8; 32]),
}

fn hash_within_limit(wasm: &[u8]) -> Result<[u8; 32], LoadProgramError> {
    LoadProgramError::check_size(wasm.len())?;
    Ok(*blake3::hash(wasm).as_bytes())
}

/// Runs on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadProgramError> + Send + 'static,
) -> Result<T, LoadProgramError> {
    let task = tokio::task::spawn_blocking(work);
    task.await
        .unwrap_or_else(|_panicked| Err(LoadProgramError::CompilerFailed))
}

#[cfg(test)]
mod tests;
