//! The Model Context Protocol: `/v1/mcp` and `/v1/database/:db/mcp`. JSON-RPC, one request for each
//! POST; the tools are what people do with a database.
//!
//! Invariants
//!   * What a tool may do is what its caller may do by the other routes.
//!   * A request that is not understood is an error of the protocol; a tool that fails has a result
//!     that says so. Both have the HTTP status 200.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use spacetime_host::{CallArgs, CallOutcome, ReducerOutcome};
use spacetime_types::module_def::ToJson;

use super::ApiState;
use super::call::has_committed;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use super::sql;
use crate::auth::Session;
use crate::clock;

const PROTOCOL_VERSION: &str = "2025-06-18";
const INSTRUCTIONS: &str = "Tools for databases: read the schema with get_schema first, query with \
                            sql, and change data with call.";

const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const PARSE_ERROR: i32 = -32700;

/// An error of the protocol.
struct Refusal {
    code: i32,
    message: String,
}

/// What tools are for: one database, or whichever a call names.
#[derive(Clone, Copy)]
struct Scope<'a> {
    database: Option<&'a str>,
}

/// Tools that take a database each time.
pub(super) async fn all(
    State(state): State<ApiState>,
    Caller(session): Caller,
    body: Bytes,
) -> Response {
    answer(&state, &session, Scope { database: None }, &body).await
}

/// Tools of one database.
pub(super) async fn one(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    open(&state, &database)?;
    let database = Some(database.as_str());
    Ok(answer(&state, &session, Scope { database }, &body).await)
}

async fn answer(state: &ApiState, session: &Session, scope: Scope<'_>, body: &[u8]) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        let error = json!({"code": PARSE_ERROR, "message": "the body is not JSON"});
        return Json(json!({"jsonrpc": "2.0", "id": null, "error": error})).into_response();
    };
    // A notification has no answer.
    let Some(id) = request.get("id").cloned() else {
        return StatusCode::ACCEPTED.into_response();
    };
    let reply = match dispatch(state, session, scope, &request).await {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(Refusal { code, message }) => {
            let error = json!({"code": code, "message": message});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        }
    };
    Json(reply).into_response()
}

