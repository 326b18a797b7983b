//! Random definitions, random changes of them, and what naive code expects of the rows.
//!
//! A column remembers which old column it was. So the expectation needs neither the planner's
//! matching of names nor its conversions.

use std::collections::{BTreeMap, BTreeSet};

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::migrate::{DatabaseDef, Hints, Rename};
use spacetime_table::{IndexAlgorithm, TableAccess};
use spacetime_types::bsatn::{Reader, decode_value, encode_value};
use spacetime_types::{AlgebraicType as Ty, AlgebraicValue as Value, ColId, F32, F64, Typespace};

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695);
        let bound = u64::try_from(bound).expect("small");
        usize::try_from((self.0 >> 33) % bound).expect("small")
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    /// Name that the old column had.
    origin: Option<String>,
    default: Option<Value>,
    unique: bool,
    indexed: bool,
    generated: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    origin: Option<String>,
    pub columns: Vec<Column>,
    public: bool,
}

/// The tables of one module, and a number for fresh names.
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub tables: Vec<Table>,
    fresh: usize,
}

/// Rows by table name, as BSATN.
pub type Rows = BTreeMap<String, BTreeSet<Vec<u8>>>;

fn enumeration(variants: usize) -> Ty {
    let variants = ["a", "b", "c", "d"].iter().take(variants);
    Ty::sum(variants.map(|name| (*name, if *name == "b" { Ty::U32 } else { Ty::unit() })))
}

fn any_type(random: &mut Random) -> Ty {
    random.pick(&[
        Ty::U8,
        Ty::I8,
        Ty::U16,
        Ty::I16,
        Ty::U32,
        Ty::I64,
        Ty::F32,
        Ty::Bool,
        Ty::String,
        Ty::option(Ty::U8),
        enumeration(2),
        Ty::array(Ty::U8),
        Ty::product([("x", Ty::U8), ("y", Ty::String)]),
    ])
}

/// From few values, so that some are equal.
fn any_value(random: &mut Random, ty: &Ty) -> Value {
    let n = u8::try_from(random.below(12)).expect("small");
    if let Some(some) = ty.as_option() {
        return match random.one_in(3) {
            true => Value::sum(1, Value::unit()),
            false => Value::sum(0, any_value(random, some)),
        };
    }
    match ty {
        Ty::Bool => Value::Bool(n.is_multiple_of(2)),
        Ty::String => {
            Value::String(["", "x", "long text that is put elsewhere"][usize::from(n % 3)].into())
        }
        Ty::F32 => Value::F32(F32([0.5, -1.0, 3.25][usize::from(n % 3)])),
        Ty::F64 => Value::F64(F64(0.5)),
        Ty::Sum(sum) => {
            let tag = random.below(sum.variants.len());
            let payload = any_value(random, &sum.variants[tag].algebraic_type);
            Value::sum(u8::try_from(tag).expect("small"), payload)
        }
        Ty::Product(product) => {
            let fields = product.elements.iter();
            Value::Product(
                fields
                    .map(|field| any_value(random, &field.algebraic_type))
                    .collect(),
            )
        }
        Ty::Array(element) => bytes_or_values(random, element),
        integer => number(i128::from(n), integer),
    }
}

fn bytes_or_values(random: &mut Random, element: &Ty) -> Value {
    let len = [0, 2, 300][random.below(3)];
    if *element == Ty::U8 {
        let bytes = vec![7; len];
        return Value::Array(spacetime_types::ArrayValue::Bytes(bytes.into()));
    }
    Value::array((0..len).map(|_| any_value(random, element)))
}

fn number(n: i128, ty: &Ty) -> Value {
    match ty {
        Ty::U8 => Value::U8(n.try_into().expect("it fits")),
        Ty::I8 => Value::I8(n.try_into().expect("it fits")),
        Ty::U16 => Value::U16(n.try_into().expect("it fits")),
        Ty::I16 => Value::I16(n.try_into().expect("it fits")),
        Ty::U32 => Value::U32(n.try_into().expect("it fits")),
        Ty::I32 => Value::I32(n.try_into().expect("it fits")),
        Ty::U64 => Value::U64(n.try_into().expect("it fits")),
        Ty::I64 => Value::I64(n.try_into().expect("it fits")),
        other => panic!("{other} is not used"),
    }
}

fn as_number(value: &Value) -> i128 {
    value.as_integer().expect("an integer").as_i128()
}

/// The types that hold all values of an integer or float type.
fn wider(ty: &Ty) -> &'static [Ty] {
    match ty {
        Ty::U8 => &[Ty::U16, Ty::I16, Ty::U64],
        Ty::I8 => &[Ty::I16, Ty::I64],
        Ty::U16 => &[Ty::U32, Ty::I64],
        Ty::I16 => &[Ty::I32],
        Ty::U32 => &[Ty::U64, Ty::I64],
        Ty::F32 => &[Ty::F64],
        _ => &[],
    }
}

