//! Following and inlining the references of a typespace.

use crate::bsatn::{DEPTH_MAX, DecodeError};
use crate::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};

/// Most nodes of a type after its references were inlined. A short typespace in which each entry
/// uses the next one twice would otherwise grow without end.
pub const RESOLVED_NODE_COUNT_MAX: usize = 1 << 16;

/// Why the references of a type could not be inlined. Correct the module's types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Columns cannot hold recursive types.
    #[error("Found recursive type reference {0}")]
    Recursive(TypeRef),
    /// The typespace has no such entry.
    #[error("Type reference {0} out of bounds")]
    OutOfBounds(TypeRef),
    /// The inlined type would be deeper than values may be.
    #[error("The type is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The inlined type would be too large.
    #[error("The type has more than {RESOLVED_NODE_COUNT_MAX} parts")]
    TooLarge,
}

impl Typespace {
    /// The entry that `type_ref` points at, which may be a reference itself.
    #[inline]
    #[must_use]
    pub fn get(&self, type_ref: TypeRef) -> Option<&AlgebraicType> {
        self.types.get(usize::try_from(type_ref.0).ok()?)
    }

    /// Appends a type.
    pub fn add(&mut self, ty: AlgebraicType) -> TypeRef {
        let index = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        assert!(index < u32::MAX, "a typespace has at most 2^32 - 1 types");
        self.types.push(ty);
        TypeRef(index)
    }

    /// `ty` itself, or the first type that is not a reference on the chain that starts at `ty`.
    #[inline]
    pub fn follow<'t>(&'t self, ty: &'t AlgebraicType) -> Result<&'t AlgebraicType, DecodeError> {
        match ty {
            AlgebraicType::Ref(type_ref) => self.follow_ref(*type_ref),
            _ => Ok(ty),
        }
    }

    fn follow_ref(&self, first: TypeRef) -> Result<&AlgebraicType, DecodeError> {
        let mut type_ref = first;
        for _ in 0..=self.types.len() {
            match self.get(type_ref) {
                Some(AlgebraicType::Ref(next)) => type_ref = *next,
                Some(ty) => return Ok(ty),
                None => return Err(DecodeError::BadRef(type_ref.0)),
            }
        }
        Err(DecodeError::BadRef(first.0))
    }

    /// `ty` with every reference replaced by its target.
    pub fn resolve(&self, ty: &AlgebraicType) -> Result<AlgebraicType, ResolveError> {
        let mut resolver = Resolver {
            typespace: self,
            open_refs: Vec::new(),
            depth: 0,
            nodes_left: RESOLVED_NODE_COUNT_MAX,
        };
        resolver.resolve(ty)
    }

    /// [`resolve`](Self::resolve) for a row type.
    pub fn resolve_product(&self, product: &ProductType) -> Result<ProductType, ResolveError> {
        let mut elements = Vec::with_capacity(product.elements.len());
        for element in &product.elements {
            elements.push(ProductTypeElement {
                name: element.name.clone(),
                algebraic_type: self.resolve(&element.algebraic_type)?,
            });
        }
        Ok(ProductType { elements })
    }
}

struct Resolver<'t> {
    typespace: &'t Typespace,
    open_refs: Vec<TypeRef>,
    depth: usize,
    nodes_left: usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, ty: &AlgebraicType) -> Result<AlgebraicType, ResolveError> {
        if self.depth >= DEPTH_MAX {
            return Err(ResolveError::TooDeep);
        }
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or(ResolveError::TooLarge)?;
        self.depth += 1;
        let resolved = self.resolve_children(ty)?;
        self.depth -= 1;
        Ok(resolved)
    }

    fn resolve_children(&mut self, ty: &AlgebraicType) -> Result<AlgebraicType, ResolveError> {
        Ok(match ty {
            AlgebraicType::Ref(type_ref) => return self.resolve_ref(*type_ref),
            AlgebraicType::Sum(sum) => {
                let mut variants = Vec::with_capacity(sum.variants.len());
                for variant in &sum.variants {
                    variants.push(SumTypeVariant {
                        name: variant.name.clone(),
                        algebraic_type: self.resolve(&variant.algebraic_type)?,
                    });
                }
                AlgebraicType::Sum(SumType { variants })
            }
            AlgebraicType::Product(product) => {
                let mut elements = Vec::with_capacity(product.elements.len());
                for element in &product.elements {
                    elements.push(ProductTypeElement {
                        name: element.name.clone(),
                        algebraic_type: self.resolve(&element.algebraic_type)?,
                    });
                }
                AlgebraicType::Product(ProductType { elements })
            }
            AlgebraicType::Array(element) => AlgebraicType::Array(Box::new(self.resolve(element)?)),
            primitive => primitive.clone(),
        })
    }

    fn resolve_ref(&mut self, type_ref: TypeRef) -> Result<AlgebraicType, ResolveError> {
        if self.open_refs.contains(&type_ref) {
            return Err(ResolveError::Recursive(type_ref));
        }
        let typespace = self.typespace;
        let target = typespace
            .get(type_ref)
            .ok_or(ResolveError::OutOfBounds(type_ref))?;
        self.open_refs.push(type_ref);
        let resolved = self.resolve(target)?;
        self.open_refs.pop();
        Ok(resolved)
    }
}
