//! Names and types of expressions.
//!
//! There is no implicit conversion. Literals other than booleans have no type of their own: they
//! take the type of what they are compared or calculated with.
//!
//! Conditions of WHERE are typed to a [`Predicate`] as far as comparisons of columns go. Everything
//! else, and every expression that is shown, ordered or grouped by, becomes a [`Scalar`].

use std::sync::Arc;

use spacetime_table::{IndexSchema, TableSchema};
use spacetime_types::AlgebraicType;

use crate::ast::{AggregateCall, Arithmetic, At, ColumnRef, Comparison, Expr, Like};
use crate::ast::{AggregateFunction, Literal, TableRef};
use crate::catalogue::{Caller, closest, column_hint, find_column};
use crate::column_kind::{ColumnKind, Order};
use crate::error::SqlError;
use crate::like::Pattern;
use crate::literal::{Place, length_prefixed, literal_bsatn};
use crate::predicate::{Compare, Operand, Predicate, Slot};
use crate::scalar::{Aggregate, Node, Number, Scalar};

/// Longest pattern of LIKE: matching takes time in the product of its length and the text's.
const PATTERN_BYTES_MAX: usize = 256;

/// A table whose columns an expression may use.
#[derive(Debug)]
struct ScopeTable {
    name: String,
    schema: Arc<TableSchema>,
    /// A LEFT JOIN may find no row of it.
    may_be_absent: bool,
}

/// The tables whose columns an expression may use.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub caller: &'a Caller,
    tables: Vec<ScopeTable>,
    /// In statements with a JOIN every column must be qualified.
    pub needs_qualifiers: bool,
}

/// An expression with its type resolved.
enum Typed {
    Bool(Predicate),
    Value(Operand, AlgebraicType),
    Scalar(Scalar),
}

