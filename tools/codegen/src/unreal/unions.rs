//! Sums with data: a tag and a variant of all payloads, with functions to make and to read each
//! case, and the same functions once more in a library for Blueprints.
//!
//! Invariant: the variant lists each type of payload once, however many cases have it; the tag
//! tells the cases apart.

use super::names::{is_blueprintable, member};
use super::types::plain_enum;
use super::{Context, braces};
use crate::code::Code;
use crate::model::Field;

/// A sum to be written.
#[derive(Debug)]
pub(super) struct Union<'a> {
    /// The name without the letter in front.
    pub bare: &'a str,
    /// The name of the struct.
    pub full: &'a str,
    pub variants: &'a [Field],
    pub is_in_arrays: bool,
}

/// A case: its tag, what makes it, and the type of its payload.
struct Case {
    tag: String,
    /// Like the tag, unless the struct has something else of that name.
    maker: String,
    ty: String,
    is_blueprintable: bool,
}

fn cases(context: Context<'_>, variants: &[Field]) -> Vec<Case> {
    let case = |variant: &Field| {
        let tag = member(&variant.name);
        let maker = match tag.as_str() {
            "Tag" | "MessageData" => format!("{tag}_"),
            _ => tag.clone(),
        };
        Case {
            tag,
            maker,
            ty: context.names.ty(context.module, &variant.ty),
            is_blueprintable: is_blueprintable(&variant.ty),
        }
    };
    variants.iter().map(case).collect()
}

/// The enum of tags, the struct with its comparison and hash, the library, the registration.
pub(super) fn union(code: &mut Code, context: Context<'_>, union: &Union<'_>) {
    let Union { bare, full, .. } = union;
    let cases = cases(context, union.variants);
    let tag = format!("E{bare}Tag");
    let tags: Vec<String> = cases.iter().map(|case| case.tag.clone()).collect();
    plain_enum(code, &tag, &tags);
    code.blank();
    code.line("USTRUCT(BlueprintType)");
    let api = context.names.api();
    braces(code, format_args!("struct {api} {full}"), "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        let mut types: Vec<&str> = Vec::new();
        for case in &cases {
            if !types.contains(&case.ty.as_str()) {
                types.push(&case.ty);
            }
        }
        code.line(format_args!("TVariant<{}> MessageData;", types.join(", ")));
        code.blank();
        code.line("UPROPERTY(BlueprintReadOnly, Category = \"SpacetimeDB\")");
        code.line(format_args!("{tag} Tag{{}};"));
        for case in &cases {
            case_functions(code, full, &tag, case);
        }
        code.blank();
        let head = format!("FORCEINLINE bool operator==(const {full}& Other) const");
        braces(code, head, "}", |code| {
            code.line("if (Tag != Other.Tag) return false;");
            switch(code, &tag, &cases, "false", |tag| {
                format!("GetAs{tag}() == Other.GetAs{tag}()")
            });
        });
        code.blank();
        let head = format!("FORCEINLINE bool operator!=(const {full}& Other) const");
        braces(code, head, "}", |code| {
            code.line("return !(*this == Other);");
        });
        code.blank();
        code.line("/** A hash of the tag and the value. */");
        braces(code, "FORCEINLINE uint32 Hash() const", "}", |code| {
            code.line("const uint32 TagHash = ::GetTypeHash(static_cast<uint8>(Tag));");
            switch(code, &tag, &cases, "TagHash", |tag| {
                format!("HashCombine(TagHash, GetTypeHash(GetAs{tag}()))")
            });
        });
    });
    code.blank();
    let head = format!("FORCEINLINE uint32 GetTypeHash(const {full}& Value)");
    braces(code, head, "}", |code| {
        code.line("return Value.Hash();");
    });
    library(code, context, union, &cases);
    code.blank();
    braces(code, "namespace UE::SpacetimeDB", "}", |code| {
        if union.is_in_arrays {
            code.line(format_args!("UE_SPACETIMEDB_ENABLE_TARRAY({full});"));
        }
        let mut parts = vec![(*full).to_owned(), tag.clone(), "MessageData".to_owned()];
        for case in &cases {
            parts.extend([case.tag.clone(), case.ty.clone()]);
        }
        code.line(format_args!(
            "UE_SPACETIMEDB_TAGGED_ENUM({});",
            parts.join(", ")
        ));
    });
}

fn case_functions(code: &mut Code, full: &str, tag: &str, case: &Case) {
    let Case {
        tag: name,
        maker,
        ty,
        ..
    } = case;
    code.blank();
    let default = match ty.as_str() {
        "FSpacetimeDBUnit" => " = FSpacetimeDBUnit()",
        _ => "",
    };
    let head = format!("static {full} {maker}(const {ty}& InValue{default})");
    braces(code, head, "}", |code| {
        code.line(format_args!("{full} Made;"));
        code.line(format_args!("Made.Tag = {tag}::{name};"));
        code.line(format_args!("Made.MessageData.Set<{ty}>(InValue);"));
        code.line("return Made;");
    });
    code.blank();
    let head = format!("FORCEINLINE bool Is{name}() const");
    braces(code, head, "}", |code| {
        code.line(format_args!("return Tag == {tag}::{name};"));
    });
    code.blank();
    let head = format!("FORCEINLINE {ty} GetAs{name}() const");
    braces(code, head, "}", |code| {
        code.line(format_args!("ensure(Is{name}());"));
        code.line(format_args!(
            "return MessageData.IsType<{ty}>() ? MessageData.Get<{ty}>() : {ty}{{}};"
        ));
    });
}

fn switch(
    code: &mut Code,
    tag: &str,
    cases: &[Case],
    otherwise: &str,
    value: impl Fn(&str) -> String,
) {
    braces(code, "switch (Tag)", "}", |code| {
        for case in cases {
            let value = value(&case.tag);
            code.line(format_args!("case {tag}::{}: return {value};", case.tag));
        }
        code.line(format_args!("default: return {otherwise};"));
    });
}

/// Blueprints call functions of libraries only, not those of structs.
fn library(code: &mut Code, context: Context<'_>, union: &Union<'_>, cases: &[Case]) {
    let Union { bare, full, .. } = union;
    let category = format!("Category = \"SpacetimeDB|{bare}\"");
    code.blank();
    code.line("UCLASS()");
    let api = context.names.api();
    let head = format!("class {api} U{bare}BpLib : public UBlueprintFunctionLibrary");
    braces(code, head, "};", |code| {
        code.line("GENERATED_BODY()");
        code.blank();
        code.line("public:");
        for case in cases {
            let Case { tag, maker, ty, .. } = case;
            if case.is_blueprintable {
                code.line(format_args!("UFUNCTION(BlueprintCallable, {category})"));
                let head = format!("static {full} Make{tag}(const {ty}& InValue)");
                braces(code, head, "}", |code| {
                    code.line(format_args!("return {full}::{maker}(InValue);"));
                });
                code.blank();
                code.line(format_args!("UFUNCTION(BlueprintPure, {category})"));
                let head = format!("static {ty} GetAs{tag}(const {full}& InValue)");
                braces(code, head, "}", |code| {
                    code.line(format_args!("return InValue.GetAs{tag}();"));
                });
                code.blank();
            }
            code.line(format_args!("UFUNCTION(BlueprintPure, {category})"));
            let head = format!("static bool Is{tag}(const {full}& InValue)");
            braces(code, head, "}", |code| {
                code.line(format_args!("return InValue.Is{tag}();"));
            });
            code.blank();
        }
    });
}
