//! Combinations of changed and stored rows.
//!
//! A term of a query's delta takes some of its tables as their changed rows and the others as they
//! are stored. It starts from the table with the fewest changed rows and reaches the others as that
//! table's plan says: changed rows through hash tables, stored ones through indexes.

use std::rc::Rc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowPtr, TableSchema};

use super::shape::{Fragment, Shape};
use crate::access::Access;
use crate::column_kind::ColumnKind;
use crate::error::ExecuteError;
use crate::execute::{canonical_bytes, pointers, visible_part};
use crate::meter::Meter;
use crate::plan::{KeyPart, Plan, Source, Step};
use crate::planted::{self, Bug};
use crate::predicate::{Rows, Slot};

/// A changed row: how often it was added (positive) or taken away.
pub(super) type Signed<'a> = (&'a [u8], i64);

/// Takes a result row and how often it was added or taken away.
pub(super) type Emit<'e> = dyn FnMut(&[u8], i64) + 'e;

/// Places of rows by the canonical bytes of a column.
type Places<P> = HashMap<Box<[u8]>, Vec<P>, FxBuildHasher>;

/// One current row per table, and the query's values.
struct JoinedRows<'a> {
    schemas: &'a [std::sync::Arc<TableSchema>],
    rows: Vec<Vec<u8>>,
    values: &'a [Box<[u8]>],
}

impl Rows for JoinedRows<'_> {
    fn column(&self, slot: Slot) -> &[u8] {
        match self.rows.get(slot.table) {
            Some(row) => {
                &row[self.schemas[slot.table]
                    .layout
                    .column_range(row, slot.column)]
            }
            None => &self.values[slot.column],
        }
    }
}

impl JoinedRows<'_> {
    fn set(&mut self, table: usize, bytes: &[u8]) {
        let row = &mut self.rows[table];
        row.clear();
        row.extend_from_slice(bytes);
    }

    /// The bytes of a column, the same for equal values. Of a parameter they are those of the
    /// column `like` that it is compared with.
    fn canonical(&self, slot: Slot, like: Slot) -> Box<[u8]> {
        let ty = &self.schemas[like.table].columns[like.column].column_type;
        let order = ColumnKind::of(ty).map(ColumnKind::order);
        canonical_bytes(order, self.column(slot))
    }
}

/// The evaluation of a fragment for one transaction.
pub(super) struct Join<'a> {
    shape: &'a Shape,
    datastore: &'a Datastore,
    /// Per table.
    changed: &'a [Vec<Signed<'a>>],
    rows: JoinedRows<'a>,
    /// Per table: whether the present term takes its changed rows.
    takes_changed: Vec<bool>,
    changed_places: HashMap<(usize, usize), Rc<Places<usize>>, FxBuildHasher>,
    stored_places: HashMap<(usize, usize), Rc<Places<RowPtr>>, FxBuildHasher>,
    key: Vec<u8>,
    /// Per step, for reuse.
    pointers: Vec<Vec<RowPtr>>,
}

