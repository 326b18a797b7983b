//! The same modules, built with the official library and with this one, must describe themselves
//! alike. Prints how large both are.
//!
//! The modules are run by an interpreter just far enough to describe themselves.

use std::path::{Path, PathBuf};

use spacetime_types::bsatn;
use spacetime_types::module_def::RawModuleDef;
use spacetime_wasm_build::{
    Install, build_repository_modules, build_repository_modules_with_own_library,
};
use wasmi::{Caller, Engine, Extern, ExternType, Linker, Memory, Module, Store, Val};

/// The handle of the sink that the description goes to.
const SINK: u32 = 7;

#[derive(Default)]
struct Host {
    description: Vec<u8>,
}

fn memory_of(caller: &Caller<'_, Host>) -> Memory {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.expect("a module exports its memory")
}

fn number(value: &Val) -> u32 {
    match value {
        Val::I32(number) => u32::from_le_bytes(number.to_le_bytes()),
        other => panic!("not a 32-bit number: {other:?}"),
    }
}

fn bytes_sink_write(mut caller: Caller<'_, Host>, arguments: &[Val]) {
    let [sink, address, len_address] = arguments else {
        panic!(
            "a sink is written to with three arguments, not {}",
            arguments.len()
        );
    };
    assert_eq!(number(sink), SINK, "the description goes to its sink");
    let memory = memory_of(&caller);
    let mut len = [0; 4];
    memory
        .read(&caller, number(len_address) as usize, &mut len)
        .unwrap();
    let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
    memory
        .read(&caller, number(address) as usize, &mut bytes)
        .unwrap();
    caller.data_mut().description.extend(bytes);
}

/// A linker in which the module's every import exists. Only a sink can be written to; a call of
/// anything else while a module describes itself is a defect.
fn linker(engine: &Engine, module: &Module) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            panic!("modules import functions only, not {:?}", import.ty());
        };
        let name = import.name().to_owned();
        let function = move |caller: Caller<'_, Host>, arguments: &[Val], results: &mut [Val]| {
            assert_eq!(
                name, "bytes_sink_write",
                "called while describing the module"
            );
            bytes_sink_write(caller, arguments);
            results[0] = Val::I32(0);
            Ok(())
        };
        linker
            .func_new(import.module(), import.name(), ty.clone(), function)
            .unwrap();
    }
    linker
}

/// What a module says about itself, after running everything that comes before.
fn describe(file: &Path) -> Vec<u8> {
    let engine = Engine::default();
    let module = Module::new(&engine, std::fs::read(file).unwrap()).unwrap();
    let mut store = Store::new(&engine, Host::default());
    let linker = linker(&engine, &module);
    let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
    let exports = module.exports().map(|export| export.name().to_owned());
    let mut first: Vec<String> = exports
        .filter(|name| name.starts_with("__preinit__"))
        .collect();
    first.sort();
    for name in first {
        let run = instance.get_typed_func::<(), ()>(&store, &name).unwrap();
        run.call(&mut store, ()).unwrap();
    }
    let describe = instance
        .get_typed_func::<u32, ()>(&store, "__describe_module__")
        .unwrap();
    describe.call(&mut store, SINK).unwrap();
    std::mem::take(&mut store.data_mut().description)
}

fn decode(bytes: &[u8]) -> RawModuleDef {
    bsatn::from_slice(bytes).unwrap()
}

/// The modules built before, if the environment says where, or else built now.
fn folder(variable: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    std::env::var_os(variable).map_or_else(build, PathBuf::from)
}

fn official_modules() -> PathBuf {
    folder("SPACETIME_MODULES_DIR", || {
        build_repository_modules(Install::Never, &mut |_| {}).unwrap()
    })
}

fn own_modules() -> PathBuf {
    folder("SPACETIME_OWN_MODULES_DIR", || {
        build_repository_modules_with_own_library(Install::Never, &mut |_| {}).unwrap()
    })
}

#[test]
fn both_libraries_describe_the_same_modules() {
    let (official, own) = (official_modules(), own_modules());
    let mut names: Vec<String> = std::fs::read_dir(&own)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".wasm"))
        .collect();
    names.sort();
    assert!(10 < names.len(), "few modules: {names:?}");
    let mut different = Vec::new();
    let size = |file: &Path| std::fs::metadata(file).unwrap().len();
    eprintln!("{:<20} {:>10} {:>10}", "bytes", "official", "own");
    for name in names {
        let (official, own) = (official.join(&name), own.join(&name));
        eprintln!("{name:<20} {:>10} {:>10}", size(&official), size(&own));
        let (official, own) = (describe(&official), describe(&own));
        if decode(&official) != decode(&own) {
            eprintln!(
                "official: {:#?}\nown: {:#?}",
                decode(&official),
                decode(&own)
            );
            different.push(name);
        } else if official != own {
            eprintln!("{name}: the same, with its sections in another order");
        }
    }
    assert!(different.is_empty(), "described differently: {different:?}");
}

/// Built from the declarations that the format's description gives this for.
#[test]
fn a_module_with_everything_has_the_known_bytes() {
    let expected: String = include_str!("everything.hex").split_whitespace().collect();
    let bytes = describe(&own_modules().join("everything.wasm"));
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
}