/// What becomes of columns and comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A predicate where possible.
    Condition,
    /// Always a scalar.
    Value,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(caller: &'a Caller) -> Self {
        Scope {
            caller,
            tables: Vec::new(),
            needs_qualifiers: false,
        }
    }

    pub(crate) fn add(
        &mut self,
        table: &TableRef,
        schema: Arc<TableSchema>,
    ) -> Result<(), SqlError> {
        let name = table.scope_name();
        if self.tables.iter().any(|known| known.name == name) {
            return Err(SqlError::DuplicateName(name.to_owned()).at(table.at));
        }
        self.tables.push(ScopeTable {
            name: name.to_owned(),
            schema,
            may_be_absent: false,
        });
        Ok(())
    }

    /// The table added last is on the right of a LEFT JOIN. In the condition of the join itself it
    /// has a row, so this comes after that condition is typed.
    pub(crate) fn last_may_be_absent(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.may_be_absent = true;
        }
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.tables.iter().map(|table| &table.schema)
    }

    /// Whether the table stands on the right of a LEFT JOIN.
    pub(crate) fn may_be_absent(&self, table: usize) -> bool {
        self.tables
            .get(table)
            .is_some_and(|table| table.may_be_absent)
    }

    /// The table in scope under a name.
    pub(crate) fn table(&self, name: &str, at: At) -> Result<(usize, &Arc<TableSchema>), SqlError> {
        let mut tables = self.tables.iter().enumerate();
        match tables.find(|(_, known)| known.name == name) {
            Some((position, table)) => Ok((position, &table.schema)),
            None => {
                let names = self.tables.iter().map(|table| &*table.name);
                let hint = closest(name, names);
                Err(SqlError::NotInScope {
                    name: name.to_owned(),
                    hint: hint.map_or(String::new(), |close| format!(". Did you mean `{close}`?")),
                }
                .at(at))
            }
        }
    }

    pub(crate) fn column(&self, column: &ColumnRef) -> Result<(Slot, &AlgebraicType), SqlError> {
        let not_in_scope = |schemas: &[&Arc<TableSchema>]| {
            SqlError::NotInScope {
                name: column.name.clone(),
                hint: column_hint(&column.name, schemas.iter().copied()),
            }
            .at(column.at)
        };
        let (table, schema) = match &column.qualifier {
            Some(qualifier) => self.table(qualifier, column.at)?,
            None if self.needs_qualifiers => {
                return Err(SqlError::UnqualifiedName.at(column.at));
            }
            None => match self.tables.first() {
                Some(table) => (0, &table.schema),
                None => return Err(not_in_scope(&[])),
            },
        };
        let position = find_column(schema, &column.name).ok_or_else(|| not_in_scope(&[schema]))?;
        let slot = Slot {
            table,
            column: position,
        };
        Ok((slot, &schema.columns[position].column_type))
    }

    /// A WHERE expression.
    pub(crate) fn predicate(&self, expr: &Expr) -> Result<Predicate, SqlError> {
        let typed = self.typed(expr, Some(&AlgebraicType::Bool), Form::Condition)?;
        match typed {
            Typed::Bool(predicate) => Ok(predicate),
            Typed::Value(_, ty) => Err(unexpected(&ty, &AlgebraicType::Bool).at(place(expr))),
            Typed::Scalar(scalar) => Ok(satisfied(scalar)),
        }
    }

    /// An expression that is shown, ordered or grouped by.
    pub(crate) fn scalar(&self, expr: &Expr) -> Result<Scalar, SqlError> {
        self.typed(expr, None, Form::Value).map(into_scalar)
    }

    /// A condition on groups.
    pub(crate) fn scalar_condition(&self, expr: &Expr) -> Result<Scalar, SqlError> {
        let typed = self.typed(expr, Some(&AlgebraicType::Bool), Form::Value)?;
        Ok(into_scalar(typed))
    }

    /// Types `expr`. The result has the type `wanted`, when there is one.
    fn typed(
        &self,
        expr: &Expr,
        wanted: Option<&AlgebraicType>,
        form: Form,
    ) -> Result<Typed, SqlError> {
        let bool_wanted = || require(&AlgebraicType::Bool, wanted).map_err(|e| e.at(place(expr)));
        match expr {
            Expr::Literal(Literal::Bool(value), _) => {
                bool_wanted()?;
                Ok(Typed::Bool(Predicate::Always(*value)))
            }
            Expr::Literal(literal, at) => {
                let ty = wanted
                    .ok_or(SqlError::UntypedLiteral)
                    .map_err(|e| e.at(*at))?;
                let value = literal_bsatn(literal, ty, Place::Filter).map_err(|e| e.at(*at))?;
                Ok(Typed::Value(Operand::Value(value), ty.clone()))
            }
            Expr::Sender(at) => self.sender(wanted).map_err(|e| e.at(*at)),
            Expr::Column(column) => self.typed_column(column, wanted, form),
            Expr::Compare(operator, left, right, at) => {
                bool_wanted()?;
                self.comparison(*operator, left, right, form)
                    .map_err(|e| e.at(*at))
            }
            Expr::And(terms) => {
                bool_wanted()?;
                self.chain(terms, form, Predicate::And, Node::And)
            }
            Expr::Or(terms) => {
                bool_wanted()?;
                self.chain(terms, form, Predicate::Or, Node::Or)
            }
            Expr::Not(inner) => {
                bool_wanted()?;
                let typed = self.typed(inner, Some(&AlgebraicType::Bool), form)?;
                Ok(match typed {
                    Typed::Bool(inner) => Typed::Bool(Predicate::Not(Box::new(inner))),
                    other => {
                        let inner = into_scalar(other);
                        let nullable = inner.nullable;
                        Typed::Scalar(Scalar::bool(Node::Not(Box::new(inner)), nullable))
                    }
                })
            }
            Expr::Arithmetic(operator, left, right, at) => self
                .arithmetic(*operator, left, right, wanted, form)
                .map_err(|e| e.at(*at)),
            Expr::Like(value, like, at) => {
                bool_wanted()?;
                self.like(value, like, form).map_err(|e| e.at(*at))
            }
            Expr::IsNull(value, at) => {
                bool_wanted()?;
                self.is_null(value).map_err(|e| e.at(*at))
            }
            Expr::Aggregate(call) => {
                let aggregate = self.aggregate(call, form).map_err(|e| e.at(call.at))?;
                require(&aggregate.ty, wanted).map_err(|e| e.at(call.at))?;
                Ok(Typed::Scalar(aggregate))
            }
        }
    }

    fn typed_column(
        &self,
        column: &ColumnRef,
        wanted: Option<&AlgebraicType>,
        form: Form,
    ) -> Result<Typed, SqlError> {
        let (slot, ty) = self.column(column)?;
        let absent = self.may_be_absent(slot.table);
        if form == Form::Value || absent {
            let scalar = Scalar::column(slot, ty, absent);
            require(&scalar.ty, wanted).map_err(|e| e.at(column.at))?;
            return Ok(Typed::Scalar(scalar));
        }
        require(ty, wanted).map_err(|e| e.at(column.at))?;
        Ok(match ty {
            AlgebraicType::Bool => Typed::Bool(Predicate::Column(slot)),
            ty => Typed::Value(Operand::Column(slot), ty.clone()),
        })
    }

    fn chain(
        &self,
        terms: &[Expr],
        form: Form,
        of_predicates: fn(Vec<Predicate>) -> Predicate,
        of_scalars: fn(Vec<Scalar>) -> Node,
    ) -> Result<Typed, SqlError> {
        let typed: Result<Vec<_>, _> = terms
            .iter()
            .map(|term| self.typed(term, Some(&AlgebraicType::Bool), form))
            .collect();
        let typed = typed?;
        if typed.iter().all(|term| matches!(term, Typed::Bool(_))) {
            let terms = typed.into_iter().filter_map(|term| match term {
                Typed::Bool(predicate) => Some(predicate),
                _ => None,
            });
            return Ok(Typed::Bool(of_predicates(terms.collect())));
        }
        let terms: Vec<Scalar> = typed.into_iter().map(into_scalar).collect();
        let nullable = terms.iter().any(|term| term.nullable);
        Ok(Typed::Scalar(Scalar::bool(of_scalars(terms), nullable)))
    }

    /// `:sender` is an identity; next to bytes, its bytes in display order.
    fn sender(&self, wanted: Option<&AlgebraicType>) -> Result<Typed, SqlError> {
        let identity = AlgebraicType::identity();
        let bytes = self.caller.identity.to_be_bytes();
        match wanted {
            Some(ty) if ty.is_bytes() => {
                let value = length_prefixed(&bytes).ok_or(SqlError::UntypedLiteral)?;
                Ok(Typed::Value(Operand::Value(value), ty.clone()))
            }
            wanted => {
                require(&identity, wanted)?;
                let value = bytes.iter().rev().copied().collect();
                Ok(Typed::Value(Operand::Value(value), identity))
            }
        }
    }

    /// Both sides with one type: that of a side which has one of its own, the left one first.
    fn both(
        &self,
        left: &Expr,
        right: &Expr,
        wanted: Option<&AlgebraicType>,
        form: Form,
    ) -> Result<(Typed, Typed), SqlError> {
        if has_no_type(left) {
            let right = self.typed(right, wanted, form)?;
            Ok((self.typed(left, Some(right.ty()), form)?, right))
        } else {
            let left = self.typed(left, wanted, form)?;
            let right = self.typed(right, Some(left.ty()), form)?;
            Ok((left, right))
        }
    }

    fn comparison(
        &self,
        operator: Comparison,
        left: &Expr,
        right: &Expr,
        form: Form,
    ) -> Result<Typed, SqlError> {
        match self.both(left, right, None, form)? {
            (Typed::Bool(left), Typed::Bool(right)) => Ok(Typed::Bool(Predicate::CompareBool(
                operator,
                Box::new(left),
                Box::new(right),
            ))),
            (Typed::Value(left, ty), Typed::Value(right, _)) => {
                let order = comparable(operator, &ty)?;
                Ok(Typed::Bool(Predicate::Compare(Compare {
                    operator,
                    order,
                    left,
                    right,
                })))
            }
            (Typed::Bool(_), Typed::Value(_, ty)) | (Typed::Value(_, ty), Typed::Bool(_)) => {
                Err(unexpected(&ty, &AlgebraicType::Bool))
            }
            (left, right) => {
                let (left, right) = (into_scalar(left), into_scalar(right));
                // As where no row can be absent: an option is compared with nothing.
                for side in [&left, &right] {
                    if matches!(side.node, Node::OptionColumn(_)) {
                        comparable(operator, &side.result_type())?;
                    }
                }
                let order = comparable(operator, &left.ty)?;
                let nullable = left.nullable || right.nullable;
                let node = Node::Compare(operator, order, Box::new(left), Box::new(right));
                Ok(Typed::Scalar(Scalar::bool(node, nullable)))
            }
        }
    }

    fn arithmetic(
        &self,
        operator: Arithmetic,
        left: &Expr,
        right: &Expr,
        wanted: Option<&AlgebraicType>,
        form: Form,
    ) -> Result<Typed, SqlError> {
        let (left, right) = self.both(left, right, wanted, form)?;
        let (left, right) = (into_scalar(left), into_scalar(right));
        let Some(number) = ColumnKind::of(&left.ty).and_then(Number::of) else {
            return Err(SqlError::InvalidOperator {
                operator: operator.symbol(),
                type_name: left.ty.to_string(),
            });
        };
        let (ty, nullable) = (left.ty.clone(), left.nullable || right.nullable);
        let node = Node::Arithmetic(operator, number, Box::new(left), Box::new(right));
        Ok(Typed::Scalar(Scalar::new(node, ty, nullable)))
    }

    fn is_null(&self, value: &Expr) -> Result<Typed, SqlError> {
        let value = self.scalar(value)?;
        if !value.nullable {
            return Err(SqlError::UnsupportedType {
                what: "IS NULL, which needs an option,",
                type_name: value.ty.to_string(),
            });
        }
        let test = Node::IsNull(Box::new(value));
        Ok(Typed::Scalar(Scalar::bool(test, false)))
    }

    fn like(&self, value: &Expr, like: &Like, form: Form) -> Result<Typed, SqlError> {
        let value = into_scalar(self.typed(value, Some(&AlgebraicType::String), Form::Value)?);
        if like.pattern.len() > PATTERN_BYTES_MAX {
            return Err(SqlError::Pattern("a pattern of more than 256 bytes"));
        }
        let pattern = Pattern::new(like);
        let pattern = pattern.ok_or(SqlError::Pattern("a pattern that ends in its escape"))?;
        let nullable = value.nullable;
        let range = match (&value.node, form) {
            (Node::Column(slot), Form::Condition) if !nullable => self.range_of(*slot, &pattern),
            _ => Vec::new(),
        };
        let node = Node::Like(Box::new(value), pattern);
        let test = Scalar::bool(node, nullable);
        if range.is_empty() {
            return Ok(Typed::Scalar(test));
        }
        let test = std::iter::once(Predicate::Test(Box::new(test)));
        let terms = range.into_iter().chain(test).collect();
        Ok(Typed::Bool(Predicate::And(terms)))
    }

    /// For an indexed column, the bounds of what can match a pattern: all that starts like it.
    fn range_of(&self, slot: Slot, pattern: &Pattern) -> Vec<Predicate> {
        let indexes = self
            .tables
            .get(slot.table)
            .map(|table| &table.schema.indexes);
        let is_key = |index: &IndexSchema| {
            let columns = index.algorithm.columns();
            columns
                .iter()
                .any(|column| usize::from(column.0) == slot.column)
        };
        if !indexes.is_some_and(|indexes| indexes.iter().any(is_key)) {
            return Vec::new();
        }
        let bound = |operator, text: &str| {
            let value = length_prefixed(text.as_bytes())?;
            Some(Predicate::Compare(Compare {
                operator,
                order: Order::Prefixed,
                left: Operand::Column(slot),
                right: Operand::Value(value),
            }))
        };
        let prefix = pattern.prefix();
        if prefix.is_empty() {
            return Vec::new();
        }
        let low = bound(Comparison::Ge, &prefix);
        let high = crate::like::after_prefix(&prefix);
        let high = high.and_then(|high| bound(Comparison::Lt, &high));
        low.into_iter().chain(high).collect()
    }

    fn aggregate(&self, call: &AggregateCall, form: Form) -> Result<Scalar, SqlError> {
        let is_nested = call.argument.iter().any(Expr::has_aggregate);
        if form == Form::Condition || is_nested {
            return Err(SqlError::MisplacedAggregate);
        }
        let argument = call.argument.as_ref();
        let argument = argument.map(|expr| self.scalar(expr)).transpose()?;
        let (ty, nullable) = match &argument {
            None => (AlgebraicType::U64, false),
            Some(argument) => (
                aggregate_type(call.function, &argument.ty)?,
                argument.nullable && call.function != AggregateFunction::Count,
            ),
        };
        if let (true, Some(argument)) = (call.distinct, &argument) {
            keyable("DISTINCT", argument)?;
        }
        let aggregate = Aggregate {
            function: call.function,
            distinct: call.distinct,
            argument,
            ty: ty.clone(),
        };
        Ok(Scalar::new(
            Node::Aggregate(Box::new(aggregate)),
            ty,
            nullable,
        ))
    }
}

