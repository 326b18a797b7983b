//! Rules for functions: reducers, procedures, views, HTTP handlers and routes.
//!
//! Not here: schedules (see `check_schedules`), row filters (parsed when a database is made).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::check_tables::{Context, check_columns};
use super::def::{
    DefVersion, HttpHandlerDef, HttpRouteDef, Lifecycle, Name, ProcedureDef, ReducerDef, TableDef,
    ViewDef, ViewReturn,
};
use super::draft::Draft;
use super::error::{FunctionKind, ModuleDefError, TypeCause, TypeLocation, TypeText};
use super::naming::report_names;
use super::raw_v10::{MethodOrAny, RawViewDefV10, RawViewPrimaryKeyDefV10, Visibility};
use crate::{AlgebraicType, ColId, ProductType, TypeRef};

/// The canonical name of a function, checked; `names` holds those of the functions before it.
fn check_name(context: &mut Context<'_>, source: &Name, names: &mut HashSet<Name>) -> Name {
    let name = context.naming.function(source);
    report_names(source, &name, context.report);
    if !names.insert(name.clone()) {
        let name = name.clone();
        context
            .report
            .push(ModuleDefError::DuplicateFunctionName { name });
    }
    name
}

fn check_params(
    context: &mut Context<'_>,
    kind: FunctionKind,
    function: &Name,
    params: &ProductType,
) {
    let mut names = HashSet::with_capacity(params.elements.len());
    for (position, param) in params.elements.iter().enumerate() {
        let mut fail = |cause| {
            let at = TypeLocation::Param {
                kind,
                function: function.clone(),
                position,
                name: param.name.clone(),
            };
            context.report.push(ModuleDefError::Type { at, cause });
        };
        if let Err(cause) = context.uses.check(&param.algebraic_type) {
            fail(cause);
        }
        let Some(name) = &param.name else {
            fail(TypeCause::UnnamedParam);
            continue;
        };
        if !names.insert(name) {
            context.report.push(ModuleDefError::DuplicateParamName {
                kind,
                function: function.clone(),
                param: name.clone(),
            });
        }
    }
}

fn check_return(
    context: &mut Context<'_>,
    kind: FunctionKind,
    function: &Name,
    ty: &AlgebraicType,
) {
    if let Err(cause) = context.uses.check(ty) {
        let function = function.clone();
        let at = TypeLocation::Return { kind, function };
        context.report.push(ModuleDefError::Type { at, cause });
    }
}

pub(super) fn check_reducers(
    context: &mut Context<'_>,
    draft: &Draft,
    names: &mut HashSet<Name>,
) -> Vec<ReducerDef> {
    let mut reducers = Vec::with_capacity(draft.reducers.len());
    for raw in &draft.reducers {
        let name = check_name(context, &raw.source_name, names);
        check_params(context, FunctionKind::Reducer, &name, &raw.params);
        if !raw.ok_return_type.is_unit() || raw.err_return_type != AlgebraicType::String {
            context.report.push(ModuleDefError::ReducerReturnType {
                reducer: name.clone(),
                ok: TypeText::new(&raw.ok_return_type),
                err: TypeText::new(&raw.err_return_type),
            });
        }
        reducers.push(ReducerDef {
            id: 0,
            name,
            accessor: raw.source_name.clone(),
            params: raw.params.clone(),
            lifecycle: None,
            visibility: raw.visibility,
            ok_return_type: raw.ok_return_type.clone(),
            err_return_type: raw.err_return_type.clone(),
        });
    }
    reducers
}

/// Binds reducers to events.
pub(super) fn check_lifecycle(
    context: &mut Context<'_>,
    draft: &Draft,
    reducers: &mut [ReducerDef],
) -> BTreeMap<Lifecycle, usize> {
    let mut by_source = HashMap::new();
    for (position, reducer) in reducers.iter().enumerate() {
        by_source
            .entry(reducer.accessor.clone())
            .or_insert(position);
    }
    let mut bound = BTreeMap::new();
    for raw in &draft.lifecycle_reducers {
        let event = raw.lifecycle_spec;
        let position = by_source.get(&raw.function_name).copied();
        let Some(reducer) = position.and_then(|position| reducers.get_mut(position)) else {
            context
                .report
                .push(ModuleDefError::LifecycleWithoutReducer { event });
            continue;
        };
        if !reducer.params.elements.is_empty() {
            context.report.push(ModuleDefError::LifecycleParams {
                reducer: reducer.name.clone(),
                params: TypeText::new(&reducer.params),
            });
        }
        if position.is_some_and(|position| bound.insert(event, position).is_some()) {
            context
                .report
                .push(ModuleDefError::DuplicateLifecycle { event });
        }
        reducer.lifecycle = Some(event);
        if draft.version == DefVersion::V10 {
            reducer.visibility = Visibility::Private;
        }
    }
    bound
}

