//! The validated definition: what the rest of the server builds on.
//!
//! Invariants (a `ModuleDef` only comes out of validation)
//!   * Every name is the canonical one and local to its module; `accessor` and `source_name` are
//!     the names in the program. Names in the database of a submodule's things are prefixed with
//!     the namespace: [`Scoped::full_name`], [`ModuleDef::qualify`].
//!   * Column positions in keys, indexes, constraints, sequences and schedules are in range.
//!   * Every unique constraint has an index on the same set of columns.
//!   * Types in `columns` have their references inlined. Types of parameters and return values
//!     have not: they point into the typespace of *their* module.
//!   * Tables, reducers, procedures, views and handlers are in the order of declaration.
//!
//! Not here: making one (see `validate`), writing it out again (see `to_raw`).

use std::collections::{BTreeMap, HashMap};

pub use super::raw::Lifecycle;
pub use super::raw_v10::{MethodOrAny, Visibility};
use super::walk::Walk;
use crate::{AlgebraicType, ColId, ProductType, TypeRef, Typespace};

/// A name.
pub type Name = Box<str>;

/// Name of the hidden first column of a view's backing table.
pub const VIEW_ARG_HASH_COLUMN: &str = "arg_hash";

/// Which format the definition came in. The formats differ in who may call what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefVersion {
    /// 1.x and older.
    V9OrOlder,
    /// 2.x.
    V10,
}

/// A module: its tables, functions and types, and its submodules.
#[derive(Clone, Debug)]
pub struct ModuleDef {
    pub(super) version: DefVersion,
    pub(super) namespace: Name,
    pub(super) typespace: Typespace,
    pub(super) types: Vec<TypeDef>,
    pub(super) tables: Vec<TableDef>,
    pub(super) reducers: Vec<ReducerDef>,
    pub(super) procedures: Vec<ProcedureDef>,
    pub(super) views: Vec<ViewDef>,
    pub(super) http_handlers: Vec<HttpHandlerDef>,
    pub(super) http_routes: Vec<HttpRouteDef>,
    pub(super) row_level_security: Vec<Name>,
    pub(super) submodules: Vec<ModuleDef>,
    pub(super) warnings: Vec<String>,
    pub(super) lookup: Lookup,
}

/// Positions by canonical name, and by the name in the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookup {
    pub tables: HashMap<Name, usize>,
    pub table_accessors: HashMap<Name, usize>,
    pub reducers: HashMap<Name, usize>,
    pub procedures: HashMap<Name, usize>,
    pub views: HashMap<Name, usize>,
    pub http_handlers: HashMap<Name, usize>,
    pub lifecycle: BTreeMap<Lifecycle, usize>,
}

/// A named type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDef {
    /// The modules around it, outermost first.
    pub scope: Vec<Name>,
    pub name: Name,
    pub ty: TypeRef,
    pub custom_ordering: bool,
}

/// Who made a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableType {
    System,
    User,
}

/// Who may read a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableAccess {
    Public,
    Private,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDef {
    pub name: Name,
    pub accessor: Name,
    pub product_type_ref: TypeRef,
    pub columns: Vec<ColumnDef>,
    pub primary_key: Option<ColId>,
    pub indexes: Vec<IndexDef>,
    pub constraints: Vec<UniqueConstraintDef>,
    pub sequences: Vec<SequenceDef>,
    pub schedule: Option<ScheduleDef>,
    pub table_type: TableType,
    pub access: TableAccess,
    pub is_event: bool,
}

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: Name,
    pub accessor: Name,
    /// The type with all references inlined.
    pub col_type: AlgebraicType,
    /// BSATN of the value that old rows get when the column is added; exactly one value.
    pub default: Option<Box<[u8]>>,
}

/// An index's kind and columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexAlgorithm {
    BTree(Vec<ColId>),
    Hash(Vec<ColId>),
    /// An array over a small integer or plain enum.
    Direct(ColId),
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDef {
    pub name: Name,
    /// The alias under which the module looks it up.
    pub source_name: Name,
    /// The name that generated code uses; no accessor is generated without one.
    pub accessor: Option<Name>,
    pub algorithm: IndexAlgorithm,
}

/// No two rows agree on these columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueConstraintDef {
    pub name: Name,
    pub columns: Vec<ColId>,
}

/// Fills an integer column whose value is 0. See [`SequenceDef::start`] and so on for the
/// values with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceDef {
    pub name: Name,
    pub column: ColId,
    pub declared_start: Option<i128>,
    pub declared_min: Option<i128>,
    pub declared_max: Option<i128>,
    pub increment: i128,
}

/// Makes a table's rows timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleDef {
    pub name: Name,
    /// The column of type `ScheduleAt`.
    pub at_column: ColId,
    /// The `U64` primary key.
    pub id_column: ColId,
    /// Canonical name of the reducer or procedure, in the module of the table.
    pub function_name: Name,
    pub function_kind: ScheduledKind,
}