/// The type of an aggregate that is not null. Sums are wider than what is summed.
fn aggregate_type(
    function: AggregateFunction,
    argument: &AlgebraicType,
) -> Result<AlgebraicType, SqlError> {
    let kind = ColumnKind::of(argument);
    let refused = || SqlError::InvalidOperator {
        operator: function.name(),
        type_name: argument.to_string(),
    };
    match function {
        AggregateFunction::Count => Ok(AlgebraicType::U64),
        AggregateFunction::Min | AggregateFunction::Max => match kind {
            Some(_) => Ok(argument.clone()),
            None => Err(refused()),
        },
        AggregateFunction::Avg => match kind.and_then(Number::of) {
            Some(_) => Ok(AlgebraicType::F64),
            None => Err(refused()),
        },
        AggregateFunction::Sum => match kind.and_then(Number::of) {
            Some(Number::Unsigned(width)) if width <= 4 => Ok(AlgebraicType::U64),
            Some(Number::Unsigned(_)) => Ok(AlgebraicType::U128),
            Some(Number::Signed(width)) if width <= 4 => Ok(AlgebraicType::I64),
            Some(Number::Signed(_)) => Ok(AlgebraicType::I128),
            Some(Number::F32 | Number::F64) => Ok(AlgebraicType::F64),
            None => Err(refused()),
        },
    }
}

