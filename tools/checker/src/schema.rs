//! Random tables, and the module definition that declares them.

use spacetime_types::bsatn::Encode as _;
use spacetime_types::module_def::{
    CaseConversionPolicy, RawConstraintData, RawConstraintDefV10, RawIndexAlgorithm,
    RawIndexDefV10, RawModuleDef, RawModuleDefV10, RawModuleDefV10Section as Section,
    RawReducerDefV10, RawRowLevelSecurity, RawScopedTypeNameV10, RawTableAccess, RawTableDefV10,
    RawTableType, RawTypeDefV10, RawUniqueConstraint, Visibility,
};
use spacetime_types::{AlgebraicType, Identity, ProductType, Typespace};

use crate::query::{Query, random_filter, sender_filter};
use crate::random::Random;
use crate::value::ColumnType;

/// The reducer that carries out a script of changes.
pub const REDUCER: &str = "apply";

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: ColumnType,
    /// About how many different values it has.
    pub spread: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    BTree,
    Hash,
    Direct,
}

#[derive(Clone, Debug)]
pub struct Index {
    pub columns: Vec<usize>,
    pub kind: IndexKind,
    pub is_unique: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    pub primary_key: Option<usize>,
    pub is_public: bool,
    pub is_event: bool,
    /// Visibility rules: which rows others than the owner see, each as often as rules let it
    /// through. All rows if there are none.
    pub rules: Vec<Rule>,
}

/// A visibility rule, and its text.
#[derive(Clone, Debug)]
pub struct Rule {
    pub query: Query,
    pub sql: String,
}

/// So many values does the first column of a large table have.
const MANY: u64 = 5000;

/// The tables of one run.
#[derive(Clone, Debug)]
pub struct Schema {
    pub tables: Vec<Table>,
}

impl Table {
    /// Whether the column has an index of its own.
    #[must_use]
    pub fn is_indexed(&self, column: usize) -> bool {
        self.indexes.iter().any(|index| index.columns == [column])
    }

    /// Whether it was made room in.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.columns[0].spread >= MANY
    }

    /// The name that the server gives an index.
    #[must_use]
    pub fn index_name(&self, index: &Index) -> String {
        let columns: Vec<&str> = index
            .columns
            .iter()
            .map(|column| self.columns[*column].name.as_str())
            .collect();
        let kind = match index.kind {
            IndexKind::BTree => "btree",
            IndexKind::Hash => "hash",
            IndexKind::Direct => "direct",
        };
        format!("{}_{}_idx_{kind}", self.name, columns.join("_"))
    }
}

impl Schema {
    /// From four to eight tables. The first is public and has a key, the second is private.
    pub fn random(random: &mut Random) -> Schema {
        let count = random.between(4, 8);
        let tables = (0..count).map(|number| random_table(random, number));
        Schema {
            tables: tables.collect(),
        }
    }

    /// Makes one of these tables one that can have many rows.
    pub fn make_room(&mut self, random: &mut Random, among: &[usize]) -> usize {
        let position = *random.pick(among);
        let table = &mut self.tables[position];
        table.columns[0].spread = MANY;
        table
            .indexes
            .retain(|index| !index.is_unique || index.columns == [0]);
        position
    }

    /// Gives some tables visibility rules.
    pub fn add_rules(&mut self, random: &mut Random, people: &[Identity]) {
        for position in 0..self.tables.len() {
            let table = &self.tables[position];
            if !table.is_public || !random.chance(60) {
                continue;
            }
            let mut rules = Vec::new();
            for _ in 0..random.between(1, 2) {
                let query = random_rule(random, table, position, people);
                let sql = query.sql(self, random);
                // The same text again is the same rule.
                if !rules.iter().any(|known: &Rule| known.sql == sql) {
                    rules.push(Rule { query, sql });
                }
            }
            self.tables[position].rules = rules;
        }
    }

    /// Whether a query reads a table that has rules.
    #[must_use]
    pub fn is_restricted(&self, query: &Query) -> bool {
        let mut tables = query.tables.iter();
        tables.any(|table| !self.tables[*table].rules.is_empty())
    }

    /// What `__describe_module__` writes.
    #[must_use]
    pub fn description(&self) -> Vec<u8> {
        let mut typespace = Typespace::default();
        let mut types = Vec::new();
        let mut tables = Vec::new();
        for table in &self.tables {
            let columns = table.columns.iter();
            let fields = columns.map(|column| (column.name.as_str(), column.ty.algebraic()));
            let ty = typespace.add(AlgebraicType::Product(ProductType::named(fields)));
            types.push(RawTypeDefV10 {
                source_name: RawScopedTypeNameV10 {
                    scope: Vec::new(),
                    source_name: table.name.to_uppercase().into(),
                },
                ty,
                custom_ordering: true,
            });
            tables.push(raw_table(table, ty));
        }
        let apply = RawReducerDefV10 {
            source_name: REDUCER.into(),
            params: ProductType::named([("script", AlgebraicType::bytes())]),
            visibility: Visibility::ClientCallable,
            ok_return_type: AlgebraicType::unit(),
            err_return_type: AlgebraicType::String,
        };
        let rules = self.tables.iter().flat_map(|table| &table.rules);
        let rules = rules.map(|rule| RawRowLevelSecurity {
            sql: rule.sql.as_str().into(),
        });
        let definition = RawModuleDef::V10(RawModuleDefV10 {
            sections: vec![
                Section::Typespace(typespace),
                Section::Types(types),
                Section::Tables(tables),
                Section::Reducers(vec![apply]),
                Section::RowLevelSecurity(rules.collect()),
                Section::CaseConversionPolicy(CaseConversionPolicy::None),
            ],
        });
        let mut out = Vec::new();
        definition.encode(&mut out);
        out
    }
}