/// What a schedule calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScheduledKind {
    Reducer,
    Procedure,
}

/// A reducer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReducerDef {
    /// What `__call_reducer__` takes; counts through the submodules.
    pub id: u32,
    pub name: Name,
    pub accessor: Name,
    pub params: ProductType,
    pub lifecycle: Option<Lifecycle>,
    pub visibility: Visibility,
    pub ok_return_type: AlgebraicType,
    pub err_return_type: AlgebraicType,
}

/// A procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcedureDef {
    /// What `__call_procedure__` takes; counts through the submodules.
    pub id: u32,
    pub name: Name,
    pub accessor: Name,
    pub params: ProductType,
    pub return_type: AlgebraicType,
    pub visibility: Visibility,
}

/// How a view gives its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewReturn {
    /// `Array<Row>`.
    Array,
    /// `Option<Row>`.
    Option,
    /// SQL text.
    Query,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDef {
    /// What the view call takes: counts the views with, or those without, a sender through the
    /// submodules.
    pub call_index: u32,
    /// The position in this module's own list.
    pub index: u32,
    pub name: Name,
    pub accessor: Name,
    pub is_public: bool,
    pub is_anonymous: bool,
    /// Parameters as written.
    pub params: ProductType,
    /// Canonical names of the parameters.
    pub param_names: Vec<Name>,
    pub return_type: AlgebraicType,
    pub returns: ViewReturn,
    /// The row type.
    pub product_type_ref: TypeRef,
    /// The columns of the rows, without the hidden one.
    pub columns: Vec<ColumnDef>,
    /// Position among `columns`.
    pub primary_key: Option<ColId>,
    /// Whether the key was declared rather than inherited from a table.
    pub primary_key_is_declared: bool,
}

/// A function that takes an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHandlerDef {
    /// What `__call_http_handler__` takes; counts through the submodules.
    pub id: u32,
    pub name: Name,
    pub accessor: Name,
}

/// Binds a method and path to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRouteDef {
    /// Canonical name of the handler.
    pub handler: Name,
    pub method: MethodOrAny,
    pub path: Name,
}

/// A thing together with the module it is declared in. Derefs to the thing.
#[derive(Debug)]
pub struct Scoped<'a, T> {
    pub module: &'a ModuleDef,
    pub def: &'a T,
}

impl<T> Clone for Scoped<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Scoped<'_, T> {}

impl<T> std::ops::Deref for Scoped<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.def
    }
}

macro_rules! full_names {
    ($($def:ty),*) => {
        $(impl Scoped<'_, $def> {
            /// The canonical name with the namespace: the name in the database and on the wire.
            #[must_use]
            pub fn full_name(&self) -> Name {
                self.module.qualify(&self.def.name)
            }

            /// The name in the program with the namespace.
            #[must_use]
            pub fn full_accessor(&self) -> Name {
                self.module.qualify(&self.def.accessor)
            }
        })*
    };
}

full_names!(TableDef, ReducerDef, ProcedureDef, ViewDef, HttpHandlerDef);

impl ModuleDef {
    /// The format it came in.
    #[must_use]
    pub fn version(&self) -> DefVersion {
        self.version
    }

    /// `""` for the root, else `ns` or `ns1.ns2`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Types that this module's parameters, return values and row references point into. Names
    /// are canonical.
    #[must_use]
    pub fn typespace(&self) -> &Typespace {
        &self.typespace
    }

    /// Named types.
    #[must_use]
    pub fn types(&self) -> &[TypeDef] {
        &self.types
    }

    /// This module's own tables.
    #[must_use]
    pub fn tables(&self) -> &[TableDef] {
        &self.tables
    }

    /// This module's own reducers.
    #[must_use]
    pub fn reducers(&self) -> &[ReducerDef] {
        &self.reducers
    }

    /// This module's own procedures.
    #[must_use]
    pub fn procedures(&self) -> &[ProcedureDef] {
        &self.procedures
    }

    /// This module's own views.
    #[must_use]
    pub fn views(&self) -> &[ViewDef] {
        &self.views
    }

    /// This module's own HTTP handlers.
    #[must_use]
    pub fn http_handlers(&self) -> &[HttpHandlerDef] {
        &self.http_handlers
    }

    /// HTTP routes; only the root has any.
    #[must_use]
    pub fn http_routes(&self) -> &[HttpRouteDef] {
        &self.http_routes
    }

    /// Row filters as SQL text, not yet parsed; only the root has any.
    #[must_use]
    pub fn row_level_security(&self) -> &[Name] {
        &self.row_level_security
    }

    /// Modules under this one.
    #[must_use]
    pub fn submodules(&self) -> &[ModuleDef] {
        &self.submodules
    }