impl Module {
    pub fn random(random: &mut Random) -> Module {
        let mut module = Module::default();
        for _ in 0..1 + random.below(3) {
            module.add_table(random);
        }
        module
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.fresh += 1;
        format!("{prefix}{}", self.fresh)
    }

    fn add_table(&mut self, random: &mut Random) {
        let mut table = Table {
            name: self.fresh("t"),
            origin: None,
            columns: Vec::new(),
            public: random.one_in(2),
        };
        for _ in 0..1 + random.below(4) {
            let column = self.column(random);
            table.columns.push(column);
        }
        if random.one_in(2) {
            let key = &mut table.columns[0];
            key.ty = random.pick(&[Ty::U32, Ty::U16]);
            (key.unique, key.generated) = (true, true);
            key.default = None;
        }
        self.tables.push(table);
    }

    fn column(&mut self, random: &mut Random) -> Column {
        let ty = any_type(random);
        Column {
            name: self.fresh("c"),
            default: (!random.one_in(5)).then(|| any_value(random, &ty)),
            ty,
            origin: None,
            unique: false,
            indexed: random.one_in(4),
            generated: false,
        }
    }

    /// The next version: some changes, each of which remembers what things were.
    pub fn changed(&self, random: &mut Random) -> Module {
        let mut new = self.clone();
        for table in &mut new.tables {
            table.origin = Some(table.name.clone());
            for column in &mut table.columns {
                column.origin = Some(column.name.clone());
            }
        }
        let harmless = random.one_in(2);
        for _ in 0..1 + random.below(4) {
            new.change(random, harmless);
        }
        new
    }

    fn change(&mut self, random: &mut Random, harmless: bool) {
        if self.tables.is_empty() || random.one_in(8) {
            return self.add_table(random);
        }
        let at = random.below(self.tables.len());
        if !harmless && random.one_in(10) {
            self.tables.remove(at);
            return;
        }
        if !harmless && random.one_in(8) {
            self.tables[at].name = self.fresh("t");
        }
        if random.one_in(4) {
            let column = self.column(random);
            let columns = &mut self.tables[at].columns;
            let end = columns.len();
            let place = if harmless { end } else { random.below(end + 1) };
            return columns.insert(place, column);
        }
        let fresh = self.fresh("c");
        self.tables[at].change_column(random, harmless, fresh);
    }
}

impl Table {
    fn change_column(&mut self, random: &mut Random, harmless: bool, fresh: String) {
        let at = random.below(self.columns.len());
        let count = self.columns.len();
        let column = &mut self.columns[at];
        let before = column.ty.clone();
        let name = column.name.clone();
        match random.below(if harmless { 5 } else { 10 }) {
            0 => column.indexed = !column.indexed,
            1 => column.unique = !column.unique && column.ty != Ty::F32,
            2 => self.public = !self.public,
            3 | 4 if column.ty == enumeration(2) => column.ty = enumeration(3),
            5 if count > 1 => drop(self.columns.remove(at)),
            6 => column.name = fresh,
            7 => {
                let types = wider(&column.ty);
                if !types.is_empty() {
                    column.ty = random.pick(types);
                }
            }
            8 if !column.generated => column.ty = Ty::option(column.ty.clone()),
            9 => self.columns.swap(0, at),
            _ => {}
        }
        for column in &mut self.columns {
            // A column that is new keeps a default value of its type.
            if let Some(value) = &column.default
                && column.name == name
            {
                column.default = Some(converted(value, &before, &column.ty));
            }
            // A generated column stays a key, and only integers are generated.
            column.unique |= column.generated;
        }
    }

    fn definition(&self) -> TableDef {
        let name = &self.name;
        let mut def = TableDef::new(name, Vec::new());
        def.access = match self.public {
            true => TableAccess::Public,
            false => TableAccess::Private,
        };
        for (position, column) in (0..).map(ColId).zip(&self.columns) {
            let text = &column.name;
            def.columns.push(ColumnDef::new(text, column.ty.clone()));
            if column.unique || column.indexed {
                def.indexes.push(IndexDef {
                    name: format!("{name}_{text}_idx_btree").into(),
                    accessor: Some(format!("{name}_{text}").into()),
                    algorithm: IndexAlgorithm::BTree(vec![position]),
                });
            }
            if column.unique {
                def.constraints.push(ConstraintDef {
                    name: format!("{name}_{text}_key").into(),
                    columns: vec![position],
                });
            }
            if column.generated {
                def.primary_key = Some(position);
                let sequence = format!("{name}_{text}_seq");
                def.sequences.push(SequenceDef::new(&sequence, position));
            }
        }
        def
    }
}

impl Module {
    pub fn definition(&self) -> DatabaseDef {
        let mut database = DatabaseDef {
            tables: self.tables.iter().map(Table::definition).collect(),
            ..DatabaseDef::default()
        };
        for table in &self.tables {
            for column in &table.columns {
                if let Some(value) = &column.default {
                    let key = (table.name.as_str().into(), column.name.as_str().into());
                    database.defaults.insert(key, encoded(value).into());
                }
            }
        }
        database
    }