impl<'a> Join<'a> {
    pub(super) fn new(
        fragment: &'a Fragment,
        datastore: &'a Datastore,
        changed: &'a [Vec<Signed<'a>>],
    ) -> Self {
        let shape = &*fragment.shape;
        let tables = shape.schemas.len();
        assert_eq!(changed.len(), tables, "every table has its changes");
        Join {
            shape,
            datastore,
            changed,
            rows: JoinedRows {
                schemas: &shape.schemas,
                rows: vec![Vec::new(); tables],
                values: &fragment.values,
            },
            takes_changed: vec![false; tables],
            changed_places: HashMap::default(),
            stored_places: HashMap::default(),
            key: Vec::new(),
            pointers: vec![Vec::new(); tables],
        }
    }

    /// Every combination of changed rows of the tables `changed` and stored rows of the others.
    pub(super) fn term(
        &mut self,
        changed: &[usize],
        sign: i64,
        emit: &mut Emit<'_>,
    ) -> Result<(), ExecuteError> {
        let fewest = changed
            .iter()
            .min_by_key(|table| self.changed[**table].len());
        let Some(first) = fewest else {
            return Ok(());
        };
        for (table, takes) in self.takes_changed.iter_mut().enumerate() {
            *takes = changed.contains(&table);
        }
        let shape = self.shape;
        self.step(&shape.from_changes[*first], 0, sign, emit)
    }

    fn step(
        &mut self,
        plan: &Plan,
        depth: usize,
        sign: i64,
        emit: &mut Emit<'_>,
    ) -> Result<(), ExecuteError> {
        let Some(step) = plan.steps.get(depth) else {
            let returned = self.shape.returned;
            let row = visible_part(&self.shape.schemas[returned], &self.rows.rows[returned]);
            emit(row, sign);
            return Ok(());
        };
        if self.takes_changed[step.table] {
            return self.changed_rows(plan, depth, sign, emit);
        }
        let mut pointers = std::mem::take(&mut self.pointers[depth]);
        pointers.clear();
        let result = self.stored_rows(step, &mut pointers).and_then(|()| {
            let id = self.shape.schemas[step.table].id;
            for ptr in &pointers {
                let row = &mut self.rows.rows[step.table];
                row.clear();
                self.datastore.read_row(id, *ptr, row);
                if self.holds(step) {
                    self.step(plan, depth + 1, sign, emit)?;
                }
            }
            Ok(())
        });
        self.pointers[depth] = pointers;
        result
    }

    fn holds(&self, step: &Step) -> bool {
        let is_probe = matches!(step.source, Source::Probe { .. });
        if is_probe && planted::is_on(Bug::JoinFilterLost) {
            return true;
        }
        step.whole_filter.holds(&self.rows)
    }

    fn changed_rows(
        &mut self,
        plan: &Plan,
        depth: usize,
        sign: i64,
        emit: &mut Emit<'_>,
    ) -> Result<(), ExecuteError> {
        let step = &plan.steps[depth];
        let rows = &self.changed[step.table];
        match step.equality.filter(|_| depth > 0) {
            None => {
                for (row, row_sign) in rows {
                    self.changed_row(plan, depth, row, sign * row_sign, emit)?;
                }
            }
            Some((own, other)) => {
                let places = self.places_of_changed(step.table, own);
                let like = Slot {
                    table: step.table,
                    column: own,
                };
                let key = self.rows.canonical(other, like);
                for position in places.get(&key).into_iter().flatten() {
                    let (row, row_sign) = rows[*position];
                    self.changed_row(plan, depth, row, sign * row_sign, emit)?;
                }
            }
        }
        Ok(())
    }

    fn changed_row(
        &mut self,
        plan: &Plan,
        depth: usize,
        row: &[u8],
        sign: i64,
        emit: &mut Emit<'_>,
    ) -> Result<(), ExecuteError> {
        let step = &plan.steps[depth];
        self.rows.set(step.table, row);
        match step.whole_filter.holds(&self.rows) {
            true => self.step(plan, depth + 1, sign, emit),
            false => Ok(()),
        }
    }

    fn places_of_changed(&mut self, table: usize, own: usize) -> Rc<Places<usize>> {
        let schema = &self.shape.schemas[table];
        let rows = &self.changed[table];
        let places = self.changed_places.entry((table, own)).or_insert_with(|| {
            let mut places = Places::<usize>::default();
            for (position, (bytes, _)) in rows.iter().enumerate() {
                let row = crate::predicate::OneRow { bytes, schema };
                places.entry(row.canonical(own)).or_default().push(position);
            }
            Rc::new(places)
        });
        Rc::clone(places)
    }

    /// The stored rows that the step's source yields.
    fn stored_rows(&mut self, step: &Step, found: &mut Vec<RowPtr>) -> Result<(), ExecuteError> {
        let schema = &self.shape.schemas[step.table];
        if schema.is_event {
            return Ok(());
        }
        match &step.source {
            Source::Stored(access) => self.accessed(schema, access, found),
            Source::Probe { index, key } => {
                self.key.clear();
                for part in key {
                    self.key.extend_from_slice(match part {
                        KeyPart::Column(slot) => self.rows.column(*slot),
                        KeyPart::Value(value) => value,
                    });
                }
                let (_, rows) = self.datastore.index_point(*index, &self.key)?;
                found.extend(rows);
                Ok(())
            }
            Source::Hash => {
                let Some((own, other)) = step.equality else {
                    return self.accessed(schema, &Access::Scan, found);
                };
                let places = self.places_of_stored(step.table, own)?;
                let like = Slot {
                    table: step.table,
                    column: own,
                };
                let key = self.rows.canonical(other, like);
                found.extend(places.get(&key).into_iter().flatten());
                Ok(())
            }
        }
    }

    fn accessed(
        &self,
        schema: &TableSchema,
        access: &Access,
        found: &mut Vec<RowPtr>,
    ) -> Result<(), ExecuteError> {
        let meter = Meter::unlimited();
        let _ = pointers(self.datastore, schema, access, &meter, &mut |ptr| {
            found.push(ptr);
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    fn places_of_stored(
        &mut self,
        table: usize,
        own: usize,
    ) -> Result<Rc<Places<RowPtr>>, ExecuteError> {
        if let Some(known) = self.stored_places.get(&(table, own)) {
            return Ok(Rc::clone(known));
        }
        let schema = &self.shape.schemas[table];
        let mut all = Vec::new();
        self.accessed(schema, &Access::Scan, &mut all)?;
        let mut places = Places::<RowPtr>::default();
        let mut bytes = Vec::new();
        for ptr in all {
            bytes.clear();
            self.datastore.read_row(schema.id, ptr, &mut bytes);
            let row = crate::predicate::OneRow {
                bytes: &bytes,
                schema,
            };
            places.entry(row.canonical(own)).or_default().push(ptr);
        }
        let places = Rc::new(places);
        self.stored_places.insert((table, own), Rc::clone(&places));
        Ok(places)
    }
}