    /// What the author wrote without effect; for the log.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `name` with this module's namespace in front.
    #[must_use]
    pub fn qualify(&self, name: &str) -> Name {
        if self.namespace.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.namespace).into()
        }
    }

    /// This module, then its submodules, depth first: the order in which ids count.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }
}

impl TableDef {
    /// The row type with references inlined and canonical names.
    #[must_use]
    pub fn row_type(&self) -> ProductType {
        row_type(&self.columns)
    }

    /// The column at a position.
    #[must_use]
    pub fn column(&self, column: ColId) -> Option<&ColumnDef> {
        self.columns.get(usize::from(column.0))
    }

    /// Whether some unique constraint covers exactly this set of columns, in any order.
    #[must_use]
    pub fn is_unique(&self, columns: &[ColId]) -> bool {
        let wanted = column_set(columns);
        let mut constraints = self.constraints.iter();
        constraints.any(|constraint| column_set(&constraint.columns) == wanted)
    }
}

pub(super) fn row_type(columns: &[ColumnDef]) -> ProductType {
    let element = |column: &ColumnDef| crate::ProductTypeElement {
        name: Some(column.name.clone()),
        algebraic_type: column.col_type.clone(),
    };
    ProductType {
        elements: columns.iter().map(element).collect(),
    }
}

/// The columns in ascending order, each once.
pub(super) fn column_set(columns: &[ColId]) -> Vec<ColId> {
    let mut set = columns.to_vec();
    set.sort_unstable();
    set.dedup();
    set
}

impl IndexAlgorithm {
    /// The indexed columns in index order.
    #[must_use]
    pub fn columns(&self) -> &[ColId] {
        match self {
            IndexAlgorithm::BTree(columns) | IndexAlgorithm::Hash(columns) => columns,
            IndexAlgorithm::Direct(column) => std::slice::from_ref(column),
        }
    }

    /// The word used in generated names.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            IndexAlgorithm::BTree(_) => "btree",
            IndexAlgorithm::Hash(_) => "hash",
            IndexAlgorithm::Direct(_) => "direct",
        }
    }
}

impl SequenceDef {
    /// The first value.
    #[must_use]
    pub fn start(&self) -> i128 {
        self.declared_start.unwrap_or(1)
    }

    /// The least value.
    #[must_use]
    pub fn min_value(&self) -> i128 {
        self.declared_min.unwrap_or(1)
    }

    /// The greatest value, whatever the column's type.
    #[must_use]
    pub fn max_value(&self) -> i128 {
        self.declared_max.unwrap_or(i128::MAX)
    }
}

impl TypeDef {
    /// `Scope::Name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let mut full = String::new();
        for segment in &self.scope {
            full.push_str(segment);
            full.push_str("::");
        }
        full.push_str(&self.name);
        full
    }
}

impl ViewDef {
    /// The table that holds the view's rows: a hidden hash of the arguments, then the columns.
    ///
    /// The hidden column has no accessor row. Nothing of the table is persisted but its schema.
    #[must_use]
    pub fn backing_table(&self) -> TableDef {
        let hidden = ColumnDef {
            name: VIEW_ARG_HASH_COLUMN.into(),
            accessor: VIEW_ARG_HASH_COLUMN.into(),
            col_type: AlgebraicType::U256,
            default: None,
        };
        let mut columns = vec![hidden];
        columns.extend(self.columns.iter().cloned());
        let mut indexes = vec![self.backing_index(VIEW_ARG_HASH_COLUMN, vec![ColId(0)])];
        let mut constraints = Vec::new();
        let key = self.primary_key.and_then(|key| {
            let column = self.columns.get(usize::from(key.0))?;
            Some((ColId(key.0.checked_add(1)?), column))
        });
        if let Some((key, column)) = key {
            let names = format!("{VIEW_ARG_HASH_COLUMN}_{}", column.name);
            constraints.push(UniqueConstraintDef {
                name: format!("{}_{names}_key", self.name).into(),
                columns: vec![ColId(0), key],
            });
            indexes.push(self.backing_index(&names, vec![ColId(0), key]));
        }
        TableDef {
            name: self.name.clone(),
            accessor: self.accessor.clone(),
            product_type_ref: self.product_type_ref,
            columns,
            primary_key: None,
            indexes,
            constraints,
            sequences: Vec::new(),
            schedule: None,
            table_type: TableType::User,
            access: if self.is_public {
                TableAccess::Public
            } else {
                TableAccess::Private
            },
            is_event: false,
        }
    }

    fn backing_index(&self, column_names: &str, columns: Vec<ColId>) -> IndexDef {
        let name: Name = format!("{}_{column_names}_idx_btree", self.name).into();
        IndexDef {
            source_name: name.clone(),
            name,
            accessor: None,
            algorithm: IndexAlgorithm::BTree(columns),
        }
    }
}