pub(super) fn check_procedures(
    context: &mut Context<'_>,
    draft: &Draft,
    names: &mut HashSet<Name>,
) -> Vec<ProcedureDef> {
    let mut procedures = Vec::with_capacity(draft.procedures.len());
    for raw in &draft.procedures {
        let name = check_name(context, &raw.source_name, names);
        check_params(context, FunctionKind::Procedure, &name, &raw.params);
        check_return(context, FunctionKind::Procedure, &name, &raw.return_type);
        procedures.push(ProcedureDef {
            id: 0,
            name,
            accessor: raw.source_name.clone(),
            params: raw.params.clone(),
            return_type: raw.return_type.clone(),
            visibility: raw.visibility,
        });
    }
    procedures
}

pub(super) fn check_views(
    context: &mut Context<'_>,
    draft: &Draft,
    tables: &[TableDef],
    names: &mut HashSet<Name>,
) -> Vec<ViewDef> {
    let mut table_keys: HashMap<TypeRef, Vec<Option<ColId>>> = HashMap::new();
    for table in tables {
        table_keys
            .entry(table.product_type_ref)
            .or_default()
            .push(table.primary_key);
    }
    let mut views = Vec::with_capacity(draft.views.len());
    for raw in &draft.views {
        let name = check_name(context, &raw.source_name, names);
        context.shared_names.claim(&[&name], context.report);
        let Some(mut view) = check_view(context, name, raw) else {
            continue;
        };
        if view.returns == ViewReturn::Query {
            // Tables that share the row type but not the key leave no key to inherit.
            view.primary_key = match table_keys.get(&view.product_type_ref).map(Vec::as_slice) {
                Some([first, rest @ ..]) if rest.iter().all(|key| key == first) => *first,
                _ => None,
            };
        }
        views.push(view);
    }
    check_view_keys(context, &draft.view_primary_keys, &mut views);
    views
}

fn check_view(context: &mut Context<'_>, name: Name, raw: &RawViewDefV10) -> Option<ViewDef> {
    check_params(context, FunctionKind::View, &name, &raw.params);
    let Some((returns, row)) = view_return(&raw.return_type) else {
        context.report.push(ModuleDefError::ViewReturnType {
            view: name,
            ty: TypeText::new(&raw.return_type),
        });
        return None;
    };
    if returns != ViewReturn::Query {
        check_return(context, FunctionKind::View, &name, &raw.return_type);
    }
    let columns = check_columns(context, &name, row)?;
    let param_name = |name: &Option<Name>| name.as_deref().map(|name| context.naming.column(name));
    let params = raw.params.elements.iter();
    let param_names: Vec<Name> = params.filter_map(|param| param_name(&param.name)).collect();
    let mut seen = HashSet::new();
    for param in &param_names {
        if !seen.insert(param) {
            context.report.push(ModuleDefError::DuplicateParamName {
                kind: FunctionKind::View,
                function: name.clone(),
                param: param.clone(),
            });
        }
    }
    Some(ViewDef {
        call_index: 0,
        index: raw.index,
        name,
        accessor: raw.source_name.clone(),
        is_public: raw.is_public,
        is_anonymous: raw.is_anonymous,
        params: raw.params.clone(),
        param_names,
        return_type: raw.return_type.clone(),
        returns,
        product_type_ref: row,
        columns,
        primary_key: None,
        primary_key_is_declared: false,
    })
}

/// How the view gives its rows, and their type.
fn view_return(ty: &AlgebraicType) -> Option<(ViewReturn, TypeRef)> {
    if let Some(element) = ty.as_array() {
        return Some((ViewReturn::Array, element.as_ref_index()?));
    }
    if let Some(some) = ty.as_option() {
        return Some((ViewReturn::Option, some.as_ref_index()?));
    }
    Some((ViewReturn::Query, ty.as_product()?.as_view_query()?))
}

