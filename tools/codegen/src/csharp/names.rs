//! C#'s identifiers and types.

use crate::case::{camel_case, pascal_path};
use crate::model::{Field, Function, Integer, Module, NamedType, Shape, Table, Ty};

/// Words that cannot be identifiers without `@`.
const KEYWORDS: [&str; 78] = [
    "abstract",
    "as",
    "await",
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

/// A part of a tuple: tuples have members of their own.
pub(super) fn part(name: String) -> String {
    let is_item = name
        .strip_prefix("Item")
        .is_some_and(|rest| rest.parse::<u32>().is_ok());
    match name.as_str() {
        "CompareTo" | "Deconstruct" | "Equals" | "GetHashCode" | "Rest" | "ToString" => {
            format!("{name}_")
        }
        _ if is_item => format!("{name}_"),
        _ => name,
    }
}

/// What the bindings have themselves, and what they use of the SDK and of .NET by its bare name.
const TAKEN: [&str; 51] = [
    "Action",
    "ArgumentOutOfRangeException",
    "Attribute",
    "ConnectionId",
    "DataContract",
    "DataContractAttribute",
    "DataMember",
    "DataMemberAttribute",
    "DbConnection",
    "DbConnectionBase",
    "ErrorContext",
    "Event",
    "EventContext",
    "Exception",
    "From",
    "Func",
    "I128",
    "I256",
    "IDbConnection",
    "IDbContext",
    "IErrorContext",
    "IEventContext",
    "IProcedureArgs",
    "IProcedureEventContext",
    "IReducerArgs",
    "IReducerEventContext",
    "IRemoteDbContext",
    "ISubscriptionEventContext",
    "Identity",
    "Procedure",
    "ProcedureCallback",
    "ProcedureCallbackResult",
    "ProcedureEvent",
    "ProcedureEventContext",
    "QueryBuilder",
    "Reducer",
    "ReducerEvent",
    "ReducerEventContext",
    "RemoteBase",
    "RemoteEventTableHandle",
    "RemoteProcedures",
    "RemoteReducers",
    "RemoteTableHandle",
    "RemoteTables",
    "RemoteTablesBase",
    "SpacetimeDB",
    "Status",
    "SubscriptionBuilder",
    "SubscriptionEventContext",
    "SubscriptionHandle",
    "System",
];

/// A type; `_` behind it tells it from what the bindings need for themselves.
pub(super) fn type_name(module: &Module, ty: &NamedType) -> String {
    if let Some(written) = &ty.written {
        return written.clone();
    }
    let path = pascal_path(&module.path);
    let name = format!("{path}{}", pascal_path(&ty.segments));
    // The end is looked at first: there may be many tables.
    let is_of_table = |table: &Table| {
        let rest = name.strip_prefix(&table_name(module, table));
        matches!(rest, Some("Cols" | "IxCols"))
    };
    let is_columns = name.ends_with("Cols") && module.tables.iter().any(is_of_table);
    if TAKEN.contains(&name.as_str()) || is_columns {
        format!("{name}_")
    } else {
        escape(name)
    }
}

/// The module, with types written in full that a function's class of the same name would hide.
pub(super) fn with_hidden_types(module: &Module, namespace: &str) -> Module {
    let functions = module.reducers.iter().chain(&module.procedures);
    let hiding: Vec<String> = functions
        .map(|function| function_name(module, function))
        .collect();
    let is_hidden = |name: &str| {
        let bare = name.strip_suffix("Args").unwrap_or(name);
        hiding.iter().any(|hiding| hiding == name || hiding == bare)
    };
    let mut with = module.clone();
    for ty in &mut with.types {
        let name = type_name(module, ty);
        if is_hidden(&name) {
            ty.written = Some(format!("global::{namespace}.{name}"));
        }
    }
    with
}

/// The members that a reducer gets.
#[derive(Debug)]
pub(super) struct Remote {
    pub method: String,
    pub handler: String,
    pub event: String,
    pub invoke: String,
}

/// The members of a reducer. Another reducer may have the name of one of them as its own.
pub(super) fn remote(module: &Module, name: &str) -> Remote {
    let free = |member: String| {
        let mut reducers = module.reducers.iter();
        if reducers.any(|other| function_name(module, other) == member) {
            format!("{member}_")
        } else {
            member
        }
    };
    Remote {
        method: name.to_owned(),
        handler: free(format!("{name}Handler")),
        event: free(format!("On{name}")),
        invoke: free(format!("Invoke{name}")),
    }
}

/// A parameter beside those of the module.
pub(super) fn free(name: &str, params: &[Field]) -> String {
    if params.iter().any(|param| parameter(&param.name) == name) {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

/// A table: a member of `RemoteTables`, which also has the classes of handles.
pub(super) fn table_name(module: &Module, table: &Table) -> String {
    let path = pascal_path(&module.path);
    let bare = |table: &Table| escape(format!("{path}{}", pascal_path(&[&table.accessor])));
    let name = bare(table);
    let is_enclosing = name == "RemoteTables" || name == "From";
    let is_handle = name.strip_suffix("Handle").is_some_and(|of| {
        let mut tables = module.tables.iter();
        tables.any(|other| bare(other) == of)
    });
    if is_enclosing || is_handle {
        format!("{name}_")
    } else {
        name
    }
}

/// A function: a member of `RemoteReducers` or `RemoteProcedures`, and a class in `Reducer` or
/// `Procedure`.
pub(super) fn function_name(module: &Module, function: &Function) -> String {
    const ENCLOSING: [&str; 4] = ["RemoteReducers", "RemoteProcedures", "Reducer", "Procedure"];
    let path = pascal_path(&module.path);
    let bare =
        |function: &Function| escape(format!("{path}{}", pascal_path(&[&function.accessor])));
    let name = bare(function);
    // The arguments of a procedure are a class beside it.
    let is_args = name.strip_suffix("Args").is_some_and(|of| {
        let mut procedures = module.procedures.iter();
        procedures.any(|other| bare(other) == of)
    });
    if ENCLOSING.contains(&name.as_str()) || is_args {
        format!("{name}_")
    } else {
        name
    }
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
