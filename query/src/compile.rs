//! A parsed statement to a plan: names, types, rights, then the planner.
//!
//! Not here: what a SELECT makes of the combinations of rows (see `shape`).

use std::sync::Arc;

use spacetime_table::system::{ROW_LIMIT, StVar, VarValue};
use spacetime_table::{Datastore, TableSchema};
use spacetime_types::AlgebraicType;

use crate::ast::{
    At, ColumnRef, Comparison, Delete, Expr, Insert, Items, JoinOn, Literal, Parsed, Select,
    TableRef, Update,
};
use crate::catalogue::{Caller, column_hint, find_column, find_table};
use crate::error::SqlError;
use crate::explain::ExplainPlan;
use crate::literal::{Place, literal_bsatn, parse_u64};
use crate::parser::{Language, parse};
use crate::plan::{Change, ChangePlan, Output, Plan, SelectPlan};
use crate::planner::{Sizes, plan_joins, plan_tables};
use crate::predicate::Predicate;
use crate::rls;
use crate::typing::Scope;
use crate::view::instance_condition;

/// The table of variables.
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
    /// The plan of a SELECT is shown.
    Explain(ExplainPlan),
}

impl Statement {
    /// Whether the schema is still the one the statement was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        match self {
            Statement::Select(select) | Statement::Explain(ExplainPlan { select, .. }) => {
                select.is_current(datastore)
            }
            Statement::Change(change) => crate::plan::is_current(&change.schema, datastore),
        }
    }
}

/// Compiles one statement of the full language as the caller sees the database. Errors show their
/// place in the text.
pub fn compile(sql: &str, datastore: &Datastore, caller: &Caller) -> Result<Statement, SqlError> {
    compile_statement(sql, datastore, caller).map_err(|error| error.shown_in(sql))
}