fn check_view_keys(
    context: &mut Context<'_>,
    keys: &[RawViewPrimaryKeyDefV10],
    views: &mut [ViewDef],
) {
    let mut by_source = HashMap::new();
    for (position, view) in views.iter().enumerate() {
        by_source.entry(view.accessor.clone()).or_insert(position);
    }
    for key in keys {
        let position = by_source.get(&key.view_source_name).copied();
        let Some(view) = position.and_then(|position| views.get_mut(position)) else {
            let view = key.view_source_name.clone();
            context.report.push(ModuleDefError::ViewNotFound { view });
            continue;
        };
        let column = match key.columns.as_slice() {
            [] => continue,
            [column] => column,
            _ => {
                context
                    .report
                    .push(ModuleDefError::MultipleViewPrimaryKeyColumns {
                        view: view.name.clone(),
                        columns: key.columns.clone(),
                    });
                continue;
            }
        };
        if view.primary_key_is_declared {
            let view = view.name.clone();
            context
                .report
                .push(ModuleDefError::MultipleViewPrimaryKeys { view });
            continue;
        }
        let found = view.columns.iter().position(|def| def.accessor == *column);
        let Some(found) = found.and_then(|position| u16::try_from(position).ok()) else {
            context
                .report
                .push(ModuleDefError::ViewPrimaryKeyColumnNotFound {
                    view: view.name.clone(),
                    column: column.clone(),
                });
            continue;
        };
        view.primary_key = Some(ColId(found));
        view.primary_key_is_declared = true;
    }
}

pub(super) fn check_http_handlers(context: &mut Context<'_>, draft: &Draft) -> Vec<HttpHandlerDef> {
    let mut names = HashSet::new();
    let mut handlers = Vec::with_capacity(draft.http_handlers.len());
    for raw in &draft.http_handlers {
        let name = context.naming.function(&raw.source_name);
        report_names(&raw.source_name, &name, context.report);
        if !names.insert(name.clone()) {
            let name = name.clone();
            context
                .report
                .push(ModuleDefError::DuplicateHttpHandlerName { name });
        }
        handlers.push(HttpHandlerDef {
            id: 0,
            name,
            accessor: raw.source_name.clone(),
        });
    }
    handlers
}

pub(super) fn check_http_routes(
    context: &mut Context<'_>,
    draft: &Draft,
    handlers: &[HttpHandlerDef],
) -> Vec<HttpRouteDef> {
    let by_source: HashMap<&Name, &HttpHandlerDef> = handlers
        .iter()
        .rev()
        .map(|handler| (&handler.accessor, handler))
        .collect();
    // For each path the methods that are taken.
    let mut taken: HashMap<&Name, Vec<&MethodOrAny>> = HashMap::new();
    let mut routes = Vec::with_capacity(draft.http_routes.len());
    for raw in &draft.http_routes {
        if !is_route_path(&raw.path) {
            let path = raw.path.clone();
            context.report.push(ModuleDefError::HttpRoutePath { path });
            continue;
        }
        let Some(handler) = by_source.get(&raw.handler_function) else {
            let handler = raw.handler_function.clone();
            context
                .report
                .push(ModuleDefError::HttpHandlerNotFound { handler });
            continue;
        };
        let methods = taken.entry(&raw.path).or_default();
        let overlaps = match raw.method {
            MethodOrAny::Any => !methods.is_empty(),
            MethodOrAny::Method(_) => methods
                .iter()
                .any(|method| **method == MethodOrAny::Any || **method == raw.method),
        };
        if overlaps {
            context.report.push(ModuleDefError::DuplicateHttpRoute {
                method: raw.method.clone(),
                path: raw.path.clone(),
            });
            continue;
        }
        methods.push(&raw.method);
        routes.push(HttpRouteDef {
            handler: handler.name.clone(),
            method: raw.method.clone(),
            path: raw.path.clone(),
        });
    }
    routes
}

fn is_route_path(path: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_~/".contains(&byte);
    path.is_empty() || (path.starts_with('/') && path.bytes().all(allowed))
}
