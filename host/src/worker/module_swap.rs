//! Putting a module in place: the first one with its tables and `init`, later ones over the data,
//! which is brought to their tables in the same transaction.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_table::migrate::{self, Applied, MigrationPlan, Mode, Step, Style};
use spacetime_table::system::StModule;
use spacetime_table::{Datastore, TxDelta};
use spacetime_types::module_def::{DefVersion, Lifecycle};
use spacetime_types::{ConnectionId, Hash, TxOffset};

use super::Worker;
use super::calls::{StepError, Transaction};
use super::views::ComputedView;
use crate::limits::MIGRATION_BYTES_MAX;
use crate::module::LiveModule;
use crate::module_log::{Level, Record};
use crate::module_schema::{database_def, table_defs};
use crate::outbox::{OutboxMessage, ReducerOutcome};
use crate::publish::{
    MigrationPolicy, ModuleUpdate, Outlook, PrePublished, PreparedModule, PublishError,
    migration_token, refusal_text,
};
use crate::request::ClientId;
use crate::session_rows;
use crate::views::InstanceId;
use crate::visibility::replace_rules;
use crate::wasm::Quota;

/// `st_module.program_kind` of WebAssembly.
const WASM: u8 = 0;

impl Worker {
    /// The first transaction of a database: its tables, the program, `init`. Durable on return.
    pub(crate) fn initialize(&mut self, prepared: &PreparedModule) -> Result<(), PublishError> {
        let tables = table_defs(&prepared.definition);
        for table in &tables {
            let kind = if table.view.is_some() {
                "table for view"
            } else {
                "table"
            };
            self.host_log(Level::Info, &format!("Creating {kind} `{}`", table.name));
        }
        let rules = prepared.definition.row_level_security();
        for rule in rules {
            self.host_log(
                Level::Info,
                &format!("Creating row level security `{rule}`"),
            );
        }
        let init = self.module.lifecycle(Lifecycle::Init);
        if init.is_some() {
            self.host_log(Level::Info, "Invoking `init` reducer");
        }
        let module_row = self.module_row(prepared);
        let create = |datastore: &mut Datastore| -> Result<(), StepError> {
            for table in &tables {
                datastore.create_table(table)?;
            }
            replace_rules(datastore, rules.iter().map(|rule| &**rule))?;
            session_rows::set_module(datastore, &module_row)?;
            Ok(())
        };
        let delta = self.run_module_transaction(init.as_ref(), create)?;
        self.publish_delta(delta, None);
        self.host_log(Level::Info, "Database initialized");
        Ok(())
    }

    /// Another program over the same data, which is brought to its tables. The old module keeps
    /// running if anything fails. Returns the last transaction before an explicit migration.
    pub(super) fn update(
        &mut self,
        update: &ModuleUpdate,
    ) -> Result<Option<TxOffset>, PublishError> {
        let result = self.try_update(update);
        match &result {
            Ok(_) => self.host_log(Level::Info, "Database updated"),
            Err(error) => {
                self.host_log(Level::Warn, &format!("Database update failed: {error}"));
            }
        }
        result
    }

    fn try_update(&mut self, update: &ModuleUpdate) -> Result<Option<TxOffset>, PublishError> {
        let prepared = &update.module;
        if self.program_hash() == Some(prepared.hash) {
            return Ok(None);
        }
        let plan = self.plan_update(prepared, &update.mode)?;
        self.check_policy(update, &plan)?;
        let restore_point = self.store.last_offset().filter(|_| plan.is_explicit);
        // The old module's views are not computed over the new one's tables.
        let followed = self.views.set_all_stale();
        let old_module = self.take_up(prepared);
        let changed = match self.run_update(prepared, &plan, &followed) {
            Ok(changed) => changed,
            Err(error) => {
                self.module = old_module;
                self.rerun_views();
                return Err(error);
            }
        };
        self.log_migration(&plan, &changed.applied, prepared.hash);
        self.shared.set_module(prepared);
        self.quick_reducers.forget();
        self.keep_views(changed.views);
        let delta = changed.delta;
        if plan.breaks_clients() {
            self.host_log(Level::Info, "Disconnecting all users");
            self.disconnect_all("module exited");
        }
        // Queries are evaluated over the delta only when they fit the tables again.
        self.refresh_subscriptions();
        self.publish_delta(delta, None);
        let now = self.clock.current();
        self.schedule.reload(self.store.datastore(), now);
        Ok(restore_point)
    }

    /// Another module in the place of the one that is given back.
    fn take_up(&mut self, prepared: &PreparedModule) -> LiveModule {
        let module = LiveModule::new(
            prepared,
            self.shared.identity,
            self.shared.log.clone(),
            &self.shared.quota,
        );
        std::mem::replace(&mut self.module, module)
    }

