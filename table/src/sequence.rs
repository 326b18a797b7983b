//! Sequences: numbers handed out to columns that arrive as 0.
//!
//! Invariants
//!   * A value is handed out only while the persisted row says `allocated`: after a restart the
//!     sequence begins there.
//!   * `value` never goes back. Undoing a transaction takes back what it wrote into the row, which
//!     then says less than `allocated` until the next value is wanted, and leaves a gap.
//!   * `value` and `allocated` are values that the sequence really reaches.
//!
//! Not here: writing the `st_sequence` row (see `write`).

use spacetime_types::{AlgebraicType, SequenceId, TableId};

use crate::definition::SequenceDef;
use crate::planted::{self, Bug};
use crate::schema::{ColumnSchema, FIRST_USER_ID, SequenceSchema};

/// Values covered by one rewrite of the persisted row.
const BLOCK_LEN: u32 = 4096;

/// A sequence and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub table: TableId,
    pub schema: SequenceSchema,
    /// Values that fit the column.
    fits: std::ops::RangeInclusive<i128>,
    /// Next to hand out.
    pub value: i128,
    /// First value of the next block.
    pub allocated: i128,
    /// What the persisted row says: the same, unless a transaction that moved it was undone.
    pub recorded: i128,
}

impl Sequence {
    /// A sequence at `position`. None if the column is no integer or the parameters are wrong.
    pub fn new(
        table: TableId,
        schema: SequenceSchema,
        column_type: &AlgebraicType,
        position: i128,
    ) -> Option<Self> {
        let fits = integer_range(column_type)?;
        check_parameters(&schema).ok()?;
        let mut sequence = Sequence {
            table,
            fits,
            value: position,
            allocated: position,
            recorded: position,
            schema,
        };
        if planted::is_on(Bug::SequenceReused) && table.0 >= FIRST_USER_ID {
            sequence.value = sequence.schema.start;
        }
        let range = sequence.schema.min_value..=sequence.schema.max_value;
        range.contains(&position).then_some(sequence)
    }

    /// Whether the sequence can stand at `value` with the values before `allocated` persisted.
    pub fn covers(&self, value: i128, allocated: i128) -> bool {
        let SequenceSchema {
            increment,
            start,
            min_value,
            max_value,
            ..
        } = self.schema;
        let range = min_value..=max_value;
        let step = increment.unsigned_abs();
        let in_order = match increment > 0 {
            true => value <= allocated,
            false => value >= allocated,
        };
        // A value that the steps miss would never meet `allocated`.
        in_order
            && range.contains(&value)
            && range.contains(&allocated)
            && value.abs_diff(allocated).is_multiple_of(step)
            && value.abs_diff(start).is_multiple_of(step)
    }

    /// Whether the block is used up.
    pub fn needs_block(&self) -> bool {
        self.value == self.allocated
    }

    /// Whether the next value is covered by the persisted row.
    pub fn has_next(&self) -> bool {
        let is_recorded = self.recorded == self.allocated || planted::is_on(Bug::SequenceRowLost);
        !self.needs_block() && is_recorded
    }

    /// What `allocated` becomes with a new block; the same if the sequence has no values.
    pub fn next_block(&self) -> i128 {
        assert!(self.needs_block(), "a block is used up before the next");
        let mut end = self.allocated;
        for _ in 0..BLOCK_LEN {
            let next = self.step(end);
            if next == self.value {
                break;
            }
            end = next;
        }
        end
    }

    /// Whether the next value fits the column.
    pub fn next_fits(&self) -> bool {
        self.fits.contains(&self.value)
    }

    /// Hands out a value.
    pub fn take(&mut self) -> i128 {
        assert!(self.has_next(), "values are recorded before use");
        let value = self.value;
        self.value = self.step(value);
        value
    }

