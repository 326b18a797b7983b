//! The raw formats brought into one shape before validation.
//!
//! Invariant: nothing of the raw definition is lost but repeated sections and repeated default
//! values, which are errors where that matters.
//!
//! Not here: converting the oldest format (see `from_v8`), any rule about names or types.

use std::collections::{HashMap, HashSet};

use super::def::DefVersion;
use super::error::ModuleDefError;
use super::raw::RawRowLevelSecurity;
use super::raw_v9::{RawMiscExportV9, RawModuleDefV9, RawTableDefV9};
use super::raw_v10::{
    CaseConversionPolicy, RawColumnDefaultV10, RawConstraintDefV10, RawExplicitName,
    RawHttpHandlerDefV10, RawHttpRouteDefV10, RawIndexDefV10, RawLifeCycleReducerDefV10,
    RawModuleDefV10, RawModuleDefV10Section, RawProcedureDefV10, RawReducerDefV10,
    RawScheduleDefV10, RawScopedTypeNameV10, RawSequenceDefV10, RawSubmoduleV10, RawTableDefV10,
    RawTypeDefV10, RawViewDefV10, RawViewPrimaryKeyDefV10, Visibility,
};
use super::report::Report;
use crate::{AlgebraicType, Typespace};

/// All that one module declares, by kind.
#[derive(Debug)]
pub(super) struct Draft {
    pub version: DefVersion,
    pub policy: CaseConversionPolicy,
    pub explicit_names: Vec<RawExplicitName>,
    pub typespace: Typespace,
    pub types: Vec<RawTypeDefV10>,
    pub tables: Vec<RawTableDefV10>,
    pub reducers: Vec<RawReducerDefV10>,
    pub procedures: Vec<RawProcedureDefV10>,
    pub views: Vec<RawViewDefV10>,
    pub view_primary_keys: Vec<RawViewPrimaryKeyDefV10>,
    pub schedules: Vec<RawScheduleDefV10>,
    pub lifecycle_reducers: Vec<RawLifeCycleReducerDefV10>,
    pub http_handlers: Vec<RawHttpHandlerDefV10>,
    pub http_routes: Vec<RawHttpRouteDefV10>,
    pub row_level_security: Vec<RawRowLevelSecurity>,
    pub submodules: Vec<RawSubmoduleV10>,
}

impl Draft {
    fn empty(version: DefVersion) -> Self {
        Draft {
            version,
            policy: match version {
                DefVersion::V10 => CaseConversionPolicy::SnakeCase,
                DefVersion::V9OrOlder => CaseConversionPolicy::None,
            },
            explicit_names: Vec::new(),
            typespace: Typespace::default(),
            types: Vec::new(),
            tables: Vec::new(),
            reducers: Vec::new(),
            procedures: Vec::new(),
            views: Vec::new(),
            view_primary_keys: Vec::new(),
            schedules: Vec::new(),
            lifecycle_reducers: Vec::new(),
            http_handlers: Vec::new(),
            http_routes: Vec::new(),
            row_level_security: Vec::new(),
            submodules: Vec::new(),
        }
    }

    pub fn from_v10(raw: RawModuleDefV10, report: &mut Report) -> Self {
        let mut draft = Draft::empty(DefVersion::V10);
        let mut seen = HashSet::new();
        for section in raw.sections {
            // Reading only the first of two would silently drop tables.
            let kind = section_name(&section);
            if !seen.insert(kind) {
                report.push(ModuleDefError::DuplicateSection { kind });
                continue;
            }
            draft.take_section(section);
        }
        draft
    }

    fn take_section(&mut self, section: RawModuleDefV10Section) {
        use RawModuleDefV10Section as Section;
        match section {
            Section::Typespace(typespace) => self.typespace = typespace,
            Section::Types(types) => self.types = types,
            Section::Tables(tables) => self.tables = tables,
            Section::Reducers(reducers) => self.reducers = reducers,
            Section::Procedures(procedures) => self.procedures = procedures,
            Section::Views(views) => self.views = views,
            Section::Schedules(schedules) => self.schedules = schedules,
            Section::LifeCycleReducers(reducers) => self.lifecycle_reducers = reducers,
            Section::RowLevelSecurity(rules) => self.row_level_security = rules,
            Section::CaseConversionPolicy(policy) => self.policy = policy,
            Section::ExplicitNames(names) => self.explicit_names = names.entries,
            Section::HttpHandlers(handlers) => self.http_handlers = handlers,
            Section::HttpRoutes(routes) => self.http_routes = routes,
            Section::ViewPrimaryKeys(keys) => self.view_primary_keys = keys,
            Section::Submodules(submodules) => self.submodules = submodules,
        }
    }

