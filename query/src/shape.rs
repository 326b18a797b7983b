//! What a SELECT makes of the combinations of rows it finds: columns, groups and their order.

use std::collections::BTreeSet;
use std::sync::Arc;

use spacetime_table::TableSchema;
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};

use crate::ast::{AggregateFunction, At, ColumnRef, Expr, Item, Items, Literal, Select};
use crate::catalogue::hidden_columns;
use crate::error::SqlError;
use crate::group::Grouping;
use crate::plan::{OrderKey, Output};
use crate::predicate::Slot;
use crate::scalar::Scalar;
use crate::typing::{Scope, keyable};

/// The select list, GROUP BY, HAVING and ORDER BY, resolved.
#[derive(Debug)]
pub(crate) struct Shape {
    pub output: Output,
    pub grouping: Option<Grouping>,
    pub order: Vec<OrderKey>,
    pub result_type: ProductType,
}

/// An entry of the select list: over rows, before it is grouped.
struct Column {
    name: String,
    value: Scalar,
    at: At,
}

pub(crate) fn shape(scope: &Scope<'_>, select: &Select) -> Result<Shape, SqlError> {
    let is_grouped = !select.group_by.is_empty()
        || select.having.is_some()
        || list(&select.items)
            .iter()
            .any(|item| item.expr.has_aggregate())
        || select.order_by.iter().any(|key| key.expr.has_aggregate());
    if is_grouped && !is_plain_count(select) {
        return grouped(scope, select);
    }
    let (output, result_type) = output(scope, &select.items)?;
    let columns = match select.order_by.is_empty() {
        true => Vec::new(),
        false => columns(scope, &select.items)?,
    };
    let mut order = Vec::new();
    for key in &select.order_by {
        let value = resolve(scope, &key.expr, &columns, NameFirst::Alias)?;
        if select.distinct && columns.iter().all(|column| column.value != value) {
            return Err(SqlError::OrderNotSelected.at(key.at));
        }
        order.push(order_key(value, key)?);
    }
    Ok(Shape {
        output,
        grouping: None,
        order,
        result_type,
    })
}

fn order_key(value: Scalar, key: &crate::ast::OrderItem) -> Result<OrderKey, SqlError> {
    Ok(OrderKey {
        order: keyable("ORDER BY", &value).map_err(|error| error.at(key.at))?,
        value,
        descending: key.descending,
        nulls_first: key.nulls_first.unwrap_or(!key.descending),
    })
}

fn list(items: &Items) -> &[Item] {
    match items {
        Items::List(items) => items,
        Items::Star | Items::TableStar(..) => &[],
    }
}

/// `SELECT COUNT(*)` and nothing else, which needs no groups.
fn is_plain_count(select: &Select) -> bool {
    let [item] = list(&select.items) else {
        return false;
    };
    select.group_by.is_empty()
        && select.having.is_none()
        && select.order_by.is_empty()
        && is_count_of_all(&item.expr)
}

fn is_count_of_all(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(call)
        if call.function == AggregateFunction::Count && call.argument.is_none())
}

