//! What the schedule asks for: each request is queued, and the messages that must follow from it
//! are noted.

use std::collections::VecDeque;

use anyhow::Result;
use bytes::Bytes;
use spacetime_api::ws::{ClientMessage, Compression, Protocol};
use spacetime_host::{CallArgs, Caller, OutboxLimits, QuerySetId};

use super::{Client, Pending, Run, SMALL_QUEUE, has_rules};
use crate::activation::Kind;
use crate::cache::Cache;
use crate::message::{CallEnd, Expected};
use crate::model::{Changes, Dialect, Item, OWNER, Subscriptions};
use crate::module;
use crate::query::bad_query;
use crate::schema::REDUCER;
use crate::script::{Author, Script, StatementKind};
use crate::server::caller;
use crate::wire::{SINGLES, Wire};

impl Run<'_> {
    pub(super) async fn call(&mut self) -> Result<()> {
        let position = self.random.index(self.clients.len());
        let quiet =
            self.clients[position].subscriptions.dialect != Dialect::Sets && self.random.chance(20);
        let script = self.random_script();
        if self.settings.undone {
            for undone in self.undone(&script) {
                self.call_as(position, quiet, undone).await?;
            }
        }
        self.call_as(position, quiet, script).await
    }

    /// The same script with an end after each of its changes.
    fn undone(&mut self, script: &Script) -> Vec<Script> {
        // Whatever ends a script is its last step.
        let changes = match script.end {
            CallEnd::Committed => script.steps.len(),
            _ => script.steps.len().saturating_sub(1),
        };
        let cut = |len: usize| {
            let mut steps = script.steps[..len].to_vec();
            let end = if self.random.chance(20) {
                steps.push(module::Step::Trap);
                CallEnd::Broken("".into())
            } else {
                steps.push(module::Step::Fail);
                CallEnd::Failed(module::FAILED.into())
            };
            let after = self.model.state.clone();
            Script { steps, end, after }
        };
        (0..=changes).map(cut).collect()
    }

    async fn call_as(&mut self, position: usize, quiet: bool, script: Script) -> Result<()> {
        self.counts.count(match quiet {
            true => Kind::QuietCall,
            false => Kind::ClientCall,
        });
        let request = self.clients[position].next_request();
        let ask = ClientMessage::CallReducer {
            request_id: request,
            reducer: REDUCER.into(),
            args: CallArgs::Bsatn(module::arguments(&script.steps).into()),
            quiet,
        };
        self.database
            .ask(&self.clients[position].connection, ask)
            .await?;
        let caller = (!quiet).then_some(position);
        let changes = self.commit(script.after, &script.end, caller);
        if !quiet {
            let client = &mut self.clients[position];
            let next = self
                .model
                .call_result(&client.subscriptions, request, script.end, &changes);
            client.expected.push_back(next);
        }
        Ok(())
    }

    pub(super) async fn bad_call(&mut self) -> Result<()> {
        let position = self.random.index(self.clients.len());
        let client = &mut self.clients[position];
        let request = client.next_request();
        let is_unknown = self.random.chance(50);
        let ask = ClientMessage::CallReducer {
            request_id: request,
            reducer: if is_unknown { "nothing" } else { REDUCER }.into(),
            // Not what the reducer takes.
            args: CallArgs::Bsatn(vec![1, 2, 3].into()),
            quiet: false,
        };
        self.database.ask(&client.connection, ask).await?;
        let end = CallEnd::Broken("".into());
        let next = self
            .model
            .call_result(&client.subscriptions, request, end, &Changes::new());
        client.expected.push_back(next);
        Ok(())
    }

    /// A call from outside any connection, by the owner.
    pub(super) async fn outside(&mut self, script: Script) -> Result<()> {
        self.counts.count(Kind::OutsideCall);
        let arguments = module::arguments(&script.steps);
        let owner = caller(self.model.people[OWNER], 7);
        let answer = self.database.call_once(owner, REDUCER, arguments).await?;
        self.commit(script.after, &script.end, None);
        self.pending.push(Pending::Call {
            answer,
            end: script.end,
        });
        Ok(())
    }

    /// Changes that only the owner can see.
    pub(super) async fn hidden_change(&mut self) -> Result<()> {
        if self.settings.hidden.is_none() || !self.hidden.chance(40) {
            return Ok(());
        }
        let tables = &self.model.schema.tables;
        let private: Vec<usize> = (0..tables.len())
            .filter(|table| !tables[*table].is_public)
            .collect();
        let author = Author {
            schema: &self.model.schema,
            people: &self.model.people,
            ids: &self.ids,
        };
        let script = author.script(&mut self.hidden, &self.model.state, &private);
        self.counts.count(Kind::HiddenChange);
        self.outside(script).await
    }

    pub(super) async fn statement(&mut self) -> Result<()> {
        let author = Author {
            schema: &self.model.schema,
            people: &self.model.people,
            ids: &self.ids,
        };
        let statement = author.statement(&mut self.random, &self.model.state, &self.writable);
        let answer = self.database.sql(&statement.sql).await?;
        let stats = statement.outcome.as_ref().map(|(stats, _)| *stats);
        match statement.outcome {
            Some((_, after)) => {
                self.counts.count(match statement.kind {
                    StatementKind::Insert => Kind::SqlInsert,
                    StatementKind::Update => Kind::SqlUpdate,
                    StatementKind::Delete => Kind::SqlDelete,
                });
                self.commit(after, &CallEnd::Committed, None);
            }
            None => self.counts.count(Kind::SqlRefused),
        }
        self.pending.push(Pending::Sql {
            sql: statement.sql,
            answer,
            stats,
        });
        Ok(())
    }

    /// Some client, with a name of the kind that its protocol has.
    fn set_name(&mut self, position: usize) -> QuerySetId {
        let number = u32::try_from(self.random.below(7)).expect("below seven");
        match self.clients[position].subscriptions.dialect {
            Dialect::Legacy => QuerySetId::Legacy,
            Dialect::Sets => QuerySetId::Set(number),
            Dialect::Shared if number < SINGLES => QuerySetId::Single(number),
            Dialect::Shared => QuerySetId::Multi(number),
        }
    }

    fn items(&mut self, position: usize, set: QuerySetId) -> Vec<Item> {
        let len = match set {
            QuerySetId::Single(_) => 1,
            _ if self.random.chance(2) => 0,
            _ => self.random.between(1, 4),
        };
        let mut items: Vec<Item> = (0..len).map(|_| self.item(position)).collect();
        if !matches!(set, QuerySetId::Single(_)) && self.random.chance(7) {
            items.insert(0, Item::All);
        }
        self.keep_distinct(&mut items);
        if self.random.chance(6) {
            let (text, part) = bad_query(&mut self.random, &self.model.schema);
            items = vec![Item::Bad(text, part)];
        }
        items
    }

    /// Under rules two queries may come to mean the same, and a set tells of such once. Keeps one
    /// query for each returned table where that may be.
    fn keep_distinct(&self, items: &mut Vec<Item>) {
        let schema = &self.model.schema;
        if !has_rules(schema) {
            return;
        }
        if items.iter().any(|item| matches!(item, Item::All)) {
            items.retain(|item| matches!(item, Item::All));
            return;
        }
        let mut returned = Vec::new();
        items.retain(|item| {
            let Item::Query(query, _) = item else {
                return true;
            };
            let table = self.model.pool[*query].returned_table();
            let is_new = !returned.contains(&table);
            returned.push(table);
            is_new
        });
    }

    fn item(&mut self, position: usize) -> Item {
        let client = &self.clients[position].subscriptions;
        let held: Vec<usize> = client
            .sets
            .values()
            .flatten()
            .map(|(query, _)| *query)
            .collect();
        let mut query = self.random.index(self.model.pool.len());
        if !held.is_empty() && self.random.chance(20) {
            query = *self.random.pick(&held);
        }
        // Most of what clients ask for is theirs to ask.
        for _ in 0..10 {
            let person = self.clients[position].subscriptions.person;
            if self.model.may_read(person, &self.model.pool[query]) || self.random.chance(3) {
                break;
            }
            query = self.random.index(self.model.pool.len());
        }
        let text = self.model.pool[query].sql(&self.model.schema, &mut self.random);
        Item::Query(query, text)
    }

    fn note_items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::All => self.counts.count(Kind::SubscribeAll),
                Item::Bad(..) => {}
                Item::Query(query, _) => {
                    let query = &self.model.pool[*query];
                    if let [first, others @ ..] = query.tables.as_slice()
                        && !others.is_empty()
                    {
                        self.counts.count(Kind::Join);
                        let is_self = others.contains(first);
                        self.counts.add(Kind::SelfJoin, usize::from(is_self));
                        let is_longer = others.len() > 1;
                        self.counts.add(Kind::LongJoin, usize::from(is_longer));
                    }
                    self.counts.add(Kind::Top, usize::from(query.top.is_some()));
                    let uses_sender = query.uses_sender();
                    self.counts.add(Kind::Sender, usize::from(uses_sender));
                }
            }
        }
    }

    /// A new client, which subscribes to something.
    pub(super) async fn arrive(&mut self) -> Result<()> {
        self.connect().await?;
        for _ in 0..self.random.between(0, 3) {
            self.subscribe(self.clients.len() - 1).await?;
        }
        Ok(())
    }

    pub(super) async fn subscribe(&mut self, position: usize) -> Result<()> {
        let set = self.set_name(position);
        let items = self.items(position, set);
        self.note_items(&items);
        let client = &mut self.clients[position];
        let request = client.next_request();
        let ask = ClientMessage::Subscribe {
            request_id: request,
            query_set: set,
            queries: items.iter().map(|item| item.text().into()).collect(),
        };
        self.database.ask(&client.connection, ask).await?;
        let next = self
            .model
            .subscribe(&mut client.subscriptions, request, set, &items);
        match &next.expected {
            Expected::Refused { part, .. } if *part == Some("already exists") => {
                self.counts.count(Kind::SubscribeTwice);
            }
            Expected::Refused { .. } => self.counts.count(Kind::SubscribeRefused),
            Expected::Applied { rows, .. } => {
                self.counts.count(Kind::Subscribe);
                let many = rows.iter().map(|(_, bag)| bag.len()).sum::<usize>() > 512;
                self.counts.add(Kind::ManyFirstRows, usize::from(many));
                let held = client.subscriptions.sets.get(&set).map_or(0, Vec::len);
                let is_shared = rows.len() < held;
                self.counts
                    .add(Kind::SharedSubscription, usize::from(is_shared));
            }
            _ => {}
        }
        client.expected.push_back(next);
        Ok(())
    }

    pub(super) async fn unsubscribe(&mut self) -> Result<()> {
        let position = self.random.index(self.clients.len());
        let client = &self.clients[position];
        let known: Vec<QuerySetId> = client.subscriptions.sets.keys().copied().collect();
        let dialect = client.subscriptions.dialect;
        // A legacy set has no end.
        if dialect == Dialect::Legacy {
            return Ok(());
        }
        let set = match known.is_empty() || self.random.chance(10) {
            true => self.set_name(position),
            false => *self.random.pick(&known),
        };
        let with_rows = dialect == Dialect::Shared || self.random.chance(50);
        let client = &mut self.clients[position];
        let request = client.next_request();
        let ask = ClientMessage::Unsubscribe {
            request_id: request,
            query_set: set,
            send_dropped: with_rows,
        };
        self.database.ask(&client.connection, ask).await?;
        let next = self
            .model
            .unsubscribe(&mut client.subscriptions, request, set, with_rows);
        self.counts.count(match &next.expected {
            Expected::Ended { rows: Some(_), .. } => Kind::DroppedRows,
            Expected::Ended { rows: None, .. } => Kind::Unsubscribe,
            _ => Kind::UnsubscribeUnknown,
        });
        client.expected.push_back(next);
        Ok(())
    }

    pub(super) async fn one_off(&mut self) -> Result<()> {
        let position = self.random.index(self.clients.len());
        let mut item = self.item(position);
        if self.random.chance(10) {
            item = Item::Bad("SELECT * FROM nowhere".to_owned(), None);
        }
        let client = &mut self.clients[position];
        let id: Box<[u8]> = client.next_request().to_le_bytes().into();
        let ask = ClientMessage::OneOff {
            message_id: Bytes::copy_from_slice(&id),
            query: item.text().into(),
        };
        self.database.ask(&client.connection, ask).await?;
        let next = self.model.one_off(&client.subscriptions, &id, &item);
        self.counts.count(match &next.expected {
            Expected::OneOff { rows: Some(_), .. } => Kind::OneOff,
            _ => Kind::OneOffRefused,
        });
        client.expected.push_back(next);
        Ok(())
    }

    async fn connect(&mut self) -> Result<()> {
        let name = self.names;
        self.names += 1;
        // The last of them only has rows.
        let person = self.random.index(self.model.people.len() - 1);
        let dialect = match self.random.weighted(&[10, 25, 65]) {
            0 => Dialect::Legacy,
            1 if !has_rules(&self.model.schema) => Dialect::Shared,
            _ => Dialect::Sets,
        };
        // Only where it is certain how many messages are in the queue: none is held back until it
        // is durable, and no answer is waited for.
        // Whether one is cut off must not depend on what is hidden from others, either.
        let is_limited = dialect == Dialect::Sets
            && self.large.is_none()
            && self.random.chance(15)
            && self.settings.hidden.is_none();
        let confirmed = !is_limited && self.random.chance(15);
        let mut limits = OutboxLimits::default();
        if is_limited {
            limits.messages_max = SMALL_QUEUE;
        }
        let number = u128::try_from(name).expect("few clients");
        let who = caller(self.model.people[person], 1000 + number);
        let event_tables = dialect == Dialect::Sets;
        let wire = self.wire(dialect, &who);
        let connection = self
            .database
            .connect(who, confirmed, event_tables, limits, wire)
            .await?;
        self.counts.count(Kind::Connect);
        self.clients.push(Client {
            name,
            connection,
            subscriptions: Subscriptions {
                person,
                dialect,
                sets: std::collections::BTreeMap::new(),
            },
            cache: Cache::default(),
            expected: VecDeque::new(),
            asleep_until: 0,
            is_limited,
            requests: 0,
            hasher: blake3::Hasher::new(),
        });
        Ok(())
    }

    /// The protocol that a client speaks, if its messages are not taken as they are.
    fn wire(&mut self, dialect: Dialect, who: &Caller) -> Option<Wire> {
        let protocol = match dialect {
            Dialect::Legacy | Dialect::Shared => Protocol::V1,
            Dialect::Sets => *self.random.pick(&[Protocol::V2, Protocol::V3]),
        };
        let compression =
            *self
                .random
                .pick(&[Compression::None, Compression::Brotli, Compression::Gzip]);
        let is_raw = self.random.chance(40);
        (!is_raw).then(|| Wire::new(protocol, compression, dialect, who))
    }

    pub(super) async fn reconnect(&mut self) -> Result<()> {
        let position = self.random.index(self.clients.len());
        self.remove_client(position).await?;
        match self.clients.len() < 3 || self.random.chance(85) {
            true => self.arrive().await,
            false => Ok(()),
        }
    }

    pub(super) async fn remove_client(&mut self, position: usize) -> Result<()> {
        let mut client = self.clients.swap_remove(position);
        self.model.disconnect(&mut client.subscriptions);
        self.counts.count(Kind::Disconnect);
        let is_public = client.subscriptions.person != OWNER;
        let hash = client.hasher.finalize();
        self.told.push((client.name, is_public, hash));
        self.database.disconnect(client.connection).await
    }
}
