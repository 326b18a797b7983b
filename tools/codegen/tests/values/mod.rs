//! Values of a module's types, made from a fixed seed: as bytes, and in words that a program in
//! another language can find as well.

use spacetime_types::module_def::{ModuleDef, Visibility};
use spacetime_types::names::pascal_case;
use spacetime_types::{
    AlgebraicType, AlgebraicValue, ArrayValue, F32, F64, ProductType, SumValue, Typespace, bsatn,
    hex,
};

/// A value of a type that C# knows by this name.
pub struct Case {
    name: String,
    value: AlgebraicValue,
}

impl Case {
    fn bytes(&self) -> String {
        hex::encode(&bsatn::to_vec(&self.value))
    }

    pub fn question(&self) -> String {
        format!("{} {}\n", self.name, self.bytes())
    }

    pub fn answer(&self) -> String {
        format!("-{} {}", self.bytes(), words(&self.value))
    }
}

const VALUES_EACH: usize = 6;

pub fn cases(module: &ModuleDef) -> Vec<Case> {
    let mut types: Vec<(String, AlgebraicType)> = Vec::new();
    for ty in module.types() {
        let segments = ty.scope.iter().chain([&ty.name]);
        let name: String = segments.map(|segment| pascal_case(segment)).collect();
        types.push((name, AlgebraicType::Ref(ty.ty)));
    }
    let functions = module.reducers().iter();
    for reducer in functions.filter(|reducer| reducer.visibility == Visibility::ClientCallable) {
        let name = format!("Reducer+{}", pascal_case(&reducer.accessor));
        types.push((name, product(&reducer.params)));
    }
    let functions = module.procedures().iter();
    for procedure in functions.filter(|it| it.visibility == Visibility::ClientCallable) {
        let name = format!("Procedure+{}", pascal_case(&procedure.accessor));
        let value = AlgebraicType::product([("Value", procedure.return_type.clone())]);
        types.push((format!("{name}Args"), product(&procedure.params)));
        types.push((name, value));
    }
    let mut random = Random(0x5eed_5eed);
    let mut cases = Vec::new();
    for (name, ty) in types {
        if !is_inhabited(module.typespace(), &ty, 8) {
            continue;
        }
        for _ in 0..VALUES_EACH {
            cases.push(Case {
                name: format!("SpacetimeDB.Types.{name}"),
                value: random.value(module.typespace(), &ty, 4),
            });
        }
    }
    cases
}

fn product(params: &ProductType) -> AlgebraicType {
    AlgebraicType::Product(params.clone())
}

fn is_inhabited(typespace: &Typespace, ty: &AlgebraicType, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    match typespace.follow(ty).expect("the definition is valid") {
        AlgebraicType::Product(product) => {
            let mut types = product.elements.iter();
            types.all(|element| is_inhabited(typespace, &element.algebraic_type, depth))
        }
        AlgebraicType::Sum(sum) => {
            let mut types = sum.variants.iter();
            types.any(|variant| is_inhabited(typespace, &variant.algebraic_type, depth))
        }
        _ => true,
    }
}

