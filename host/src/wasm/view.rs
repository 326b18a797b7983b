//! Calling views: read-only, with a record of what was read, and with a tighter limit of time.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_table::Datastore;
use spacetime_types::Identity;
use wasmtime::TypedFunc;

use super::env::set_deadline;
use super::instance::{CallEnd, Instance, trapped, words_of};
use crate::limits::VIEW_RESULT_BYTES_MAX;
use crate::views::ReadSet;

pub(super) type CallViewFn = TypedFunc<(u32, u64, u64, u64, u64, u32, u32), u32>;
pub(super) type CallAnonymousViewFn = TypedFunc<(u32, u32, u32), u32>;

/// One view call.
#[derive(Clone, Debug)]
pub(crate) struct ViewInvocation {
    /// Counts the views with a sender, or those without.
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    /// None for a view without a sender.
    pub(crate) sender: Option<Identity>,
}

/// What a view call gave back.
#[derive(Debug)]
pub(crate) struct ViewCall {
    pub(crate) end: ViewEnd,
    pub(crate) reads: ReadSet,
    pub(crate) database: Box<Datastore>,
}

/// How a view call ended.
#[derive(Debug)]
pub(crate) enum ViewEnd {
    /// A result that starts with its kind.
    Result(Vec<u8>),
    /// Rows alone.
    Rows(Vec<u8>),
    Failed(ViewCallError),
    /// The function was stopped; the instance must not be used again.
    Trapped {
        out_of_time: bool,
    },
}

/// Why a view call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewCallError {
    #[error("the module does not export `{0}`")]
    NoExport(&'static str),
    #[error("{0}")]
    User(Box<str>),
    #[error("the view returned {0}, which is not a result")]
    BadReturn(u32),
    #[error("the view's result has more than {VIEW_RESULT_BYTES_MAX} bytes")]
    TooLarge,
}

impl Instance {
    /// Calls a view inside the database's open transaction. It cannot write.
    pub(crate) fn call_view(
        &mut self,
        invocation: &ViewInvocation,
        database: Box<Datastore>,
    ) -> ViewCall {
        let env = self.store.data_mut();
        assert!(
            env.database.is_none() && env.reads.is_none(),
            "nothing is bound to the instance between calls"
        );
        env.database = Some(database);
        env.reads = Some(ReadSet::default());
        env.function = Some(Arc::clone(&invocation.name));
        let args = env.sources.add(Bytes::new());
        let sink = env.sinks.add(VIEW_RESULT_BYTES_MAX);
        set_deadline(&mut self.store, self.limits.view_deadline_ticks());
        let result = self.enter_view(invocation, args, sink);

        let env = self.store.data_mut();
        let overflowed = env.sinks.overflowed(sink);
        let bytes = env.sinks.take(sink);
        let end = match result {
            Err(missing) => ViewEnd::Failed(missing),
            Ok(Err(error)) => match trapped(env, &error) {
                CallEnd::Trapped { out_of_time } => ViewEnd::Trapped { out_of_time },
                _ => ViewEnd::Trapped { out_of_time: false },
            },
            Ok(Ok(0 | 2)) if overflowed => ViewEnd::Failed(ViewCallError::TooLarge),
            Ok(Ok(0)) => ViewEnd::Rows(bytes),
            Ok(Ok(1)) => ViewEnd::Failed(ViewCallError::User(message(&bytes))),
            Ok(Ok(2)) => ViewEnd::Result(bytes),
            Ok(Ok(code)) => ViewEnd::Failed(ViewCallError::BadReturn(code)),
        };
        env.end_call();
        let reads = env.reads.take().unwrap_or_default();
        let database = env.database.take();
        ViewCall {
            end,
            reads,
            database: database.expect("the database that this call was given is still bound"),
        }
    }

    fn enter_view(
        &mut self,
        invocation: &ViewInvocation,
        args: u32,
        sink: u32,
    ) -> Result<wasmtime::Result<u32>, ViewCallError> {
        let id = invocation.id;
        Ok(match invocation.sender {
            Some(sender) => {
                let missing = ViewCallError::NoExport("__call_view__");
                let function = self.call_view.as_ref().ok_or(missing)?;
                let [a, b, c, d] = words_of(&sender.to_le_bytes());
                function.call(&mut self.store, (id, a, b, c, d, args, sink))
            }
            None => {
                let missing = ViewCallError::NoExport("__call_view_anon__");
                let function = self.call_anonymous_view.as_ref().ok_or(missing)?;
                function.call(&mut self.store, (id, args, sink))
            }
        })
    }
}

fn message(bytes: &[u8]) -> Box<str> {
    let len = bytes.len().min(crate::limits::ERROR_MESSAGE_BYTES_MAX);
    String::from_utf8_lossy(&bytes[..len]).into()
}
