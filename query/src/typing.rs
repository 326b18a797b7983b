//! Names and types of expressions.
//!
//! There is no implicit conversion. Literals other than booleans have no type of their own: they
//! take the type of what they are compared with.

use std::sync::Arc;

use spacetime_table::TableSchema;
use spacetime_types::AlgebraicType;

use crate::ast::{ColumnRef, Comparison, Expr, Literal, TableRef};
use crate::catalogue::{Caller, find_column};
use crate::column_kind::ColumnKind;
use crate::error::SqlError;
use crate::literal::{Place, length_prefixed, literal_bsatn};
use crate::predicate::{Compare, Operand, Predicate, Slot};

/// The tables whose columns an expression may use.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub caller: &'a Caller,
    tables: Vec<(String, Arc<TableSchema>)>,
    /// In statements with a JOIN every column must be qualified.
    pub needs_qualifiers: bool,
}

/// An expression with its type resolved.
enum Typed {
    Bool(Predicate),
    Value(Operand, AlgebraicType),
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
        if self.tables.iter().any(|(known, _)| known == name) {
            return Err(SqlError::DuplicateName(name.to_owned()));
        }
        self.tables.push((name.to_owned(), schema));
        Ok(())
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.tables.iter().map(|(_, schema)| schema)
    }

    /// The table in scope under a name.
    pub(crate) fn table(&self, name: &str) -> Result<(usize, &Arc<TableSchema>), SqlError> {
        let position = self.tables.iter().position(|(known, _)| known == name);
        match position.and_then(|at| self.tables.get(at).map(|(_, schema)| (at, schema))) {
            Some(found) => Ok(found),
            None => Err(SqlError::NotInScope(name.to_owned())),
        }
    }

    pub(crate) fn column(&self, column: &ColumnRef) -> Result<(Slot, &AlgebraicType), SqlError> {
        let not_in_scope = || SqlError::NotInScope(column.name.clone());
        let (table, schema) = match &column.qualifier {
            Some(qualifier) => self.table(qualifier)?,
            None if self.needs_qualifiers => return Err(SqlError::UnqualifiedName),
            None => match self.tables.first() {
                Some((_, schema)) => (0, schema),
                None => return Err(not_in_scope()),
            },
        };
        let position = find_column(schema, &column.name).ok_or_else(not_in_scope)?;
        let slot = Slot {
            table,
            column: position,
        };
        Ok((slot, &schema.columns[position].column_type))
    }

    /// A WHERE expression.
    pub(crate) fn predicate(&self, expr: &Expr) -> Result<Predicate, SqlError> {
        match self.typed(expr, Some(&AlgebraicType::Bool))? {
            Typed::Bool(predicate) => Ok(predicate),
            Typed::Value(_, ty) => Err(unexpected(&ty, &AlgebraicType::Bool)),
        }
    }

    /// Types `expr`. The result has the type `wanted`, when there is one.
    fn typed(&self, expr: &Expr, wanted: Option<&AlgebraicType>) -> Result<Typed, SqlError> {
        match expr {
            Expr::Literal(Literal::Bool(value)) => {
                require(&AlgebraicType::Bool, wanted)?;
                Ok(Typed::Bool(Predicate::Always(*value)))
            }
            Expr::Literal(literal) => {
                let ty = wanted.ok_or(SqlError::UntypedLiteral)?;
                let value = literal_bsatn(literal, ty, Place::Filter)?;
                Ok(Typed::Value(Operand::Value(value), ty.clone()))
            }
            Expr::Sender => self.sender(wanted),
            Expr::Column(column) => {
                let (slot, ty) = self.column(column)?;
                require(ty, wanted)?;
                Ok(match ty {
                    AlgebraicType::Bool => Typed::Bool(Predicate::Column(slot)),
                    ty => Typed::Value(Operand::Column(slot), ty.clone()),
                })
            }
            Expr::Compare(operator, left, right) => {
                require(&AlgebraicType::Bool, wanted)?;
                self.comparison(*operator, left, right).map(Typed::Bool)
            }
            Expr::And(terms) => {
                require(&AlgebraicType::Bool, wanted)?;
                let terms: Result<_, _> = terms.iter().map(|term| self.predicate(term)).collect();
                Ok(Typed::Bool(Predicate::And(terms?)))
            }
            Expr::Or(terms) => {
                require(&AlgebraicType::Bool, wanted)?;
                let terms: Result<_, _> = terms.iter().map(|term| self.predicate(term)).collect();
                Ok(Typed::Bool(Predicate::Or(terms?)))
            }
            Expr::Not(inner) => {
                require(&AlgebraicType::Bool, wanted)?;
                let inner = self.predicate(inner)?;
                Ok(Typed::Bool(Predicate::Not(Box::new(inner))))
            }
        }
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

    fn comparison(
        &self,
        operator: Comparison,
        left: &Expr,
        right: &Expr,
    ) -> Result<Predicate, SqlError> {
        let left_is_literal = matches!(left, Expr::Literal(_) | Expr::Sender);
        let (left, right) = if left_is_literal {
            let right = self.typed(right, None)?;
            (self.typed(left, Some(right.ty()))?, right)
        } else {
            let left = self.typed(left, None)?;
            let right = self.typed(right, Some(left.ty()))?;
            (left, right)
        };
        match (left, right) {
            (Typed::Bool(left), Typed::Bool(right)) => Ok(Predicate::CompareBool(
                operator,
                Box::new(left),
                Box::new(right),
            )),
            (Typed::Value(left, ty), Typed::Value(right, _)) => {
                let order = comparable(operator, &ty)?;
                Ok(Predicate::Compare(Compare {
                    operator,
                    order,
                    left,
                    right,
                }))
            }
            (Typed::Bool(_), Typed::Value(_, ty)) | (Typed::Value(_, ty), Typed::Bool(_)) => {
                Err(unexpected(&ty, &AlgebraicType::Bool))
            }
        }
    }
}

/// How values of a type are ordered, if they can be compared at all.
pub(crate) fn comparable(
    operator: Comparison,
    ty: &AlgebraicType,
) -> Result<crate::column_kind::Order, SqlError> {
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