/// Xorshift: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("it is small");
        usize::try_from(self.next() % bound).expect("it is smaller")
    }

    /// Bytes of a number: small and extreme ones are as likely as others.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        match self.below(4) {
            0 => [0; N],
            1 => [0xff; N],
            _ => std::array::from_fn(|_| self.next().to_be_bytes()[0]),
        }
    }

    fn value(&mut self, typespace: &Typespace, ty: &AlgebraicType, depth: u32) -> AlgebraicValue {
        let ty = typespace.follow(ty).expect("the definition is valid");
        let inner = depth.saturating_sub(1);
        match ty {
            AlgebraicType::Product(product) => {
                let types = product
                    .elements
                    .iter()
                    .map(|element| &element.algebraic_type);
                AlgebraicValue::Product(types.map(|ty| self.value(typespace, ty, inner)).collect())
            }
            AlgebraicType::Sum(sum) => {
                // Deep inside, a variant that ends: the last ones are those without a payload.
                let mut tag = self.below(sum.variants.len());
                let ends = |tag: &usize| sum.variants[*tag].algebraic_type.is_unit();
                if depth == 0 {
                    tag = (0..sum.variants.len()).rev().find(ends).unwrap_or(tag);
                }
                let payload = &sum.variants[tag].algebraic_type;
                AlgebraicValue::Sum(SumValue {
                    tag: u8::try_from(tag).expect("there are few variants"),
                    value: Box::new(self.value(typespace, payload, inner)),
                })
            }
            AlgebraicType::Array(element) => {
                let count = if depth == 0 { 0 } else { self.below(4) };
                AlgebraicValue::Array(match **element {
                    AlgebraicType::U8 => {
                        let bytes = (0..count).map(|_| self.next().to_be_bytes()[0]);
                        ArrayValue::Bytes(bytes.collect())
                    }
                    _ => {
                        let values = (0..count).map(|_| self.value(typespace, element, inner));
                        ArrayValue::Values(values.collect())
                    }
                })
            }
            primitive => self.primitive(primitive),
        }
    }

    fn primitive(&mut self, ty: &AlgebraicType) -> AlgebraicValue {
        match ty {
            AlgebraicType::String => {
                let texts = ["", "a b", "\u{e4}\u{1d11e}\u{20ac}", "\0'\"\n"];
                AlgebraicValue::String(texts[self.below(texts.len())].into())
            }
            AlgebraicType::Bool => AlgebraicValue::Bool(self.below(2) == 1),
            AlgebraicType::I8 => AlgebraicValue::I8(i8::from_le_bytes(self.bytes())),
            AlgebraicType::U8 => AlgebraicValue::U8(u8::from_le_bytes(self.bytes())),
            AlgebraicType::I16 => AlgebraicValue::I16(i16::from_le_bytes(self.bytes())),
            AlgebraicType::U16 => AlgebraicValue::U16(u16::from_le_bytes(self.bytes())),
            AlgebraicType::I32 => AlgebraicValue::I32(i32::from_le_bytes(self.bytes())),
            AlgebraicType::U32 => AlgebraicValue::U32(u32::from_le_bytes(self.bytes())),
            AlgebraicType::I64 => AlgebraicValue::I64(i64::from_le_bytes(self.bytes())),
            AlgebraicType::U64 => AlgebraicValue::U64(u64::from_le_bytes(self.bytes())),
            AlgebraicType::I128 => AlgebraicValue::I128(i128::from_le_bytes(self.bytes())),
            AlgebraicType::U128 => AlgebraicValue::U128(u128::from_le_bytes(self.bytes())),
            // NaN has many forms, and a runtime may change one into another.
            AlgebraicType::F32 => {
                let number = f32::from_le_bytes(self.bytes());
                AlgebraicValue::F32(F32(if number.is_nan() { -0.5 } else { number }))
            }
            AlgebraicType::F64 => {
                let number = f64::from_le_bytes(self.bytes());
                AlgebraicValue::F64(F64(if number.is_nan() { -0.5 } else { number }))
            }
            wide => {
                let bytes = self.bytes::<32>();
                let mut reader = bsatn::Reader::new(&bytes);
                bsatn::decode_value(&Typespace::default(), wide, &mut reader)
                    .expect("any 32 bytes are a number")
            }
        }
    }
}

/// The value in words, for a reader of bytes that knows no names.
fn words(value: &AlgebraicValue) -> String {
    let list = |values: &[AlgebraicValue]| values.iter().map(words).collect::<Vec<_>>().join(",");
    match value {
        AlgebraicValue::Sum(sum) => format!("{}:{}", sum.tag, words(&sum.value)),
        AlgebraicValue::Product(values) => format!("({})", list(values)),
        AlgebraicValue::Array(ArrayValue::Values(values)) => format!("[{}]", list(values)),
        AlgebraicValue::Array(ArrayValue::Bytes(bytes)) => {
            let bytes: Vec<String> = bytes.iter().map(ToString::to_string).collect();
            format!("[{}]", bytes.join(","))
        }
        AlgebraicValue::String(text) => format!("'{}'", hex::encode(text.as_bytes())),
        AlgebraicValue::Bool(bit) => bit.to_string(),
        AlgebraicValue::I8(number) => number.to_string(),
        AlgebraicValue::U8(number) => number.to_string(),
        AlgebraicValue::I16(number) => number.to_string(),
        AlgebraicValue::U16(number) => number.to_string(),
        AlgebraicValue::I32(number) => number.to_string(),
        AlgebraicValue::U32(number) => number.to_string(),
        AlgebraicValue::I64(number) => number.to_string(),
        AlgebraicValue::U64(number) => number.to_string(),
        AlgebraicValue::I128(number) => number.to_string(),
        AlgebraicValue::U128(number) => number.to_string(),
        AlgebraicValue::I256(number) => number.to_string(),
        AlgebraicValue::U256(number) => number.to_string(),
        AlgebraicValue::F32(number) => format!("f{:x}", number.0.to_bits()),
        AlgebraicValue::F64(number) => format!("f{:x}", number.0.to_bits()),
    }
}
