//! A validated definition written out again, as the schema endpoint serves it.
//!
//! V9 has canonical names only and loses what came later: event flags, HTTP, submodules, view
//! keys, accessor names of tables. V10 has the names of the program, with the canonical ones
//! beside them. Neither is meant to be validated again: which names the author left to be
//! generated is not kept.

use super::def::{
    ColumnDef, IndexAlgorithm, IndexDef, ModuleDef, Name, SequenceDef, TableAccess, TableDef,
    TableType, UniqueConstraintDef,
};
use super::raw::{
    RawConstraintData, RawIndexAlgorithm, RawRowLevelSecurity, RawTableAccess, RawTableType,
    RawUniqueConstraint,
};
use super::raw_v9::{
    RawColumnDefaultV9, RawConstraintDefV9, RawIndexDefV9, RawMiscExportV9, RawModuleDefV9,
    RawProcedureDefV9, RawReducerDefV9, RawScheduleDefV9, RawScopedTypeNameV9, RawSequenceDefV9,
    RawTableDefV9, RawTypeDefV9, RawViewDefV9,
};
use super::raw_v10::{
    RawColumnDefaultV10, RawConstraintDefV10, RawExplicitName, RawExplicitNames,
    RawHttpHandlerDefV10, RawHttpRouteDefV10, RawIndexDefV10, RawLifeCycleReducerDefV10,
    RawModuleDefV10, RawModuleDefV10Section as Section, RawNameMapping, RawProcedureDefV10,
    RawReducerDefV10, RawScheduleDefV10, RawScopedTypeNameV10, RawSequenceDefV10, RawSubmoduleV10,
    RawTableDefV10, RawTypeDefV10, RawViewDefV10, RawViewPrimaryKeyDefV10,
};
use super::record::RawBytes;
use crate::ColId;

impl ModuleDef {
    /// The definition in the format of 1.x; only the root module.
    #[must_use]
    pub fn to_raw_v9(&self) -> RawModuleDefV9 {
        let types = self.types.iter().map(|def| RawTypeDefV9 {
            name: RawScopedTypeNameV9 {
                scope: def.scope.clone(),
                name: def.name.clone(),
            },
            ty: def.ty,
            custom_ordering: def.custom_ordering,
        });
        let reducers = self.reducers.iter().map(|reducer| RawReducerDefV9 {
            name: reducer.name.clone(),
            params: reducer.params.clone(),
            lifecycle: reducer.lifecycle,
        });
        let rules = self.row_level_security.iter();
        RawModuleDefV9 {
            typespace: self.typespace.clone(),
            tables: self.tables.iter().map(table_v9).collect(),
            reducers: reducers.collect(),
            types: types.collect(),
            misc_exports: self.exports_v9(),
            row_level_security: rules
                .map(|sql| RawRowLevelSecurity { sql: sql.clone() })
                .collect(),
        }
    }

    fn exports_v9(&self) -> Vec<RawMiscExportV9> {
        let defaults = self.tables.iter().flat_map(|table| {
            defaults(&table.columns).map(|(column, value)| {
                RawMiscExportV9::ColumnDefaultValue(RawColumnDefaultV9 {
                    table: table.name.clone(),
                    col_id: column.0,
                    value,
                })
            })
        });
        let procedures = self.procedures.iter().map(|procedure| {
            RawMiscExportV9::Procedure(RawProcedureDefV9 {
                name: procedure.name.clone(),
                params: procedure.params.clone(),
                return_type: procedure.return_type.clone(),
            })
        });
        let views = self.views.iter().map(|view| {
            RawMiscExportV9::View(RawViewDefV9 {
                name: view.name.clone(),
                index: view.index,
                is_public: view.is_public,
                is_anonymous: view.is_anonymous,
                params: view.params.clone(),
                return_type: view.return_type.clone(),
            })
        });
        defaults.chain(procedures).chain(views).collect()
    }

