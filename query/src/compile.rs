//! A parsed statement to a plan: names, types, rights, then the planner.

use std::sync::Arc;

use spacetime_table::{Datastore, TableSchema};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};

use crate::ast::{
    ColumnRef, Comparison, Delete, Expr, Insert, Items, Literal, Parsed, Select, TableRef, Update,
};
use crate::catalogue::{Caller, find_column, find_table, hidden_columns};
use crate::error::SqlError;
use crate::literal::{Place, literal_bsatn, parse_u64};
use crate::parser::{Language, parse};
use crate::plan::{Change, ChangePlan, Output, Plan, SelectPlan};
use crate::planner::plan_tables;
use crate::predicate::{Predicate, Slot};
use crate::rls;
use crate::typing::Scope;
use crate::view::instance_condition;

/// The one variable that can be set, and the table of variables.
const ROW_LIMIT: &str = "row_limit";
const VARIABLES: &str = "st_var";
/// `U64` among the variants of a variable's value.
const VARIABLE_U64: u8 = 8;

/// A statement ready to run. It can be kept and run again while [`Statement::is_current`].
#[derive(Clone, Debug)]
pub enum Statement {
    /// Rows are read.
    Select(SelectPlan),
    /// Rows are changed; run it inside an open transaction.
    Change(ChangePlan),
}

impl Statement {
    /// Whether the schema is still the one the statement was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        match self {
            Statement::Select(select) => select.plan.is_current(datastore),
            Statement::Change(change) => crate::plan::is_current(&change.schema, datastore),
        }
    }
}

/// Compiles one statement of the full language as the caller sees the database.
pub fn compile(sql: &str, datastore: &Datastore, caller: &Caller) -> Result<Statement, SqlError> {
    let compiler = Compiler { datastore, caller };
    match parse(sql, Language::Full)? {
        Parsed::Select(select) => {
            let (plan, _) = compiler.select(&select)?;
            Ok(Statement::Select(plan))
        }
        Parsed::Insert(insert) => compiler.insert(&insert).map(Statement::Change),
        Parsed::Update(update) => compiler.update(&update).map(Statement::Change),
        Parsed::Delete(delete) => compiler.delete(&delete).map(Statement::Change),
        Parsed::SetVariable { name, value } => {
            compiler.set_variable(&name, &value).map(Statement::Change)
        }
        Parsed::ShowVariable { name } => compiler.show_variable(&name).map(Statement::Select),
    }
}

/// Tables under a condition, before anything is planned.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// In the order of the FROM clause.
    pub schemas: Vec<Arc<TableSchema>>,
    /// Simplified.
    pub condition: Predicate,
}

/// A query of the subscription language: whole rows of one table.
#[derive(Debug)]
pub(crate) struct Query {
    pub select: SelectPlan,
    /// Their results together are the query's: one for each combination of visibility rules.
    pub branches: Vec<Branch>,
    /// How many tables the text names. In all branches they are the first.
    pub tables: usize,
}

