//! A compiled module: checked for the ABI version it needs, its imports and its exports.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{ExternType, FuncType, InstancePre, Module, ValType};

use super::engine::WasmEngine;
use super::env::Env;

/// The ABI that this host implements.
const ABI_MAJOR: u16 = 10;
const ABI_MINOR: u16 = 5;

/// Largest program accepted, before anything is compiled.
const PROGRAM_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why bytes are not a module that can run here.
#[derive(Debug, thiserror::Error)]
pub enum LoadProgramError {
    #[error("the program has {0} bytes; at most {PROGRAM_BYTES_MAX} are accepted")]
    TooLarge(usize),
    #[error("failed to parse WebAssembly module: {0:#}")]
    Compile(wasmtime::Error),
    /// It goes on beside; what it gives is kept.
    #[error(
        "compiling the module takes longer than {0:?}; publish it again in a while, make it \
         smaller, or raise `compile-time-limit` of the server"
    )]
    CompileTooSlow(Duration),
    #[error("other modules are being compiled, for more than {0:?}; publish it again in a while")]
    CompilersBusy(Duration),
    #[error("the compiler failed; see the server's log")]
    CompilerFailed,
    #[error("import module \"{0}\" has malformed version string")]
    MalformedVersion(String),
    #[error("module cannot depend on both major version {0} and major version {1}")]
    TwoMajors(u16, u16),
    #[error("unable to determine ABI of module: it imports nothing from `spacetime_*`")]
    NoAbi,
    #[error(
        "abi version {major}.{minor} is not supported (host implements {ABI_MAJOR}.{ABI_MINOR})"
    )]
    UnsupportedAbi { major: u16, minor: u16 },
    #[error("{0:#}")]
    Link(wasmtime::Error),
    #[error("there should be a memory export called \"memory\" but it does not exist")]
    NoMemory,
    #[error("there should be a function called \"{0}\" but it does not exist")]
    MissingFunction(&'static str),
    #[error("bad {kind} signature for \"{name}\"; expected {expected} got {found}")]
    BadSignature {
        kind: &'static str,
        name: String,
        expected: String,
        found: String,
    },
    #[error(
        "expected \"{name}\" export to be a {kind} with signature {expected}, \
         but it wasn't a function at all"
    )]
    NotAFunction {
        kind: &'static str,
        name: String,
        expected: String,
    },
}

impl LoadProgramError {
    pub(super) fn check_size(len: usize) -> Result<(), LoadProgramError> {
        match len {
            0..=PROGRAM_BYTES_MAX => Ok(()),
            _ => Err(LoadProgramError::TooLarge(len)),
        }
    }
}

/// A module ready to be instantiated.
#[derive(Clone)]
pub struct Program {
    pub(super) engine: Arc<WasmEngine>,
    pub(super) linked: Arc<Linked>,
}

/// What databases with the same program share.
pub(super) struct Linked {
    pub(super) instance_pre: InstancePre<Env>,
    /// `__preinit__*` exports in the order in which they run.
    pub(super) preinits: Vec<String>,
    pub(super) has_setup: bool,
    pub(super) has_initialize: bool,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linked")
            .field("preinits", &self.preinits)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("linked", &self.linked)
            .finish_non_exhaustive()
    }
}

impl Program {
    pub(super) fn new(engine: &Arc<WasmEngine>, linked: Arc<Linked>) -> Program {
        Program {
            engine: Arc::clone(engine),
            linked,
        }
    }

    #[cfg(test)]
    pub(super) fn is_same(&self, other: &Program) -> bool {
        Arc::ptr_eq(&self.linked, &other.linked)
    }
}

impl Linked {
    /// Checks what was compiled.
    pub(super) fn new(engine: &WasmEngine, module: &Module) -> Result<Linked, LoadProgramError> {
        check_abi_version(module)?;
        let instance_pre = engine.link(module).map_err(LoadProgramError::Link)?;
        check_exports(module)?;
        let mut preinits: Vec<String> = module
            .exports()
            .map(|export| export.name().to_owned())
            .filter(|name| name.starts_with("__preinit__"))
            .collect();
        preinits.sort_unstable();
        let has_initialize = matches!(
            module.get_export("_initialize"),
            Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0
        );
        Ok(Linked {
            instance_pre,
            preinits,
            has_setup: module.get_export("__setup__").is_some(),
            has_initialize,
        })
    }
}