    /// The definition in the format of 2.x, without empty sections.
    #[must_use]
    pub fn to_raw_v10(&self) -> RawModuleDefV10 {
        let mut sections = Vec::new();
        if !self.typespace.types.is_empty() {
            sections.push(Section::Typespace(self.typespace.clone()));
        }
        push(&mut sections, Section::Types, self.types_v10());
        push(
            &mut sections,
            Section::Tables,
            self.tables.iter().map(table_v10).collect(),
        );
        push(&mut sections, Section::Reducers, self.reducers_v10());
        push(&mut sections, Section::Procedures, self.procedures_v10());
        push(
            &mut sections,
            Section::HttpHandlers,
            self.http_handlers_v10(),
        );
        push(&mut sections, Section::HttpRoutes, self.http_routes_v10());
        push(&mut sections, Section::Views, self.views_v10());
        push(
            &mut sections,
            Section::ViewPrimaryKeys,
            self.view_keys_v10(),
        );
        push(&mut sections, Section::Schedules, self.schedules_v10());
        push(
            &mut sections,
            Section::LifeCycleReducers,
            self.lifecycle_v10(),
        );
        let rules = self.row_level_security.iter();
        let rules = rules
            .map(|sql| RawRowLevelSecurity { sql: sql.clone() })
            .collect();
        push(&mut sections, Section::RowLevelSecurity, rules);
        sections.push(Section::ExplicitNames(self.explicit_names_v10()));
        let submodules = self.submodules.iter().map(|module| RawSubmoduleV10 {
            namespace: module
                .namespace()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .into(),
            module: module.to_raw_v10(),
        });
        push(&mut sections, Section::Submodules, submodules.collect());
        RawModuleDefV10 { sections }
    }

    fn types_v10(&self) -> Vec<RawTypeDefV10> {
        let def = |def: &super::def::TypeDef| RawTypeDefV10 {
            source_name: RawScopedTypeNameV10 {
                scope: def.scope.clone(),
                source_name: def.name.clone(),
            },
            ty: def.ty,
            custom_ordering: def.custom_ordering,
        };
        self.types.iter().map(def).collect()
    }

    fn reducers_v10(&self) -> Vec<RawReducerDefV10> {
        let reducer = |reducer: &super::def::ReducerDef| RawReducerDefV10 {
            source_name: reducer.accessor.clone(),
            params: reducer.params.clone(),
            visibility: reducer.visibility,
            ok_return_type: reducer.ok_return_type.clone(),
            err_return_type: reducer.err_return_type.clone(),
        };
        self.reducers.iter().map(reducer).collect()
    }

    fn procedures_v10(&self) -> Vec<RawProcedureDefV10> {
        let procedure = |procedure: &super::def::ProcedureDef| RawProcedureDefV10 {
            source_name: procedure.accessor.clone(),
            params: procedure.params.clone(),
            return_type: procedure.return_type.clone(),
            visibility: procedure.visibility,
        };
        self.procedures.iter().map(procedure).collect()
    }

    fn http_handlers_v10(&self) -> Vec<RawHttpHandlerDefV10> {
        let handler = |handler: &super::def::HttpHandlerDef| RawHttpHandlerDefV10 {
            source_name: handler.accessor.clone(),
        };
        self.http_handlers.iter().map(handler).collect()
    }

    fn http_routes_v10(&self) -> Vec<RawHttpRouteDefV10> {
        let route = |route: &super::def::HttpRouteDef| {
            let handler = self.http_handler(&route.handler);
            RawHttpRouteDefV10 {
                handler_function: handler
                    .map_or_else(|| route.handler.clone(), |handler| handler.accessor.clone()),
                method: route.method.clone(),
                path: route.path.clone(),
            }
        };
        self.http_routes.iter().map(route).collect()
    }

