//! Indexes, counters and cached schemas agree with the rows.

use spacetime_table::Datastore;

use crate::violation::Violation;

pub fn check_integrity(datastore: &mut Datastore) -> Result<(), Violation> {
    let checked = datastore.check_integrity();
    checked.map_err(|error| Violation::new("integrity", error.to_string()))
}