async fn dispatch(
    state: &ApiState,
    session: &Session,
    scope: Scope<'_>,
    request: &Value,
) -> Result<Value, Refusal> {
    let Some(method) = request["method"].as_str() else {
        return Err(Refusal {
            code: INVALID_REQUEST,
            message: "invalid request: missing method".to_owned(),
        });
    };
    match method {
        "initialize" => Ok(json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "spacetimedb", "version": env!("CARGO_PKG_VERSION")},
            "instructions": INSTRUCTIONS,
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": tools(scope)})),
        "tools/call" => {
            let params = &request["params"];
            let name = params["name"]
                .as_str()
                .ok_or_else(|| invalid("`name` is missing"))?;
            let arguments = &params["arguments"];
            run(state, session, scope, name, arguments).await
        }
        other => Err(Refusal {
            code: METHOD_NOT_FOUND,
            message: format!("method not found: {other}"),
        }),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal {
        code: INVALID_PARAMS,
        message: message.into(),
    }
}

/// What the tools take, for those who choose one.
fn tools(scope: Scope<'_>) -> Vec<Value> {
    let text = |what: &str| json!({"type": "string", "description": what});
    let tool = |name: &str, what: &str, changes: bool, own: Vec<(&str, Value, bool)>| {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        let needs_database =
            scope.database.is_none() && !["ping", "list_databases"].contains(&name);
        let database = needs_database.then(|| ("database", text("Its name or identity"), true));
        for (key, schema, is_required) in own.into_iter().chain(database) {
            properties.insert(key.to_owned(), schema);
            if is_required {
                required.push(key);
            }
        }
        json!({
            "name": name,
            "description": what,
            "inputSchema": {"type": "object", "properties": properties, "required": required},
            "annotations": {
                "title": name,
                "readOnlyHint": !changes,
                "destructiveHint": changes,
                "openWorldHint": false,
            },
        })
    };
    let message = ("message", text("Comes back with the answer"), false);
    let sql = ("sql", text("One statement"), true);
    let confirmed = (
        "confirmed",
        json!({"type": "boolean", "description": "Wait until it is on disk (default true)"}),
        false,
    );
    let reducer = ("reducer", text("Its name"), true);
    let args = (
        "args",
        json!({"type": "array", "description": "Its arguments in order"}),
        false,
    );
    let mut tools = vec![
        tool(
            "ping",
            "Find out whether the server is there",
            false,
            vec![message],
        ),
        tool(
            "get_schema",
            "The definition of the module, as JSON",
            false,
            vec![],
        ),
        tool(
            "sql",
            "Query the database, or change it",
            true,
            vec![sql, confirmed],
        ),
        tool("call", "Call a reducer", true, vec![reducer, args]),
    ];
    if scope.database.is_none() {
        tools.push(tool("list_databases", "Your databases", false, vec![]));
    }
    tools
}

/// Runs a tool; its failure is a result, too.
async fn run(
    state: &ApiState,
    session: &Session,
    scope: Scope<'_>,
    name: &str,
    arguments: &Value,
) -> Result<Value, Refusal> {
    let text = |key: &str| arguments[key].as_str().map(str::to_owned);
    let required = |key: &str| text(key).ok_or_else(|| invalid(format!("`{key}` is missing")));
    let database = || match scope.database {
        Some(database) => Ok(database.to_owned()),
        None => required("database"),
    };
    let outcome = match name {
        "ping" => Ok(match text("message") {
            Some(message) => format!("pong: {message}"),
            None => "pong".to_owned(),
        }),
        "get_schema" => schema(state, &database()?),
        "sql" => {
            let confirmed = arguments["confirmed"].as_bool().unwrap_or(true);
            let params = sql::SqlParams::present(confirmed);
            let sql = required("sql")?;
            in_words(sql::run(state, session, &database()?, params, &sql).await).await
        }
        "call" => {
            let args = match arguments.get("args") {
                None | Some(Value::Null) => "[]".to_owned(),
                Some(args @ Value::Array(_)) => args.to_string(),
                Some(_) => return Err(invalid("`args` has to be an array")),
            };
            call(state, session, &database()?, &required("reducer")?, args).await
        }
        "list_databases" if scope.database.is_none() => Ok(list(state, session)),
        other => return Err(invalid(format!("unknown tool: {other}"))),
    };
    let (text, is_error) = match outcome {
        Ok(text) => (text, false),
        Err(text) => (text, true),
    };
    Ok(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
}

fn schema(state: &ApiState, database: &str) -> Result<String, String> {
    let database = open(state, database).map_err(|error| error.to_string())?;
    Ok(database.module_def().to_raw_v9().to_json().to_string())
}

fn list(state: &ApiState, session: &Session) -> String {
    let control = state.host.control();
    let records = control.databases();
    let owned = records
        .iter()
        .filter(|record| record.owner == session.identity());
    let databases: Vec<Value> = owned
        .map(|record| {
            let names = control.names_of(record.identity);
            json!({"identity": record.identity.to_hex(), "names": names})
        })
        .collect();
    json!({ "databases": databases }).to_string()
}

async fn call(
    state: &ApiState,
    session: &Session,
    database: &str,
    reducer: &str,
    args: String,
) -> Result<String, String> {
    let database = open(state, database).map_err(|error| error.to_string())?;
    let caller = session.caller(clock::new_connection_id());
    let report = database
        .call_once(caller, reducer, CallArgs::Json(args.into()))
        .await;
    let outcome = report.map_err(|gone| gone.to_string())?.outcome;
    if has_committed(&outcome) {
        let waited = database.wait_durable().await;
        waited.map_err(|error| error.to_string())?;
    }
    match outcome {
        CallOutcome::Reducer(ReducerOutcome::Committed) => {
            Ok(format!("reducer '{reducer}' committed"))
        }
        CallOutcome::Reducer(
            ReducerOutcome::Failed(text)
            | ReducerOutcome::Fatal(text)
            | ReducerOutcome::Refused(text),
        )
        | CallOutcome::ProcedureFailed(text)
        | CallOutcome::BadArgs(text)
        | CallOutcome::Lifecycle(text) => Err(text.into()),
        CallOutcome::Procedure(value) => Ok(value.into()),
        CallOutcome::Reducer(ReducerOutcome::OutOfBudget) | CallOutcome::ProcedureOutOfBudget => {
            Err("Module energy budget exhausted.".to_owned())
        }
        CallOutcome::NoSuchFunction => Err(format!("no such reducer: {reducer}")),
        CallOutcome::Connect(error) => Err(error.to_string()),
    }
}

/// The body of an answer that was made in memory.
async fn in_words(answer: Result<Response, ApiError>) -> Result<String, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    let body = to_bytes(answer.into_body(), usize::MAX).await;
    let body = body.map_err(|error| error.to_string())?;
    String::from_utf8(body.into()).map_err(|error| error.to_string())
}