    /// The transaction of an update: the program, the tables, and the views that clients follow,
    /// computed by the module that has been taken up. Durable on return.
    fn run_update(
        &mut self,
        prepared: &PreparedModule,
        plan: &MigrationPlan,
        followed: &[InstanceId],
    ) -> Result<Changed, PublishError> {
        let module_row = self.module_row(prepared);
        self.store.datastore_mut().begin_tx();
        let changed = self.change_everything(&module_row, plan, followed);
        let (applied, views) = changed.inspect_err(|_| self.store.datastore_mut().rollback())?;
        let timestamp = self.clock.now();
        let transaction = Transaction {
            sender: self.shared.owner,
            connection_id: ConnectionId::default(),
            reducer: None,
            args: Bytes::new(),
            log_name: "__update__",
        };
        let delta = match self.commit(&transaction, timestamp) {
            (ReducerOutcome::Committed, delta) => delta,
            (outcome, _) => {
                let reason = format!("the change could not be committed: {outcome:?}");
                return Err(PublishError::Failed(reason.into()));
            }
        };
        self.wait_durable()?;
        Ok(Changed {
            delta,
            applied,
            views,
        })
    }

    fn change_everything(
        &mut self,
        module_row: &StModule,
        plan: &MigrationPlan,
        followed: &[InstanceId],
    ) -> Result<(Applied, Vec<ComputedView>), PublishError> {
        let failed = |reason: String| PublishError::Failed(reason.into());
        let writable = self.store.check_writable();
        writable.map_err(|error| failed(error.to_string()))?;
        let quota = self.shared.quota.clone();
        let datastore = self.store.datastore_mut();
        session_rows::set_module(datastore, module_row)
            .map_err(StepError::from)
            .and_then(|()| apply(datastore, plan, &quota))
            .and_then(|applied| Ok((applied, self.compute_followed(followed)?)))
            .map_err(|error| failed(error.to_string()))
    }

    /// What an update would do: its plan is applied and undone.
    pub(super) fn preview_update(
        &mut self,
        update: &ModuleUpdate,
        style: Style,
    ) -> Result<PrePublished, PublishError> {
        let (old, new) = (self.module.definition(), &update.module.definition);
        let is_old = |version| version != DefVersion::V10;
        let major_version_upgrade = is_old(old.version()) && !is_old(new.version());
        let outcome = match self.plan_update(&update.module, &update.mode) {
            Ok(plan) => self.try_plan(update, &plan, style),
            Err(PublishError::Rejected(reason)) => Outlook::Refused { reason },
            Err(error) => return Err(error),
        };
        Ok(PrePublished {
            outcome,
            major_version_upgrade,
        })
    }

    fn try_plan(&mut self, update: &ModuleUpdate, plan: &MigrationPlan, style: Style) -> Outlook {
        let followed = self.views.followed();
        let old_module = self.take_up(&update.module);
        self.store.datastore_mut().begin_tx();
        let quota = self.shared.quota.clone();
        let applied = apply(self.store.datastore_mut(), plan, &quota).and_then(|applied| {
            self.compute_followed(&followed)?;
            Ok(applied)
        });
        self.store.datastore_mut().rollback();
        self.module = old_module;
        match applied {
            Ok(applied) => {
                let mut text = plan.print(style);
                for line in effects(&applied) {
                    text.push_str(&line);
                    text.push('\n');
                }
                Outlook::Migrates {
                    plan: text.into(),
                    breaks_clients: plan.breaks_clients(),
                    token: self.token(&update.module, &update.mode),
                }
            }
            Err(error) => Outlook::Refused {
                reason: error.to_string().into(),
            },
        }
    }

    fn plan_update(
        &self,
        prepared: &PreparedModule,
        mode: &Mode,
    ) -> Result<MigrationPlan, PublishError> {
        let old = Arc::new(database_def(self.module.definition()));
        let new = Arc::new(database_def(&prepared.definition));
        migrate::plan(&old, &new, mode)
            .map_err(|refusals| PublishError::Rejected(refusal_text(&refusals).into()))
    }

    fn check_policy(
        &self,
        update: &ModuleUpdate,
        plan: &MigrationPlan,
    ) -> Result<(), PublishError> {
        let refuse = |reason: &str| Err(PublishError::Failed(reason.into()));
        match update.policy {
            MigrationPolicy::Compatible if plan.breaks_clients() => refuse(
                "Migration plan contains a client-breaking change which is disallowed under \
                 current policy",
            ),
            MigrationPolicy::BreakClients { token }
                if token != self.token(&update.module, &update.mode) =>
            {
                refuse("Token provided is invalid or does not match expected hash")
            }
            _ => Ok(()),
        }
    }

    fn token(&self, prepared: &PreparedModule, mode: &Mode) -> Hash {
        let old = self.program_hash().unwrap_or(Hash([0; 32]));
        migration_token(self.shared.identity, old, prepared.hash, mode)
    }

