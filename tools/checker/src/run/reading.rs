//! What the clients are told: each message is compared with the one that is due.

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use spacetime_api::ws::ClientMessage;

use super::{Pending, Run, SMALL_QUEUE, Tamper};
use crate::activation::{Activations, Kind};
use crate::message::{CallEnd, Next, Received};
use crate::model::{Item, OWNER};
use crate::schema::Column;
use crate::server::{caller, once_end};

impl Run<'_> {
    /// Reads and checks what has come for everybody who is awake.
    pub(super) async fn settle(&mut self, is_last: bool) -> Result<()> {
        self.check_pending().await?;
        self.barrier().await?;
        let mut position = 0;
        while position < self.clients.len() {
            let client = &self.clients[position];
            if !is_last && client.asleep_until > self.step {
                position += 1;
                continue;
            }
            match self.read(position).await {
                Ok(true) => position += 1,
                Ok(false) => {
                    self.counts.count(Kind::CutOff);
                    // How much it got before that is a matter of time.
                    self.clients[position].hasher = blake3::Hasher::new();
                    self.remove_client(position).await?;
                }
                Err(error) => {
                    let client = &self.clients[position];
                    let (name, person) = (client.name, client.subscriptions.person);
                    let dialect = client.subscriptions.dialect;
                    let who = format!("client {name} ({dialect:?}, person {person})");
                    return Err(error.context(format!("{who}, up to step {}", self.step)));
                }
            }
        }
        Ok(())
    }

    /// Waits until everything is carried out and handed out. An answer comes within a batch, and
    /// its messages after it: the second question is in a later one.
    async fn barrier(&self) -> Result<()> {
        for _ in 0..2 {
            let owner = caller(self.model.people[OWNER], 8);
            let answer = self.database.call_once(owner, "nothing", Vec::new());
            answer.await?.await.context("no answer to a call")?;
        }
        Ok(())
    }

    async fn check_pending(&mut self) -> Result<()> {
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Call { answer, end } => {
                    let got = once_end(&answer.await.context("no answer to a call")?.outcome);
                    let is_same = match (&got, &end) {
                        (CallEnd::Broken(_), CallEnd::Broken(_)) => true,
                        (got, end) => got == end,
                    };
                    if !is_same {
                        bail!("a call ended with {got:?}, and should with {end:?}");
                    }
                }
                Pending::Sql { sql, answer, stats } => {
                    let got = answer.await.context("no answer to a statement")?;
                    let got_stats = got.as_ref().ok().and_then(|results| {
                        let stats = &results.first()?.stats;
                        Some([stats.rows_inserted, stats.rows_deleted, stats.rows_updated])
                    });
                    if got_stats != stats {
                        bail!("`{sql}` came to {got:?}, and should to {stats:?}");
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what a client is due. False if it was cut off for not reading.
    async fn read(&mut self, position: usize) -> Result<bool> {
        let unread = self.clients[position].expected.len();
        // What queues up behind an answer that is still being read does not count.
        let may_end = self.clients[position].is_limited && unread > SMALL_QUEUE;
        while let Some(next) = self.clients[position].expected.pop_front() {
            let client = &mut self.clients[position];
            let mut received =
                client.connection.receive().await.with_context(|| {
                    format!("due at offset {}: {:?}", next.offset, next.expected)
                })?;
            if let Received::Closed(reason) = &received {
                if may_end {
                    return Ok(false);
                }
                bail!("the connection was ended, {unread} messages unread: {reason}");
            }
            received.digest(&mut client.hasher);
            if self.settings.traced == Some(client.name) {
                let (offset, step) = (next.offset, self.step);
                self.trace
                    .push(format!("step {step}, offset {offset}: {received:?}"));
            }
            let dropped = tamper(self.settings.tamper, &mut self.tampered, &mut received);
            if dropped {
                continue;
            }
            note_message(&mut self.counts, &received);
            let schema = &self.model.schema;
            client
                .cache
                .accept(schema, &received, &next)
                .map_err(|error| {
                    let Next {
                        expected, offset, ..
                    } = &next;
                    anyhow!(
                        "{error}\n  at offset {offset}\n  received {received:?}\n  due {expected:?}"
                    )
                })?;
        }
        let client = &mut self.clients[position];
        let contents = self.model.contents(&client.subscriptions, None);
        client
            .cache
            .compare_all(&self.model.schema, &contents)
            .map_err(|error| anyhow!("{error}\n  after all messages"))?;
        if let Some(more) = client.connection.receive_now().await? {
            bail!("a message came that was not due: {more:?}");
        }
        Ok(true)
    }

    /// One more answer for everybody: nothing else is on its way.
    pub(super) async fn say_goodbye(&mut self) -> Result<()> {
        for client in &mut self.clients {
            let id: Box<[u8]> = b"last"[..].into();
            let item = Item::Bad("goodbye".to_owned(), None);
            let ask = ClientMessage::OneOff {
                message_id: Bytes::copy_from_slice(&id),
                query: item.text().into(),
            };
            self.database.ask(&client.connection, ask).await?;
            let next = self.model.one_off(&client.subscriptions, &id, &item);
            client.expected.push_back(next);
        }
        self.settle(true).await?;
        while let Some(last) = self.clients.len().checked_sub(1) {
            self.remove_client(last).await?;
        }
        self.check_state().await
    }

    /// The tables hold what the transactions left, and no client is left over.
    async fn check_state(&self) -> Result<()> {
        self.check_tables().await?;
        let clients = self.database.rows("SELECT * FROM st_client").await?;
        match clients.len() {
            // Whoever asks is one, too.
            1 => Ok(()),
            more => bail!("{more} clients are left, and should be 1"),
        }
    }

    pub(super) async fn check_tables(&self) -> Result<()> {
        for (position, table) in self.model.schema.tables.iter().enumerate() {
            let mut rows = self
                .database
                .rows(&format!("SELECT * FROM {}", table.name))
                .await?;
            rows.sort_unstable();
            let want = self.model.state.rows(position);
            let is_same = rows.len() == want.len()
                && rows
                    .iter()
                    .zip(want.keys())
                    .all(|(row, want)| **row == **want);
            if !is_same {
                let name = &table.name;
                bail!("table {name} holds {rows:?}\n  and should hold {want:?}");
            }
        }
        Ok(())
    }

    /// Every index of one column finds the rows with some of the values, and no others.
    pub(super) async fn check_indexes(&mut self) -> Result<()> {
        let schema = std::sync::Arc::clone(&self.model.schema);
        for (position, table) in schema.tables.iter().enumerate() {
            for index in &table.indexes {
                let [column] = *index.columns.as_slice() else {
                    continue;
                };
                let Column { name, ty, spread } = &table.columns[column];
                let value = ty.random(*spread, &mut self.random, &self.model.people);
                let Some(literal) = value.sql() else {
                    continue;
                };
                let sql = format!("SELECT * FROM {} WHERE {name} = {literal}", table.name);
                let mut rows = self.database.rows(&sql).await?;
                rows.sort_unstable();
                let all = self.model.state.rows(position).iter();
                let want: Vec<&[u8]> = all
                    .filter(|(_, row)| row.values[column] == value)
                    .map(|(bytes, _)| &**bytes)
                    .collect();
                if rows.iter().map(|row| &**row).ne(want.iter().copied()) {
                    bail!("`{sql}` finds {rows:?}\n  and should find {want:?}");
                }
            }
        }
        Ok(())
    }
}

fn note_message(counts: &mut Activations, received: &Received) {
    counts.count(Kind::Message);
    counts.add(Kind::Update, usize::from(received.is_update()));
    let (Received::Update(changes) | Received::Result { changes, .. }) = received else {
        return;
    };
    for change in changes {
        match change.is_event {
            true => counts.add(Kind::EventRow, change.inserts.len()),
            false => counts.add(Kind::RowInserted, change.inserts.len()),
        }
        counts.add(Kind::RowDeleted, change.deletes.len());
        let mut rows: Vec<&[u8]> = change.inserts.iter().map(AsRef::as_ref).collect();
        rows.sort_unstable();
        let repeated = rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
        counts.add(Kind::RepeatedRow, repeated);
    }
}

/// Makes a message wrong if it is the one. True if it is to be left out.
fn tamper(tamper: Tamper, done: &mut bool, received: &mut Received) -> bool {
    if *done {
        return false;
    }
    match (tamper, received) {
        (Tamper::DropUpdate, Received::Update(_)) => {
            *done = true;
            true
        }
        (Tamper::RepeatUpdate, Received::Update(changes)) => {
            *done = true;
            let again = changes.clone();
            changes.extend(again);
            false
        }
        (Tamper::DropRow, Received::Applied { rows, .. }) => {
            let full = rows.iter_mut().find(|(_, rows)| !rows.is_empty());
            if let Some((_, rows)) = full {
                rows.pop();
                *done = true;
            }
            false
        }
        _ => false,
    }
}
