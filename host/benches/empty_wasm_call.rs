//! The limit that no reducer call can beat: entering and leaving WebAssembly through plain
//! wasmtime, with the engine settings that the host uses and without.

use criterion::{Criterion, criterion_group, criterion_main};
use wasmtime::{Config, Engine, Instance, Module, Store};

/// `(module (func (export "f")))`
const EMPTY_FUNCTION: [u8; 35] = [
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // types: () -> ()
    0x03, 0x02, 0x01, 0x00, // functions: one of type 0
    0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00, // exports: "f" is function 0
    0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b, // code: end
    0x00, 0x02, 0x01, 0x6e, // a custom section, ignored
];

fn empty_call(criterion: &mut Criterion) {
    for (name, epochs) in [("plain", false), ("with a deadline", true)] {
        let mut config = Config::new();
        config.epoch_interruption(epochs);
        let engine = Engine::new(&config).expect("the engine starts");
        let module = Module::from_binary(&engine, &EMPTY_FUNCTION).expect("a valid module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("no imports are needed");
        let function = instance
            .get_typed_func::<(), ()>(&mut store, "f")
            .expect("exported");
        criterion.bench_function(&format!("empty wasm call, {name}"), |bencher| {
            bencher.iter(|| {
                store.set_epoch_deadline(1_000_000);
                function.call(&mut store, ()).expect("does nothing");
            });
        });
    }
}

criterion_group!(benches, empty_call);
criterion_main!(benches);