    pub fn from_v9(raw: RawModuleDefV9, report: &mut Report) -> Self {
        let mut draft = Draft::empty(DefVersion::V9OrOlder);
        draft.typespace = raw.typespace;
        draft.row_level_security = raw.row_level_security;
        for def in raw.types {
            draft.types.push(RawTypeDefV10 {
                source_name: RawScopedTypeNameV10 {
                    scope: def.name.scope,
                    source_name: def.name.name,
                },
                ty: def.ty,
                custom_ordering: def.custom_ordering,
            });
        }
        for table in raw.tables {
            draft.take_v9_table(table);
        }
        for reducer in raw.reducers {
            if let Some(lifecycle_spec) = reducer.lifecycle {
                draft.lifecycle_reducers.push(RawLifeCycleReducerDefV10 {
                    lifecycle_spec,
                    function_name: reducer.name.clone(),
                });
            }
            draft.reducers.push(RawReducerDefV10 {
                source_name: reducer.name,
                params: reducer.params,
                visibility: Visibility::ClientCallable,
                ok_return_type: AlgebraicType::unit(),
                err_return_type: AlgebraicType::String,
            });
        }
        draft.take_v9_exports(raw.misc_exports, report);
        draft
    }

    fn take_v9_table(&mut self, table: RawTableDefV9) {
        if let Some(schedule) = table.schedule {
            self.schedules.push(RawScheduleDefV10 {
                source_name: schedule.name,
                table_name: table.name.clone(),
                schedule_at_col: schedule.scheduled_at_column,
                function_name: schedule.reducer_name,
            });
        }
        let indexes = table.indexes.into_iter().map(|index| RawIndexDefV10 {
            source_name: index.name,
            accessor_name: index.accessor_name,
            algorithm: index.algorithm,
        });
        let constraints = table
            .constraints
            .into_iter()
            .map(|constraint| RawConstraintDefV10 {
                source_name: constraint.name,
                data: constraint.data,
            });
        let sequences = table
            .sequences
            .into_iter()
            .map(|sequence| RawSequenceDefV10 {
                source_name: sequence.name,
                column: sequence.column,
                start: sequence.start,
                min_value: sequence.min_value,
                max_value: sequence.max_value,
                increment: sequence.increment,
            });
        self.tables.push(RawTableDefV10 {
            source_name: table.name,
            product_type_ref: table.product_type_ref,
            primary_key: table.primary_key,
            indexes: indexes.collect(),
            constraints: constraints.collect(),
            sequences: sequences.collect(),
            table_type: table.table_type,
            table_access: table.table_access,
            default_values: Vec::new(),
            is_event: false,
        });
    }

    fn take_v9_exports(&mut self, exports: Vec<RawMiscExportV9>, report: &mut Report) {
        let tables: HashMap<Box<str>, usize> =
            (self.tables.iter().map(|table| table.source_name.clone()))
                .zip(0..)
                .collect();
        let mut with_default = HashSet::new();
        for export in exports {
            match export {
                RawMiscExportV9::ColumnDefaultValue(default) => {
                    let position = tables.get(&default.table).copied();
                    let Some(table) = position.and_then(|at| self.tables.get_mut(at)) else {
                        let table = default.table;
                        report.push(ModuleDefError::TableNotFound { table });
                        continue;
                    };
                    if !with_default.insert((position, default.col_id)) {
                        report.push(ModuleDefError::DuplicateDefaultValue {
                            table: default.table,
                            column: crate::ColId(default.col_id),
                        });
                        continue;
                    }
                    table.default_values.push(RawColumnDefaultV10 {
                        col_id: default.col_id,
                        value: default.value,
                    });
                }
                RawMiscExportV9::Procedure(procedure) => {
                    self.procedures.push(RawProcedureDefV10 {
                        source_name: procedure.name,
                        params: procedure.params,
                        return_type: procedure.return_type,
                        visibility: Visibility::ClientCallable,
                    });
                }
                RawMiscExportV9::View(view) => self.views.push(RawViewDefV10 {
                    source_name: view.name,
                    index: view.index,
                    is_public: view.is_public,
                    is_anonymous: view.is_anonymous,
                    params: view.params,
                    return_type: view.return_type,
                }),
            }
        }
    }
}

fn section_name(section: &RawModuleDefV10Section) -> &'static str {
    use RawModuleDefV10Section as Section;
    match section {
        Section::Typespace(_) => "Typespace",
        Section::Types(_) => "Types",
        Section::Tables(_) => "Tables",
        Section::Reducers(_) => "Reducers",
        Section::Procedures(_) => "Procedures",
        Section::Views(_) => "Views",
        Section::Schedules(_) => "Schedules",
        Section::LifeCycleReducers(_) => "LifeCycleReducers",
        Section::RowLevelSecurity(_) => "RowLevelSecurity",
        Section::CaseConversionPolicy(_) => "CaseConversionPolicy",
        Section::ExplicitNames(_) => "ExplicitNames",
        Section::HttpHandlers(_) => "HttpHandlers",
        Section::HttpRoutes(_) => "HttpRoutes",
        Section::ViewPrimaryKeys(_) => "ViewPrimaryKeys",
        Section::Submodules(_) => "Submodules",
    }
}
