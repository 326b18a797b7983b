//! Putting a module in place: the first one with its tables and `init`, later ones over the data.

use bytes::Bytes;
use rustc_hash::FxHashMap;
use spacetime_table::Datastore;
use spacetime_table::definition::TableDef;
use spacetime_table::system::StModule;
use spacetime_types::ConnectionId;
use spacetime_types::module_def::Lifecycle;

use super::Worker;
use super::calls::{StepError, Transaction};
use crate::module::LiveModule;
use crate::module_log::{Level, Record};
use crate::module_schema::table_defs;
use crate::outbox::ReducerOutcome;
use crate::publish::{PreparedModule, PublishError};
use crate::session_rows;
use crate::visibility::replace_rules;

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
        self.run_module_transaction(init.as_ref(), create)?;
        self.host_log(Level::Info, "Database initialized");
        Ok(())
    }

    /// Another program over the same data. Clients stay connected. The old module keeps running
    /// if anything fails.
    pub(super) fn update(&mut self, prepared: &PreparedModule) -> Result<(), PublishError> {
        let result = self.try_update(prepared);
        match &result {
            Ok(()) => self.host_log(Level::Info, "Database updated"),
            Err(error) => {
                self.host_log(Level::Warn, &format!("Database update failed: {error}"));
            }
        }
        result
    }

    fn try_update(&mut self, prepared: &PreparedModule) -> Result<(), PublishError> {
        let old = table_defs(self.module.definition());
        let added = added_tables(&old, table_defs(&prepared.definition))?;
        let rules = prepared.definition.row_level_security();
        let mut rules_changed = false;
        let module_row = self.module_row(prepared);
        let change = |datastore: &mut Datastore| -> Result<(), StepError> {
            for table in &added {
                datastore.create_table(table)?;
            }
            rules_changed = replace_rules(datastore, rules.iter().map(|rule| &**rule))?;
            session_rows::set_module(datastore, &module_row)?;
            Ok(())
        };
        // The old module's views are not computed over the new one's tables.
        self.views.set_all_stale();
        if let Err(error) = self.run_module_transaction(None, change) {
            self.rerun_views();
            return Err(error);
        }
        self.host_log(
            Level::Info,
            &format!("Updated program to {}", prepared.hash.to_hex()),
        );
        self.module = LiveModule::new(
            prepared,
            self.shared.identity,
            self.shared.log.clone(),
            self.shared.call_limits,
        );
        self.shared.set_definition(prepared.definition.clone());
        self.refresh_subscriptions();
        self.rerun_views();
        let now = self.clock.now();
        self.schedule.reload(self.store.datastore(), now);
        if rules_changed {
            // What clients hold may be more than they are to see now.
            self.host_log(Level::Info, "Disconnecting all users");
            self.close_clients("module exited");
        }
        Ok(())
    }

    fn run_module_transaction(
        &mut self,
        reducer: Option<&std::sync::Arc<crate::module::Reducer>>,
        change: impl FnOnce(&mut Datastore) -> Result<(), StepError>,
    ) -> Result<(), PublishError> {
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
        self.publish_delta(ran.delta, None);
        self.store
            .wait_durable(self.store.last_offset())
            .map_err(|error| PublishError::NotDurable(error.to_string().into()))
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

/// The tables that only the new module has. Any other difference would touch stored rows.
fn added_tables(old: &[TableDef], new: Vec<TableDef>) -> Result<Vec<TableDef>, PublishError> {
    let mut old: FxHashMap<&str, &TableDef> =
        old.iter().map(|table| (&*table.name, table)).collect();
    let mut added = Vec::new();
    for table in new {
        match old.remove(&*table.name) {
            Some(same) if *same == table => {}
            Some(_) => {
                let reason = format!(
                    "table `{}` changed; publish with the same definition, or clear the database",
                    table.name
                );
                return Err(PublishError::Rejected(reason.into()));
            }
            None => added.push(table),
        }
    }
    if let Some(name) = old.keys().min() {
        let reason = format!(
            "table `{name}` is missing from the new module; keep it, or clear the database"
        );
        return Err(PublishError::Rejected(reason.into()));
    }
    Ok(added)
}
