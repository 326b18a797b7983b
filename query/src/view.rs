//! The rows of one instance of a view among those of all instances.
//!
//! A view's table has a hidden first column, the hash of the arguments it was computed for. A query
//! of the view means the rows of the caller's instance.

use spacetime_table::system::StView;
use spacetime_table::{Datastore, TableSchema};
use spacetime_types::Identity;

use crate::ast::Comparison;
use crate::catalogue::Caller;
use crate::column_kind::Order;
use crate::predicate::{Compare, Operand, Predicate, Slot};

const DOMAIN: &[u8] = b"spacetimedb::view::args::v1\0";

/// The hash that marks the rows of a view's instance, as the bytes of its column: of the one
/// instance of an anonymous view (`None`), or of a sender's.
#[must_use]
pub fn view_instance(sender: Option<Identity>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DOMAIN);
    if let Some(sender) = sender {
        let mut bytes = sender.to_be_bytes();
        bytes.reverse();
        hasher.update(&bytes);
    }
    *hasher.finalize().as_bytes()
}

/// The condition that table `table` of a statement holds rows of the caller's instance only;
/// `None` for tables that are no views.
pub(crate) fn instance_condition(
    datastore: &Datastore,
    schema: &TableSchema,
    caller: &Caller,
    table: usize,
) -> Option<Predicate> {
    let view = schema.view?;
    let is_anonymous = datastore
        .system_rows::<StView>()
        .any(|(_, row)| row.view_id == view && row.is_anonymous);
    let hash = view_instance((!is_anonymous).then_some(caller.identity));
    Some(Predicate::Compare(Compare {
        operator: Comparison::Eq,
        order: Order::Unsigned(32),
        left: Operand::Column(Slot { table, column: 0 }),
        right: Operand::Value(hash.to_vec()),
    }))
}

#[cfg(test)]
mod tests {
    use spacetime_types::{Identity, hex};

    use super::view_instance;

    #[test]
    fn instances_have_the_known_hashes() {
        let counting = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
        let cases = [
            (
                None,
                "e8b8b119022591171d4b06f6240a1ee6c7a4b209b187d2e07b973c1e54e2e8b2",
            ),
            (
                Some([1; 32]),
                "6c485efa8c427efffd22f89bfb5575664017678eeff1d764fbbc49c56ccb55a8",
            ),
            (
                Some(counting),
                "506d9973347df48dca45d409ffb7c46318f4e4626247dfd6770aa108484317c6",
            ),
        ];
        for (sender, expected) in cases {
            let sender = sender.map(Identity::from_be_bytes);
            assert_eq!(hex::encode(&view_instance(sender)), expected);
        }
    }
}
