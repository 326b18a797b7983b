//! Rules for types: canonical names inside them, and what clients can be given.
//!
//! Invariant: recursion here follows either the nesting of a decoded type, which `bsatn` has
//! bounded, or a chain of references, which is counted.

use std::collections::HashSet;

use super::def::TypeDef;
use super::draft::Draft;
use super::error::{ModuleDefError, TypeCause, TypeLocation, TypeText};
use super::naming::{Naming, check_names};
use super::report::Report;
use crate::bsatn::DEPTH_MAX;
use crate::names;
use crate::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};

/// The typespace with canonical field and variant names.
pub(super) fn canonical_typespace(source: &Typespace, naming: &Naming) -> Typespace {
    let types = source
        .types
        .iter()
        .map(|ty| canonical_type(ty, naming))
        .collect();
    Typespace { types }
}

fn canonical_type(ty: &AlgebraicType, naming: &Naming) -> AlgebraicType {
    match ty {
        AlgebraicType::Product(product) => {
            if product.is_special() || product.as_view_query().is_some() {
                return ty.clone();
            }
            let element = |element: &ProductTypeElement| ProductTypeElement {
                name: element.name.as_deref().map(|name| naming.column(name)),
                algebraic_type: canonical_type(&element.algebraic_type, naming),
            };
            AlgebraicType::Product(ProductType {
                elements: product.elements.iter().map(element).collect(),
            })
        }
        AlgebraicType::Sum(sum) => {
            if sum.is_schedule_at() {
                return ty.clone();
            }
            let keep = sum.as_option().is_some() || sum.as_result().is_some();
            let canonical = |name: &str| {
                if keep {
                    name.into()
                } else {
                    naming.variant(name)
                }
            };
            let variant = |variant: &SumTypeVariant| SumTypeVariant {
                name: variant.name.as_deref().map(canonical),
                algebraic_type: canonical_type(&variant.algebraic_type, naming),
            };
            AlgebraicType::Sum(SumType {
                variants: sum.variants.iter().map(variant).collect(),
            })
        }
        AlgebraicType::Array(element) => {
            AlgebraicType::Array(Box::new(canonical_type(element, naming)))
        }
        primitive_or_ref => primitive_or_ref.clone(),
    }
}

/// Says whether types can be used in place.
#[derive(Debug)]
pub(super) struct Uses<'t> {
    typespace: &'t Typespace,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// Not looked at.
    Unknown,
    /// Named by a type definition: a reference to it is fine.
    Definition,
    /// On the path that is being followed.
    Open,
    /// A legal use.
    Legal,
}

impl<'t> Uses<'t> {
    pub fn new(typespace: &'t Typespace, draft: &Draft) -> Self {
        let mut entries = vec![Entry::Unknown; typespace.types.len()];
        for def in &draft.types {
            let index = usize::try_from(def.ty.0).unwrap_or(usize::MAX);
            if let Some(entry) = entries.get_mut(index) {
                *entry = Entry::Definition;
            }
        }
        Uses { typespace, entries }
    }

    /// Whether clients can be given a value of this type.
    pub fn check(&mut self, ty: &AlgebraicType) -> Result<(), TypeCause> {
        self.check_at(ty, DEPTH_MAX * 2)
    }

    fn check_at(&mut self, ty: &AlgebraicType, left: usize) -> Result<(), TypeCause> {
        let left = left.checked_sub(1).ok_or(TypeCause::TooDeep)?;
        match ty {
            AlgebraicType::Ref(target) => self.check_ref(*target, left),
            AlgebraicType::Array(element) => self.check_at(element, left),
            AlgebraicType::Sum(sum) => {
                if let Some(some) = sum.as_option() {
                    self.check_at(some, left)
                } else if let Some((ok, err)) = sum.as_result() {
                    self.check_at(ok, left)?;
                    self.check_at(err, left)
                } else if ty.is_valid_use() {
                    Ok(())
                } else {
                    Err(TypeCause::InlineType(TypeText::new(ty)))
                }
            }
            _ if ty.is_valid_use() => Ok(()),
            _ => Err(TypeCause::InlineType(TypeText::new(ty))),
        }
    }