    fn views_v10(&self) -> Vec<RawViewDefV10> {
        let view = |view: &super::def::ViewDef| RawViewDefV10 {
            source_name: view.accessor.clone(),
            index: view.index,
            is_public: view.is_public,
            is_anonymous: view.is_anonymous,
            params: view.params.clone(),
            return_type: view.return_type.clone(),
        };
        self.views.iter().map(view).collect()
    }

    fn view_keys_v10(&self) -> Vec<RawViewPrimaryKeyDefV10> {
        let key = |view: &super::def::ViewDef| {
            let key = view.primary_key.filter(|_| view.primary_key_is_declared)?;
            let column = view.columns.get(usize::from(key.0))?;
            Some(RawViewPrimaryKeyDefV10 {
                view_source_name: view.accessor.clone(),
                columns: vec![column.name.clone()],
            })
        };
        self.views.iter().filter_map(key).collect()
    }

    fn schedules_v10(&self) -> Vec<RawScheduleDefV10> {
        let schedule = |table: &TableDef| {
            let schedule = table.schedule.as_ref()?;
            Some(RawScheduleDefV10 {
                source_name: Some(schedule.name.clone()),
                table_name: table.accessor.clone(),
                schedule_at_col: schedule.at_column.0,
                function_name: self.function_accessor(&schedule.function_name),
            })
        };
        self.tables.iter().filter_map(schedule).collect()
    }

    /// The name in the program of a reducer or procedure of this module.
    fn function_accessor(&self, name: &Name) -> Name {
        let reducer = self
            .lookup
            .reducers
            .get(name)
            .and_then(|at| self.reducers.get(*at));
        let procedure = self
            .lookup
            .procedures
            .get(name)
            .and_then(|at| self.procedures.get(*at));
        reducer
            .map(|reducer| &reducer.accessor)
            .or(procedure.map(|procedure| &procedure.accessor))
            .unwrap_or(name)
            .clone()
    }

    fn lifecycle_v10(&self) -> Vec<RawLifeCycleReducerDefV10> {
        let bound = self.lookup.lifecycle.iter();
        let entry = |(event, position): (&super::def::Lifecycle, &usize)| {
            let reducer = self.reducers.get(*position)?;
            Some(RawLifeCycleReducerDefV10 {
                lifecycle_spec: *event,
                function_name: reducer.accessor.clone(),
            })
        };
        bound.filter_map(entry).collect()
    }

    fn explicit_names_v10(&self) -> RawExplicitNames {
        let mapping = |source: &Name, canonical: &Name| RawNameMapping {
            source_name: source.clone(),
            canonical_name: canonical.clone(),
        };
        let mut entries = Vec::new();
        for table in &self.tables {
            entries.push(RawExplicitName::Table(mapping(
                &table.accessor,
                &table.name,
            )));
        }
        let reducers = self.reducers.iter().map(|def| (&def.accessor, &def.name));
        let procedures = self.procedures.iter().map(|def| (&def.accessor, &def.name));
        let handlers = self
            .http_handlers
            .iter()
            .map(|def| (&def.accessor, &def.name));
        let views = self.views.iter().map(|def| (&def.accessor, &def.name));
        for (source, canonical) in reducers.chain(procedures).chain(handlers).chain(views) {
            entries.push(RawExplicitName::Function(mapping(source, canonical)));
        }
        RawExplicitNames { entries }
    }
}

fn push<T>(sections: &mut Vec<Section>, section: impl FnOnce(Vec<T>) -> Section, items: Vec<T>) {
    if !items.is_empty() {
        sections.push(section(items));
    }
}

fn numbers(columns: &[ColId]) -> Vec<u16> {
    columns.iter().map(|column| column.0).collect()
}

fn algorithm(algorithm: &IndexAlgorithm) -> RawIndexAlgorithm {
    match algorithm {
        IndexAlgorithm::BTree(columns) => RawIndexAlgorithm::BTree(numbers(columns)),
        IndexAlgorithm::Hash(columns) => RawIndexAlgorithm::Hash(numbers(columns)),
        IndexAlgorithm::Direct(column) => RawIndexAlgorithm::Direct(column.0),
    }
}

