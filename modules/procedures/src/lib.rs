//! Everything that runs beside transactions: procedures, their requests over HTTP, the handlers of
//! the module's own routes, and schedules that call procedures.

use std::time::Duration;

use spacetimedb::http::{handler, router, Body, HandlerContext, Request, Response, Router};
use spacetimedb::{
    procedure, reducer, table, ProcedureContext, ReducerContext, ScheduleAt, SpacetimeType, Table,
    TxContext,
};

/// What happened, in order.
#[table(accessor = entry, public)]
pub struct Entry {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub text: String,
}

/// A procedure that runs once, or again and again.
#[table(accessor = errand, public, scheduled(run_errand))]
pub struct Errand {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
    pub text: String,
    /// How long it takes.
    pub nap_ms: u64,
}

/// What `describe` returns.
#[derive(SpacetimeType)]
pub struct Description {
    pub name: String,
    pub sizes: Vec<u16>,
    pub parent: Option<u64>,
}

fn note(tx: &TxContext, text: impl Into<String>) -> u64 {
    let text = text.into();
    tx.db.entry().insert(Entry { id: 0, text }).id
}

#[reducer]
pub fn write(ctx: &ReducerContext, text: String) {
    ctx.db.entry().insert(Entry { id: 0, text });
}

#[reducer]
pub fn plan(ctx: &ReducerContext, text: String, in_ms: u64, every_ms: u64, nap_ms: u64) {
    let scheduled_at = match every_ms {
        0 => (ctx.timestamp + Duration::from_millis(in_ms)).into(),
        every => Duration::from_millis(every).into(),
    };
    ctx.db.errand().insert(Errand {
        id: 0,
        scheduled_at,
        text,
        nap_ms,
    });
}

#[reducer]
pub fn forget_errands(ctx: &ReducerContext) {
    for errand in ctx.db.errand().iter() {
        ctx.db.errand().id().delete(errand.id);
    }
}

#[procedure]
pub fn run_errand(ctx: &mut ProcedureContext, errand: Errand) {
    ctx.with_tx(|tx| note(tx, format!("begin {}", errand.text)));
    let until = ctx.timestamp + Duration::from_millis(errand.nap_ms);
    ctx.sleep_until(until);
    ctx.with_tx(|tx| note(tx, format!("end {}", errand.text)));
}

#[procedure]
pub fn add(_ctx: &mut ProcedureContext, a: u32, b: u32) -> u64 {
    u64::from(a) + u64::from(b)
}

#[procedure]
pub fn describe(_ctx: &mut ProcedureContext, name: String, parent: Option<u64>) -> Description {
    let sizes = name.bytes().map(u16::from).collect();
    Description {
        name,
        sizes,
        parent,
    }
}

/// Two transactions; the second one sees what the first one did.
#[procedure]
pub fn write_twice(ctx: &mut ProcedureContext, text: String) -> u64 {
    ctx.with_tx(|tx| note(tx, format!("{text} 1")));
    ctx.with_tx(|tx| {
        note(tx, format!("{text} 2"));
        tx.db.entry().count()
    })
}

/// A transaction that is undone.
#[procedure]
pub fn change_ones_mind(ctx: &mut ProcedureContext) -> Option<String> {
    let undone: Result<(), String> = ctx.try_with_tx(|tx| {
        note(tx, "never");
        Err("undone".to_owned())
    });
    undone.err()
}

/// Commits once, then breaks inside a transaction.
#[procedure]
pub fn stumble(ctx: &mut ProcedureContext) {
    ctx.with_tx(|tx| note(tx, "before the fall"));
    ctx.with_tx(|tx| -> u64 {
        note(tx, "while falling");
        panic!("stumbled")
    });
}

/// Computes without end; inside a transaction if told so.
#[procedure]
pub fn spin(ctx: &mut ProcedureContext, in_tx: bool) {
    fn forever() -> u64 {
        let mut x: u64 = 1;
        loop {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
    }
    if in_tx {
        ctx.with_tx(|_| forever());
    } else {
        forever();
    }
}

#[procedure]
pub fn nap(ctx: &mut ProcedureContext, ms: u64) -> bool {
    let until = ctx.timestamp + Duration::from_millis(ms);
    ctx.sleep_until(until);
    ctx.timestamp >= until
}

/// Who the procedure and its transactions think is calling.
#[procedure]
pub fn who(ctx: &mut ProcedureContext) -> Vec<String> {
    let outside = ctx.sender().to_hex().to_string();
    let inside = ctx.with_tx(|tx| tx.sender().to_hex().to_string());
    let subject = ctx.with_tx(|tx| {
        let auth = tx.sender_auth();
        let jwt = auth.jwt();
        jwt.map_or_else(|| "no token".to_owned(), |jwt| jwt.subject().to_owned())
    });
    vec![outside, inside, subject]
}

/// Fetches an address: the status and the body, or what went wrong.
#[procedure]
pub fn fetch(ctx: &mut ProcedureContext, uri: String) -> String {
    match ctx.http.get(uri) {
        Ok(response) => {
            let (head, body) = response.into_parts();
            format!("{} {}", head.status.as_u16(), body.into_string_lossy())
        }
        Err(error) => format!("error: {error}"),
    }
}

/// Sends a body and a header, and returns what comes back in the header `x-answer` and the body.
#[procedure]
pub fn post(ctx: &mut ProcedureContext, uri: String, text: String) -> Vec<String> {
    let request = Request::builder()
        .method("POST")
        .uri(uri)
        .header("x-question", "why")
        .body(Body::from(text))
        .expect("a valid request");
    let response = ctx.http.send(request).expect("an answer");
    let answer = response.headers().get("x-answer").expect("the header");
    let answer = String::from_utf8_lossy(answer.as_bytes()).into_owned();
    vec![answer, response.into_body().into_string_lossy()]
}

#[handler]
fn hello(_ctx: &mut HandlerContext, request: Request) -> Response {
    let text = format!("{} {}", request.method(), request.uri());
    Response::builder()
        .status(201)
        .header("x-r", "a")
        .header("x-r", "b")
        .body(Body::from(text))
        .expect("a valid response")
}

/// Writes the body down and says how many there are.
#[handler]
fn record(ctx: &mut HandlerContext, request: Request) -> Response {
    let text = request.into_body().into_string_lossy();
    let count = ctx.with_tx(|tx| {
        note(tx, text.clone());
        tx.db.entry().count()
    });
    Response::new(Body::from(count.to_string()))
}

#[handler]
fn broken(_ctx: &mut HandlerContext, _request: Request) -> Response {
    panic!("this handler is broken")
}

#[router]
fn routes() -> Router {
    Router::new()
        .get("/hello", hello)
        .any("/any", hello)
        .get("", hello)
        .post("/", record)
        .get("/broken", broken)
}
