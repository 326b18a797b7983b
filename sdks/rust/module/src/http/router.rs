//! Which handler answers which requests.
//!
//! Invariant: no two routes of a router answer the same request.

#[cfg(feature = "unstable")]
use super::Handler;
use crate::bsatn::Serialize;

/// Which method of requests a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Any,
    /// By its number.
    One(u8),
}

const GET: Method = Method::One(0);
const HEAD: Method = Method::One(1);
const POST: Method = Method::One(2);
const PUT: Method = Method::One(3);
const DELETE: Method = Method::One(4);
const OPTIONS: Method = Method::One(6);
const PATCH: Method = Method::One(8);

impl Serialize for Method {
    fn serialize(&self, out: &mut Vec<u8>) {
        match self {
            Method::Any => out.push(0),
            Method::One(number) => out.extend_from_slice(&[1, *number]),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) handler: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// Which handler answers which requests.
///
/// A path is empty or begins with `/`; it is compared exactly, the last slash too, and may have the
/// characters `a-z 0-9 - _ ~ /`.
#[derive(Clone, Debug, Default)]
pub struct Router {
    routes: Vec<Route>,
}

#[cfg(feature = "unstable")]
impl Router {
    /// No routes.
    pub fn new() -> Self {
        Router::default()
    }

    /// Answers GET requests.
    pub fn get(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(GET, path.into(), handler)
    }

    /// Answers HEAD requests.
    pub fn head(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(HEAD, path.into(), handler)
    }

    /// Answers OPTIONS requests.
    pub fn options(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(OPTIONS, path.into(), handler)
    }

    /// Answers PUT requests.
    pub fn put(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(PUT, path.into(), handler)
    }

    /// Answers DELETE requests.
    pub fn delete(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(DELETE, path.into(), handler)
    }

    /// Answers POST requests.
    pub fn post(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(POST, path.into(), handler)
    }

    /// Answers PATCH requests.
    pub fn patch(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(PATCH, path.into(), handler)
    }

    /// Answers requests of every method.
    pub fn any(self, path: impl Into<String>, handler: Handler) -> Self {
        self.add(Method::Any, path.into(), handler)
    }

    /// Adds the routes of another router, below a path. Panics if a route lies there already.
    pub fn nest(mut self, path: impl Into<String>, sub_router: Self) -> Self {
        let prefix = path.into();
        check_path(&prefix);
        if let Some(route) = self
            .routes
            .iter()
            .find(|route| route.path.starts_with(&prefix))
        {
            panic!(
                "Cannot nest a router under `{prefix}`: there is a route `{}`",
                route.path
            );
        }
        for route in sub_router.routes {
            let prefix = prefix.trim_end_matches('/');
            let path = format!("{prefix}{}", route.path);
            self = self.add_route(Route { path, ..route });
        }
        self
    }

    /// Adds the routes of another router. Panics if two answer the same request.
    pub fn merge(self, other_router: Self) -> Self {
        other_router.routes.into_iter().fold(self, Self::add_route)
    }

    fn add(self, method: Method, path: String, handler: Handler) -> Self {
        check_path(&path);
        self.add_route(Route {
            handler: handler.name,
            method,
            path,
        })
    }

    fn add_route(mut self, route: Route) -> Self {
        let overlaps = |known: &Route| {
            let both = known.method == route.method;
            let any = [known.method, route.method].contains(&Method::Any);
            known.path == route.path && (both || any)
        };
        if self.routes.iter().any(overlaps) {
            panic!("Route conflict for `{}`", route.path);
        }
        self.routes.push(route);
        self
    }

    pub(crate) fn into_routes(self) -> Vec<Route> {
        self.routes
    }
}

#[cfg(feature = "unstable")]
fn check_path(path: &str) {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'/');
    let begins = path.is_empty() || path.starts_with('/');
    if !begins || !path.bytes().all(allowed) {
        panic!(
            "The route path `{path}` is invalid: it is empty or begins with `/`, and its \
             characters are `a-z 0-9 - _ ~ /`"
        );
    }
}

#[cfg(all(test, feature = "unstable"))]
mod tests {
    use super::*;

    const A: Handler = Handler::new("a");

    fn paths(router: Router) -> Vec<String> {
        router
            .into_routes()
            .into_iter()
            .map(|route| route.path)
            .collect()
    }

    fn message(body: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = std::panic::catch_unwind(body).unwrap_err();
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn routes_add_up() {
        let inner = || Router::new().get("/x", A).post("/x", A).any("", A);
        let router = Router::new()
            .nest("/in", inner())
            .merge(inner())
            .get("/in2", A);
        assert_eq!(
            paths(router),
            ["/in/x", "/in/x", "/in", "/x", "/x", "", "/in2"]
        );
    }

    #[test]
    fn conflicts_are_refused() {
        let same = message(|| drop(Router::new().get("/x", A).get("/x", A)));
        assert_eq!(same, "Route conflict for `/x`");
        let any = message(|| drop(Router::new().get("/x", A).any("/x", A)));
        assert_eq!(any, "Route conflict for `/x`");
        let nested = message(|| drop(Router::new().get("/x/y", A).nest("/x", Router::new())));
        assert_eq!(
            nested,
            "Cannot nest a router under `/x`: there is a route `/x/y`"
        );
        for path in ["x", "/X", "/a b", "/{id}"] {
            let text = message(move || drop(Router::new().get(path, A)));
            assert!(text.starts_with("The route path"), "{path}: {text}");
        }
    }
}
