use super::*;

/// What a module must have to be one, and `functions` functions of some size.
fn module(functions: usize) -> Vec<u8> {
    let mut text = String::from(
        "(module (import \"spacetime_10.0\" \"identity\" (func (param i32)))
         (memory (export \"memory\") 1)
         (func (export \"__describe_module__\") (param i32))
         (func (export \"__call_reducer__\")
            (param i32 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32) i32.const 0)",
    );
    for number in 0..functions {
        text.push_str(&format!(
            "(func (param i64) (result i64) i64.const {number}"
        ));
        for factor in 0..200 {
            text.push_str(&format!(
                " local.get 0 i64.const {factor} i64.xor i64.mul local.tee 0"
            ));
        }
        text.push(')');
    }
    text.push(')');
    wat::parse_str(text).expect("a module")
}

fn options(time_max: Duration) -> CompileOptions {
    CompileOptions {
        time_max,
        cache_key: Some(CacheKey::from_secret(b"secret")),
        ..CompileOptions::default()
    }
}

fn engine(folder: &tempfile::TempDir, time_max: Duration) -> Arc<WasmEngine> {
    let directory = folder.path().join("code");
    WasmEngine::new(&options(time_max), Some(directory)).expect("an engine")
}

fn files(folder: &tempfile::TempDir) -> usize {
    let entries = std::fs::read_dir(folder.path().join("code")).expect("made");
    entries.count()
}

#[tokio::test]
async fn a_program_in_use_is_shared_and_one_on_disk_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine_1 = engine(&folder, Duration::from_secs(600));
    let wasm = Bytes::from(module(1));
    let first = Program::load_in_time(&engine_1, wasm.clone())
        .await
        .expect("compiles");
    assert_eq!(files(&folder), 1);
    let second = Program::load(&engine_1, &wasm).expect("is in use");
    assert!(first.is_same(&second));
    // In use means that the disk is not asked.
    std::fs::remove_dir_all(folder.path().join("code")).expect("removed");
    let third = Program::load_in_time(&engine_1, wasm.clone()).await;
    let third = third.expect("is in use");
    assert!(third.is_same(&first));
    drop((first, second, third));

    // Nobody uses it: it comes from the disk, if it is there.
    let hash = hash_within_limit(&wasm).expect("small");
    assert!(load_ready(&engine_1, &wasm, hash).is_none());
    std::fs::create_dir(folder.path().join("code")).expect("a directory");
    drop(Program::load(&engine_1, &wasm).expect("compiles"));
    let engine_2 = engine(&folder, Duration::from_secs(600));
    let loaded = load_ready(&engine_2, &wasm, hash).expect("on disk");
    loaded.expect("it links");
}

#[tokio::test]
async fn a_module_that_compiles_for_too_long_is_refused_and_the_next_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder, Duration::from_millis(1));
    let large = Bytes::from(module(60));
    let refused = Program::load_in_time(&engine, large.clone()).await;
    assert!(
        matches!(refused, Err(LoadProgramError::CompileTooSlow(_))),
        "{refused:?}"
    );
    // It goes on, and holds one of the places until it is done.
    assert_eq!(
        engine.compiler().publishing.available_permits(),
        COMPILING_MAX - 1
    );
    while engine.compiler().publishing.available_permits() < COMPILING_MAX {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What it gave was kept.
    let again = Program::load_in_time(&engine, large).await;
    again.expect("it is on disk now");
}

#[tokio::test]
async fn who_publishes_while_all_places_are_taken_waits_for_so_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder, Duration::from_millis(50));
    let places = Arc::clone(&engine.compiler().publishing);
    let all = u32::try_from(COMPILING_MAX).expect("few");
    let taken = places.acquire_many_owned(all).await.expect("open");
    let refused = Program::load_in_time(&engine, Bytes::from(module(1))).await;
    assert!(
        matches!(refused, Err(LoadProgramError::CompilersBusy(_))),
        "{refused:?}"
    );
    drop(taken);
    // Too large is said at once, whoever else compiles.
    let refused = hash_within_limit(&vec![0; 256 * 1024 * 1024 + 1]);
    assert!(matches!(refused, Err(LoadProgramError::TooLarge(_))));
}