fn compile_statement(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<Statement, SqlError> {
    let compiler = Compiler { datastore, caller };
    match parse(sql, Language::Full)? {
        Parsed::Select(select) => {
            let (plan, _) = compiler.select(&select)?;
            Ok(Statement::Select(plan))
        }
        Parsed::Explain { select, analyze } => {
            let (select, _) = compiler.select(&select)?;
            // A plan counts hidden rows, and shows the rules and the tables that they read.
            if select.is_restricted && !caller.is_owner {
                return Err(SqlError::RestrictedExplain);
            }
            Ok(Statement::Explain(ExplainPlan { select, analyze }))
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
    /// For tables that a LEFT JOIN joins, its condition. May end before the tables do.
    pub lefts: Vec<Option<Predicate>>,
}

impl Branch {
    fn plan(&self, datastore: &Datastore) -> Plan {
        let mut lefts = self.lefts.clone();
        lefts.resize(self.schemas.len(), None);
        let sizes = Sizes::of(datastore, &self.schemas);
        let (schemas, condition) = (self.schemas.clone(), self.condition.clone());
        plan_joins(schemas, condition, &lefts, None, &sizes)
    }
}

/// A query that is kept current: whole rows of one table.
#[derive(Debug)]
pub(crate) struct Query {
    pub select: SelectPlan,
    /// Their results together are the query's: one for each combination of visibility rules.
    pub branches: Vec<Branch>,
    /// How many tables the text names. In all branches they are the first.
    pub tables: usize,
}

/// Compiles a query that is kept current.
pub(crate) fn compile_query(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<Query, SqlError> {
    let select = live_query(sql)?;
    let tables = 1 + select.joins.len();
    let compiler = Compiler { datastore, caller };
    let (plan, branches) = compiler.select(&select).map_err(SqlError::without_place)?;
    let has_groups = plan.distinct || plan.grouping.is_some();
    assert!(!has_groups, "clauses that are not live were refused");
    for branch in &branches {
        assert!(!branch.condition.can_fail(), "there is no arithmetic here");
        assert!(branch.lefts.iter().all(Option::is_none), "nor a LEFT JOIN");
    }
    Ok(Query {
        select: plan,
        branches,
        tables,
    })
}

/// Resolves a query without order and limit that could be kept current, with all tables as they are
/// stored: no rule restricts them. Says which table is returned.
pub(crate) fn resolve_query(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<(Branch, usize), SqlError> {
    let select = live_query(sql)?;
    if select.limit.is_some() {
        return Err(SqlError::UnsupportedSelect(select.text));
    }
    let compiler = Compiler { datastore, caller };
    let resolved = compiler.resolve(&select).and_then(|(scope, branch)| {
        let shape = crate::shape::shape(&scope, &select)?;
        Ok((branch, shape.output))
    });
    match resolved.map_err(SqlError::without_place)? {
        (branch, Output::Table(returned)) => Ok((branch, returned)),
        _ => Err(SqlError::SubscriptionProjection),
    }
}

/// A SELECT of whole rows without clauses that are not kept current.
fn live_query(sql: &str) -> Result<Select, SqlError> {
    let select = parse_query(sql, Language::Subscription)?;
    if let Some(what) = not_live(&select) {
        let text = format!(
            "{}: {what} is not live, ask for it in a one-off query",
            select.text
        );
        return Err(match what {
            "LIMIT" => SqlError::Unsupported(text),
            _ => SqlError::UnsupportedSelect(text),
        });
    }
    Ok(select)
}

/// Compiles a query that a connected client asks once: whole rows of one table, in an order and
/// within limits if it asks for that.
pub(crate) fn compile_one_off(
    sql: &str,
    datastore: &Datastore,
    caller: &Caller,
) -> Result<SelectPlan, SqlError> {
    let select = parse_query(sql, Language::OneOff)?;
    if select.distinct || !select.group_by.is_empty() || select.having.is_some() {
        return Err(SqlError::UnsupportedSelect(select.text));
    }
    let compiler = Compiler { datastore, caller };
    let (plan, _) = compiler.select(&select).map_err(SqlError::without_place)?;
    match plan.returned_table() {
        Some(_) => Ok(plan),
        // The right side of a LEFT JOIN has rows without values.
        None => Err(SqlError::NonInnerJoin),
    }
}

/// A SELECT of whole rows.
fn parse_query(sql: &str, language: Language) -> Result<Select, SqlError> {
    match parse(sql, language)? {
        Parsed::Select(select) if matches!(select.items, Items::List(_)) => {
            Err(SqlError::SubscriptionProjection)
        }
        Parsed::Select(select) => Ok(select),
        _ => Err(SqlError::Unsupported("Non-SELECT queries".to_owned())),
    }
}

/// The first clause of a query that is not kept current. The first rows of an order are.
fn not_live(select: &Select) -> Option<&'static str> {
    let has_first = !select.order_by.is_empty() && select.limit.is_some();
    let clauses = [
        (select.distinct, "DISTINCT"),
        (!select.group_by.is_empty(), "GROUP BY"),
        (select.having.is_some(), "HAVING"),
        (!has_first && !select.order_by.is_empty(), "ORDER BY"),
        (!has_first && select.offset.is_some(), "OFFSET"),
        (!has_first && select.limit.is_some(), "LIMIT"),
    ];
    let found = clauses.into_iter().find(|(present, _)| *present);
    found.map(|(_, name)| name)
}

struct Compiler<'a> {
    datastore: &'a Datastore,
    caller: &'a Caller,
}

impl<'a> Compiler<'a> {
    fn table(&self, name: &str, at: At) -> Result<Arc<TableSchema>, SqlError> {
        find_table(self.datastore, self.caller, name).map_err(|error| error.at(at))
    }

    /// Names and conditions of a SELECT.
    fn resolve(&self, select: &Select) -> Result<(Scope<'a>, Branch), SqlError> {
        let mut scope = Scope::new(self.caller);
        scope.needs_qualifiers = !select.joins.is_empty();
        let from = &select.from;
        scope.add(from, self.table(&from.name, from.at)?)?;
        let mut conditions = Vec::new();
        // Per table, the condition of its LEFT JOIN.
        let mut lefts: Vec<Option<Predicate>> = vec![None];
        for (position, join) in select.joins.iter().enumerate() {
            let table = &join.table;
            scope.add(table, self.table(&table.name, table.at)?)?;
            lefts.push(None);
            match &join.on {
                JoinOn::Cross => {}
                JoinOn::Equal(left, right) => {
                    conditions.push(join_condition(&scope, position + 1, left, right)?);
                }
                JoinOn::Left(on) => {
                    lefts[position + 1] = Some(scope.predicate(on)?);
                    scope.last_may_be_absent();
                }
            }
        }
        if let Some(filter) = &select.filter {
            conditions.push(scope.predicate(filter)?);
        }
        let schemas: Vec<_> = scope.schemas().cloned().collect();
        for (table, schema) in schemas.iter().enumerate() {
            let instance = instance_condition(self.datastore, schema, self.caller, table);
            match (instance, &mut lefts[table]) {
                (None, _) => {}
                (Some(instance), None) => conditions.push(instance),
                (Some(instance), Some(on)) => {
                    let rest = std::mem::replace(on, Predicate::Always(true));
                    *on = Predicate::And(vec![rest, instance]);
                }
            }
        }
        let condition = Predicate::And(conditions).simplify();
        let lefts = lefts.into_iter();
        let branch = Branch {
            schemas,
            condition,
            lefts: lefts.map(|on| on.map(Predicate::simplify)).collect(),
        };
        Ok((scope, branch))
    }

    /// The plan, and the branches that it was made of.
    fn select(&self, select: &Select) -> Result<(SelectPlan, Vec<Branch>), SqlError> {
        let (scope, branch) = self.resolve(select)?;
        let shape = crate::shape::shape(&scope, select)?;
        let limit = select.limit.as_deref().map(number_u64).transpose()?;
        let offset = select.offset.as_deref().map_or(Ok(0), number_u64)?;
        let is_restricted = rls::is_restricted(self.datastore, self.caller, &branch.schemas);
        let branches = rls::restrict(self.datastore, self.caller, branch)?;
        let mut plans = branches.iter().map(|branch| branch.plan(self.datastore));
        let plan = plans.next();
        let others = plans.collect();
        let plan = SelectPlan {
            plan: plan.ok_or(SqlError::NoFrom)?,
            others,
            output: shape.output,
            grouping: shape.grouping,
            distinct: select.distinct,
            order: shape.order,
            is_restricted,
            limit,
            offset,
            result_type: shape.result_type,
        };
        self.check_row_limit(&plan)?;
        Ok((plan, branches))
    }

    /// Refuses what would read more than the owner lets others read.
    fn check_row_limit(&self, plan: &SelectPlan) -> Result<(), SqlError> {
        if self.caller.is_owner {
            return Ok(());
        }
        let mut variables = self.datastore.system_rows::<StVar>();
        let limit = variables.find_map(|(_, row)| match row.value {
            VarValue::U64(limit) if &*row.name == ROW_LIMIT => Some(limit),
            _ => None,
        });
        let Some(limit) = limit else {
            return Ok(());
        };
        let expected = plan.rows_expected(self.datastore);
        match expected > limit {
            true => Err(SqlError::RowLimit { expected, limit }),
            false => Ok(()),
        }
    }

    fn show_variable(&self, name: &str) -> Result<SelectPlan, SqlError> {
        if name != ROW_LIMIT {
            return Err(SqlError::InvalidVariable(name.to_owned()));
        }
        let (plan, _) = self.select(&Select {
            distinct: false,
            items: Items::List(vec![crate::ast::Item {
                expr: Expr::Column(column_ref("value")),
                alias: None,
                text: "value".to_owned(),
                at: At::default(),
            }]),
            from: table_ref(VARIABLES, At::default()),
            joins: Vec::new(),
            filter: Some(variable_filter()),
            group_by: Vec::new(),
            having: None,
            order_by: Vec::new(),
            limit: None,
            offset: None,
            text: String::new(),
        })?;
        Ok(plan)
    }

    /// The table of a change, in scope under the name as written.
    fn target(&self, name: &str, at: At) -> Result<(Scope<'a>, Arc<TableSchema>), SqlError> {
        let schema = self.table(name, at)?;
        if schema.view.is_some() {
            return Err(SqlError::ViewChange(name.to_owned()).at(at));
        }
        let mut scope = Scope::new(self.caller);
        scope.add(&table_ref(name, at), Arc::clone(&schema))?;
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
        let (_, schema) = self.target(&insert.table, insert.at)?;
        let columns = insert_columns(insert, &schema)?;
        let mut rows = Vec::with_capacity(insert.rows.len());
        for values in &insert.rows {
            if values.len() != schema.columns.len() {
                let error = SqlError::ValueCount {
                    values: values.len(),
                    table: insert.table.clone(),
                    columns: schema.columns.len(),
                };
                let at = values.first().map_or(At::default(), |(_, at)| *at);
                return Err(error.at(at));
            }
            // Values are typed in the order of the text, rows are made in that of the table.
            let mut cells = vec![Vec::new(); columns.len()];
            for ((value, at), column) in values.iter().zip(&columns) {
                let ty = &schema.columns[*column].column_type;
                cells[*column] =
                    literal_bsatn(value, ty, Place::Value).map_err(|error| error.at(*at))?;
            }
            rows.push(cells.concat());
        }
        self.authorise(schema, Change::Insert(rows))
    }

    fn update(&self, update: &Update) -> Result<ChangePlan, SqlError> {
        let (scope, schema) = self.target(&update.table, update.at)?;
        let mut assignments: Vec<(usize, Vec<u8>)> = Vec::new();
        for (name, value, at) in &update.assignments {
            let column = find_column(&schema, name)
                .ok_or_else(|| no_such_field(&update.table, name, &schema).at(*at))?;
            let ty = &schema.columns[column].column_type;
            let value = literal_bsatn(value, ty, Place::Value).map_err(|error| error.at(*at))?;
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
        let (scope, schema) = self.target(&delete.table, delete.at)?;
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
        let (scope, schema) = self.target(VARIABLES, At::default())?;
        let plan = filtered(&scope, &schema, Some(&variable_filter()))?;
        let name = Literal::Str(ROW_LIMIT.to_owned());
        let mut row = literal_bsatn(&name, &AlgebraicType::String, Place::Value)?;
        row.push(VARIABLE_U64);
        row.extend_from_slice(&number.to_le_bytes());
        self.authorise(schema, Change::Replace(plan, row))
    }
}

fn table_ref(name: &str, at: At) -> TableRef {
    TableRef {
        name: name.to_owned(),
        alias: None,
        at,
    }
}

fn column_ref(name: &str) -> ColumnRef {
    ColumnRef {
        qualifier: None,
        name: name.to_owned(),
        at: At::default(),
    }
}

fn variable_filter() -> Expr {
    let name = Literal::Str(ROW_LIMIT.to_owned());
    Expr::Compare(
        Comparison::Eq,
        Box::new(Expr::Column(column_ref("name"))),
        Box::new(Expr::Literal(name, At::default())),
        At::default(),
    )
}

fn no_such_field(table: &str, name: &str, schema: &Arc<TableSchema>) -> SqlError {
    SqlError::NoSuchField {
        table: table.to_owned(),
        field: name.to_owned(),
        hint: column_hint(name, std::iter::once(schema)),
    }
}

fn number_u64(text: &str) -> Result<u64, SqlError> {
    parse_u64(text).ok_or_else(|| SqlError::Literal {
        text: text.chars().take(200).collect(),
        type_name: AlgebraicType::U64.to_string(),
    })
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
        left.at,
    ))?;
    let tables = [scope.column(left)?.0.table, scope.column(right)?.0.table];
    match tables == [joined, joined] {
        true => Err(SqlError::JoinOnOneTable.at(left.at)),
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
fn insert_columns(insert: &Insert, schema: &Arc<TableSchema>) -> Result<Vec<usize>, SqlError> {
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
    for (name, at) in names {
        let column = find_column(schema, name)
            .ok_or_else(|| no_such_field(&insert.table, name, schema).at(*at))?;
        if columns.contains(&column) {
            return Err(SqlError::DuplicateName(name.clone()).at(*at));
        }
        columns.push(column);
    }
    Ok(columns)
}