fn unique(constraint: &UniqueConstraintDef) -> RawConstraintData {
    let columns = numbers(&constraint.columns);
    RawConstraintData::Unique(RawUniqueConstraint { columns })
}

fn table_type(table: &TableDef) -> RawTableType {
    match table.table_type {
        TableType::System => RawTableType::System,
        TableType::User => RawTableType::User,
    }
}

fn table_access(table: &TableDef) -> RawTableAccess {
    match table.access {
        TableAccess::Public => RawTableAccess::Public,
        TableAccess::Private => RawTableAccess::Private,
    }
}

fn defaults(columns: &[ColumnDef]) -> impl Iterator<Item = (ColId, RawBytes)> {
    let numbered = (0..=u16::MAX).map(ColId).zip(columns);
    numbered.filter_map(|(id, column)| Some((id, RawBytes(column.default.clone()?))))
}

fn table_v9(table: &TableDef) -> RawTableDefV9 {
    let index = |index: &IndexDef| RawIndexDefV9 {
        name: Some(index.name.clone()),
        accessor_name: index.accessor.clone(),
        algorithm: algorithm(&index.algorithm),
    };
    let constraint = |constraint: &UniqueConstraintDef| RawConstraintDefV9 {
        name: Some(constraint.name.clone()),
        data: unique(constraint),
    };
    let sequence = |sequence: &SequenceDef| RawSequenceDefV9 {
        name: Some(sequence.name.clone()),
        column: sequence.column.0,
        start: sequence.declared_start,
        min_value: sequence.declared_min,
        max_value: sequence.declared_max,
        increment: sequence.increment,
    };
    RawTableDefV9 {
        name: table.name.clone(),
        product_type_ref: table.product_type_ref,
        primary_key: table.primary_key.iter().map(|column| column.0).collect(),
        indexes: table.indexes.iter().map(index).collect(),
        constraints: table.constraints.iter().map(constraint).collect(),
        sequences: table.sequences.iter().map(sequence).collect(),
        schedule: table.schedule.as_ref().map(|schedule| RawScheduleDefV9 {
            name: Some(schedule.name.clone()),
            reducer_name: schedule.function_name.clone(),
            scheduled_at_column: schedule.at_column.0,
        }),
        table_type: table_type(table),
        table_access: table_access(table),
    }
}

fn table_v10(table: &TableDef) -> RawTableDefV10 {
    let index = |index: &IndexDef| RawIndexDefV10 {
        source_name: Some(index.source_name.clone()),
        accessor_name: index.accessor.clone(),
        algorithm: algorithm(&index.algorithm),
    };
    let constraint = |constraint: &UniqueConstraintDef| RawConstraintDefV10 {
        source_name: Some(constraint.name.clone()),
        data: unique(constraint),
    };
    let sequence = |sequence: &SequenceDef| RawSequenceDefV10 {
        source_name: Some(sequence.name.clone()),
        column: sequence.column.0,
        start: sequence.declared_start,
        min_value: sequence.declared_min,
        max_value: sequence.declared_max,
        increment: sequence.increment,
    };
    let default = |(column, value): (ColId, RawBytes)| RawColumnDefaultV10 {
        col_id: column.0,
        value,
    };
    RawTableDefV10 {
        source_name: table.accessor.clone(),
        product_type_ref: table.product_type_ref,
        primary_key: table.primary_key.iter().map(|column| column.0).collect(),
        indexes: table.indexes.iter().map(index).collect(),
        constraints: table.constraints.iter().map(constraint).collect(),
        sequences: table.sequences.iter().map(sequence).collect(),
        table_type: table_type(table),
        table_access: table_access(table),
        default_values: defaults(&table.columns).map(default).collect(),
        is_event: table.is_event,
    }
}
