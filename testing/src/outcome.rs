//! How calls end.

use serde_json::Value;
use spacetime_host::{CallOutcome, ReducerOutcome};

/// Why a call did not do what it should. Whatever it had changed is undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The function returned an error: its message.
    #[error("{0}")]
    Failed(String),
    /// The function panicked, or broke otherwise: the last bad lines of the log.
    #[error("the module broke: {0}")]
    Broke(String),
    /// It took longer than [`crate::CallLimits`] allow.
    #[error("the time limit of the call is used up")]
    OutOfTime,
    /// There is no such reducer or procedure, or whoever called may not see it.
    #[error("there is no function `{0}` for this caller")]
    NoSuchFunction(String),
    /// The arguments are not of the function's types.
    #[error("{0}")]
    BadArgs(String),
    /// Lifecycle reducers are called by connecting and disconnecting only.
    #[error("{0}")]
    Lifecycle(String),
    /// `client_connected` did not let the caller in.
    #[error("the caller was not let in: {0}")]
    NotLetIn(String),
}

/// What a call from outside any connection came to. `bad_lines` is asked for the log if the
/// module broke.
pub(crate) fn of_call(
    name: &str,
    outcome: CallOutcome,
    bad_lines: impl FnOnce() -> String,
) -> Result<Value, CallError> {
    match outcome {
        CallOutcome::Reducer(outcome) => of_reducer(outcome, bad_lines).map(|()| Value::Null),
        CallOutcome::Procedure(text) => {
            Ok(serde_json::from_str(&text).expect("a procedure's answer is JSON"))
        }
        CallOutcome::ProcedureFailed(text) => {
            Err(CallError::Broke(format!("{text}\n{}", bad_lines())))
        }
        CallOutcome::ProcedureOutOfBudget => Err(CallError::OutOfTime),
        CallOutcome::NoSuchFunction => Err(CallError::NoSuchFunction(name.to_owned())),
        CallOutcome::BadArgs(text) => Err(CallError::BadArgs(text.into())),
        CallOutcome::Lifecycle(text) => Err(CallError::Lifecycle(text.into())),
        CallOutcome::Connect(error) => Err(CallError::NotLetIn(error.to_string())),
    }
}

/// What a reducer call came to.
pub(crate) fn of_reducer(
    outcome: ReducerOutcome,
    bad_lines: impl FnOnce() -> String,
) -> Result<(), CallError> {
    match outcome {
        ReducerOutcome::Committed => Ok(()),
        ReducerOutcome::Failed(text) => Err(CallError::Failed(text.into())),
        ReducerOutcome::Refused(text) => Err(CallError::BadArgs(text.into())),
        ReducerOutcome::Fatal(text) => Err(CallError::Broke(format!("{text}\n{}", bad_lines()))),
        ReducerOutcome::OutOfBudget => Err(CallError::OutOfTime),
    }
}
