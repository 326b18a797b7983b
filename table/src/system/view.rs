//! Rows about views. `st_view_sub` and `st_view_arg` are legacy: they must exist and stay empty.

use std::sync::Arc;

use spacetime_types::{ColId, Identity, TableId};

use super::system_rows;
use crate::schema::ViewId;

system_rows! {
    /// A view.
    StView in ST_VIEW {
        view_id: ViewId,
        view_name: Arc<str>,
        /// The backing table.
        table_id: Option<TableId>,
        is_public: bool,
        is_anonymous: bool,
    }

    /// A parameter of a view; the type is as declared.
    StViewParam in ST_VIEW_PARAM {
        view_id: ViewId,
        param_pos: ColId,
        param_name: Arc<str>,
        param_type: Vec<u8>,
    }

    /// A result column of a view; the type is as declared.
    StViewColumn in ST_VIEW_COLUMN {
        view_id: ViewId,
        col_pos: ColId,
        col_name: Arc<str>,
        col_type: Vec<u8>,
    }

    /// Legacy.
    StViewSub in ST_VIEW_SUB {
        view_id: ViewId,
        arg_id: u64,
        identity: Identity,
        num_subscribers: u64,
        has_subscribers: bool,
        last_called: i64,
    }

    /// Legacy.
    StViewArg in ST_VIEW_ARG {
        id: u64,
        bytes: Vec<u8>,
    }
}