/// How the values of an expression are ordered and told apart.
pub(crate) fn keyable(what: &'static str, scalar: &Scalar) -> Result<Order, SqlError> {
    match ColumnKind::of(&scalar.ty) {
        Some(kind) => Ok(kind.order()),
        None => Err(SqlError::UnsupportedType {
            what,
            type_name: scalar.ty.to_string(),
        }),
    }
}

/// Literals that take the type of their surroundings.
fn has_no_type(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) | Expr::Sender(_) => true,
        Expr::Arithmetic(_, left, right, _) => has_no_type(left) && has_no_type(right),
        _ => false,
    }
}

/// Where an expression starts, if that is easily known.
pub(crate) fn place(expr: &Expr) -> At {
    match expr {
        Expr::Literal(_, at)
        | Expr::Sender(at)
        | Expr::Compare(_, _, _, at)
        | Expr::Arithmetic(_, _, _, at)
        | Expr::Like(_, _, at)
        | Expr::IsNull(_, at) => *at,
        Expr::Column(column) => column.at,
        Expr::And(terms) | Expr::Or(terms) => terms.first().map_or(At::default(), place),
        Expr::Not(inner) => place(inner),
        Expr::Aggregate(call) => call.at,
    }
}

/// The rows for which a condition is true.
fn satisfied(scalar: Scalar) -> Predicate {
    match scalar.node {
        Node::And(terms) => Predicate::And(terms.into_iter().map(satisfied).collect()),
        Node::Or(terms) => Predicate::Or(terms.into_iter().map(satisfied).collect()),
        Node::Holds(predicate) => *predicate,
        _ => Predicate::Test(Box::new(scalar)),
    }
}

