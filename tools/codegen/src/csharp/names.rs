//! C#'s identifiers and types.

use crate::case::{camel_case, pascal_path};
use crate::model::{Field, Function, Integer, Module, NamedType, Shape, Table, Ty};

/// Words that cannot be identifiers without `@`.
const KEYWORDS: [&str; 77] = [
    "abstract",
    "as",
    "base",
    "bool",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "checked",
    "class",
    "const",
    "continue",
    "decimal",
    "default",
    "delegate",
    "do",
    "double",
    "else",
    "enum",
    "event",
    "explicit",
    "extern",
    "false",
    "finally",
    "fixed",
    "float",
    "for",
    "foreach",
    "goto",
    "if",
    "implicit",
    "in",
    "int",
    "interface",
    "internal",
    "is",
    "lock",
    "long",
    "namespace",
    "new",
    "null",
    "object",
    "operator",
    "out",
    "override",
    "params",
    "private",
    "protected",
    "public",
    "readonly",
    "ref",
    "return",
    "sbyte",
    "sealed",
    "short",
    "sizeof",
    "stackalloc",
    "static",
    "string",
    "struct",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "uint",
    "ulong",
    "unchecked",
    "unsafe",
    "ushort",
    "using",
    "virtual",
    "void",
    "volatile",
    "while",
];

pub(super) fn escape(name: String) -> String {
    if KEYWORDS.contains(&name.as_str()) {
        format!("@{name}")
    } else if name.is_empty() {
        "__".to_owned()
    } else {
        name
    }
}

/// A name in Pascal case. Pascal case is never a keyword.
pub(super) fn pascal(name: &str) -> String {
    escape(pascal_path(&[name]))
}

/// A parameter: in camel case.
pub(super) fn parameter(name: &str) -> String {
    escape(camel_case(name))
}

/// A member of a class: a member may not have the name of its class.
pub(super) fn member(class: &str, name: &str) -> String {
    let member = pascal(name);
    if member == class {
        format!("{member}_")
    } else {
        member
    }
}

pub(super) fn type_name(module: &Module, ty: &NamedType) -> String {
    let path = pascal_path(&module.path);
    format!("{path}{}", pascal_path(&ty.segments))
}

pub(super) fn table_name(module: &Module, table: &Table) -> String {
    let path = pascal_path(&module.path);
    escape(format!("{path}{}", pascal_path(&[&table.accessor])))
}

pub(super) fn function_name(module: &Module, function: &Function) -> String {
    let path = pascal_path(&module.path);
    escape(format!("{path}{}", pascal_path(&[&function.accessor])))
}

pub(super) fn row_type(module: &Module, table: &Table) -> String {
    type_name(module, module.named(table.row))
}

pub(super) fn ty(module: &Module, ty: &Ty) -> String {
    match ty {
        Ty::Unit => "SpacetimeDB.Unit".to_owned(),
        // There is no value of it, so nothing will ever be read; a unit stands in.
        Ty::Never => "SpacetimeDB.Unit".to_owned(),
        Ty::Bool => "bool".to_owned(),
        Ty::Integer(integer) => integer_type(*integer).to_owned(),
        Ty::F32 => "float".to_owned(),
        Ty::F64 => "double".to_owned(),
        Ty::String => "string".to_owned(),
        Ty::Bytes => "System.Collections.Generic.List<byte>".to_owned(),
        Ty::Array(element) => {
            format!(
                "System.Collections.Generic.List<{}>",
                self::ty(module, element)
            )
        }
        // `T??` does not exist: the inner option is a type of its own.
        Ty::Option(some) => match &**some {
            Ty::Option(inner) => format!("{}?", super::optionals::name(module, inner)),
            some => format!("{}?", self::ty(module, some)),
        },
        Ty::Result(ok, err) => {
            format!(
                "SpacetimeDB.Result<{}, {}>",
                self::ty(module, ok),
                self::ty(module, err)
            )
        }
        Ty::Identity => "SpacetimeDB.Identity".to_owned(),
        Ty::ConnectionId => "SpacetimeDB.ConnectionId".to_owned(),
        Ty::Timestamp => "SpacetimeDB.Timestamp".to_owned(),
        Ty::TimeDuration => "SpacetimeDB.TimeDuration".to_owned(),
        Ty::Uuid => "SpacetimeDB.Uuid".to_owned(),
        Ty::ScheduleAt => "SpacetimeDB.ScheduleAt".to_owned(),
        Ty::Named(position) => type_name(module, module.named(*position)),
    }
}

fn integer_type(integer: Integer) -> &'static str {
    match (integer.is_signed, integer.bits) {
        (true, 8) => "sbyte",
        (false, 8) => "byte",
        (true, 16) => "short",
        (false, 16) => "ushort",
        (true, 32) => "int",
        (false, 32) => "uint",
        (true, 64) => "long",
        (false, 64) => "ulong",
        (true, 128) => "I128",
        (false, 128) => "U128",
        (true, _) => "I256",
        (false, _) => "U256",
    }
}

/// What a parameterless constructor must set a field to; nothing for types with a fitting
/// default.
pub(super) fn initial_value(module: &Module, ty: &Ty) -> Option<String> {
    let value = match ty {
        Ty::String => "\"\"".to_owned(),
        Ty::Bytes | Ty::Array(_) => format!("new {}()", self::ty(module, ty)),
        Ty::Result(..) => "default!".to_owned(),
        Ty::ScheduleAt => "null!".to_owned(),
        Ty::Named(position) => match module.named(*position).shape {
            Shape::Product(_) => format!("new {}()", self::ty(module, ty)),
            Shape::Sum(_) => "null!".to_owned(),
            Shape::PlainEnum(_) => return None,
        },
        _ => return None,
    };
    Some(value)
}

/// Whether the type is a reference type, whose option is the type itself, or null.
pub(super) fn is_nullable(ty: &Ty) -> bool {
    matches!(ty, Ty::Option(_))
}

/// `A a, B b`.
pub(super) fn parameters(module: &Module, params: &[Field]) -> String {
    let one = |param: &Field| format!("{} {}", ty(module, &param.ty), parameter(&param.name));
    params.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `a, b`.
pub(super) fn arguments(params: &[Field]) -> String {
    let one = |param: &Field| parameter(&param.name);
    params.iter().map(one).collect::<Vec<_>>().join(", ")
}
