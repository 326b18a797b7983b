//! What functions of modules ask the host for, byte by byte, with both libraries.

use std::path::Path;

use spacetime_types::module_def::{RawModuleDef, RawModuleDefV10Section};
use wasmi::{Engine, Module, Val};

use super::host::{OTHER_SINK, OTHER_SOURCE, Run, SINK, SOURCE, START, start};

/// A function with arguments, by its name and their bytes.
const ARGUMENTS: [(&str, &[u8]); 5] = [
    ("later", &[2, 0, 0, 0]),
    ("set_number", &[0, 5, 0, 0, 0, 0, 0, 0, 0]),
    ("set_level", &[2]),
    ("procedure_context", &[0, 0, 0, 0, 0, 0, 0, 1]),
    ("asks", b"\x09\0\0\0http://x/"),
];

struct Function {
    name: String,
    arguments: Vec<u8>,
}

/// Functions by their numbers; none for those whose arguments are not known here.
#[derive(Default)]
struct Functions {
    reducers: Vec<Option<Function>>,
    procedures: Vec<Option<Function>>,
    views: Vec<(String, u32, bool)>,
    handlers: Vec<String>,
}

fn function(name: &str, parameters: usize) -> Option<Function> {
    let known = ARGUMENTS.iter().find(|(known, _)| *known == name);
    if known.is_none() && 0 < parameters {
        return None;
    }
    Some(Function {
        name: name.to_owned(),
        arguments: known.map_or(Vec::new(), |(_, bytes)| bytes.to_vec()),
    })
}

fn functions(definition: &RawModuleDef) -> Functions {
    let RawModuleDef::V10(definition) = definition else {
        panic!("not a definition of 2.x: {definition:?}");
    };
    let mut found = Functions::default();
    for section in &definition.sections {
        match section {
            RawModuleDefV10Section::Reducers(reducers) => {
                let reducers = reducers
                    .iter()
                    .map(|def| function(&def.source_name, def.params.elements.len()));
                found.reducers.extend(reducers);
            }
            RawModuleDefV10Section::Procedures(procedures) => {
                let procedures = procedures
                    .iter()
                    .map(|def| function(&def.source_name, def.params.elements.len()));
                found.procedures.extend(procedures);
            }
            RawModuleDefV10Section::Views(views) => {
                let views = views
                    .iter()
                    .map(|def| (def.source_name.to_string(), def.index, def.is_anonymous));
                found.views.extend(views);
            }
            RawModuleDefV10Section::HttpHandlers(handlers) => {
                let handlers = handlers.iter().map(|def| def.source_name.to_string());
                found.handlers.extend(handlers);
            }
            _ => {}
        }
    }
    found
}

fn number(number: usize) -> Val {
    Val::I32(i32::try_from(number).unwrap())
}

fn word(word: u32) -> Val {
    Val::I32(i32::try_from(word).unwrap())
}

/// The number of a function, a caller with a token, and the time.
fn caller(id: usize) -> Vec<Val> {
    let mut arguments = vec![number(id)];
    // The sender, and a connection.
    arguments.extend([1, 2, 3, 4, 5, 6].map(Val::I64));
    arguments.push(Val::I64(START));
    arguments
}

/// Runs everything in a module. Each call has an instance of its own.
struct Exercise<'a> {
    engine: &'a Engine,
    module: &'a Module,
    said: Vec<String>,
}

impl Exercise<'_> {
    fn call(
        &mut self,
        title: &str,
        export: &str,
        arguments: &[Val],
        prepare: impl FnOnce(&mut Run),
    ) {
        let mut run = start(self.engine, self.module);
        // Hosts ask for this before they call anything.
        run.describe();
        prepare(&mut run);
        let said = run.call(export, arguments);
        self.said.push(format!("== {title}\n{said}"));
    }

    fn reducer(&mut self, id: usize, function: &Function, refusal: Option<i32>) {
        let mut arguments = caller(id);
        arguments.extend([word(SOURCE), word(SINK)]);
        let title = format!("reducer {} {refusal:?}", function.name);
        self.call(&title, "__call_reducer__", &arguments, |run| {
            let host = run.store.data_mut();
            host.refusal = refusal;
            host.sources.insert(SOURCE, function.arguments.clone());
        });
    }

    fn procedure(&mut self, id: usize, function: &Function) {
        let mut arguments = caller(id);
        arguments.extend([word(SOURCE), word(SINK)]);
        let title = format!("procedure {}", function.name);
        self.call(&title, "__call_procedure__", &arguments, |run| {
            let sources = &mut run.store.data_mut().sources;
            sources.insert(SOURCE, function.arguments.clone());
        });
    }

    fn view(&mut self, name: &str, index: u32, is_anonymous: bool) {
        let mut arguments = vec![word(index)];
        let export = if is_anonymous {
            "__call_view_anon__"
        } else {
            arguments.extend([1, 2, 3, 4].map(Val::I64));
            "__call_view__"
        };
        arguments.extend([word(SOURCE), word(SINK)]);
        self.call(&format!("view {name}"), export, &arguments, |_| {});
    }

    fn handler(&mut self, id: usize, name: &str) {
        let mut arguments = vec![number(id), Val::I64(START)];
        arguments.extend([SOURCE, OTHER_SOURCE, SINK, OTHER_SINK].map(word));
        let title = format!("handler {name}");
        self.call(&title, "__call_http_handler__", &arguments, |run| {
            let sources = &mut run.store.data_mut().sources;
            sources.insert(SOURCE, request());
            sources.insert(OTHER_SOURCE, b"body".to_vec());
        });
    }
}

/// `GET http://x/y` with a header, HTTP 1.1, without a timeout.
fn request() -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(1u32.to_le_bytes());
    for text in [b"accept".as_slice(), b"text/plain"] {
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text);
    }
    // No timeout.
    bytes.push(1);
    bytes.extend(10u32.to_le_bytes());
    bytes.extend(b"http://x/y");
    bytes.push(2);
    bytes
}

/// Everything that the module's functions ask and answer.
fn trace(file: &Path) -> Vec<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, std::fs::read(file).unwrap()).unwrap();
    let definition = super::decode(&start(&engine, &module).describe());
    let functions = functions(&definition);
    let mut module = Exercise {
        engine: &engine,
        module: &module,
        said: Vec::new(),
    };
    for (id, function) in functions.reducers.iter().enumerate() {
        let Some(function) = function else { continue };
        // Done; refused, since a unique value exists, or since a sequence has run out.
        for refusal in [None, Some(12), Some(16)] {
            module.reducer(id, function, refusal);
        }
    }
    for (id, function) in functions.procedures.iter().enumerate() {
        let Some(function) = function else { continue };
        module.procedure(id, function);
    }
    for (name, index, is_anonymous) in &functions.views {
        module.view(name, *index, *is_anonymous);
    }
    for (id, name) in functions.handlers.iter().enumerate() {
        module.handler(id, name);
    }
    module.said
}

#[test]
fn both_libraries_ask_the_host_for_the_same() {
    let (official, own) = (super::official_modules(), super::own_modules());
    let mut different = 0;
    let (official, own) = (
        trace(&official.join("surface.wasm")),
        trace(&own.join("surface.wasm")),
    );
    assert_eq!(official.len(), own.len());
    assert!(100 < own.len(), "few calls: {}", own.len());
    for (official, own) in official.iter().zip(&own) {
        if official != own {
            eprintln!("official: {official}\nown: {own}\n");
            different += 1;
        }
    }
    assert_eq!(different, 0, "calls that differ");
}