/// Compiles a query of the subscription language.
pub(crate) fn compile_query(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<Query, SqlError> {
    let select = parse_query(sql)?;
    let tables = 1 + select.joins.len();
    let (select, branches) = Compiler { datastore, caller }.select(&select)?;
    Ok(Query {
        select,
        branches,
        tables,
    })
}

/// Resolves a query of the subscription language, with all tables as they are stored: no rule
/// restricts them. Says which table is returned.
pub(crate) fn resolve_query(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<(Branch, usize), SqlError> {
    let select = parse_query(sql)?;
    let (scope, branch) = Compiler { datastore, caller }.resolve(&select)?;
    match output(&scope, &select.items)?.0 {
        Output::Table(returned) => Ok((branch, returned)),
        Output::Columns(_) | Output::Count => Err(SqlError::SubscriptionProjection),
    }
}

fn parse_query(sql: &str) -> Result<Select, SqlError> {
    let Parsed::Select(select) = parse(sql, Language::Subscription)? else {
        return Err(SqlError::Unsupported("Non-SELECT queries".to_owned()));
    };
    if matches!(select.items, Items::Columns(_) | Items::Count { .. }) {
        return Err(SqlError::SubscriptionProjection);
    }
    Ok(select)
}

struct Compiler<'a> {
    datastore: &'a Datastore,
    caller: &'a Caller,
}

impl<'a> Compiler<'a> {
    fn table(&self, name: &str) -> Result<Arc<TableSchema>, SqlError> {
        find_table(self.datastore, self.caller, name)
    }

    /// Names and conditions of a SELECT.
    fn resolve(&self, select: &Select) -> Result<(Scope<'a>, Branch), SqlError> {
        let mut scope = Scope::new(self.caller);
        scope.needs_qualifiers = !select.joins.is_empty();
        scope.add(&select.from, self.table(&select.from.name)?)?;
        let mut conditions = Vec::new();
        for (position, join) in select.joins.iter().enumerate() {
            scope.add(&join.table, self.table(&join.table.name)?)?;
            if let Some((left, right)) = &join.on {
                conditions.push(join_condition(&scope, position + 1, left, right)?);
            }
        }
        if let Some(filter) = &select.filter {
            conditions.push(scope.predicate(filter)?);
        }
        let schemas: Vec<_> = scope.schemas().cloned().collect();
        for (table, schema) in schemas.iter().enumerate() {
            conditions.extend(instance_condition(
                self.datastore,
                schema,
                self.caller,
                table,
            ));
        }
        let condition = Predicate::And(conditions).simplify();
        Ok((scope, Branch { schemas, condition }))
    }

    /// The plan, and the branches that it was made of.
    fn select(&self, select: &Select) -> Result<(SelectPlan, Vec<Branch>), SqlError> {
        let (scope, branch) = self.resolve(select)?;
        let limit = select.limit.as_deref().map(limit_value).transpose()?;
        let (output, result_type) = output(&scope, &select.items)?;
        let branches = rls::restrict(self.datastore, self.caller, branch)?;
        let mut plans = branches.iter().map(|branch| {
            let schemas = branch.schemas.clone();
            plan_tables(schemas, branch.condition.clone(), None)
        });
        let plan = plans.next();
        let others = plans.collect();
        let plan = SelectPlan {
            plan: plan.ok_or(SqlError::NoFrom)?,
            others,
            output,
            limit,
            result_type,
        };
        Ok((plan, branches))
    }

    fn show_variable(&self, name: &str) -> Result<SelectPlan, SqlError> {
        if name != ROW_LIMIT {
            return Err(SqlError::InvalidVariable(name.to_owned()));
        }
        let column = |name: &str| ColumnRef {
            qualifier: None,
            name: name.to_owned(),
        };
        let (plan, _) = self.select(&Select {
            items: Items::Columns(vec![crate::ast::Item {
                column: column("value"),
                alias: None,
            }]),
            from: table_ref(VARIABLES),
            joins: Vec::new(),
            filter: Some(variable_filter()),
            limit: None,
        })?;
        Ok(plan)
    }

    /// The table of a change, in scope under the name as written.
    fn target(&self, name: &str) -> Result<(Scope<'a>, Arc<TableSchema>), SqlError> {
        let schema = self.table(name)?;
        if schema.view.is_some() {
            return Err(SqlError::ViewChange(name.to_owned()));
        }
        let mut scope = Scope::new(self.caller);
        scope.add(&table_ref(name), Arc::clone(&schema))?;
        Ok((scope, schema))
    }

    /// Rights are checked last: who may not change a table still learns what is wrong with the
    /// statement. Nobody changes the catalogue by hand.
    fn authorise(&self, schema: Arc<TableSchema>, change: Change) -> Result<ChangePlan, SqlError> {
        let is_protected = schema.is_system() && &*schema.name != VARIABLES;
        if !self.caller.is_owner || is_protected {
            return Err(SqlError::NotAuthorized(self.caller.identity.to_hex()));
        }
        Ok(ChangePlan { schema, change })
    }

    fn insert(&self, insert: &Insert) -> Result<ChangePlan, SqlError> {
        let (_, schema) = self.target(&insert.table)?;
        let columns = insert_columns(insert, &schema)?;
        let mut rows = Vec::with_capacity(insert.rows.len());
        for values in &insert.rows {
            if values.len() != schema.columns.len() {
                return Err(SqlError::ValueCount {
                    values: values.len(),
                    table: insert.table.clone(),
                    columns: schema.columns.len(),
                });
            }
            // Values are typed in the order of the text, rows are made in that of the table.
            let mut cells = vec![Vec::new(); columns.len()];
            for (value, column) in values.iter().zip(&columns) {
                let ty = &schema.columns[*column].column_type;
                cells[*column] = literal_bsatn(value, ty, Place::Value)?;
            }
            rows.push(cells.concat());
        }
        self.authorise(schema, Change::Insert(rows))
    }

    fn update(&self, update: &Update) -> Result<ChangePlan, SqlError> {
        let (scope, schema) = self.target(&update.table)?;
        let mut assignments: Vec<(usize, Vec<u8>)> = Vec::new();
        for (name, value) in &update.assignments {
            let column = find_column(&schema, name).ok_or_else(|| no_such_field(update, name))?;
            let ty = &schema.columns[column].column_type;
            let value = literal_bsatn(value, ty, Place::Value)?;
            // The first assignment of a column wins.
            if assignments.iter().all(|(known, _)| *known != column) {
                assignments.push((column, value));
            }
        }
        assignments.sort_unstable_by_key(|(column, _)| *column);
        let plan = filtered(&scope, &schema, update.filter.as_ref())?;
        self.authorise(schema, Change::Update(plan, assignments))
    }

    fn delete(&self, delete: &Delete) -> Result<ChangePlan, SqlError> {
        let (scope, schema) = self.target(&delete.table)?;
        let plan = filtered(&scope, &schema, delete.filter.as_ref())?;
        self.authorise(schema, Change::Delete(plan))
    }

    fn set_variable(&self, name: &str, value: &Literal) -> Result<ChangePlan, SqlError> {
        if name != ROW_LIMIT {
            return Err(SqlError::InvalidVariable(name.to_owned()));
        }
        let wrong_kind = |kind: &str| SqlError::UnexpectedType {
            found: "U64".to_owned(),
            wanted: kind.to_owned(),
        };
        let number = match value {
            Literal::Number(text) => number_u64(text)?,
            Literal::Bool(_) => return Err(wrong_kind("Bool")),
            Literal::Str(_) => return Err(wrong_kind("String")),
            Literal::Hex(_) => return Err(wrong_kind("Array<U8>")),
        };
        let (scope, schema) = self.target(VARIABLES)?;
        let plan = filtered(&scope, &schema, Some(&variable_filter()))?;
        let name = Literal::Str(ROW_LIMIT.to_owned());
        let mut row = literal_bsatn(&name, &AlgebraicType::String, Place::Value)?;
        row.push(VARIABLE_U64);
        row.extend_from_slice(&number.to_le_bytes());
        self.authorise(schema, Change::Replace(plan, row))
    }
}

fn table_ref(name: &str) -> TableRef {
    TableRef {
        name: name.to_owned(),
        alias: None,
    }
}

fn variable_filter() -> Expr {
    let name = ColumnRef {
        qualifier: None,
        name: "name".to_owned(),
    };
    Expr::Compare(
        Comparison::Eq,
        Box::new(Expr::Column(name)),
        Box::new(Expr::Literal(Literal::Str(ROW_LIMIT.to_owned()))),
    )
}

fn no_such_field(update: &Update, name: &str) -> SqlError {
    SqlError::NoSuchField {
        table: update.table.clone(),
        field: name.to_owned(),
    }
}

fn number_u64(text: &str) -> Result<u64, SqlError> {
    parse_u64(text).ok_or_else(|| SqlError::Literal {
        text: text.chars().take(200).collect(),
        type_name: AlgebraicType::U64.to_string(),
    })
}

fn limit_value(text: &str) -> Result<u64, SqlError> {
    number_u64(text)
}

fn join_condition(
    scope: &Scope<'_>,
    joined: usize,
    left: &ColumnRef,
    right: &ColumnRef,
) -> Result<Predicate, SqlError> {
    let predicate = scope.predicate(&Expr::Compare(
        Comparison::Eq,
        Box::new(Expr::Column(left.clone())),
        Box::new(Expr::Column(right.clone())),
    ))?;
    let tables = [scope.column(left)?.0.table, scope.column(right)?.0.table];
    match tables == [joined, joined] {
        true => Err(SqlError::JoinOnOneTable),
        false => Ok(predicate),
    }
}

/// The plan of a change's WHERE.
fn filtered(
    scope: &Scope<'_>,
    schema: &Arc<TableSchema>,
    filter: Option<&Expr>,
) -> Result<Plan, SqlError> {
    let predicate = match filter {
        Some(filter) => scope.predicate(filter)?,
        None => Predicate::Always(true),
    };
    Ok(plan_tables(
        vec![Arc::clone(schema)],
        predicate.simplify(),
        None,
    ))
}

/// For each value of a row, the column it is for.
fn insert_columns(insert: &Insert, schema: &TableSchema) -> Result<Vec<usize>, SqlError> {
    let Some(names) = &insert.columns else {
        return Ok((0..schema.columns.len()).collect());
    };
    if names.len() != schema.columns.len() {
        return Err(SqlError::FieldCount {
            fields: names.len(),
            columns: schema.columns.len(),
            table: insert.table.clone(),
        });
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = find_column(schema, name).ok_or_else(|| SqlError::NoSuchField {
            table: insert.table.clone(),
            field: name.clone(),
        })?;
        if columns.contains(&column) {
            return Err(SqlError::DuplicateName(name.clone()));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn element(name: &str, ty: &AlgebraicType) -> ProductTypeElement {
    ProductTypeElement {
        name: Some(name.into()),
        algebraic_type: ty.clone(),
    }
}

/// What the select list returns, and its columns.
fn output(scope: &Scope<'_>, items: &Items) -> Result<(Output, ProductType), SqlError> {
    match items {
        Items::Star => match scope.schemas().next() {
            Some(schema) => Ok((Output::Table(0), whole_row(schema))),
            None => Err(SqlError::NoFrom),
        },
        Items::TableStar(name) => {
            let (table, schema) = scope.table(name)?;
            Ok((Output::Table(table), whole_row(schema)))
        }
        Items::Count { alias } => {
            let elements = vec![element(alias, &AlgebraicType::U64)];
            Ok((Output::Count, ProductType { elements }))
        }
        Items::Columns(items) => {
            let mut slots: Vec<Slot> = Vec::with_capacity(items.len());
            let mut elements: Vec<ProductTypeElement> = Vec::with_capacity(items.len());
            let mut names = std::collections::BTreeSet::new();
            for item in items {
                let (slot, ty) = scope.column(&item.column)?;
                let name = item.alias.as_ref().unwrap_or(&item.column.name);
                if !names.insert(name) {
                    return Err(SqlError::DuplicateName(name.clone()));
                }
                slots.push(slot);
                elements.push(element(name, ty));
            }
            Ok((Output::Columns(slots), ProductType { elements }))
        }
    }
}

pub(crate) fn whole_row(schema: &TableSchema) -> ProductType {
    let columns = schema.columns.iter().skip(hidden_columns(schema));
    let elements = columns.map(|column| element(&column.name, &column.column_type));
    ProductType {
        elements: elements.collect(),
    }
}