fn check_abi_version(module: &Module) -> Result<(), LoadProgramError> {
    let mut required: Option<(u16, u16)> = None;
    for import in module.imports() {
        let Some(version) = import.module().strip_prefix("spacetime_") else {
            continue;
        };
        if !matches!(import.ty(), ExternType::Func(_)) {
            continue;
        }
        let (major, minor) = parse_version(version)
            .ok_or_else(|| LoadProgramError::MalformedVersion(import.module().to_owned()))?;
        required = match required {
            Some((other, _)) if other != major => {
                return Err(LoadProgramError::TwoMajors(other, major));
            }
            Some((_, highest)) => Some((major, highest.max(minor))),
            None => Some((major, minor)),
        };
    }
    let (major, minor) = required.ok_or(LoadProgramError::NoAbi)?;
    if major != ABI_MAJOR || minor > ABI_MINOR {
        return Err(LoadProgramError::UnsupportedAbi { major, minor });
    }
    Ok(())
}

fn parse_version(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

/// A function export: its kind in messages, its name, its parameters, its results.
type Signature = (
    &'static str,
    &'static str,
    &'static [ValType],
    &'static [ValType],
);

const CALL_REDUCER: Signature = (
    "call_reducer",
    "__call_reducer__",
    &[I32, I64, I64, I64, I64, I64, I64, I64, I32, I32],
    &[I32],
);
const DESCRIBE: Signature = ("describe_module", "__describe_module__", &[I32], &[]);

/// Exports that may be missing, but must not be of another type.
const OPTIONAL: [Signature; 5] = [
    ("setup", "__setup__", &[I32], &[I32]),
    (
        "call_procedure",
        "__call_procedure__",
        &[I32, I64, I64, I64, I64, I64, I64, I64, I32, I32],
        &[I32],
    ),
    (
        "call_view",
        "__call_view__",
        &[I32, I64, I64, I64, I64, I32, I32],
        &[I32],
    ),
    (
        "call_view_anon",
        "__call_view_anon__",
        &[I32, I32, I32],
        &[I32],
    ),
    (
        "call_http_handler",
        "__call_http_handler__",
        &[I32, I64, I32, I32, I32, I32],
        &[I32],
    ),
];

fn check_exports(module: &Module) -> Result<(), LoadProgramError> {
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(LoadProgramError::NoMemory);
    }
    for (kind, name, params, results) in [CALL_REDUCER, DESCRIBE] {
        let export = module
            .get_export(name)
            .ok_or(LoadProgramError::MissingFunction(name))?;
        check_signature(&export, kind, name, params, results)?;
    }
    for (kind, name, params, results) in OPTIONAL {
        if let Some(export) = module.get_export(name) {
            check_signature(&export, kind, name, params, results)?;
        }
    }
    for export in module
        .exports()
        .filter(|export| export.name().starts_with("__preinit__"))
    {
        check_signature(&export.ty(), "preinit", export.name(), &[], &[])?;
    }
    Ok(())
}

fn check_signature(
    export: &ExternType,
    kind: &'static str,
    name: &str,
    params: &[ValType],
    results: &[ValType],
) -> Result<(), LoadProgramError> {
    let expected = signature_text(params.iter(), results.iter());
    let ExternType::Func(found) = export else {
        return Err(LoadProgramError::NotAFunction {
            kind,
            name: name.to_owned(),
            expected,
        });
    };
    if has_signature(found, params, results) {
        return Ok(());
    }
    let (found_params, found_results): (Vec<_>, Vec<_>) =
        (found.params().collect(), found.results().collect());
    Err(LoadProgramError::BadSignature {
        kind,
        name: name.to_owned(),
        expected,
        found: signature_text(found_params.iter(), found_results.iter()),
    })
}

fn has_signature(found: &FuncType, params: &[ValType], results: &[ValType]) -> bool {
    let same = |a: ValType, b: &ValType| ValType::eq(&a, b);
    found.params().len() == params.len()
        && found.results().len() == results.len()
        && found.params().zip(params).all(|(a, b)| same(a, b))
        && found.results().zip(results).all(|(a, b)| same(a, b))
}

fn signature_text<'a>(
    params: impl Iterator<Item = &'a ValType>,
    results: impl Iterator<Item = &'a ValType>,
) -> String {
    let list = |kind: &str, types: Vec<String>| {
        if types.is_empty() {
            String::new()
        } else {
            format!(" ({kind} {})", types.join(" "))
        }
    };
    let params = list("param", params.map(ToString::to_string).collect());
    let results = list("result", results.map(ToString::to_string).collect());
    format!("(func{params}{results})")
}
