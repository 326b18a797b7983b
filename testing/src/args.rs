//! Arguments of calls.

use serde::Serialize;
use serde_json::Value;
use spacetime_host::CallArgs;
use spacetime_types::bsatn::{self, Encode};

/// What a function may be called with.
///
/// Anything that serde can write as a list is taken in order: a tuple, `()` for none, or
/// `serde_json::json!([...])`. An object names the parameters. Sums are written as the server
/// takes them: `json!({"some": 5})` or `json!({"circle": 1.5})`, and `null` for none.
pub trait IntoArgs {
    /// As the server takes them.
    fn into_args(self) -> CallArgs;
}

impl<T: Serialize> IntoArgs for T {
    fn into_args(self) -> CallArgs {
        let value = serde_json::to_value(self).expect("arguments that have a JSON form");
        let value = match value {
            Value::Null => Value::Array(Vec::new()),
            list @ (Value::Array(_) | Value::Object(_)) => list,
            single => panic!(
                "{single} is not a list of arguments; one argument is written as a tuple: (x,)"
            ),
        };
        CallArgs::Json(value.to_string().into())
    }
}

/// Arguments with exact types: their BSATN, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Bsatn(Vec<u8>);

impl Bsatn {
    /// No arguments yet.
    #[must_use]
    pub fn new() -> Bsatn {
        Bsatn::default()
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, arg: &impl Encode) -> Bsatn {
        self.0.extend(bsatn::to_vec(arg));
        self
    }
}

impl IntoArgs for Bsatn {
    fn into_args(self) -> CallArgs {
        CallArgs::Bsatn(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(args: impl IntoArgs) -> String {
        match args.into_args() {
            CallArgs::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            CallArgs::Bsatn(bytes) => format!("{bytes:?}"),
        }
    }

    #[test]
    fn lists_objects_and_nothing_are_arguments() {
        assert_eq!(text(()), "[]");
        assert_eq!(text((1, "two")), r#"[1,"two"]"#);
        assert_eq!(text(json!({"b": 1})), r#"{"b":1}"#);
        assert_eq!(text(json!([{"some": 1}])), r#"[{"some":1}]"#);
        let exact = Bsatn::new().with(&1u16).with(&true);
        assert_eq!(text(exact), r#"b"\x01\0\x01""#);
    }
}
