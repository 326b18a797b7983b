//! Subscriptions: what a program asks for, and the handle on it.
//!
//! Not here: the messages, and what the server's answers do (`connection`).

use std::future::Future;

use crate::connection::DbContextImpl;
use crate::error::{Error, Result};
use crate::event_reply::Reply;
use crate::module::{SpacetimeModule, SubscriptionHandle as _};
use crate::query_builder::Query;
use crate::wire::QuerySetId;

/// A callback for the end of a subscription that the program ended.
pub type OnEndedCallback<M> =
    Box<dyn FnOnce(&<M as SpacetimeModule>::SubscriptionEventContext) + Send + 'static>;

/// A callback for the first rows of a subscription.
pub(crate) type OnAppliedCallback<M> = OnEndedCallback<M>;

/// A callback for a subscription that the server refused or gave up.
pub(crate) type OnErrorCallback<M> =
    Box<dyn FnOnce(&<M as SpacetimeModule>::ErrorContext, Error) + Send + 'static>;

/// The queries of a subscription: one text, or several.
pub trait IntoQueries {
    /// The texts.
    fn into_queries(self) -> Box<[Box<str>]>;
}

macro_rules! one_query {
    ($($text:ty),*) => {$(
        impl IntoQueries for $text {
            fn into_queries(self) -> Box<[Box<str>]> {
                [Box::<str>::from(self)].into()
            }
        }
    )*};
}

one_query!(&str, String, Box<str>);

impl<Text: Into<Box<str>>> IntoQueries for Vec<Text> {
    fn into_queries(self) -> Box<[Box<str>]> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<Text: Into<Box<str>>, const N: usize> IntoQueries for [Text; N] {
    fn into_queries(self) -> Box<[Box<str>]> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<Text: Into<Box<str>> + Clone> IntoQueries for &[Text] {
    fn into_queries(self) -> Box<[Box<str>]> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl<Text: Into<Box<str>> + Clone, const N: usize> IntoQueries for &[Text; N] {
    fn into_queries(self) -> Box<[Box<str>]> {
        self.as_slice().into_queries()
    }
}

impl IntoQueries for Box<[Box<str>]> {
    fn into_queries(self) -> Box<[Box<str>]> {
        self
    }
}

/// Makes a subscription.
pub struct SubscriptionBuilder<M: SpacetimeModule> {
    connection: DbContextImpl<M>,
    on_applied: Option<OnAppliedCallback<M>>,
    on_error: Option<OnErrorCallback<M>>,
}

impl<M: SpacetimeModule> std::fmt::Debug for SubscriptionBuilder<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubscriptionBuilder")
            .finish_non_exhaustive()
    }
}

impl<M: SpacetimeModule> SubscriptionBuilder<M> {
    /// A subscription of this connection.
    #[must_use]
    pub fn new(connection: &DbContextImpl<M>) -> Self {
        SubscriptionBuilder {
            connection: connection.clone(),
            on_applied: None,
            on_error: None,
        }
    }

    /// Runs `callback` when the first rows are there.
    #[must_use]
    pub fn on_applied(
        mut self,
        callback: impl FnOnce(&M::SubscriptionEventContext) + Send + 'static,
    ) -> Self {
        self.on_applied = Some(Box::new(callback));
        self
    }

    /// Runs `callback` if the server refuses the subscription, or gives it up later.
    #[must_use]
    pub fn on_error(
        mut self,
        callback: impl FnOnce(&M::ErrorContext, Error) + Send + 'static,
    ) -> Self {
        self.on_error = Some(Box::new(callback));
        self
    }

    /// Subscribes to queries: one text, or several.
    pub fn subscribe(self, queries: impl IntoQueries) -> M::SubscriptionHandle {
        let queries = queries.into_queries();
        let connection = self.connection.clone();
        let set = connection.subscribe(queries, self.on_applied, self.on_error);
        M::SubscriptionHandle::new(SubscriptionHandleImpl { connection, set })
    }

    /// Subscribes to every table and view of the bindings.
    pub fn subscribe_to_all_tables(self) -> M::SubscriptionHandle {
        let queries: Vec<String> = M::ALL_TABLE_NAMES
            .iter()
            .map(|name| format!("SELECT * FROM {name}"))
            .collect();
        self.subscribe(queries)
    }

    /// Begins a subscription to typed queries.
    pub fn add_query<T, Q: Query<T>>(
        self,
        build: impl FnOnce(M::QueryBuilder) -> Q,
    ) -> TypedSubscriptionBuilder<M> {
        TypedSubscriptionBuilder {
            builder: self,
            queries: Vec::new(),
        }
        .add_query(build)
    }

    /// Subscribes, and waits until the first rows are there. Somebody must drive the connection.
    pub fn subscribe_and_wait(
        self,
        queries: impl IntoQueries,
    ) -> impl Future<Output = Result<M::SubscriptionHandle>> {
        let (reply, outcome) = Reply::new();
        let failed = reply.clone();
        let (on_applied, on_error) = (self.on_applied, self.on_error);
        let handle = SubscriptionBuilder::new(&self.connection)
            .on_applied(move |ctx| {
                if let Some(on_applied) = on_applied {
                    on_applied(ctx);
                }
                reply.send(Ok(()));
            })
            .on_error(move |ctx, error| {
                if let Some(on_error) = on_error {
                    on_error(ctx, error.clone());
                }
                failed.send(Err(error));
            })
            .subscribe(queries);
        async move {
            outcome.await.unwrap_or(Err(Error::Disconnected))?;
            Ok(handle)
        }
    }
}

/// Makes a subscription to typed queries.
#[derive(Debug)]
pub struct TypedSubscriptionBuilder<M: SpacetimeModule> {
    builder: SubscriptionBuilder<M>,
    queries: Vec<String>,
}

impl<M: SpacetimeModule> TypedSubscriptionBuilder<M> {
    /// One more query.
    #[must_use]
    pub fn add_query<T, Q: Query<T>>(mut self, build: impl FnOnce(M::QueryBuilder) -> Q) -> Self {
        self.queries
            .push(build(M::QueryBuilder::default()).into_sql());
        self
    }

    /// Subscribes to all of them.
    pub fn subscribe(self) -> M::SubscriptionHandle {
        self.builder.subscribe(self.queries)
    }
}

/// A subscription.
pub struct SubscriptionHandleImpl<M: SpacetimeModule> {
    connection: DbContextImpl<M>,
    set: QuerySetId,
}

impl<M: SpacetimeModule> Clone for SubscriptionHandleImpl<M> {
    fn clone(&self) -> Self {
        SubscriptionHandleImpl {
            connection: self.connection.clone(),
            set: self.set,
        }
    }
}

impl<M: SpacetimeModule> std::fmt::Debug for SubscriptionHandleImpl<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SubscriptionHandleImpl")
            .field(&self.set)
            .finish()
    }
}

impl<M: SpacetimeModule> SubscriptionHandleImpl<M> {
    /// Whether it is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.connection.set_is_ended(self.set)
    }

    /// Whether its rows are there, and nobody has ended it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.connection.set_is_active(self.set)
    }

    /// Ends it, and runs `on_end` when its rows are gone.
    pub fn unsubscribe_then(self, on_end: Option<OnEndedCallback<M>>) -> Result<()> {
        self.connection.unsubscribe(self.set, on_end)
    }
}