fn into_scalar(typed: Typed) -> Scalar {
    match typed {
        Typed::Scalar(scalar) => scalar,
        Typed::Bool(Predicate::Always(value)) => {
            Scalar::bool(Node::Value(vec![u8::from(value)]), false)
        }
        Typed::Bool(predicate) => Scalar::bool(Node::Holds(Box::new(predicate)), false),
        Typed::Value(Operand::Value(value), ty) => Scalar::new(Node::Value(value), ty, false),
        Typed::Value(Operand::Column(slot), ty) => Scalar::column(slot, &ty, false),
    }
}

/// How values of a type are ordered, if they can be compared at all.
pub(crate) fn comparable(operator: Comparison, ty: &AlgebraicType) -> Result<Order, SqlError> {
    match ColumnKind::of(ty) {
        Some(kind) => Ok(kind.order()),
        None => Err(SqlError::InvalidOperator {
            operator: operator.symbol(),
            type_name: ty.to_string(),
        }),
    }
}

impl Typed {
    fn ty(&self) -> &AlgebraicType {
        match self {
            Typed::Bool(_) => &AlgebraicType::Bool,
            Typed::Value(_, ty) => ty,
            Typed::Scalar(scalar) => &scalar.ty,
        }
    }
}

fn require(found: &AlgebraicType, wanted: Option<&AlgebraicType>) -> Result<(), SqlError> {
    match wanted {
        Some(wanted) if wanted != found => Err(unexpected(found, wanted)),
        _ => Ok(()),
    }
}

pub(crate) fn unexpected(found: &AlgebraicType, wanted: &AlgebraicType) -> SqlError {
    SqlError::UnexpectedType {
        found: found.to_string(),
        wanted: wanted.to_string(),
    }
}
