//! HTTP in both directions.

use spacetimedb::http::{
    handler, router, Body, Error, Handler, HandlerContext, HttpClient, Request, Response, Router,
    Timeout,
};
use spacetimedb::{
    client_visibility_filter, procedure, reducer, volatile_nonatomic_schedule_immediate, Filter,
    ProcedureContext, ReducerContext, Table, TimeDuration,
};

use crate::functions::compute;
use crate::tables::current;

#[client_visibility_filter]
const MINE: Filter = Filter::Sql("SELECT * FROM subject WHERE owner = :sender");

/// Documentation of a handler.
#[handler]
fn greet(ctx: &mut HandlerContext, request: Request) -> Response {
    let _ = (ctx.timestamp, ctx.database_identity(), ctx.random::<u8>());
    let _ = (ctx.new_uuid_v4(), ctx.new_uuid_v7(), ctx.rng());
    let (parts, body) = request.into_parts();
    let count = ctx.with_tx(|tx| tx.db.current().count());
    let failed: Result<(), u8> = ctx.try_with_tx(|_| Err(5));
    let text = format!("{} {} {count} {failed:?}", parts.method, parts.uri.path());
    let _ = body.into_string();
    Response::builder()
        .status(201)
        .header("content-type", "text/plain")
        .body(Body::from(text))
        .unwrap_or_default()
}

#[handler]
pub fn forward(ctx: &mut HandlerContext, _: Request) -> Response<Body> {
    match ctx.http.get("http://localhost/x") {
        Ok(response) => response,
        Err(error) => Response::new(Body::from_bytes(error.to_string())),
    }
}

mod inner {
    use spacetimedb::http::{HandlerContext, Request, Response};

    #[spacetimedb::http::handler]
    pub(super) fn nested(_ctx: &mut HandlerContext, mut request: Request) -> Response {
        let body = std::mem::take(request.body_mut());
        Response::new(body)
    }
}

#[router]
fn all_routes() -> Router {
    let one: Handler = greet;
    let nested = Router::new()
        .get("/a", one)
        .head("/a", greet)
        .options("/a", greet)
        .put("/a", greet)
        .delete(String::from("/a"), greet)
        .post("/a", forward)
        .patch("/a", inner::nested);
    let merged = Router::default().any("/everything", forward);
    Router::new()
        .get("", greet)
        .get("/", greet)
        .nest("/nested", nested)
        .merge(merged)
}

#[procedure]
pub fn asks(ctx: &mut ProcedureContext, url: String) -> Result<String, String> {
    let client: &HttpClient = &ctx.http;
    let response: Result<Response, Error> = client.get(&url);
    let response = response.map_err(|error| error.to_string())?;
    log::info!("{} {:?}", response.status(), response.headers().get("x"));
    let request = Request::builder()
        .method("POST")
        .uri(url)
        .header("accept", "*/*")
        .extension(Timeout(TimeDuration::from_micros(500_000)))
        .extension(Timeout::from(TimeDuration::ZERO))
        .body("text")
        .map_err(|error| error.to_string())?;
    let (parts, body) = ctx
        .http
        .send(request)
        .map_err(|error| format!("{error:?}"))?
        .into_parts();
    let _: TimeDuration = Timeout(TimeDuration::ZERO).into();
    if !parts.status.is_success() || body.is_empty() {
        return Err(body.into_string_lossy());
    }
    let _ = ctx.http.send(Request::new(Body::empty()));
    let _ = ctx.http.send(Request::new(()));
    let _ = ctx.http.send(Request::new(vec![1u8]));
    let _ = ctx.http.send(Request::new(String::new()));
    let _ = ctx.http.send(Request::new(&b"bytes"[..]));
    let _ = ctx.http.send(Request::new(Box::<[u8]>::from([1u8])));
    let bytes: bytes::Bytes = body.into_bytes();
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}

#[reducer]
pub fn later(_ctx: &ReducerContext, count: u32) {
    if count > 0 {
        volatile_nonatomic_schedule_immediate!(later(count - 1));
        spacetimedb::volatile_nonatomic_schedule_immediate!(later(0));
    }
    let _ = compute;
}
