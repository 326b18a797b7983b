//! Clients coming and going, with the rows and reducers that tell the module about them.

use bytes::Bytes;
use spacetime_table::Datastore;
use spacetime_types::module_def::Lifecycle;

use super::Worker;
use super::calls::Transaction;
use super::queries::ClientSubscriptions;
use crate::counters::add;
use crate::outbox::{Outbox, OutboxMessage, Outgoing, ReducerOutcome};
use crate::request::{Caller, ClientId, Connect, ConnectError};
use crate::session_rows;

/// Name in the log of a transaction that lets a client in.
const CONNECT: &str = "call_identity_connected";
/// Name in the log of one that sees a client off, if the module has no reducer for it.
const DISCONNECT: &str = "__identity_disconnected__";

/// A connected client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Caller,
    pub(super) outbox: Outbox,
    pub(super) confirmed: bool,
    pub(super) event_tables: bool,
    pub(super) subscriptions: ClientSubscriptions,
    /// What the running batch has to say to it.
    pub(super) outgoing: Vec<Outgoing>,
    pub(super) json: bool,
}

impl Worker {
    /// Lets a client in.
    pub(super) fn connect(&mut self, connect: Connect) -> Result<ClientId, ConnectError> {
        let connection_id = connect.caller.connection_id;
        self.take_over(&connect.caller)?;
        self.run_connected(&connect.caller)?;
        let id = self.shared.take_client_id();
        let client = Client {
            caller: connect.caller,
            outbox: connect.outbox,
            confirmed: connect.confirmed,
            event_tables: connect.event_tables,
            subscriptions: ClientSubscriptions::default(),
            outgoing: Vec::new(),
            json: connect.json,
        };
        add(&self.shared.counters.connects, 1);
        self.by_connection.insert(connection_id, id);
        self.clients.insert(id, client);
        Ok(id)
    }

    /// An id of a connection is used by one client at a time. Whoever comes back with the id of its
    /// own connection, which the server may not have missed yet, takes that one's place.
    fn take_over(&mut self, caller: &Caller) -> Result<(), ConnectError> {
        let Some(older) = self.by_connection.get(&caller.connection_id).copied() else {
            return Ok(());
        };
        let Some(holder) = self.clients.get(&older) else {
            return Ok(());
        };
        if holder.caller.identity != caller.identity {
            let text = "the connection id is in use by another client";
            return Err(ConnectError::Rejected(text.into()));
        }
        let closed = OutboxMessage::Closed {
            reason: "another connection with the same id took its place".into(),
        };
        // Behind what is underway to it.
        let end = holder.outbox.prepare(vec![closed.into()]);
        self.shared.courier.deliver(end.into_iter().collect());
        self.disconnect(older);
        Ok(())
    }

    /// Drops a client's subscriptions, then tells the module. At most once a client.
    pub(super) fn disconnect(&mut self, client: ClientId) {
        let Some(gone) = self.clients.remove(&client) else {
            return;
        };
        add(
            &self.shared.counters.slow_clients,
            u64::from(gone.outbox.overflowed()),
        );
        if self.by_connection.get(&gone.caller.connection_id) == Some(&client) {
            self.by_connection.remove(&gone.caller.connection_id);
        }
        self.drop_subscriptions(client, &gone.subscriptions);
        self.run_disconnected(&gone.caller);
    }

    /// The client's rows and `client_connected`, in one transaction.
    pub(super) fn run_connected(&mut self, caller: &Caller) -> Result<(), ConnectError> {
        let reducer = self.module.lifecycle(Lifecycle::OnConnect);
        let transaction = Transaction {
            sender: caller.identity,
            connection_id: caller.connection_id,
            reducer: reducer.as_ref(),
            args: Bytes::new(),
            log_name: CONNECT,
        };
        let insert_rows = |datastore: &mut Datastore| {
            let (identity, connection) = (caller.identity, caller.connection_id);
            session_rows::insert_client(datastore, identity, connection, &caller.claims_json)?;
            Ok(())
        };
        let ran = self.run_transaction(&transaction, insert_rows, |_| Ok(()));
        match ran.outcome {
            ReducerOutcome::Committed => {
                self.publish_delta(ran.delta, None);
                Ok(())
            }
            ReducerOutcome::OutOfBudget => Err(ConnectError::OutOfBudget),
            ReducerOutcome::Failed(message)
            | ReducerOutcome::Refused(message)
            | ReducerOutcome::Fatal(message) => Err(ConnectError::Rejected(message)),
        }
    }

    /// `client_disconnected` and the removal of the client's rows, in one transaction; if the
    /// reducer fails, the rows are removed without it.
    pub(super) fn run_disconnected(&mut self, caller: &Caller) {
        let reducer = self.module.lifecycle(Lifecycle::OnDisconnect);
        let remove_rows = |datastore: &mut Datastore| {
            session_rows::delete_client(datastore, caller.identity, caller.connection_id)?;
            Ok(())
        };
        let mut transaction = Transaction {
            sender: caller.identity,
            connection_id: caller.connection_id,
            reducer: reducer.as_ref(),
            args: Bytes::new(),
            log_name: reducer.as_ref().map_or(DISCONNECT, |reducer| &reducer.name),
        };
        let mut ran = self.run_transaction(&transaction, |_| Ok(()), remove_rows);
        if ran.outcome != ReducerOutcome::Committed && reducer.is_some() {
            transaction.reducer = None;
            transaction.log_name = DISCONNECT;
            ran = self.run_transaction(&transaction, |_| Ok(()), remove_rows);
        }
        self.publish_delta(ran.delta, None);
    }

    /// After a crash the rows of the clients that were connected are still there.
    pub(super) fn disconnect_stale_clients(&mut self) {
        for (identity, connection_id) in session_rows::clients(self.store.datastore()) {
            let claims = session_rows::credentials(self.store.datastore(), connection_id);
            let claims_json = claims.unwrap_or_default();
            self.run_disconnected(&Caller {
                identity,
                connection_id,
                claims_json,
            });
        }
    }
}