    /// What a person would have to say.
    pub fn hints(&self) -> Hints {
        let mut hints = Hints::default();
        let mut rename = |old: String, new: &str| {
            let (old, new) = (old.into(), new.into());
            hints.renames.push(Rename { old, new });
        };
        for table in &self.tables {
            let Some(origin) = &table.origin else {
                continue;
            };
            if *origin != table.name {
                rename(origin.clone(), &table.name);
            }
            for column in &table.columns {
                let before = column.origin.as_ref();
                if let Some(before) = before.filter(|before| **before != column.name) {
                    rename(format!("{origin}.{before}"), &column.name);
                }
            }
        }
        hints
    }

    /// Whether an automatic migration is to be planned; rows may still forbid it.
    pub fn is_automatic(&self, old: &Module) -> bool {
        self.tables.iter().all(|table| {
            let before = old.tables.iter().find(|before| before.name == table.name);
            before.is_none_or(|before| table.only_grew(before))
        })
    }

    /// Whether an explicit one is: each new column has a source or a value.
    pub fn is_explicit(&self, old: &Module) -> bool {
        self.tables.iter().all(|table| {
            let is_new = table.origin.is_none();
            is_new
                || table.columns.iter().all(|column| {
                    column.origin.is_some()
                        || column.default.is_some()
                        || column.ty.as_option().is_some()
                })
        }) && !old.tables.is_empty()
    }

    /// The rows that the old ones become; none if a rule of the new module forbids that.
    pub fn expected(&self, old: &Module, rows: &Rows) -> Option<Rows> {
        let mut expected = Rows::new();
        for table in &self.tables {
            let before = old
                .tables
                .iter()
                .find(|old| Some(&old.name) == table.origin.as_ref());
            let mut converted = BTreeSet::new();
            if let Some(before) = before {
                for row in &rows[&before.name] {
                    converted.insert(table.converted(before, row));
                }
            }
            for (nth, column) in table.columns.iter().enumerate() {
                let values: BTreeSet<Value> = converted
                    .iter()
                    .map(|row: &Vec<Value>| row[nth].clone())
                    .collect();
                if column.unique && values.len() < converted.len() {
                    return None;
                }
            }
            let encoded = converted
                .iter()
                .map(|row| row.iter().flat_map(encoded).collect());
            expected.insert(table.name.clone(), encoded.collect());
        }
        Some(expected)
    }

    /// Rows to begin with, as BSATN.
    pub fn rows(&self, random: &mut Random) -> Vec<(String, Vec<u8>)> {
        let mut rows = Vec::new();
        for table in &self.tables {
            for _ in 0..random.below(7) {
                let mut row = Vec::new();
                for column in &table.columns {
                    match column.generated {
                        true => encode_value(&number(0, &column.ty), &mut row),
                        false => encode_value(&any_value(random, &column.ty), &mut row),
                    }
                }
                rows.push((table.name.clone(), row));
            }
        }
        rows
    }
}

impl Table {
    fn only_grew(&self, old: &Table) -> bool {
        let kept = old.columns.len();
        let mut pairs = self.columns.iter().zip(&old.columns);
        self.columns.len() >= kept
            && pairs.all(|(new, old)| {
                let grew = old.ty == enumeration(2) && new.ty == enumeration(3);
                new.name == old.name && (new.ty == old.ty || grew)
            })
            && self.columns[kept..]
                .iter()
                .all(|column| column.default.is_some())
    }

    fn converted(&self, old: &Table, row: &[u8]) -> Vec<Value> {
        let mut reader = Reader::new(row);
        let mut values = BTreeMap::new();
        for column in &old.columns {
            let value = decode_value(&Typespace::default(), &column.ty, &mut reader);
            let value = value.expect("a stored value");
            values.insert(column.name.clone(), (value, &column.ty));
        }
        let convert = |column: &Column| {
            let Some((value, from)) = column.origin.as_ref().map(|origin| &values[origin]) else {
                let none = || Value::sum(1, Value::unit());
                return column.default.clone().unwrap_or_else(none);
            };
            converted(value, from, &column.ty)
        };
        self.columns.iter().map(convert).collect()
    }
}

fn converted(value: &Value, from: &Ty, to: &Ty) -> Value {
    if from == to || (*from == enumeration(2) && *to == enumeration(3)) {
        return value.clone();
    }
    match (to.as_option(), from.as_option(), value) {
        (Some(to), Some(from), Value::Sum(sum)) if *to == Ty::option(from.clone()) => {
            // Wrapped once more: nothing stays nothing.
            match sum.tag {
                0 => Value::sum(0, value.clone()),
                _ => Value::sum(1, Value::unit()),
            }
        }
        (Some(to), _, _) => Value::sum(0, converted(value, from, to)),
        (None, _, Value::F32(float)) => Value::F64(F64(float.0.into())),
        _ => number(as_number(value), to),
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_value(value, &mut bytes);
    bytes
}
