//! Tables as ordered maps from row bytes to values. Slow and plainly right.

use std::collections::BTreeMap;

use spacetime_types::AlgebraicValue;

use super::shapes::{Row, SHAPES};

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Rows by shape, for tables that exist.
    pub tables: BTreeMap<usize, BTreeMap<Vec<u8>, Row>>,
    /// How often a table of each shape was made, for tables that exist.
    made: BTreeMap<usize, usize>,
    /// Next value by shape and by how often it was made. Never goes back.
    sequences: BTreeMap<(usize, usize), u64>,
}

/// What the datastore should answer.
#[derive(Debug)]
pub enum Applied {
    Done {
        row: Vec<u8>,
        generated: Vec<u8>,
        existed: bool,
    },
    Violation,
    NoSuchRow,
}

impl Model {
    pub fn create(&mut self, shape: usize) {
        self.tables.insert(shape, BTreeMap::new());
        let before = self.sequences.range((shape, 0)..=(shape, usize::MAX));
        let nth = before.count();
        self.made.insert(shape, nth);
        self.sequences.insert((shape, nth), 1);
    }

    /// Undoes what was done since the model was `before`. Generated values stay used up.
    pub fn undo_to(&mut self, before: Model) {
        let sequences = std::mem::take(&mut self.sequences);
        *self = Model {
            sequences,
            ..before
        };
    }

    pub fn drop(&mut self, shape: usize) {
        self.tables.remove(&shape);
    }

    fn generate(&mut self, shape: usize, row: &mut Row) -> Vec<u8> {
        if !SHAPES[shape].is_generated {
            return Vec::new();
        }
        let place = (shape, self.made[&shape]);
        let next = self.sequences.get_mut(&place).expect("a sequence");
        match &mut row.0[0] {
            AlgebraicValue::U64(value) if *value == 0 => *value = *next,
            AlgebraicValue::U32(value) if *value == 0 => {
                *value = u32::try_from(*next).expect("few");
            }
            _ => return Vec::new(),
        }
        *next += 1;
        row.key_bytes(&[0])
    }

    /// Whether a row has a key of one of `rows`.
    fn violates(&self, shape: usize, row: &Row, but: Option<&[u8]>) -> bool {
        let mut others = self.tables[&shape]
            .iter()
            .filter(|(bytes, _)| Some(bytes.as_slice()) != but);
        others.any(|(_, other)| {
            let mut unique = SHAPES[shape].unique();
            unique.any(|columns| other.key(&columns) == row.key(&columns))
        })
    }

    pub fn insert(&mut self, shape: usize, mut row: Row) -> Applied {
        let generated = self.generate(shape, &mut row);
        let bytes = row.bytes();
        if self.tables[&shape].contains_key(&bytes) {
            return Applied::Done {
                row: bytes,
                generated,
                existed: true,
            };
        }
        if self.violates(shape, &row, None) {
            return Applied::Violation;
        }
        self.put(shape, row);
        Applied::Done {
            row: bytes,
            generated,
            existed: false,
        }
    }

    pub fn update(&mut self, shape: usize, mut row: Row) -> Applied {
        let (columns, _) = SHAPES[shape].first_unique().expect("a key");
        let generated = self.generate(shape, &mut row);
        let bytes = row.bytes();
        let key = row.key(&columns);
        let mut rows = self.tables[&shape].iter();
        let old = rows.find(|(_, other)| other.key(&columns) == key);
        let Some((old, _)) = old else {
            return Applied::NoSuchRow;
        };
        let old = old.clone();
        if old == bytes {
            return Applied::Done {
                row: bytes,
                generated,
                existed: true,
            };
        }
        if self.violates(shape, &row, Some(&old)) {
            return Applied::Violation;
        }
        self.delete(shape, &old);
        self.put(shape, row);
        Applied::Done {
            row: bytes,
            generated,
            existed: false,
        }
    }

    fn put(&mut self, shape: usize, row: Row) {
        let table = self.tables.get_mut(&shape).expect("the table");
        table.insert(row.bytes(), row);
    }

    pub fn delete(&mut self, shape: usize, row: &[u8]) -> bool {
        let table = self.tables.get_mut(&shape).expect("the table");
        table.remove(row).is_some()
    }

    pub fn clear(&mut self, shape: usize) -> u64 {
        let rows = self
            .tables
            .insert(shape, BTreeMap::new())
            .expect("the table");
        u64::try_from(rows.len()).expect("few")
    }

    pub fn forget_events(&mut self) {
        for (shape, rows) in &mut self.tables {
            if SHAPES[*shape].is_event {
                rows.clear();
            }
        }
    }

    pub fn nth(&self, shape: usize, nth: usize) -> Option<Vec<u8>> {
        let rows = &self.tables[&shape];
        rows.keys().nth(nth % rows.len().max(1)).cloned()
    }

    pub fn rows(&self, shape: usize) -> Vec<Vec<u8>> {
        self.tables[&shape].keys().cloned().collect()
    }

    pub fn rows_where(&self, shape: usize, wanted: impl Fn(&Row) -> bool) -> Vec<Vec<u8>> {
        let rows = self.tables[&shape].iter();
        rows.filter(|(_, row)| wanted(row))
            .map(|(bytes, _)| bytes.clone())
            .collect()
    }
}
