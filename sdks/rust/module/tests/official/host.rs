//! A host that has no database: it notes what a module asks it, and answers everybody alike.
//!
//! What libraries may do as they like is not noted: asking for ids, reading arguments, closing
//! iterators.

use std::collections::BTreeMap;
use std::fmt::Write;

use wasmi::{Caller, Engine, Extern, ExternType, Instance, Linker, Memory, Module, Store, Val};

/// Where the module writes what it has to say.
pub const SINK: u32 = 7;
pub const OTHER_SINK: u32 = 8;
/// Where it reads arguments from.
pub const SOURCE: u32 = 20;
pub const OTHER_SOURCE: u32 = 21;
const CLAIMS: u32 = 22;
const HTTP_FAILURE: u32 = 23;

const EXHAUSTED: i32 = -1;
const HTTP_ERROR: i32 = 21;
const AUTO_INC_OVERFLOW: i32 = 16;
const ITERATOR: u32 = 9;
const TIMER: u32 = 11;
const PANIC: u32 = 101;
pub const START: i64 = 1_700_000_000_123_456;

/// A store with the module's instance.
pub struct Run {
    pub store: Store<Host>,
    pub instance: Instance,
}

#[derive(Default)]
pub struct Host {
    /// What was asked.
    pub asked: Vec<String>,
    pub sinks: BTreeMap<u32, Vec<u8>>,
    pub sources: BTreeMap<u32, Vec<u8>>,
    /// What inserting and updating answers instead of doing it.
    pub refusal: Option<i32>,
    /// Tables and indexes, by the ids that were given out.
    names: BTreeMap<u32, String>,
}

/// A call of an import, whose arguments are taken one after the other.
struct Call<'a, 'b> {
    caller: Caller<'a, Host>,
    arguments: std::slice::Iter<'b, Val>,
    line: String,
}

impl Call<'_, '_> {
    fn memory(&self) -> Memory {
        let memory = self
            .caller
            .get_export("memory")
            .and_then(Extern::into_memory);
        memory.expect("a module exports its memory")
    }

    fn word(&mut self) -> u32 {
        match self.arguments.next() {
            Some(Val::I32(number)) => u32::from_le_bytes(number.to_le_bytes()),
            other => panic!("not a 32-bit number: {other:?} after {}", self.line),
        }
    }

    fn long(&mut self) -> i64 {
        match self.arguments.next() {
            Some(Val::I64(number)) => *number,
            other => panic!("not a 64-bit number: {other:?} after {}", self.line),
        }
    }

    fn read(&self, address: u32, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        let memory = self.memory();
        memory
            .read(&self.caller, address as usize, &mut bytes)
            .unwrap();
        bytes
    }

    fn read_word(&self, address: u32) -> u32 {
        u32::from_le_bytes(self.read(address, 4).try_into().unwrap())
    }

