//! Sizes and alignments that migration rules compare.
//!
//! Rows are not stored this way. But whether a changed sum type is compatible was defined by the
//! in-row layout of the original, so the function must give the same answers.

use crate::{AlgebraicType, ProductType, SumType};

/// Size and alignment in bytes. Alignment is a power of two, and size a multiple of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub size: usize,
    pub align: usize,
}

impl Layout {
    const fn square(size: usize) -> Self {
        Layout { size, align: size }
    }

    /// Layout of a type without references, or `None` if it has some.
    #[must_use]
    pub fn of(ty: &AlgebraicType) -> Option<Self> {
        Some(match ty {
            AlgebraicType::Ref(_) => return None,
            AlgebraicType::Sum(sum) => return Layout::of_sum(sum),
            AlgebraicType::Product(product) => return Layout::of_product(product),
            AlgebraicType::String | AlgebraicType::Array(_) => Layout { size: 4, align: 2 },
            AlgebraicType::Bool | AlgebraicType::I8 | AlgebraicType::U8 => Layout::square(1),
            AlgebraicType::I16 | AlgebraicType::U16 => Layout::square(2),
            AlgebraicType::I32 | AlgebraicType::U32 | AlgebraicType::F32 => Layout::square(4),
            AlgebraicType::I64 | AlgebraicType::U64 | AlgebraicType::F64 => Layout::square(8),
            AlgebraicType::I128 | AlgebraicType::U128 => Layout::square(16),
            AlgebraicType::I256 | AlgebraicType::U256 => Layout::square(32),
        })
    }

    /// Layout of a record.
    #[must_use]
    pub fn of_product(product: &ProductType) -> Option<Self> {
        let mut size = 0_usize;
        let mut align = 1;
        for element in &product.elements {
            let layout = Layout::of(&element.algebraic_type)?;
            size = size.next_multiple_of(layout.align) + layout.size;
            align = align.max(layout.align);
        }
        let size = size.next_multiple_of(align);
        Some(Layout { size, align })
    }

    /// Layout of a tagged union: the tag takes one alignment unit.
    #[must_use]
    pub fn of_sum(sum: &SumType) -> Option<Self> {
        let mut size = 0_usize;
        let mut align = 1;
        for variant in &sum.variants {
            let layout = Layout::of(&variant.algebraic_type)?;
            size = size.max(layout.size);
            align = align.max(layout.align);
        }
        let size = align + size.next_multiple_of(align);
        Some(Layout { size, align })
    }

    /// Size of a whole row of this type.
    #[must_use]
    pub fn row_size(product: &ProductType) -> Option<usize> {
        let layout = Layout::of_product(product)?;
        Some(layout.size.next_multiple_of(2).max(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlgebraicType as Ty;

    fn check(ty: &AlgebraicType, size: usize, align: usize) {
        assert_eq!(Layout::of(ty), Some(Layout { size, align }), "{ty}");
    }

    #[test]
    fn sizes_and_alignments() {
        check(&Ty::unit(), 0, 1);
        check(&Ty::never(), 1, 1);
        check(&Ty::plain_enum(["a", "b"]), 1, 1);
        check(&Ty::option(Ty::U8), 2, 1);
        check(&Ty::option(Ty::U32), 8, 4);
        check(&Ty::option(Ty::U64), 16, 8);
        check(&Ty::option(Ty::String), 6, 2);
        check(&Ty::option(Ty::U256), 64, 32);
        check(&Ty::schedule_at(), 16, 8);
        check(&Ty::identity(), 32, 32);
        check(&Ty::tuple([Ty::U8, Ty::U64, Ty::U8]), 24, 8);
        check(&Ty::tuple([Ty::U8, Ty::String]), 6, 2);
        let wide = Ty::tuple([Ty::U8, Ty::U16, Ty::U8]);
        check(&Ty::sum([("a", wide), ("b", Ty::U64)]), 16, 8);
        assert_eq!(
            Layout::of(&Ty::array(Ty::reference(0))),
            Some(Layout { size: 4, align: 2 })
        );
        assert_eq!(Layout::of(&Ty::option(Ty::reference(0))), None);
    }

    #[test]
    fn rows_are_even_and_not_empty() {
        assert_eq!(Layout::row_size(&ProductType::default()), Some(2));
        assert_eq!(
            Layout::row_size(&ProductType::tuple([Ty::U8, Ty::U16, Ty::U8])),
            Some(6)
        );
        assert_eq!(
            Layout::row_size(&ProductType::tuple(vec![Ty::U8; 3])),
            Some(4)
        );
    }
}