fn grouped(scope: &Scope<'_>, select: &Select) -> Result<Shape, SqlError> {
    let columns = columns(scope, &select.items)?;
    let mut grouping = Grouping::default();
    for key in &select.group_by {
        let value = resolve(scope, key, &columns, NameFirst::Column)?;
        let at = crate::typing::place(key);
        if key.has_aggregate() {
            return Err(SqlError::MisplacedAggregate.at(at));
        }
        keyable("GROUP BY", &value).map_err(|error| error.at(at))?;
        grouping.keys.push(value);
    }
    // Of no rows, only the one group that is always there has aggregates.
    let always = select.group_by.is_empty();
    let over_group = |grouping: &mut Grouping, value: Scalar| {
        grouping.over_group(match always {
            true => nullable_aggregates(value),
            false => value,
        })
    };
    let mut values = Vec::with_capacity(columns.len());
    let mut elements = Vec::with_capacity(columns.len());
    for column in &columns {
        let value = over_group(&mut grouping, column.value.clone());
        let value = value.map_err(|error| error.at(column.at))?;
        elements.push(element(&column.name, &value.result_type()));
        values.push(value);
    }
    if let Some(having) = &select.having {
        let condition = scope.scalar_condition(having)?;
        let condition = over_group(&mut grouping, condition);
        grouping.having = Some(condition.map_err(|error| error.at(crate::typing::place(having)))?);
    }
    let mut order = Vec::new();
    for key in &select.order_by {
        let value = resolve(scope, &key.expr, &columns, NameFirst::Alias)?;
        let value = over_group(&mut grouping, value).map_err(|error| error.at(key.at))?;
        if select.distinct && !values.contains(&value) {
            return Err(SqlError::OrderNotSelected.at(key.at));
        }
        order.push(order_key(value, key)?);
    }
    Ok(Shape {
        output: Output::Values(values),
        grouping: Some(grouping),
        order,
        result_type: ProductType { elements },
    })
}

/// The same expression with aggregates that are null where there are no rows, and all that is made
/// of them.
fn nullable_aggregates(scalar: Scalar) -> Scalar {
    use crate::scalar::Node;
    let Scalar { node, ty, nullable } = scalar;
    let both = |left: Box<Scalar>, right: Box<Scalar>| {
        let (left, right) = (nullable_aggregates(*left), nullable_aggregates(*right));
        let nullable = left.nullable || right.nullable;
        (Box::new(left), Box::new(right), nullable)
    };
    let all = |terms: Vec<Scalar>| {
        let terms: Vec<Scalar> = terms.into_iter().map(nullable_aggregates).collect();
        let nullable = terms.iter().any(|term| term.nullable);
        (terms, nullable)
    };
    let (node, nullable) = match node {
        Node::Aggregate(aggregate) => {
            let counts = aggregate.function == AggregateFunction::Count;
            (Node::Aggregate(aggregate), !counts)
        }
        Node::Arithmetic(operator, number, left, right) => {
            let (left, right, nullable) = both(left, right);
            (Node::Arithmetic(operator, number, left, right), nullable)
        }
        Node::Compare(operator, order, left, right) => {
            let (left, right, nullable) = both(left, right);
            (Node::Compare(operator, order, left, right), nullable)
        }
        Node::Like(inner, pattern) => {
            let inner = nullable_aggregates(*inner);
            let nullable = inner.nullable;
            (Node::Like(Box::new(inner), pattern), nullable)
        }
        Node::Not(inner) => {
            let inner = nullable_aggregates(*inner);
            let nullable = inner.nullable;
            (Node::Not(Box::new(inner)), nullable)
        }
        Node::IsNull(inner) => (Node::IsNull(Box::new(nullable_aggregates(*inner))), false),
        Node::And(terms) => {
            let (terms, nullable) = all(terms);
            (Node::And(terms), nullable)
        }
        Node::Or(terms) => {
            let (terms, nullable) = all(terms);
            (Node::Or(terms), nullable)
        }
        node => (node, nullable),
    };
    Scalar::new(node, ty, nullable)
}

/// Which of two meanings a bare name has when it has both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameFirst {
    Alias,
    Column,
}

/// A key of GROUP BY or ORDER BY: an expression, a column of the result by name or by number.
fn resolve(
    scope: &Scope<'_>,
    expr: &Expr,
    columns: &[Column],
    first: NameFirst,
) -> Result<Scalar, SqlError> {
    match expr {
        Expr::Literal(Literal::Number(position), at) => {
            let number = position.parse::<usize>().ok();
            let found = number.and_then(|number| columns.get(number.checked_sub(1)?));
            match found {
                Some(column) => Ok(column.value.clone()),
                None => Err(SqlError::OrderPosition {
                    position: position.clone(),
                    columns: columns.len(),
                }
                .at(*at)),
            }
        }
        Expr::Column(ColumnRef {
            qualifier: None,
            name,
            ..
        }) => {
            let shown = columns.iter().find(|column| column.name == *name);
            let stored = scope.scalar(expr);
            match (shown, stored, first) {
                (Some(_), Ok(stored), NameFirst::Column) => Ok(stored),
                (Some(shown), ..) => Ok(shown.value.clone()),
                (None, stored, _) => stored,
            }
        }
        expr => scope.scalar(expr),
    }
}

