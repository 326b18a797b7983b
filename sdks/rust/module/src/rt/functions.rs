//! What reducers, procedures and handlers must look like, as traits: the compiler's complaints name
//! them, so each says what to write.

use std::fmt::Display;

use super::ReducerOutcome;
use crate::bsatn::{DeserializeOwned, Reader, Serialize};
use crate::context::{ProcedureContext, ReducerContext};
use crate::filterable::{DirectIndexKey, SequenceValue};
use crate::spacetime_type::SpacetimeType;
use crate::types::ScheduleAt;

/// The type of a reducer's first parameter.
#[diagnostic::on_unimplemented(
    message = "the first parameter of a reducer must be `&ReducerContext`, not `{Self}`",
    label = "expected `&ReducerContext`",
    note = "a reducer looks like this: `fn name(ctx: &ReducerContext, argument: u32) {{ ... }}`"
)]
pub trait ReducerContextArgument<'a> {
    /// The argument to pass.
    fn pass(context: &'a ReducerContext) -> Self;
}

impl<'a> ReducerContextArgument<'a> for &'a ReducerContext {
    fn pass(context: &'a ReducerContext) -> Self {
        context
    }
}

/// The type of a procedure's first parameter.
#[diagnostic::on_unimplemented(
    message = "the first parameter of a procedure must be `&mut ProcedureContext`, not `{Self}`",
    label = "expected `&mut ProcedureContext`",
    note = "a procedure looks like this: \
            `fn name(ctx: &mut ProcedureContext, argument: u32) -> u64 {{ ... }}`"
)]
pub trait ProcedureContextArgument<'a> {
    /// The argument to pass.
    fn pass(context: &'a mut ProcedureContext) -> Self;
}

impl<'a> ProcedureContextArgument<'a> for &'a mut ProcedureContext {
    fn pass(context: &'a mut ProcedureContext) -> Self {
        context
    }
}

/// The type of a handler's first parameter.
#[cfg(feature = "unstable")]
#[diagnostic::on_unimplemented(
    message = "the first parameter of an HTTP handler must be `&mut HandlerContext`, not `{Self}`",
    label = "expected `&mut HandlerContext`",
    note = "a handler looks like this: \
            `fn name(ctx: &mut HandlerContext, request: Request) -> Response {{ ... }}`"
)]
pub trait HandlerContextArgument<'a> {
    /// The argument to pass.
    fn pass(context: &'a mut crate::http::HandlerContext) -> Self;
}

#[cfg(feature = "unstable")]
impl<'a> HandlerContextArgument<'a> for &'a mut crate::http::HandlerContext {
    fn pass(context: &'a mut crate::http::HandlerContext) -> Self {
        context
    }
}

/// The types of the other parameters.
pub trait Argument: SpacetimeType + Serialize + DeserializeOwned {}

impl<T: SpacetimeType + Serialize + DeserializeOwned> Argument for T {}

/// What a reducer may return.
#[diagnostic::on_unimplemented(
    message = "a reducer cannot return `{Self}`",
    label = "not what a reducer returns",
    note = "a reducer returns nothing, or `Result<(), E>` where `E` can be displayed, such as \
            `Result<(), String>`; values are returned by procedures"
)]
pub trait IntoReducerResult {
    /// The text of the error, if it is one.
    fn into_outcome(self) -> ReducerOutcome;
}

impl IntoReducerResult for () {
    fn into_outcome(self) -> ReducerOutcome {
        Ok(())
    }
}

impl<E: Display> IntoReducerResult for Result<(), E> {
    fn into_outcome(self) -> ReducerOutcome {
        self.map_err(|error| error.to_string())
    }
}

/// The type that goes with every function of a module, and has its name.
pub trait FnInfo {
    /// The name in the program.
    const NAME: &'static str;
}

/// A function that the rows of a schedule table can call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called by the rows of a schedule table",
    label = "not a reducer or procedure whose only argument is a `{Row}`",
    note = "a scheduled function is a reducer or a procedure with the row as its only argument: \
            `fn name(ctx: &ReducerContext, row: {Row})`; views cannot be scheduled"
)]
pub trait ScheduledFunction<Row>: FnInfo {}

/// Fails to compile if the function cannot be called by such rows. Returns its name.
pub const fn assert_scheduled<F: ScheduledFunction<Row>, Row>() -> &'static str {
    F::NAME
}

/// The type of a schedule table's column that says when.
#[diagnostic::on_unimplemented(
    message = "the column that says when a scheduled function runs must be a `ScheduleAt`",
    label = "expected `ScheduleAt`"
)]
pub trait ScheduleAtColumn {}

impl ScheduleAtColumn for ScheduleAt {}

/// The type of a schedule table's primary key.
#[diagnostic::on_unimplemented(
    message = "the primary key of a schedule table must be a `u64`, not a `{Self}`",
    label = "expected `u64`"
)]
pub trait ScheduleIdColumn {}

impl ScheduleIdColumn for u64 {}

/// Fails to compile if the column has another type.
pub const fn assert_schedule_at<At: ScheduleAtColumn>() {}

/// Fails to compile if the column has another type.
pub const fn assert_schedule_id<Id: ScheduleIdColumn>() {}

/// Checks of column types, as functions that only compile for the right ones.
pub mod column_checks {
    use super::{DirectIndexKey, SequenceValue};

    /// The key of a direct index.
    pub const fn direct_key<T: DirectIndexKey>() {}

    /// A column with a sequence.
    pub const fn sequence<T: SequenceValue>() {}
}

/// Replaces a zero by the next generated value.
pub fn fill_generated<T: SequenceValue + DeserializeOwned>(
    column: &mut T,
    generated: &mut Reader<'_>,
) {
    if column.is_zero() {
        match T::deserialize(generated) {
            Ok(value) => *column = value,
            Err(error) => panic!("the host generated what is no value of the column: {error}"),
        }
    }
}

/// Encodes what a procedure returned.
// By value: a result is used up by sending it.
#[allow(clippy::needless_pass_by_value)]
pub fn encode_result<T: SpacetimeType + Serialize>(value: T) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize(&mut out);
    out
}

/// A value that can be the default of a column of type `Column`.
#[diagnostic::on_unimplemented(
    message = "the default of a `{Column}` column cannot be a `{Self}`",
    label = "expected `{Column}`",
    note = "the default of a `String` column is written as a literal: `#[default(\"text\")]`"
)]
pub trait DefaultOf<Column> {
    /// The column's encoding.
    fn write(&self, out: &mut Vec<u8>);
}

impl<T: Serialize> DefaultOf<T> for T {
    fn write(&self, out: &mut Vec<u8>) {
        self.serialize(out);
    }
}

impl DefaultOf<String> for &'static str {
    fn write(&self, out: &mut Vec<u8>) {
        self.serialize(out);
    }
}

/// Encodes a column's default.
#[allow(clippy::needless_pass_by_value)]
pub fn default_bytes<Column>(value: impl DefaultOf<Column>, out: &mut Vec<u8>) {
    value.write(out);
}
