//! Tables and views: objects on the client's cache.

use super::names::{member, not_for_blueprints};
use super::{Context, braces, header};
use crate::GenerateError;
use crate::case::{pascal_case, quoted};
use crate::code::{Code, Files};
use crate::model::{Index, Module, Table};

pub(super) fn generate(context: Context<'_>, files: &mut Files) -> Result<(), GenerateError> {
    for table in &context.module.tables {
        let name = context.names.table(context.module, table);
        let path = format!("Public/ModuleBindings/Tables/{name}Table.g.h");
        files.add(path, table_header(context, table, &name))?;
        let path = format!("Private/ModuleBindings/Tables/{name}Table.g.cpp");
        files.add(path, table_source(context, table, &name))?;
    }
    Ok(())
}

/// The letters of the delegate macros by the number of parameters.
fn delegate(code: &mut Code, count: &str, name: &str, parameters: &str) {
    code.line(format_args!(
        "DECLARE_DYNAMIC_MULTICAST_DELEGATE_{count}Params({name}, {parameters});"
    ));
}

fn table_header(context: Context<'_>, table: &Table, name: &str) -> Code {
    let Context { names, module } = context;
    let row = names.row_type(module, table);
    let row_header = names.bare_type(module, module.named(table.row));
    let prefix = &names.prefix;
    let includes = [
        format!("ModuleBindings/Types/{row_header}Type.g.h"),
        "Tables/RemoteTable.h".to_owned(),
        "DBCache/UniqueIndex.h".to_owned(),
        "DBCache/BTreeUniqueIndex.h".to_owned(),
    ];
    let mut code = header(&includes, Some(&format!("{name}Table")));
    code.line(format_args!("struct F{prefix}EventContext;"));
    code.blank();
    for (class, index) in client_indexes(context, table, name) {
        index_class(&mut code, context, table, &class, index);
        code.blank();
    }
    let event = format!("const F{prefix}EventContext&, Context");
    let base = format!("FOn{name}");
    delegate(
        &mut code,
        "Two",
        &format!("{base}Insert"),
        &format!("{event}, const {row}&, NewRow"),
    );
    if !table.is_event {
        let deleted = format!("{event}, const {row}&, DeletedRow");
        delegate(&mut code, "Two", &format!("{base}Delete"), &deleted);
        let updated = format!("{event}, const {row}&, OldRow, const {row}&, NewRow");
        delegate(&mut code, "Three", &format!("{base}Update"), &updated);
    }
    code.blank();
    code.line("UCLASS(BlueprintType)");
    let head = format!("class {} U{name}Table : public URemoteTable", names.api());
    braces(&mut code, head, "};", |code| {
        table_class(code, context, table, name, &row);
    });
    code
}

fn table_class(code: &mut Code, context: Context<'_>, table: &Table, name: &str, row: &str) {
    code.line("GENERATED_BODY()");
    code.blank();
    code.line("public:");
    for (class, index) in client_indexes(context, table, name) {
        let accessor = index.accessor.as_deref().unwrap_or_default();
        code.line("UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")");
        let accessor = member_of_table(accessor);
        code.line(format_args!("TObjectPtr<{class}> {accessor};"));
        code.blank();
    }
    let mut kinds = vec!["Insert"];
    if !table.is_event {
        kinds.extend(["Delete", "Update"]);
    }
    for kind in kinds {
        code.line("UPROPERTY(BlueprintAssignable, Category = \"SpacetimeDB Events\")");
        code.line(format_args!("FOn{name}{kind} On{kind};"));
        code.blank();
    }
    code.line("/** The number of rows that the client has. */");
    code.line("UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")");
    code.line("int32 Count() const;");
    code.blank();
    code.line("/** The rows that the client has. */");
    code.line("UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")");
    code.line(format_args!("TArray<{row}> Iter() const;"));
    code.blank();
    code.line("void PostInitialize();");
    code.line(format_args!(
        "FTableAppliedDiff<{row}> Update(TArray<FWithBsatn<{row}>> InsertsRef, \
         TArray<FWithBsatn<{row}>> DeletesRef);"
    ));
    code.blank();
    code.line(format_args!(
        "inline static const FString TableName = TEXT({});",
        quoted(&table.wire_name)
    ));
    code.blank();
    code.line("private:");
    code.line(format_args!("TSharedPtr<UClientCache<{row}>> Data;"));
}

