//! The planted bugs of all crates, by name. Without the feature `planted-bugs` there are none.
//!
//! A bug is on for the whole process, so a test that uses one has a process of its own.

use spacetime_commitlog::planted::Bug as LogBug;
use spacetime_snapshot::planted::PlantedBug as SnapshotBug;
use spacetime_store::planted::Bug as StoreBug;
use spacetime_table::planted::Bug as TableBug;

/// There is no such bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no bug is called `{name}`; there are: {}", .there_are.join(", "))]
pub struct NoSuchBug {
    name: String,
    there_are: Vec<String>,
}

/// A bug that can be switched on.
#[derive(Clone, Copy, Debug)]
pub enum PlantedBug {
    Log(LogBug),
    Snapshot(SnapshotBug),
    Store(StoreBug),
    Table(TableBug),
}

const SNAPSHOT_BUGS: [SnapshotBug; 3] = [
    SnapshotBug::ManifestBeforePackSync,
    SnapshotBug::NoDirSyncAfterManifest,
    SnapshotBug::RetentionRemovesNeededPack,
];

impl PlantedBug {
    /// All of them; none in a build without them.
    #[must_use]
    pub fn all() -> Vec<PlantedBug> {
        if !cfg!(feature = "planted-bugs") {
            return Vec::new();
        }
        let log = LogBug::ALL.into_iter().map(PlantedBug::Log);
        let table = TableBug::ALL.into_iter().map(PlantedBug::Table);
        let store = StoreBug::ALL.into_iter().map(PlantedBug::Store);
        let snapshot = SNAPSHOT_BUGS.into_iter().map(PlantedBug::Snapshot);
        log.chain(table).chain(store).chain(snapshot).collect()
    }

    pub fn named(name: &str) -> Result<PlantedBug, NoSuchBug> {
        let all = PlantedBug::all();
        let found = all.iter().find(|bug| bug.name() == name);
        found.copied().ok_or_else(|| NoSuchBug {
            name: name.to_owned(),
            there_are: all.iter().map(|bug| bug.name()).collect(),
        })
    }

    #[must_use]
    pub fn name(self) -> String {
        match self {
            PlantedBug::Log(bug) => format!("log-{}", bug.name()),
            PlantedBug::Snapshot(bug) => format!("snapshot-{bug:?}"),
            PlantedBug::Store(bug) => format!("store-{}", bug.name()),
            PlantedBug::Table(bug) => format!("table-{}", bug.name()),
        }
    }

    /// Switches this one on, and all others off.
    pub fn switch_on(self) {
        switch(Some(self));
    }

    pub fn switch_all_off() {
        switch(None);
    }
}

#[cfg(feature = "planted-bugs")]
fn switch(bug: Option<PlantedBug>) {
    let log = match bug {
        Some(PlantedBug::Log(bug)) => Some(bug),
        _ => None,
    };
    let snapshot = match bug {
        Some(PlantedBug::Snapshot(bug)) => Some(bug),
        _ => None,
    };
    let store = match bug {
        Some(PlantedBug::Store(bug)) => Some(bug),
        _ => None,
    };
    spacetime_store::planted::switch(store);
    let table = match bug {
        Some(PlantedBug::Table(bug)) => Some(bug),
        _ => None,
    };
    spacetime_commitlog::planted::switch(log);
    spacetime_table::planted::switch(table);
    spacetime_snapshot::planted::plant(snapshot);
}

#[cfg(not(feature = "planted-bugs"))]
fn switch(_: Option<PlantedBug>) {}