fn random_table(random: &mut Random, number: usize) -> Table {
    const TYPES: [ColumnType; 11] = [
        ColumnType::U32,
        ColumnType::U64,
        ColumnType::Text,
        ColumnType::Identity,
        ColumnType::Bool,
        ColumnType::U8,
        ColumnType::I16,
        ColumnType::I64,
        ColumnType::F64,
        ColumnType::Bytes,
        ColumnType::MaybeU32,
    ];
    let mut columns = Vec::new();
    for position in 0..random.between(2, 5) {
        let ty = match position {
            // So that most tables can be joined with most others.
            0 => *random.pick(&[ColumnType::U32, ColumnType::U32, ColumnType::U64]),
            1 if random.chance(60) => ColumnType::U32,
            _ => TYPES[random.weighted(&[5, 2, 3, 3, 2, 1, 1, 1, 1, 1, 1])],
        };
        columns.push(Column {
            name: format!("c{position}"),
            ty,
            spread: *random.pick(&[4, 4, 8, 40]),
        });
    }
    let mut table = Table {
        name: format!("t{number}"),
        columns,
        indexes: Vec::new(),
        primary_key: None,
        is_public: number == 0 || (number != 1 && random.chance(90)),
        is_event: number > 2 && random.chance(20),
        rules: Vec::new(),
    };
    let has_key = number == 0 || random.chance(50);
    add_indexes(random, &mut table, has_key);
    table
}

fn add_indexes(random: &mut Random, table: &mut Table, has_key: bool) {
    if has_key {
        table.columns[0].spread = 40;
        table.primary_key = Some(0);
        let kind = *random.pick(&[IndexKind::BTree, IndexKind::Hash, IndexKind::Direct]);
        table.indexes.push(Index {
            columns: vec![0],
            kind,
            is_unique: true,
        });
    }
    for column in 0..table.columns.len() {
        let Column { ty, spread, .. } = table.columns[column];
        if !ty.is_indexable() || table.is_indexed(column) || !random.chance(45) {
            continue;
        }
        let is_unsigned = matches!(ty, ColumnType::U8 | ColumnType::U32 | ColumnType::U64);
        // Direct indexes are for unique columns.
        let is_unique = spread > 8 && random.chance(30);
        let kind = match random.below(3) {
            0 if is_unsigned && is_unique => IndexKind::Direct,
            1 => IndexKind::Hash,
            _ => IndexKind::BTree,
        };
        table.indexes.push(Index {
            columns: vec![column],
            kind,
            is_unique,
        });
    }
    let indexable: Vec<usize> = (0..table.columns.len())
        .filter(|column| table.columns[*column].ty.is_indexable())
        .collect();
    if indexable.len() >= 2 && random.chance(40) {
        let first = random.index(indexable.len());
        let second = (first + 1 + random.index(indexable.len() - 1)) % indexable.len();
        table.indexes.push(Index {
            columns: vec![indexable[first], indexable[second]],
            kind: *random.pick(&[IndexKind::BTree, IndexKind::BTree, IndexKind::Hash]),
            is_unique: random.chance(30),
        });
    }
}

/// Most rules are about the row's person.
fn random_rule(random: &mut Random, table: &Table, position: usize, people: &[Identity]) -> Query {
    let of_sender = sender_filter(table).filter(|_| random.chance(80));
    let filter = of_sender.unwrap_or_else(|| random_filter(random, &[table], people, 1));
    Query {
        filter: Some(filter),
        ..Query::whole(position)
    }
}

fn raw_table(table: &Table, ty: spacetime_types::TypeRef) -> RawTableDefV10 {
    let column = |column: &usize| u16::try_from(*column).expect("few columns");
    let indexes = table.indexes.iter().map(|index| {
        let columns: Vec<u16> = index.columns.iter().map(column).collect();
        RawIndexDefV10 {
            source_name: Some(table.index_name(index).into()),
            accessor_name: None,
            algorithm: match index.kind {
                IndexKind::BTree => RawIndexAlgorithm::BTree(columns),
                IndexKind::Hash => RawIndexAlgorithm::Hash(columns),
                IndexKind::Direct => RawIndexAlgorithm::Direct(columns[0]),
            },
        }
    });
    let unique = table.indexes.iter().filter(|index| index.is_unique);
    let constraints = unique.map(|index| RawConstraintDefV10 {
        source_name: None,
        data: RawConstraintData::Unique(RawUniqueConstraint {
            columns: index.columns.iter().map(column).collect(),
        }),
    });
    RawTableDefV10 {
        source_name: table.name.as_str().into(),
        product_type_ref: ty,
        primary_key: table.primary_key.iter().map(column).collect(),
        indexes: indexes.collect(),
        constraints: constraints.collect(),
        sequences: Vec::new(),
        table_type: RawTableType::User,
        table_access: match table.is_public {
            true => RawTableAccess::Public,
            false => RawTableAccess::Private,
        },
        default_values: Vec::new(),
        is_event: table.is_event,
    }
}
