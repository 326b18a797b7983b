//! From a raw definition to a [`ModuleDef`]: the order of the checks, and submodules.
//!
//! Invariant: either there is no error and every declared thing is in the result, or there is at
//! least one error and no result.
//!
//! Not here: the rules themselves (see the `check_*` files).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::check_functions::{
    check_http_handlers, check_http_routes, check_lifecycle, check_procedures, check_reducers,
    check_views,
};
use super::check_schedules::check_schedules;
use super::check_tables::{Context, check_table};
use super::check_types::{Uses, canonical_typespace, check_type_defs};
use super::def::{Lifecycle, Lookup, ModuleDef, Name};
use super::draft::Draft;
use super::error::{ModuleDefError, ModuleDefErrors, ReadModuleDefError};
use super::from_v8::v9_from_v8;
use super::naming::{Naming, SharedNames, report_names};
use super::raw::RawModuleDef;
use super::raw_v10::RawSubmoduleV10;
use super::report::Report;
use crate::names::NAMESPACE_SEGMENT_LEN_MAX;

impl ModuleDef {
    /// Reads and validates what `__describe_module__` wrote.
    pub fn from_bsatn(bytes: &[u8]) -> Result<Self, ReadModuleDefError> {
        let raw = RawModuleDef::from_bsatn(bytes)?;
        Ok(Self::validate(raw)?)
    }

    /// Validates a definition. All errors are collected.
    pub fn validate(raw: RawModuleDef) -> Result<Self, ModuleDefErrors> {
        let mut report = Report::new();
        let draft = match raw {
            RawModuleDef::V8BackCompat(raw) => {
                let raw = v9_from_v8(raw, &mut report);
                Draft::from_v9(raw, &mut report)
            }
            RawModuleDef::V9(raw) => Draft::from_v9(raw, &mut report),
            RawModuleDef::V10(raw) => Draft::from_v10(raw, &mut report),
        };
        let mut module = validate_module(draft, Name::default(), &mut report);
        module.warnings = std::mem::take(&mut report.warnings);
        match ModuleDefErrors::new(report.into_errors()) {
            Some(errors) => Err(errors),
            None => {
                module.number();
                Ok(module)
            }
        }
    }
}

/// Validates one module and those below it. The result counts only if there is no error.
///
/// Recursion: submodules nest at most as deep as the decoder lets them.
fn validate_module(mut draft: Draft, namespace: Name, report: &mut Report) -> ModuleDef {
    let submodules = std::mem::take(&mut draft.submodules);
    if !namespace.is_empty() {
        drop_root_only_parts(&mut draft, &namespace, report);
    }
    let naming = Naming::new(&draft, report);
    let typespace = canonical_typespace(&draft.typespace, &naming);
    let mut uses = Uses::new(&draft.typespace, &draft);
    let types = check_type_defs(&draft, &typespace, &naming, &mut uses, report);
    let mut context = Context {
        naming: &naming,
        source: &draft.typespace,
        typespace: &typespace,
        uses,
        shared_names: SharedNames::default(),
        report,
    };
    let mut tables: Vec<_> = draft
        .tables
        .iter()
        .filter_map(|table| check_table(&mut context, table))
        .collect();
    let mut functions = HashSet::new();
    let mut reducers = check_reducers(&mut context, &draft, &mut functions);
    let lifecycle = check_lifecycle(&mut context, &draft, &mut reducers);
    let mut procedures = check_procedures(&mut context, &draft, &mut functions);
    let views = check_views(&mut context, &draft, &tables, &mut functions);
    check_schedules(
        &mut context,
        &draft,
        &mut tables,
        &mut reducers,
        &mut procedures,
    );
    let http_handlers = check_http_handlers(&mut context, &draft);
    let http_routes = check_http_routes(&mut context, &draft, &http_handlers);
    let submodules = validate_submodules(submodules, &namespace, context.report);
    let rules = draft.row_level_security.into_iter().map(|rule| rule.sql);
    let mut module = ModuleDef {
        version: draft.version,
        namespace,
        typespace,
        types,
        tables,
        reducers,
        procedures,
        views,
        http_handlers,
        http_routes,
        row_level_security: rules.collect(),
        submodules,
        warnings: Vec::new(),
        lookup: Lookup::default(),
    };
    module.lookup = build_lookup(&module, lifecycle);
    module
}

/// What only the root may declare: events are an error elsewhere, routes and filters are ignored.
fn drop_root_only_parts(draft: &mut Draft, namespace: &Name, report: &mut Report) {
    for raw in std::mem::take(&mut draft.lifecycle_reducers) {
        report.push(ModuleDefError::LifecycleInSubmodule {
            event: raw.lifecycle_spec,
            namespace: namespace.clone(),
        });
    }
    let ignored = [
        ("HTTP routes", draft.http_routes.len()),
        ("row level security rules", draft.row_level_security.len()),
    ];
    for (what, count) in ignored.into_iter().filter(|(_, count)| *count > 0) {
        report.warnings.push(format!(
            "{count} {what} of submodule `{namespace}` have no effect"
        ));
    }
    draft.http_routes.clear();
    draft.row_level_security.clear();
}

fn validate_submodules(
    submodules: Vec<RawSubmoduleV10>,
    parent: &Name,
    report: &mut Report,
) -> Vec<ModuleDef> {
    let mut siblings = HashSet::new();
    let mut modules = Vec::with_capacity(submodules.len());
    for RawSubmoduleV10 { namespace, module } in submodules {
        if namespace.len() > NAMESPACE_SEGMENT_LEN_MAX {
            let namespace = namespace.clone();
            report.push(ModuleDefError::NamespaceTooLong { namespace });
        }
        report_names(&namespace, &namespace, report);
        if !siblings.insert(namespace.clone()) {
            let name = namespace.clone();
            report.push(ModuleDefError::DuplicateName { name });
        }
        let full = if parent.is_empty() {
            namespace
        } else {
            format!("{parent}.{namespace}").into()
        };
        let draft = Draft::from_v10(module, report);
        modules.push(validate_module(draft, full, report));
    }
    modules
}

fn build_lookup(module: &ModuleDef, lifecycle: BTreeMap<Lifecycle, usize>) -> Lookup {
    Lookup {
        tables: by_name(module.tables.iter().map(|table| &table.name)),
        table_accessors: by_name(module.tables.iter().map(|table| &table.accessor)),
        reducers: by_name(module.reducers.iter().map(|reducer| &reducer.name)),
        procedures: by_name(module.procedures.iter().map(|procedure| &procedure.name)),
        views: by_name(module.views.iter().map(|view| &view.name)),
        http_handlers: by_name(module.http_handlers.iter().map(|handler| &handler.name)),
        lifecycle,
    }
}

fn by_name<'a>(names: impl Iterator<Item = &'a Name>) -> HashMap<Name, usize> {
    names.cloned().zip(0..).collect()
}
