//! The recorded state: putting recorded rows in place, and keeping sequences where they stood.

use rustc_hash::FxHashMap;
use spacetime_table::system::{
    ST_CLIENT, ST_CONNECTION_CREDENTIALS, ST_SEQUENCE, StSequence, SystemRow,
};
use spacetime_table::{Datastore, TxDelta};
use spacetime_types::{ColId, SequenceId, TableId};

use super::StepError;
use super::record::{Changed, Record, is_system};

/// Which part of a record's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the database wrote before the reducer ran.
    Before,
    /// What it wrote after: the rows of a client that leaves, which its reducer still sees.
    After,
    /// What the module wrote.
    Module,
}

const LEAVING: [TableId; 2] = [ST_CLIENT, ST_CONNECTION_CREDENTIALS];

impl Part {
    fn holds(self, table: TableId, is_insert: bool) -> bool {
        let part = match is_system(table) {
            false => Part::Module,
            true if LEAVING.contains(&table) && !is_insert => Part::After,
            true => Part::Before,
        };
        part == self
    }
}

/// Puts the rows of the parts in place, in a transaction of their own.
pub(super) fn apply(
    datastore: &mut Datastore,
    record: &Record,
    parts: &[Part],
) -> Result<(), StepError> {
    let chosen = |table, is_insert| parts.iter().any(|part| part.holds(table, is_insert));
    let is_nothing = |(id, changed): (&TableId, &Changed)| {
        let inserts = chosen(*id, true) && !changed.inserts.is_empty();
        let has_removals = changed.truncated || !changed.deletes.is_empty();
        let removes = chosen(*id, false) && has_removals;
        !inserts && !removes
    };
    if record.tables.iter().all(is_nothing) {
        return Ok(());
    }
    datastore.begin_tx();
    // Rows that come may have the keys of rows that go.
    for (id, changed) in record.tables.iter().filter(|(id, _)| chosen(**id, false)) {
        remove(datastore, *id, changed)?;
    }
    for (id, changed) in record.tables.iter().filter(|(id, _)| chosen(**id, true)) {
        for row in changed.inserts.iter() {
            insert(datastore, *id, row)?;
        }
    }
    datastore.commit();
    Ok(())
}

fn insert(datastore: &mut Datastore, table: TableId, row: &[u8]) -> Result<(), StepError> {
    match datastore.insert_recorded(table, row)? {
        true => Ok(()),
        false => Err(StepError::Recorded {
            what: "insertion",
            table,
            why: "the row is there already",
        }),
    }
}

fn remove(datastore: &mut Datastore, table: TableId, changed: &Changed) -> Result<(), StepError> {
    if changed.truncated {
        datastore.clear_system(table)?;
    }
    for row in changed.deletes.iter() {
        if !datastore.delete_eq_system(table, row)? {
            return Err(StepError::Recorded {
                what: "deletion",
                table,
                why: "the row is not there",
            });
        }
    }
    Ok(())
}

/// Undoes a committed transaction.
pub(super) fn revert(datastore: &mut Datastore, delta: &TxDelta) -> Result<(), StepError> {
    datastore.begin_tx();
    // Rows of event tables are gone already.
    let kept = || delta.tables.iter().filter(|table| !table.schema.is_event);
    for table in kept() {
        for row in table.inserts.iter() {
            datastore.delete_eq_system(table.table, row)?;
        }
    }
    for table in kept() {
        for row in table.deletes.iter() {
            datastore.insert_recorded(table.table, row)?;
        }
    }
    datastore.commit();
    Ok(())
}

/// A sequence of one of the module's tables.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    sequence: SequenceId,
    table: TableId,
    column: ColId,
    increment: i128,
    start: i128,
}

/// Where each sequence of the module stands: its next value, and where its block ends.
pub(super) type Positions = Vec<(SequenceId, i128, i128)>;

/// The sequences of the module's tables.
#[derive(Debug, Default)]
pub(super) struct Sequences(Vec<Numbered>);

impl Sequences {
    pub(super) fn of(datastore: &Datastore) -> Sequences {
        let tables = datastore.tables().filter(|schema| !schema.is_system());
        let sequences = tables.flat_map(|schema| {
            schema.sequences.iter().map(|sequence| Numbered {
                sequence: sequence.id,
                table: schema.id,
                column: sequence.column,
                increment: sequence.increment,
                start: sequence.start,
            })
        });
        Sequences(sequences.collect())
    }

    pub(super) fn positions(&self, datastore: &Datastore) -> Positions {
        let stand = |numbered: &Numbered| {
            let (value, allocated) = datastore.sequence_position(numbered.sequence)?;
            Some((numbered.sequence, value, allocated))
        };
        self.0.iter().filter_map(stand).collect()
    }

