//! `/v1/database/:db/sql`.

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use spacetime_host::{ReadError, SqlError, SqlResult};
use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, type_to_json, write_bsatn};
use spacetime_types::{AlgebraicType, TxOffset, Typespace};

use super::ApiState;
use super::call::{DURATION, connect_refused};
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use crate::auth::Session;
use crate::clock;

#[derive(Debug, Deserialize)]
pub(super) struct SqlParams {
    /// Answer only when what was read or written is durable.
    #[serde(default = "yes")]
    confirmed: bool,
    /// Ask the state after this transaction instead of the present one.
    at_tx: Option<u64>,
}

fn yes() -> bool {
    true
}

impl SqlParams {
    /// For a question about the present.
    pub(super) fn present(confirmed: bool) -> Self {
        SqlParams {
            confirmed,
            at_tx: None,
        }
    }
}

/// Runs a statement and answers with its rows.
pub(super) async fn sql(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<SqlParams>,
    text: String,
) -> Result<Response, ApiError> {
    run(&state, &session, &database, params, &text).await
}

/// The same, for whoever has the parts of the request already.
pub(super) async fn run(
    state: &ApiState,
    session: &Session,
    database: &str,
    params: SqlParams,
    text: &str,
) -> Result<Response, ApiError> {
    let database = open(state, database)?;
    let results = match params.at_tx {
        Some(at) => {
            if session.identity() != database.owner() {
                let (caller, identity) = (session.identity(), database.identity());
                return Err(ApiError::forbidden(caller, identity, "query the past"));
            }
            let result = database.sql_at(session.identity(), text, TxOffset(at));
            result.await.map(|result| vec![result])
        }
        None => {
            let caller = session.caller(clock::new_connection_id());
            database.sql(caller, text, params.confirmed).await
        }
    };
    let results = results.map_err(|error| refused(&error))?;
    let micros: u64 = results.iter().map(|result| result.duration_micros).sum();
    let mut body = String::from("[");
    for (position, result) in results.iter().enumerate() {
        if position > 0 {
            body.push(',');
        }
        write_result(result, &mut body).map_err(|error| {
            ApiError::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })?;
    }
    body.push(']');
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(([json, (DURATION, micros.into())], body).into_response())
}

/// Appends one statement's result; the rows go straight from BSATN to text.
fn write_result(
    result: &SqlResult,
    out: &mut String,
) -> Result<(), spacetime_types::json::WriteJsonError> {
    let row_type = AlgebraicType::Product(result.columns.clone());
    let schema = type_to_json(&row_type);
    out.push_str("{\"schema\":");
    out.push_str(&schema["Product"].to_string());
    out.push_str(",\"rows\":[");
    let typespace = Typespace::default();
    for (position, row) in result.rows.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_bsatn(
            &typespace,
            &row_type,
            &mut Reader::new(row),
            Flavour::Untyped,
            out,
        )?;
    }
    let stats = &result.stats;
    let tail = serde_json::json!({
        "rows_inserted": stats.rows_inserted,
        "rows_deleted": stats.rows_deleted,
        "rows_updated": stats.rows_updated,
    });
    out.push_str("],\"total_duration_micros\":");
    out.push_str(&result.duration_micros.to_string());
    out.push_str(",\"stats\":");
    out.push_str(&tail.to_string());
    out.push('}');
    Ok(())
}

fn refused(error: &SqlError) -> ApiError {
    match error {
        SqlError::Connect(error) => connect_refused(error),
        SqlError::Gone(gone) => ApiError::gone(gone),
        SqlError::NotDurable(_) | SqlError::Read(ReadError::Overloaded | ReadError::Stopped) => {
            ApiError::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        error => ApiError::bad_request(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spacetime_host::SqlStats;
    use spacetime_table::RowList;
    use spacetime_types::{Identity, ProductType, ProductTypeElement};

    fn column(name: &str, algebraic_type: AlgebraicType) -> ProductTypeElement {
        ProductTypeElement {
            name: Some(name.into()),
            algebraic_type,
        }
    }

    #[test]
    fn rows_are_arrays_and_the_schema_a_product_type() {
        let mut row = vec![1, 0, 0, 0, 3, 0, 0, 0];
        row.extend_from_slice(b"bob");
        row.extend_from_slice(&Identity::from_claims("localhost", "alice").to_le_bytes());
        let elements = vec![
            column("id", AlgebraicType::U32),
            column("name", AlgebraicType::String),
            column("owner", AlgebraicType::identity()),
        ];
        let result = SqlResult {
            columns: ProductType { elements },
            rows: RowList::from_rows([&row[..]]),
            stats: SqlStats {
                rows_inserted: 0,
                rows_deleted: 2,
                rows_updated: 0,
            },
            duration_micros: 12,
        };
        let mut text = String::new();
        write_result(&result, &mut text).expect("valid rows");
        assert_eq!(
            text,
            concat!(
                r#"{"schema":{"elements":[{"name":{"some":"id"},"algebraic_type":{"U32":[]}},"#,
                r#"{"name":{"some":"name"},"algebraic_type":{"String":[]}},"#,
                r#"{"name":{"some":"owner"},"algebraic_type":{"Product":{"elements":[{"name":"#,
                r#"{"some":"__identity__"},"algebraic_type":{"U256":[]}}]}}}]},"#,
                r#""rows":[[1,"bob",["#,
                r#""0xc20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d"]]],"#,
                r#""total_duration_micros":12,"#,
                r#""stats":{"rows_inserted":0,"rows_deleted":2,"rows_updated":0}}"#,
            )
        );
    }
}
