//! What a page asks the server for beside the socket: a token for the address, and why there is no
//! socket, which browsers do not tell.

use std::sync::Arc;

use js_sys::{JSON, Object, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::timer::global_function;
use super::{ConnectFailure, Target, thrown};
use crate::error::InternalError;

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn refusal(&self) -> ConnectFailure {
        let Answer { status, text } = self;
        let message = format!("the server refuses the connection: {status} {text}");
        ConnectFailure {
            error: InternalError::new(message.trim_end()),
            is_final: (400..500).contains(status),
        }
    }
}

/// A token that may stand in an address, for one that may not.
pub(super) async fn short_lived_token(
    target: &Target,
    token: &Arc<str>,
) -> Result<String, ConnectFailure> {
    let url = target.token_url().map_err(ConnectFailure::permanent)?;
    let answer = fetch("POST", &url, Some(token))
        .await
        .map_err(|error| unreachable_server(target, &error))?;
    if !answer.is_success() {
        return Err(answer.refusal());
    }
    let token = JSON::parse(&answer.text)
        .and_then(|answer| Reflect::get(&answer, &"token".into()))
        .ok()
        .and_then(|token| token.as_string());
    token.ok_or_else(|| {
        let message = "the server answered a token with something else";
        ConnectFailure::permanent(InternalError::new(message))
    })
}

/// Why the server did not agree to a socket.
pub(super) async fn why_not(target: &Target) -> ConnectFailure {
    let url = match target.database_url() {
        Ok(url) => url,
        Err(error) => return ConnectFailure::permanent(error),
    };
    match fetch("GET", &url, None).await {
        Err(error) => unreachable_server(target, &error),
        Ok(answer) if !answer.is_success() => answer.refusal(),
        // The database is there: whatever it was, it may pass.
        Ok(_) => {
            let message = format!("{}: no connection", target.uri);
            ConnectFailure::temporary(InternalError::new(message))
        }
    }
}

fn unreachable_server(target: &Target, error: &JsValue) -> ConnectFailure {
    let message = format!("{}: the server cannot be reached", target.uri);
    ConnectFailure::temporary(InternalError::new(message).with_cause(thrown(error)))
}

async fn fetch(method: &str, url: &str, token: Option<&str>) -> Result<Answer, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"method".into(), &method.into())?;
    Reflect::set(&options, &"cache".into(), &"no-store".into())?;
    if let Some(token) = token {
        let headers = Object::new();
        let bearer = format!("Bearer {token}");
        Reflect::set(&headers, &"Authorization".into(), &bearer.into())?;
        Reflect::set(&options, &"headers".into(), &headers)?;
    }
    let fetch = global_function("fetch").ok_or("there is no `fetch` here")?;
    let asked = fetch.call2(&JsValue::UNDEFINED, &url.into(), &options)?;
    let response = JsFuture::from(asked.dyn_into::<Promise>()?).await?;
    let status = Reflect::get(&response, &"status".into())?;
    // 0 is what no server says.
    let status = status.as_f64().map_or(0, |status| status as u16);
    let text = call_method(&response, "text")?;
    let text = JsFuture::from(text.dyn_into::<Promise>()?).await?;
    Ok(Answer {
        status,
        text: text.as_string().unwrap_or_default(),
    })
}

fn call_method(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    let method = Reflect::get(object, &name.into())?;
    method.dyn_into::<js_sys::Function>()?.call0(object)
}