/// The columns of the result as expressions over rows.
fn columns(scope: &Scope<'_>, items: &Items) -> Result<Vec<Column>, SqlError> {
    let whole = |table: usize, schema: &Arc<TableSchema>, at: At| {
        let absent = scope.may_be_absent(table);
        let columns = schema.columns.iter().enumerate();
        let columns = columns
            .skip(hidden_columns(schema))
            .map(|(column, def)| Column {
                name: def.name.to_string(),
                value: Scalar::column(Slot { table, column }, &def.column_type, absent),
                at,
            });
        columns.collect()
    };
    match items {
        Items::Star => match scope.schemas().next() {
            Some(schema) => Ok(whole(0, schema, At::default())),
            None => Err(SqlError::NoFrom),
        },
        Items::TableStar(name, at) => {
            let (table, schema) = scope.table(name, *at)?;
            Ok(whole(table, schema, *at))
        }
        Items::List(items) => {
            let mut columns = Vec::with_capacity(items.len());
            let mut names = BTreeSet::new();
            for item in items {
                let value = scope.scalar(&item.expr)?;
                let name = name_of(item);
                if !names.insert(name) {
                    return Err(SqlError::DuplicateName(name.to_owned()).at(item.at));
                }
                columns.push(Column {
                    name: name.to_owned(),
                    value,
                    at: item.at,
                });
            }
            Ok(columns)
        }
    }
}

fn name_of(item: &Item) -> &str {
    match (&item.alias, &item.expr) {
        (Some(alias), _) => alias,
        (None, Expr::Column(column)) => &column.name,
        (None, _) => &item.text,
    }
}

fn element(name: &str, ty: &AlgebraicType) -> ProductTypeElement {
    ProductTypeElement {
        name: Some(name.into()),
        algebraic_type: ty.clone(),
    }
}

/// What the select list returns without groups, and its columns. Whole rows and stored columns are
/// returned as they are.
fn output(scope: &Scope<'_>, items: &Items) -> Result<(Output, ProductType), SqlError> {
    let whole = match items {
        Items::Star => scope.schemas().next().map(|schema| (0, schema)),
        Items::TableStar(name, at) => Some(scope.table(name, *at)?),
        Items::List(_) => None,
    };
    if let Some((table, schema)) = whole
        && !scope.may_be_absent(table)
    {
        return Ok((Output::Table(table), whole_row(schema)));
    }
    if let [item] = list(items)
        && is_count_of_all(&item.expr)
    {
        let elements = vec![element(name_of(item), &AlgebraicType::U64)];
        return Ok((Output::Count, ProductType { elements }));
    }
    let columns = columns(scope, items)?;
    let stored: Option<Vec<Slot>> = list(items)
        .iter()
        .map(|item| match &item.expr {
            Expr::Column(column) => scope.column(column).ok().map(|(slot, _)| slot),
            _ => None,
        })
        .collect();
    let elements = columns.iter();
    let elements = elements.map(|column| element(&column.name, &column.value.result_type()));
    let result_type = ProductType {
        elements: elements.collect(),
    };
    let output = match stored {
        Some(slots)
            if !slots.is_empty() && slots.iter().all(|slot| !scope.may_be_absent(slot.table)) =>
        {
            Output::Columns(slots)
        }
        _ => Output::Values(columns.into_iter().map(|column| column.value).collect()),
    };
    Ok((output, result_type))
}

pub(crate) fn whole_row(schema: &TableSchema) -> ProductType {
    let columns = schema.columns.iter().skip(hidden_columns(schema));
    let elements = columns.map(|column| element(&column.name, &column.column_type));
    ProductType {
        elements: elements.collect(),
    }
}