/// An index: a table has members of its own.
fn member_of_table(accessor: &str) -> String {
    const TAKEN: [&str; 9] = [
        "Count",
        "Data",
        "Iter",
        "OnDelete",
        "OnInsert",
        "OnUpdate",
        "PostInitialize",
        "TableName",
        "Update",
    ];
    let member = member(accessor);
    if TAKEN.contains(&member.as_str()) {
        format!("{member}_")
    } else {
        member
    }
}

/// Indexes with accessors, and the names of their classes.
fn client_indexes<'t>(
    context: Context<'_>,
    table: &'t Table,
    name: &str,
) -> Vec<(String, &'t Index)> {
    let mut indexes: Vec<(String, &Index)> = Vec::new();
    for index in &table.indexes {
        let Some(accessor) = &index.accessor else {
            continue;
        };
        let mut columns = index.columns.iter();
        if !columns.all(|position| table.column(*position).ty.is_key(context.module)) {
            continue;
        }
        let kind = if index.is_unique {
            "UniqueIndex"
        } else {
            "Index"
        };
        let class = format!("U{name}{}{kind}", pascal_case(accessor));
        if !indexes.iter().any(|(known, _)| *known == class) {
            indexes.push((class, index));
        }
    }
    indexes
}

/// `const A& First, const B& Second` for the key of an index, and the names.
fn key(context: Context<'_>, table: &Table, index: &Index) -> (String, Vec<String>, Vec<String>) {
    let Context { names, module } = context;
    let (mut parameters, mut types, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for position in &index.columns {
        let column = table.column(*position);
        let name = member(&column.accessor);
        parameters.push(format!("{} {name}", names.parameter(module, &column.ty)));
        types.push(names.ty(module, &column.ty));
        members.push(name);
    }
    (parameters.join(", "), types, members)
}

fn index_class(code: &mut Code, context: Context<'_>, table: &Table, class: &str, index: &Index) {
    let row = context.names.row_type(context.module, table);
    let (parameters, types, members) = key(context, table, index);
    let key_type = match types.as_slice() {
        [ty] => ty.clone(),
        _ => format!("TTuple<{}>", types.join(", ")),
    };
    let key = match members.as_slice() {
        [name] => name.clone(),
        _ => format!("{key_type}({})", members.join(", ")),
    };
    code.line("UCLASS(Blueprintable)");
    let head = format!("class {} {class} : public UObject", context.names.api());
    braces(code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("public:");
        let (helper, returns, method) = if index.is_unique {
            ("FUniqueIndexHelper", row.clone(), "Find")
        } else {
            (
                "FMultiKeyBTreeIndexHelper",
                format!("TArray<{row}>"),
                "Filter",
            )
        };
        let keys = index.columns.iter();
        let keys = keys.map(|position| &table.column(*position).ty);
        match not_for_blueprints(context.names, context.module, keys) {
            Some(comment) => code.line(comment),
            None => code.line("UFUNCTION(BlueprintCallable, Category = \"SpacetimeDB\")"),
        }
        let head = format!("{returns} {method}({parameters})");
        braces(code, head, "}", |code| {
            if index.is_unique {
                code.line(format_args!("return Helper.FindUniqueIndex({key});"));
            } else {
                code.line(format_args!("{returns} Rows;"));
                code.line(format_args!(
                    "Helper.FilterIndex({key}, Rows);\nreturn Rows;"
                ));
            }
        });
        code.blank();
        let cache = format!("TSharedPtr<UClientCache<{row}>>");
        let head = format!("void SetCache({cache} InCache)");
        braces(code, head, "}", |code| code.line("Helper.Cache = InCache;"));
        code.blank();
        code.line("private:");
        code.line(format_args!(
            "{helper}<{row}, {key_type}> Helper{{TEXT({})}};",
            quoted(&index.name)
        ));
    });
}

