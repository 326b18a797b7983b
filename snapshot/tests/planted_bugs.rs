//! Bugs at the places where they could be made: the crash tests catch each of them.

#![cfg(feature = "planted-bugs")]

mod state;

use spacetime_snapshot::planted::{PlantedBug, plant};
use state::sweep::sweep;

#[test]
fn each_is_caught() {
    let bugs = [
        PlantedBug::ManifestBeforePackSync,
        PlantedBug::NoDirSyncAfterManifest,
        PlantedBug::RetentionRemovesNeededPack,
    ];
    for bug in bugs {
        plant(Some(bug));
        let found = sweep(8, |_| {});
        plant(None);
        eprintln!("{bug:?}: {found:?}");
        assert!(found.failures() > 0, "{bug:?} was not caught: {found:?}");
    }
    assert_eq!(sweep(2, |_| {}).failures(), 0);
}
