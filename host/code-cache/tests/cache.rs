//! What is in the cache is used only if this server put it there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spacetime_code_cache::{CacheKey, CodeCache};
use wasmtime::{Config, Engine, Instance, Module, Store};

const SPACE: u64 = 1 << 30;

fn cache(directory: &Path, secret: &[u8], bytes_max: u64) -> CodeCache {
    let directory = directory.join("cache/code");
    CodeCache::open(directory, CacheKey::from_secret(secret), bytes_max).unwrap()
}

/// A module whose function `f` gives `answer`.
fn wasm(answer: i32) -> Vec<u8> {
    let text = format!("(module (func (export \"f\") (result i32) i32.const {answer}))");
    wat::parse_str(text).unwrap()
}

fn answer(engine: &Engine, module: &Module) -> i32 {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let function = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    function.call(&mut store, ()).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("cache/code")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn only_file(directory: &Path) -> PathBuf {
    let mut files = files(directory);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn what_was_compiled_is_there_after_a_restart_and_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let first = cache(folder.path(), b"secret", SPACE);
    assert!(first.load(&engine, &wasm(7)).is_none());
    let compiled = first.compile(&engine, &wasm(7)).unwrap();
    assert_eq!(answer(&engine, &compiled), 7);
    drop((first, engine));

    let engine = Engine::default();
    let second = cache(folder.path(), b"secret", SPACE);
    let loaded = second.load(&engine, &wasm(7)).expect("it was kept");
    assert_eq!(answer(&engine, &loaded), 7);
    assert!(second.load(&engine, &wasm(8)).is_none());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = only_file(folder.path());
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

#[test]
fn other_settings_and_other_secrets_find_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let ours = cache(folder.path(), b"secret", SPACE);
    ours.compile(&engine, &wasm(7)).unwrap();
    let other = Engine::new(Config::new().epoch_interruption(true)).unwrap();
    assert!(ours.load(&other, &wasm(7)).is_none());
    assert!(ours.load(&engine, &wasm(7)).is_some());
    let theirs = cache(folder.path(), b"another", SPACE);
    assert!(theirs.load(&engine, &wasm(7)).is_none());
    assert_eq!(
        files(folder.path()),
        Vec::<PathBuf>::new(),
        "it was removed"
    );
}

#[test]
fn damaged_torn_and_exchanged_files_are_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = cache(folder.path(), b"secret", SPACE);
    cache.compile(&engine, &wasm(7)).unwrap();
    let file = only_file(folder.path());
    let good = fs::read(&file).unwrap();
    let mut bad: Vec<Vec<u8>> = vec![Vec::new(), b"stdbcod".to_vec(), vec![0; good.len()]];
    for len in [1, 8, 39, 40, 41, good.len() / 2, good.len() - 1] {
        bad.push(good[..len].to_vec());
    }
    bad.push([&good[..], &[0]].concat());
    let step = (good.len() / 97).max(1);
    for at in (0..60).chain((60..good.len()).step_by(step)) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        bad.push(flipped);
    }
    for contents in bad {
        fs::write(&file, &contents).unwrap();
        assert!(cache.load(&engine, &wasm(7)).is_none());
        assert!(!file.exists(), "it stays and is read again and again");
    }
    // The code of one module under the name of another.
    cache.compile(&engine, &wasm(8)).unwrap();
    fs::rename(only_file(folder.path()), &file).unwrap();
    assert!(cache.load(&engine, &wasm(7)).is_none());
    // The null control: what was written is still good.
    fs::write(&file, &good).unwrap();
    let loaded = cache.load(&engine, &wasm(7)).expect("unchanged");
    assert_eq!(answer(&engine, &loaded), 7);
}

#[test]
fn the_files_have_a_bound_and_the_oldest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let large = cache(folder.path(), b"secret", SPACE);
    large.compile(&engine, &wasm(0)).unwrap();
    let one = fs::metadata(only_file(folder.path())).unwrap().len();
    let three = cache(folder.path(), b"secret", 3 * one + one / 2);
    for n in 1..3 {
        three.compile(&engine, &wasm(n)).unwrap();
    }
    // All are as old as each other, but the first was used since.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for file in files(folder.path()) {
        let file = fs::File::open(file).unwrap();
        file.set_modified(hour_ago).unwrap();
    }
    assert!(three.load(&engine, &wasm(0)).is_some());
    assert!(three.load(&engine, &wasm(2)).is_some());
    three.compile(&engine, &wasm(3)).unwrap();
    assert_eq!(files(folder.path()).len(), 3);
    let kept = [0, 1, 2, 3].map(|n| three.load(&engine, &wasm(n)).is_some());
    assert_eq!(kept, [true, false, true, true]);
    // One that is larger than everything together is compiled and not kept.
    let none = cache(folder.path(), b"secret", one / 2);
    none.compile(&engine, &wasm(9)).unwrap();
    assert!(none.load(&engine, &wasm(9)).is_none());
    assert_eq!(files(folder.path()).len(), 3);
}

#[test]
fn what_a_crash_left_half_written_goes() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("cache/code");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("0123.new"), b"half").unwrap();
    fs::write(directory.join("README"), b"not ours").unwrap();
    drop(cache(folder.path(), b"secret", SPACE));
    assert_eq!(only_file(folder.path()), directory.join("README"));
}

#[test]
fn a_directory_that_cannot_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cache"), b"a file").unwrap();
    let key = CacheKey::from_secret(b"secret");
    assert!(CodeCache::open(folder.path().join("cache/code"), key, SPACE).is_err());
}