    fn program_hash(&self) -> Option<Hash> {
        session_rows::module(self.store.datastore()).map(|module| module.program_hash)
    }

    fn log_migration(&self, plan: &MigrationPlan, applied: &Applied, hash: Hash) {
        for step in &plan.steps {
            let text = match step {
                Step::AddTable { name } => format!("Creating table `{name}`"),
                Step::RemoveTable { name, .. } => format!("Dropping table `{name}`"),
                Step::AddView { name } => format!("Creating table for view `{name}`"),
                Step::RemoveView { name } => format!("Dropping table for view `{name}`"),
                _ => continue,
            };
            self.host_log(Level::Info, &text);
        }
        for line in effects(applied) {
            self.host_log(Level::Info, &line);
        }
        self.host_log(
            Level::Info,
            &format!("Updated program to {}", hash.to_hex()),
        );
    }

    /// Sees every client off: what they know of the tables no longer holds.
    fn disconnect_all(&mut self, reason: &str) {
        let mut clients: Vec<ClientId> = self.clients.keys().copied().collect();
        clients.sort_unstable();
        // No query may be evaluated any more: the tables are others.
        for client in &clients {
            if let Some(found) = self.clients.get_mut(client) {
                let subscriptions = std::mem::take(&mut found.subscriptions);
                self.drop_subscriptions(*client, &subscriptions);
            }
        }
        for client in clients {
            let reason = reason.into();
            self.send(client, OutboxMessage::Closed { reason });
            self.disconnect(client);
        }
    }

    /// Runs a transaction that is durable on return; subscribers are not told yet.
    fn run_module_transaction(
        &mut self,
        reducer: Option<&Arc<crate::module::Reducer>>,
        change: impl FnOnce(&mut Datastore) -> Result<(), StepError>,
    ) -> Result<Option<Arc<TxDelta>>, PublishError> {
        let transaction = Transaction {
            sender: self.shared.owner,
            connection_id: ConnectionId::default(),
            reducer,
            args: Bytes::new(),
            log_name: reducer.map_or("__update__", |reducer| &reducer.name),
        };
        let ran = self.run_transaction(&transaction, change, |_| Ok(()));
        match ran.outcome {
            ReducerOutcome::Committed => {}
            ReducerOutcome::OutOfBudget => {
                return Err(PublishError::Failed(
                    "the time limit of `init` is used up".into(),
                ));
            }
            ReducerOutcome::Failed(message)
            | ReducerOutcome::Refused(message)
            | ReducerOutcome::Fatal(message) => return Err(PublishError::Failed(message)),
        }
        self.wait_durable()?;
        Ok(ran.delta)
    }

    fn wait_durable(&mut self) -> Result<(), PublishError> {
        let waited = self.store.wait_durable(self.store.last_offset());
        waited.map_err(|error| PublishError::NotDurable(error.to_string().into()))
    }

    fn module_row(&self, prepared: &PreparedModule) -> StModule {
        StModule {
            database_identity: self.shared.identity,
            owner_identity: self.shared.owner,
            program_kind: WASM,
            program_hash: prepared.hash,
            program_bytes: prepared.bytes.to_vec(),
            module_version: "0.0.1".into(),
        }
    }

    pub(super) fn host_log(&self, level: Level, message: &str) {
        self.shared.log.append(&Record::host(level, message));
    }
}

/// What the transaction of an update did.
struct Changed {
    delta: Option<Arc<TxDelta>>,
    applied: Applied,
    views: Vec<ComputedView>,
}

/// Brings tables and rules to the plan's new definition. If this fails, the transaction has to be
/// undone.
fn apply(
    datastore: &mut Datastore,
    plan: &MigrationPlan,
    quota: &Quota,
) -> Result<Applied, StepError> {
    let before = quota.bytes_of(datastore);
    let applied = datastore.apply_migration(plan, MIGRATION_BYTES_MAX)?;
    quota.check_rows(before, quota.bytes_of(datastore))?;
    replace_rules(datastore, plan.new.filters.iter().map(|rule| &**rule))?;
    Ok(applied)
}

fn later_line((sequence, value): &(Arc<str>, i128)) -> String {
    format!("Sequence `{sequence}` begins at {value}, behind the values that are there.")
}

/// What a migration did to rows, a line each.
fn effects(applied: &Applied) -> Vec<String> {
    let Applied {
        rewritten,
        merged,
        dropped,
        later,
    } = applied;
    let lines = |what: &str, tables: &[(Arc<str>, u64)]| -> Vec<String> {
        let line = |(table, rows): &(Arc<str>, u64)| format!("Table `{table}`: {rows} {what}");
        tables.iter().map(line).collect()
    };
    [
        lines("row(s) are written anew.", rewritten),
        lines(
            "row(s) equal another one without the removed columns, and go.",
            merged,
        ),
        lines("row(s) are deleted.", dropped),
        later.iter().map(later_line).collect(),
    ]
    .concat()
}
