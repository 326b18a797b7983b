//! Cookies of the page: for a token that the page's own web server is to see, too.
//!
//! Invariant: names and values may be any text; what cookies cannot hold is escaped, and read back
//! as it was.
//!
//! Not here: cookies that scripts must not see. Only web servers can set those.

use js_sys::{JsString, Reflect};
use wasm_bindgen::JsValue;

/// Why a cookie was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum CookieError {
    /// The browser did not tell the cookies: there are none in workers, for one.
    #[error("the cookies cannot be read: {0:?}")]
    Get(JsValue),
    /// The browser did not take the cookie.
    #[error("the cookie {key:?} cannot be set: {js_value:?}")]
    Set {
        /// Its name.
        key: String,
        /// What the browser said.
        js_value: JsValue,
    },
}

/// Which requests of other sites carry a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Those that lead to the page, as links do.
    Lax,
    /// All; browsers want [`secure`](Cookie::secure) for it.
    None,
}

impl std::fmt::Display for SameSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        })
    }
}

/// A cookie that is to be set.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    value: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<i32>,
    is_secure: bool,
    same_site: Option<SameSite>,
}

impl Cookie {
    /// A cookie that ends with the browser's session.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Cookie {
            name: name.into(),
            value: value.into(),
            path: None,
            domain: None,
            max_age: None,
            is_secure: false,
            same_site: None,
        }
    }

    /// The value of the cookie `name` as this page sees it.
    pub fn get(name: &str) -> Result<Option<String>, CookieError> {
        let document = document().map_err(CookieError::Get)?;
        let all = Reflect::get(&document, &"cookie".into()).map_err(CookieError::Get)?;
        let Some(all) = all.as_string() else {
            return Err(CookieError::Get(all));
        };
        let wanted = escape(name);
        let value = all.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == wanted).then_some(value)
        });
        Ok(value.map(unescape))
    }

    /// The part of the site that sees it. Without one it is the page's folder.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The site that sees it, with its parts. Without one it is the page's host alone.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// How long it is kept.
    #[must_use]
    pub fn max_age(mut self, seconds: i32) -> Self {
        self.max_age = Some(seconds);
        self
    }

    /// Whether it is for encrypted connections only.
    #[must_use]
    pub fn secure(mut self, enabled: bool) -> Self {
        self.is_secure = enabled;
        self
    }

    /// Which requests of other sites carry it. Without this the browser decides.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Sets it, in place of one with the same name, path and domain.
    pub fn set(self) -> Result<(), CookieError> {
        let failed = |js_value| CookieError::Set {
            key: self.name.clone(),
            js_value,
        };
        let document = document().map_err(failed)?;
        Reflect::set(&document, &"cookie".into(), &self.text().into()).map_err(failed)?;
        Ok(())
    }

    /// Takes away the one with the same name, path and domain.
    pub fn delete(self) -> Result<(), CookieError> {
        let empty = Cookie {
            value: String::new(),
            max_age: Some(0),
            ..self
        };
        empty.set()
    }

    fn text(&self) -> String {
        let mut text = format!("{}={}", escape(&self.name), escape(&self.value));
        let parts = [
            ("path", self.path.clone()),
            ("domain", self.domain.clone()),
            ("max-age", self.max_age.map(|seconds| seconds.to_string())),
            ("samesite", self.same_site.map(|which| which.to_string())),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                text.push_str("; ");
                text.push_str(name);
                text.push('=');
                text.push_str(&value);
            }
        }
        if self.is_secure {
            text.push_str("; secure");
        }
        text
    }
}

fn document() -> Result<JsValue, JsValue> {
    let document = Reflect::get(&js_sys::global(), &"document".into())?;
    if document.is_object() {
        return Ok(document);
    }
    Err("there is no document here".into())
}

fn escape(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// What was not escaped by this crate may not be readable so: then it is what it is.
fn unescape(text: &str) -> String {
    let plain = js_sys::decode_uri_component(text);
    plain.map_or_else(|_| text.to_owned(), |plain: JsString| plain.into())
}