    /// The value after `value`, wrapping around at the ends.
    fn step(&self, value: i128) -> i128 {
        let SequenceSchema {
            increment,
            min_value,
            max_value,
            ..
        } = self.schema;
        assert!(
            (min_value..=max_value).contains(&value),
            "values stay in range"
        );
        // The distance to the end fits a u128 and the increment is smaller than the range, so
        // one turn is enough.
        let step = increment.unsigned_abs();
        let next = if increment > 0 {
            let room = max_value.abs_diff(value);
            match step.checked_sub(room).filter(|over| *over > 0) {
                None => value.checked_add_unsigned(step),
                Some(over) => min_value.checked_add_unsigned(over - 1),
            }
        } else {
            let room = value.abs_diff(min_value);
            match step.checked_sub(room).filter(|over| *over > 0) {
                None => value.checked_sub_unsigned(step),
                Some(over) => max_value.checked_sub_unsigned(over - 1),
            }
        };
        let next = next.unwrap_or(value);
        assert!(
            (min_value..=max_value).contains(&next),
            "values stay in range"
        );
        next
    }
}

/// The integers that a column of this type holds, as far as a sequence reaches.
fn integer_range(column_type: &AlgebraicType) -> Option<std::ops::RangeInclusive<i128>> {
    let range = match column_type {
        AlgebraicType::I8 => i8::MIN.into()..=i8::MAX.into(),
        AlgebraicType::U8 => 0..=u8::MAX.into(),
        AlgebraicType::I16 => i16::MIN.into()..=i16::MAX.into(),
        AlgebraicType::U16 => 0..=u16::MAX.into(),
        AlgebraicType::I32 => i32::MIN.into()..=i32::MAX.into(),
        AlgebraicType::U32 => 0..=u32::MAX.into(),
        AlgebraicType::I64 => i64::MIN.into()..=i64::MAX.into(),
        AlgebraicType::U64 => 0..=u64::MAX.into(),
        AlgebraicType::I128 | AlgebraicType::I256 => i128::MIN..=i128::MAX,
        AlgebraicType::U128 | AlgebraicType::U256 => 0..=i128::MAX,
        _ => return None,
    };
    Some(range)
}

/// Whether a column of this type can have a sequence.
pub(crate) fn is_integer(column_type: &AlgebraicType) -> bool {
    integer_range(column_type).is_some()
}

/// Says what is wrong with the numbers of a sequence.
fn check_parameters(sequence: &SequenceSchema) -> Result<(), &'static str> {
    if sequence.min_value >= sequence.max_value {
        return Err("the minimum is not below the maximum");
    }
    if sequence.start < sequence.min_value || sequence.start > sequence.max_value {
        return Err("the start is not between minimum and maximum");
    }
    if sequence.increment == 0 {
        return Err("the increment is 0");
    }
    let range = sequence.max_value.abs_diff(sequence.min_value);
    if sequence.increment.unsigned_abs() >= range {
        return Err("the increment is not smaller than the range");
    }
    Ok(())
}

/// Says what is wrong with a sequence to create over one of `columns`.
pub(crate) fn check_definition(
    columns: &[ColumnSchema],
    definition: &SequenceDef,
) -> Result<(), &'static str> {
    let column = columns.get(usize::from(definition.column.0));
    if !column.is_some_and(|column| is_integer(&column.column_type)) {
        return Err("its column is no integer");
    }
    check_parameters(&schema_of(SequenceId(0), definition))
}

/// The schema of a sequence to create.
pub(crate) fn schema_of(id: SequenceId, definition: &SequenceDef) -> SequenceSchema {
    SequenceSchema {
        id,
        name: definition.name.clone(),
        column: definition.column,
        increment: definition.increment,
        start: definition.start,
        min_value: definition.min_value,
        max_value: definition.max_value,
    }
}

/// Overwrites an integer column with `value`, whatever its width.
pub(crate) fn write_integer(value: i128, column: &mut [u8]) {
    let bytes = value.to_le_bytes();
    let low = column.len().min(bytes.len());
    let (narrow, sign) = column.split_at_mut(low);
    narrow.copy_from_slice(&bytes[..low]);
    sign.fill(if value < 0 { 0xff } else { 0 });
}

#[cfg(test)]
mod tests;
