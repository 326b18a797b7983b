//! BSATN of types themselves: a type is the sum of its kinds, in the order of [`AlgebraicType`].

use super::{Decode, DecodeError, Encode, Reader, VARIANT_COUNT_MAX};
use crate::{
    AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef, Typespace,
};

impl Encode for TypeRef {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for TypeRef {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u32().map(TypeRef)
    }
}

impl Encode for AlgebraicType {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag_of(self));
        match self {
            AlgebraicType::Ref(type_ref) => type_ref.encode(out),
            AlgebraicType::Sum(sum) => sum.encode(out),
            AlgebraicType::Product(product) => product.encode(out),
            AlgebraicType::Array(element) => element.encode(out),
            _ => {}
        }
    }
}

fn tag_of(ty: &AlgebraicType) -> u8 {
    match ty {
        AlgebraicType::Ref(_) => 0,
        AlgebraicType::Sum(_) => 1,
        AlgebraicType::Product(_) => 2,
        AlgebraicType::Array(_) => 3,
        AlgebraicType::String => 4,
        AlgebraicType::Bool => 5,
        AlgebraicType::I8 => 6,
        AlgebraicType::U8 => 7,
        AlgebraicType::I16 => 8,
        AlgebraicType::U16 => 9,
        AlgebraicType::I32 => 10,
        AlgebraicType::U32 => 11,
        AlgebraicType::I64 => 12,
        AlgebraicType::U64 => 13,
        AlgebraicType::I128 => 14,
        AlgebraicType::U128 => 15,
        AlgebraicType::I256 => 16,
        AlgebraicType::U256 => 17,
        AlgebraicType::F32 => 18,
        AlgebraicType::F64 => 19,
    }
}

impl<'a> Decode<'a> for AlgebraicType {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.nested(|reader| {
            let offset = reader.offset();
            Ok(match reader.u8()? {
                0 => AlgebraicType::Ref(Decode::decode(reader)?),
                1 => AlgebraicType::Sum(Decode::decode(reader)?),
                2 => AlgebraicType::Product(Decode::decode(reader)?),
                3 => AlgebraicType::Array(Box::new(Decode::decode(reader)?)),
                4 => AlgebraicType::String,
                5 => AlgebraicType::Bool,
                6 => AlgebraicType::I8,
                7 => AlgebraicType::U8,
                8 => AlgebraicType::I16,
                9 => AlgebraicType::U16,
                10 => AlgebraicType::I32,
                11 => AlgebraicType::U32,
                12 => AlgebraicType::I64,
                13 => AlgebraicType::U64,
                14 => AlgebraicType::I128,
                15 => AlgebraicType::U128,
                16 => AlgebraicType::I256,
                17 => AlgebraicType::U256,
                18 => AlgebraicType::F32,
                19 => AlgebraicType::F64,
                tag => {
                    return Err(DecodeError::InvalidTag {
                        offset,
                        tag,
                        type_name: "AlgebraicType",
                    });
                }
            })
        })
    }
}

impl Encode for ProductType {
    fn encode(&self, out: &mut Vec<u8>) {
        self.elements.encode(out);
    }
}

impl<'a> Decode<'a> for ProductType {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(|elements| ProductType { elements })
    }
}

impl Encode for SumType {
    fn encode(&self, out: &mut Vec<u8>) {
        self.variants.encode(out);
    }
}

impl<'a> Decode<'a> for SumType {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let variants: Vec<SumTypeVariant> = Decode::decode(reader)?;
        if variants.len() > VARIANT_COUNT_MAX {
            return Err(DecodeError::TooMany {
                what: "variants of a sum type",
                given: variants.len(),
                max: VARIANT_COUNT_MAX,
            });
        }
        Ok(SumType { variants })
    }
}

impl Encode for ProductTypeElement {
    fn encode(&self, out: &mut Vec<u8>) {
        self.name.encode(out);
        self.algebraic_type.encode(out);
    }
}

impl<'a> Decode<'a> for ProductTypeElement {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(ProductTypeElement {
            name: Decode::decode(reader)?,
            algebraic_type: Decode::decode(reader)?,
        })
    }
}

impl Encode for SumTypeVariant {
    fn encode(&self, out: &mut Vec<u8>) {
        self.name.encode(out);
        self.algebraic_type.encode(out);
    }
}

impl<'a> Decode<'a> for SumTypeVariant {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(SumTypeVariant {
            name: Decode::decode(reader)?,
            algebraic_type: Decode::decode(reader)?,
        })
    }
}

impl Encode for Typespace {
    fn encode(&self, out: &mut Vec<u8>) {
        self.types.encode(out);
    }
}

impl<'a> Decode<'a> for Typespace {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(|types| Typespace { types })
    }
}