    fn check_ref(&mut self, target: TypeRef, left: usize) -> Result<(), TypeCause> {
        let typespace = self.typespace;
        let ty = typespace.get(target).ok_or(TypeCause::InvalidRef)?;
        let index = usize::try_from(target.0).map_err(|_| TypeCause::InvalidRef)?;
        match self.entries.get(index) {
            Some(Entry::Definition | Entry::Legal) => Ok(()),
            Some(Entry::Unknown) => {
                self.entries[index] = Entry::Open;
                let result = self.check_at(ty, left);
                let legal = result.is_ok();
                self.entries[index] = if legal { Entry::Legal } else { Entry::Unknown };
                result
            }
            Some(Entry::Open) | None => Err(TypeCause::InvalidRef),
        }
    }
}

/// Checks the type definitions and gives them canonical names.
pub(super) fn check_type_defs(
    draft: &Draft,
    canonical: &Typespace,
    naming: &Naming,
    uses: &mut Uses<'_>,
    report: &mut Report,
) -> Vec<TypeDef> {
    let mut defs = Vec::with_capacity(draft.types.len());
    let mut full_names = HashSet::new();
    let mut checked = HashSet::new();
    for raw in &draft.types {
        let def = TypeDef {
            scope: raw
                .source_name
                .scope
                .iter()
                .map(|segment| naming.type_name(segment))
                .collect(),
            name: naming.type_name(&raw.source_name.source_name),
            ty: raw.ty,
            custom_ordering: raw.custom_ordering,
        };
        for segment in def.scope.iter().chain([&def.name]) {
            if let Err(error) = names::check_identifier(segment) {
                report.push(error.into());
            }
        }
        let full_name = def.full_name();
        let Some(source_type) = draft.typespace.get(raw.ty) else {
            report.push(ModuleDefError::InvalidTypeRef {
                name: full_name,
                ty: raw.ty,
            });
            continue;
        };
        if !raw.custom_ordering && !has_default_order(source_type) {
            report.push(ModuleDefError::CustomOrdering {
                name: full_name.clone(),
                ty: TypeText::new(source_type),
            });
        }
        if checked.insert(raw.ty) {
            let canonical_type = canonical.get(raw.ty).unwrap_or(source_type);
            check_definition(raw.ty, source_type, canonical_type, uses, report);
        }
        if !full_names.insert(full_name.clone()) {
            report.push(ModuleDefError::DuplicateTypeName { name: full_name });
        }
        defs.push(def);
    }
    defs
}

fn check_definition(
    entry: TypeRef,
    source: &AlgebraicType,
    canonical: &AlgebraicType,
    uses: &mut Uses<'_>,
    report: &mut Report,
) {
    let mut fail = |cause| {
        let at = TypeLocation::InTypespace(entry);
        report.push(ModuleDefError::Type { at, cause });
    };
    if source.is_special() {
        if let Err(cause) = uses.check(source) {
            fail(cause);
        }
        return;
    }
    let (Some(members), Some(canonical_members)) = (members(source), members(canonical)) else {
        fail(TypeCause::NotADefinition(TypeText::new(source)));
        return;
    };
    for ((name, ty), (canonical_name, _)) in members.into_iter().zip(canonical_members) {
        let (Some(name), Some(canonical_name)) = (name, canonical_name) else {
            fail(TypeCause::UnnamedElement(TypeText::new(source)));
            continue;
        };
        if let Err(error) = check_names(name, canonical_name) {
            let ty = TypeText::new(source);
            fail(TypeCause::Identifier { ty, error });
        }
        if let Err(cause) = uses.check(ty) {
            fail(cause);
        }
    }
}

type Member<'a> = (Option<&'a str>, &'a AlgebraicType);

/// Elements or variants.
fn members(ty: &AlgebraicType) -> Option<Vec<Member<'_>>> {
    match ty {
        AlgebraicType::Product(product) => {
            let elements = product.elements.iter();
            Some(
                elements
                    .map(|e| (e.name.as_deref(), &e.algebraic_type))
                    .collect(),
            )
        }
        AlgebraicType::Sum(sum) => {
            let variants = sum.variants.iter();
            Some(
                variants
                    .map(|v| (v.name.as_deref(), &v.algebraic_type))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Whether members are unnamed first, then named and sorted by name.
fn has_default_order(ty: &AlgebraicType) -> bool {
    // `None` sorts before every name.
    members(ty).is_none_or(|members| members.is_sorted_by_key(|(name, _)| *name))
}

/// How many nodes a type has.
pub(super) fn node_count(ty: &AlgebraicType) -> usize {
    let inner: usize = match ty {
        AlgebraicType::Array(element) => node_count(element),
        _ => members(ty).map_or(0, |members| {
            members.into_iter().map(|(_, ty)| node_count(ty)).sum()
        }),
    };
    inner + 1
}