fn table_source(context: Context<'_>, table: &Table, name: &str) -> Code {
    let Context { names, module } = context;
    let row = names.row_type(module, table);
    let class = format!("U{name}Table");
    let mut code = Code::new("    ");
    code.blank();
    code.line(format_args!(
        "#include \"ModuleBindings/Tables/{name}Table.g.h\""
    ));
    code.blank();
    braces(
        &mut code,
        format_args!("void {class}::PostInitialize()"),
        "}",
        |code| {
            code.line(format_args!("Data = MakeShared<UClientCache<{row}>>();"));
            code.line("auto Cache = Data->GetOrAdd(TableName);");
            for (_, index) in client_indexes(context, table, name) {
                register_index(code, context, table, index);
            }
            for (class, index) in client_indexes(context, table, name) {
                let accessor = index.accessor.as_deref().unwrap_or_default();
                let accessor = member_of_table(accessor);
                code.line(format_args!("{accessor} = NewObject<{class}>(this);"));
                code.line(format_args!("{accessor}->SetCache(Data);"));
            }
        },
    );
    code.blank();
    let rows = format!("TArray<FWithBsatn<{row}>>");
    let head =
        format!("FTableAppliedDiff<{row}> {class}::Update({rows} InsertsRef, {rows} DeletesRef)");
    braces(&mut code, head, "}", |code| {
        code.line(format_args!(
            "auto Diff = BaseUpdate<{row}>(InsertsRef, DeletesRef, Data, TableName);"
        ));
        if let Some(key) = table.key().filter(|_| !table.is_event) {
            let ty = names.ty(module, &key.ty);
            code.line(format_args!(
                "Diff.DeriveUpdatesByPrimaryKey<{ty}>([](const {row}& Row)\n{{\n    \
                 return Row.{};\n}});",
                member(&key.accessor)
            ));
        }
        code.line("return Diff;");
    });
    code.blank();
    braces(
        &mut code,
        format_args!("int32 {class}::Count() const"),
        "}",
        |code| {
            code.line(format_args!(
                "return GetRowCountFromTable<{row}>(Data, TableName);"
            ));
        },
    );
    code.blank();
    braces(
        &mut code,
        format_args!("TArray<{row}> {class}::Iter() const"),
        "}",
        |code| {
            code.line(format_args!(
                "return GetAllRowsFromTable<{row}>(Data, TableName);"
            ));
        },
    );
    code
}

fn register_index(code: &mut Code, context: Context<'_>, table: &Table, index: &Index) {
    let row = context.names.row_type(context.module, table);
    let (_, types, members) = key(context, table, index);
    let members: Vec<String> = members.iter().map(|name| format!("Row.{name}")).collect();
    let (key_type, key) = match (types.as_slice(), members.as_slice()) {
        ([ty], [member]) => (ty.clone(), member.clone()),
        _ => {
            let ty = format!("TTuple<{}>", types.join(", "));
            (ty.clone(), format!("{ty}({})", members.join(", ")))
        }
    };
    let method = if index.is_unique {
        "AddUniqueIndex"
    } else {
        "AddMultiKeyBTreeIndex"
    };
    code.line(format_args!(
        "Cache->template {method}<{key_type}>(TEXT({}), \
         [](const {row}& Row) -> {key_type}\n{{\n    \
         return {key};\n}});",
        quoted(&index.name)
    ));
}

/// Every table and view, with the module it is in.
pub(super) fn all_tables(root: &Module) -> Vec<(&Module, &Table)> {
    let mut all = Vec::new();
    for module in root.walk() {
        all.extend(module.tables.iter().map(|table| (module, table)));
    }
    all
}