    /// An address and a length.
    fn bytes(&mut self) -> Vec<u8> {
        let address = self.word();
        let len = self.word();
        self.read(address, len)
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    fn write(&mut self, address: u32, bytes: &[u8]) {
        let memory = self.memory();
        memory
            .write(&mut self.caller, address as usize, bytes)
            .unwrap();
    }

    /// Writes to the address that comes next.
    fn answer(&mut self, bytes: &[u8]) {
        let address = self.word();
        self.write(address, bytes);
    }

    fn say(&mut self, what: impl std::fmt::Display) {
        write!(self.line, " {what}").unwrap();
    }

    fn say_bytes(&mut self, bytes: &[u8]) {
        self.say(hex(bytes));
    }

    /// Takes an id and says what it is the id of.
    fn say_name(&mut self) -> String {
        let id = self.word();
        let name = self.caller.data().names.get(&id).cloned();
        let name = name.unwrap_or_else(|| panic!("{id} was not given out: {}", self.line));
        self.say(&name);
        name
    }

    /// What the arguments and the buffer's length say, and nothing about where.
    fn give(&mut self, source: u32) -> i32 {
        let (buffer, len_address) = (self.word(), self.word());
        let room = self.read_word(len_address) as usize;
        let host = self.caller.data_mut();
        let rest = host.sources.entry(source).or_default();
        let taken: Vec<u8> = rest.drain(..room.min(rest.len())).collect();
        let is_last = rest.is_empty();
        self.write(buffer, &taken);
        let len = u32::try_from(taken.len()).unwrap();
        self.write(len_address, &len.to_le_bytes());
        if is_last { EXHAUSTED } else { 0 }
    }

    /// A row goes in, and the generated columns come out.
    fn put(&mut self, table: &str) -> i32 {
        let (row, len_address) = (self.word(), self.word());
        let bytes = self.read(row, self.read_word(len_address));
        self.say_bytes(&bytes);
        let generated: &[u8] = match table {
            "current" | "former" | "third" => &42u32.to_le_bytes(),
            "arguments" => &42u64.to_le_bytes(),
            _ => &[],
        };
        let refusal = self.caller.data().refusal;
        // Sequences run out only where there are some.
        if let Some(code) =
            refusal.filter(|code| *code != AUTO_INC_OVERFLOW || !generated.is_empty())
        {
            return code;
        }
        self.write(row, generated);
        let len = u32::try_from(generated.len()).unwrap();
        self.write(len_address, &len.to_le_bytes());
        0
    }

    fn range(&mut self) {
        self.say_name();
        let prefix = self.bytes();
        let columns = self.word();
        let (start, end) = (self.bytes(), self.bytes());
        self.say(format_args!(
            "{}({columns}) from {} to {}",
            hex(&prefix),
            hex(&start),
            hex(&end)
        ));
    }
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same for every module that asks.
fn id_of(name: &str) -> u32 {
    name.bytes().fold(17, |id: u32, byte| {
        id.wrapping_mul(31).wrapping_add(u32::from(byte)) & 0x7fff_ffff
    })
}

/// Without the folder that the sources happen to be in.
fn without_folder(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.find("/src/") {
        Some(place) => &word[place + 5..],
        None => word.trim_start_matches("src/"),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn find(call: &mut Call<'_, '_>) -> i32 {
    let name = call.text();
    let id = id_of(&name);
    call.answer(&id.to_le_bytes());
    call.caller.data_mut().names.insert(id, name);
    0
}

fn log(call: &mut Call<'_, '_>) {
    let level = call.word();
    let (target, file, line) = (call.text(), call.text(), call.word());
    let message = call.text();
    let file = without_folder(&file);
    if level != PANIC {
        return call.say(format_args!("{level} {target} {file}:{line} {message}"));
    }
    // Where the library notices it, and its words for what the host cannot have meant, are its own.
    let message = match message.split_once("unexpected update error: ") {
        Some((_, text)) => &text[text.rfind("(error").unwrap_or_default()..],
        None => &message,
    };
    call.say(format_args!("panic {message}"));
}

/// What the module asks for by this name, and whether to note it.
fn serve(name: &str, call: &mut Call<'_, '_>) -> (Option<Val>, bool) {
    let quiet = |code: i32| (Some(Val::I32(code)), false);
    let loud = |code: i32| (Some(Val::I32(code)), true);
    match name {
        "table_id_from_name" | "index_id_from_name" => quiet(find(call)),
        "bytes_source_read" => {
            let source = call.word();
            quiet(call.give(source))
        }
        "bytes_source_remaining_length" => {
            let source = call.word();
            let len = call.caller.data().sources.get(&source).map_or(0, Vec::len);
            call.answer(&u32::try_from(len).unwrap().to_le_bytes());
            quiet(0)
        }
        "bytes_sink_write" => {
            let (sink, address, len_address) = (call.word(), call.word(), call.word());
            let bytes = call.read(address, call.read_word(len_address));
            let sinks = &mut call.caller.data_mut().sinks;
            sinks.entry(sink).or_default().extend(bytes);
            quiet(0)
        }
        "row_iter_bsatn_advance" => {
            let (_, _, len_address) = (call.word(), call.word(), call.word());
            call.write(len_address, &[0; 4]);
            quiet(EXHAUSTED)
        }
        "row_iter_bsatn_close" => quiet(0),
        "get_jwt" => {
            let _connection = call.word();
            let claims = br#"{"iss":"https://issuer","sub":"me","aud":["a","b"],"x":1}"#;
            let sources = &mut call.caller.data_mut().sources;
            sources.insert(CLAIMS, claims.to_vec());
            call.answer(&CLAIMS.to_le_bytes());
            quiet(0)
        }
        "identity" => {
            call.answer(&[0x11; 32]);
            (None, false)
        }
        "datastore_table_row_count" | "datastore_clear" => {
            call.say_name();
            call.answer(&7u64.to_le_bytes());
            loud(0)
        }
        "datastore_table_scan_bsatn" => {
            call.say_name();
            call.answer(&ITERATOR.to_le_bytes());
            loud(0)
        }
        "datastore_index_scan_point_bsatn" | "datastore_delete_by_index_scan_point_bsatn" => {
            call.say_name();
            let point = call.bytes();
            call.say_bytes(&point);
            call.answer(&ITERATOR.to_le_bytes());
            loud(0)
        }
        "datastore_index_scan_range_bsatn" | "datastore_delete_by_index_scan_range_bsatn" => {
            call.range();
            call.answer(&ITERATOR.to_le_bytes());
            loud(0)
        }
        "datastore_insert_bsatn" => {
            let table = call.say_name();
            loud(call.put(&table))
        }
        "datastore_update_bsatn" => {
            let table = call.say_name();
            call.say_name();
            loud(call.put(&table))
        }
        "datastore_delete_all_by_eq_bsatn" => {
            call.say_name();
            let rows = call.bytes();
            call.say_bytes(&rows);
            call.answer(&1u32.to_le_bytes());
            loud(0)
        }
        other => serve_others(other, call),
    }
}

fn serve_others(name: &str, call: &mut Call<'_, '_>) -> (Option<Val>, bool) {
    let loud = |code: i32| (Some(Val::I32(code)), true);
    match name {
        "console_log" => {
            log(call);
            (None, true)
        }
        "console_timer_start" => {
            let name = call.text();
            call.say(name);
            loud(i32::try_from(TIMER).unwrap())
        }
        "console_timer_end" => {
            assert_eq!(call.word(), TIMER);
            loud(0)
        }
        "volatile_nonatomic_schedule_immediate" => {
            let (name, arguments) = (call.text(), call.bytes());
            call.say(name);
            call.say_bytes(&arguments);
            (None, true)
        }
        "procedure_start_mut_tx" => {
            call.answer(&(START + 1).to_le_bytes());
            loud(0)
        }
        "procedure_commit_mut_tx" | "procedure_abort_mut_tx" => loud(0),
        "procedure_sleep_until" => {
            let time = call.long();
            call.say(time);
            (Some(Val::I64(time)), true)
        }
        "procedure_http_request" => {
            let (request, body) = (call.bytes(), call.bytes());
            call.say_bytes(&request);
            call.say_bytes(&body);
            let failure = b"\x0c\0\0\0no such host";
            let sources = &mut call.caller.data_mut().sources;
            sources.insert(HTTP_FAILURE, failure.to_vec());
            call.answer(&HTTP_FAILURE.to_le_bytes());
            loud(HTTP_ERROR)
        }
        other => panic!("nobody was thought to call {other}"),
    }
}

fn linker(engine: &Engine, module: &Module) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            panic!("modules import functions only, not {:?}", import.ty());
        };
        let name = import.name().to_owned();
        let function = move |caller: Caller<'_, Host>, arguments: &[Val], results: &mut [Val]| {
            let mut call = Call {
                caller,
                arguments: arguments.iter(),
                line: name.clone(),
            };
            let (answer, is_noted) = serve(&name, &mut call);
            if let (Some(answer), Some(result)) = (answer, results.first_mut()) {
                *result = answer;
            }
            let Call {
                mut caller, line, ..
            } = call;
            if is_noted {
                caller.data_mut().asked.push(line);
            }
            Ok(())
        };
        linker
            .func_new(import.module(), import.name(), ty.clone(), function)
            .unwrap();
    }
    linker
}