    /// Puts sequences back to where they stood.
    pub(super) fn restore(datastore: &mut Datastore, positions: &Positions) {
        for (sequence, value, allocated) in positions {
            // One that is gone, or has other limits now, stands where it stands.
            let _ = datastore.place_sequence(*sequence, *value, *allocated);
        }
    }

    /// After a schema changed, every sequence stands at the end of its block: puts those known
    /// before back. New ones begin at their start if a reducer is still to use them.
    pub(super) fn settle(&mut self, datastore: &mut Datastore, before: &Positions, new_run: bool) {
        *self = Sequences::of(datastore);
        let known: FxHashMap<SequenceId, i128> = before
            .iter()
            .map(|(sequence, value, _)| (*sequence, *value))
            .collect();
        for numbered in &self.0 {
            let Some((_, allocated)) = datastore.sequence_position(numbered.sequence) else {
                continue;
            };
            let value = match known.get(&numbered.sequence) {
                Some(value) => *value,
                None if new_run => numbered.start,
                None => continue,
            };
            let _ = datastore.place_sequence(numbered.sequence, value, allocated);
        }
    }

    /// Follows the recorded ends of blocks.
    pub(super) fn follow_blocks(&self, datastore: &mut Datastore, record: &Record) {
        for row in record.inserted(ST_SEQUENCE).map(StSequence::decode) {
            let Ok(row) = row else { continue };
            let is_module = self.0.iter().any(|known| known.sequence == row.sequence_id);
            let Some((value, _)) = datastore.sequence_position(row.sequence_id) else {
                continue;
            };
            if is_module && !datastore.place_sequence(row.sequence_id, value, row.allocated) {
                let at_end =
                    datastore.place_sequence(row.sequence_id, row.allocated, row.allocated);
                tracing::debug!(sequence = %row.sequence_id, at_end, "a sequence went back");
            }
        }
    }

    /// Other positions that would explain the recorded numbers: each sequence at the first number
    /// recorded that is not behind it; at the first of all if all are behind it.
    pub(super) fn jumps(&self, datastore: &Datastore, record: &Record) -> Positions {
        let mut jumps = Positions::new();
        for numbered in &self.0 {
            let Some((value, allocated)) = datastore.sequence_position(numbered.sequence) else {
                continue;
            };
            // Upwards for a sequence that counts down too.
            let rank = |number: &i128| number.wrapping_mul(numbered.increment.signum());
            let mut numbers = self.recorded_numbers(datastore, record, numbered);
            numbers.sort_unstable_by_key(rank);
            let ahead = numbers.iter().find(|number| rank(number) >= rank(&value));
            let first = ahead.or(numbers.first()).copied();
            if let Some(first) = first.filter(|first| *first != value) {
                jumps.push((numbered.sequence, first, allocated));
            }
        }
        jumps
    }

    /// After recorded rows were put in place, sequences go on behind the numbers in them.
    pub(super) fn pass_recorded(&self, datastore: &mut Datastore, record: &Record) {
        for numbered in &self.0 {
            let Some((value, allocated)) = datastore.sequence_position(numbered.sequence) else {
                continue;
            };
            let rank = |number: &i128| number.wrapping_mul(numbered.increment.signum());
            let within = rank(&value)..rank(&allocated);
            let numbers = self.recorded_numbers(datastore, record, numbered);
            let last = numbers
                .iter()
                .filter(|number| within.contains(&rank(number)));
            if let Some(next) = last
                .max_by_key(|number| rank(number))
                .and_then(|last| last.checked_add(numbered.increment))
            {
                let _ = datastore.place_sequence(numbered.sequence, next, allocated);
            }
        }
    }

    fn recorded_numbers(
        &self,
        datastore: &Datastore,
        record: &Record,
        numbered: &Numbered,
    ) -> Vec<i128> {
        let Some(schema) = datastore.schema(numbered.table) else {
            return Vec::new();
        };
        let column = usize::from(numbered.column.0);
        let is_signed = schema.columns.get(column).is_some_and(|column| {
            use spacetime_types::AlgebraicType as Type;
            matches!(
                column.column_type,
                Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::I256
            )
        });
        let rows = record.inserted(numbered.table);
        rows.map(|row| integer(&row[schema.layout.column_range(row, column)], is_signed))
            .collect()
    }
}

/// A little-endian integer. What does not fit 128 bits is cut: no sequence reaches it.
fn integer(bytes: &[u8], is_signed: bool) -> i128 {
    let is_negative = is_signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i128::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_width() {
        assert_eq!(integer(&[200], false), 200);
        assert_eq!(integer(&[200], true), -56);
        assert_eq!(integer(&7_u64.to_le_bytes(), true), 7);
        assert_eq!(integer(&(-2_i128).to_le_bytes(), true), -2);
        let mut wide = [0xff; 32];
        assert_eq!(integer(&wide, true), -1);
        wide[31] = 0;
        assert_eq!(integer(&wide, true), -1);
    }
}