/// The module, after everything that runs first.
pub fn start(engine: &Engine, module: &Module) -> Run {
    let mut store = Store::new(engine, Host::default());
    let linker = linker(engine, module);
    let instance = linker.instantiate_and_start(&mut store, module).unwrap();
    let exports = module.exports().map(|export| export.name().to_owned());
    let mut first: Vec<String> = exports
        .filter(|name| name.starts_with("__preinit__"))
        .collect();
    first.sort();
    for name in first {
        let run = instance.get_typed_func::<(), ()>(&store, &name).unwrap();
        run.call(&mut store, ()).unwrap();
    }
    assert_eq!(store.data().asked, Vec::<String>::new(), "before any call");
    Run { store, instance }
}

impl Run {
    /// What the module says about itself.
    pub fn describe(&mut self) -> Vec<u8> {
        let describe = self
            .instance
            .get_typed_func::<u32, ()>(&self.store, "__describe_module__")
            .unwrap();
        describe.call(&mut self.store, SINK).unwrap();
        self.store
            .data_mut()
            .sinks
            .remove(&SINK)
            .unwrap_or_default()
    }

    /// Calls an export; what it returned, asked and said, as text.
    pub fn call(&mut self, name: &str, arguments: &[Val]) -> String {
        let function = self.instance.get_func(&self.store, name).unwrap();
        let mut result = [Val::I32(0)];
        let outcome = match function.call(&mut self.store, arguments, &mut result) {
            Ok(()) => format!("{:?}", result[0]),
            Err(_) => "trap".to_owned(),
        };
        let host = self.store.data_mut();
        let mut text = std::mem::take(&mut host.asked).join("\n");
        write!(text, "\nreturned {outcome}").unwrap();
        for (sink, bytes) in std::mem::take(&mut host.sinks) {
            let said = match std::str::from_utf8(&bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => hex(&bytes),
            };
            write!(text, "\nto {sink}: {said}").unwrap();
        }
        text
    }
}
