//! Building common types, and recognising the special ones.
//!
//! Special types are recognised by shape and magic names only; references are not followed.
//!
//! Invariant: every `is_x` is true of what the constructor `x` builds, and of nothing else.

use crate::{AlgebraicType, ProductType, ProductTypeElement, SumType, SumTypeVariant, TypeRef};

/// Field name that makes a product an identity.
pub const IDENTITY_FIELD: &str = "__identity__";
/// Field name that makes a product a connection id.
pub const CONNECTION_ID_FIELD: &str = "__connection_id__";
/// Field name that makes a product a timestamp.
pub const TIMESTAMP_FIELD: &str = "__timestamp_micros_since_unix_epoch__";
/// Field name that makes a product a time duration.
pub const TIME_DURATION_FIELD: &str = "__time_duration_micros__";
/// Field name that makes a product a uuid.
pub const UUID_FIELD: &str = "__uuid__";
/// Field name of the return type of a view that is a query.
pub const QUERY_FIELD: &str = "__query__";

impl ProductTypeElement {
    /// A named field.
    #[must_use]
    pub fn named(name: impl Into<Box<str>>, algebraic_type: AlgebraicType) -> Self {
        ProductTypeElement {
            name: Some(name.into()),
            algebraic_type,
        }
    }
}

impl SumTypeVariant {
    /// A named variant.
    #[must_use]
    pub fn named(name: impl Into<Box<str>>, algebraic_type: AlgebraicType) -> Self {
        SumTypeVariant {
            name: Some(name.into()),
            algebraic_type,
        }
    }
}

impl ProductType {
    /// A record with named fields.
    #[must_use]
    pub fn named<N: Into<Box<str>>>(fields: impl IntoIterator<Item = (N, AlgebraicType)>) -> Self {
        let named = |(name, ty)| ProductTypeElement::named(name, ty);
        ProductType {
            elements: fields.into_iter().map(named).collect(),
        }
    }

    /// A tuple.
    #[must_use]
    pub fn tuple(types: impl IntoIterator<Item = AlgebraicType>) -> Self {
        let unnamed = |algebraic_type| ProductTypeElement {
            name: None,
            algebraic_type,
        };
        ProductType {
            elements: types.into_iter().map(unnamed).collect(),
        }
    }

    /// Position of the field called `name`.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.elements
            .iter()
            .position(|element| element.name.as_deref() == Some(name))
    }

    /// The type of the only field, if there is one field and it is called `name`.
    fn only_field(&self, name: &str) -> Option<&AlgebraicType> {
        match self.elements.as_slice() {
            [element] if element.name.as_deref() == Some(name) => Some(&element.algebraic_type),
            _ => None,
        }
    }

    /// Whether this is an identity.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.only_field(IDENTITY_FIELD) == Some(&AlgebraicType::U256)
    }

    /// Whether this is a connection id.
    #[must_use]
    pub fn is_connection_id(&self) -> bool {
        self.only_field(CONNECTION_ID_FIELD) == Some(&AlgebraicType::U128)
    }

    /// Whether this is a timestamp.
    #[must_use]
    pub fn is_timestamp(&self) -> bool {
        self.only_field(TIMESTAMP_FIELD) == Some(&AlgebraicType::I64)
    }

    /// Whether this is a time duration.
    #[must_use]
    pub fn is_time_duration(&self) -> bool {
        self.only_field(TIME_DURATION_FIELD) == Some(&AlgebraicType::I64)
    }

    /// Whether this is a uuid.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        self.only_field(UUID_FIELD) == Some(&AlgebraicType::U128)
    }

    /// Whether this is one of the five special products.
    #[must_use]
    pub fn is_special(&self) -> bool {
        self.is_identity()
            || self.is_connection_id()
            || self.is_timestamp()
            || self.is_time_duration()
            || self.is_uuid()
    }

    /// The row type, if this is the return type of a view that is a query.
    #[must_use]
    pub fn as_view_query(&self) -> Option<TypeRef> {
        match self.only_field(QUERY_FIELD) {
            Some(AlgebraicType::Ref(type_ref)) => Some(*type_ref),
            _ => None,
        }
    }
}

impl SumType {
    /// A sum with named variants.
    #[must_use]
    pub fn named<N: Into<Box<str>>>(
        variants: impl IntoIterator<Item = (N, AlgebraicType)>,
    ) -> Self {
        let named = |(name, ty)| SumTypeVariant::named(name, ty);
        SumType {
            variants: variants.into_iter().map(named).collect(),
        }
    }

    fn two_variants(&self, first: &str, second: &str) -> Option<(&AlgebraicType, &AlgebraicType)> {
        match self.variants.as_slice() {
            [a, b] if a.name.as_deref() == Some(first) && b.name.as_deref() == Some(second) => {
                Some((&a.algebraic_type, &b.algebraic_type))
            }
            _ => None,
        }
    }

    /// The inner type, if this is an option.
    #[must_use]
    pub fn as_option(&self) -> Option<&AlgebraicType> {
        self.two_variants("some", "none")
            .filter(|(_, none)| none.is_unit())
            .map(|(some, _)| some)
    }

    /// The two inner types, if this is a result.
    #[must_use]
    pub fn as_result(&self) -> Option<(&AlgebraicType, &AlgebraicType)> {
        self.two_variants("ok", "err")
    }

    /// Whether this is a schedule time.
    #[must_use]
    pub fn is_schedule_at(&self) -> bool {
        self.two_variants("Interval", "Time")
            .is_some_and(|(interval, time)| interval.is_time_duration() && time.is_timestamp())
    }

    /// Whether no variant carries data, and there is at least one.
    #[must_use]
    pub fn is_plain_enum(&self) -> bool {
        !self.variants.is_empty() && self.variants.iter().all(|v| v.algebraic_type.is_unit())
    }
}

impl AlgebraicType {
    /// The empty product.
    #[must_use]
    pub fn unit() -> Self {
        AlgebraicType::Product(ProductType::default())
    }

    /// The empty sum.
    #[must_use]
    pub fn never() -> Self {
        AlgebraicType::Sum(SumType::default())
    }

    /// A reference into the typespace.
    #[must_use]
    pub fn reference(index: u32) -> Self {
        AlgebraicType::Ref(TypeRef(index))
    }

    /// A list.
    #[must_use]
    pub fn array(element: AlgebraicType) -> Self {
        AlgebraicType::Array(Box::new(element))
    }

    /// `Array<U8>`.
    #[must_use]
    pub fn bytes() -> Self {
        AlgebraicType::array(AlgebraicType::U8)
    }

    /// A record with named fields.
    #[must_use]
    pub fn product<N: Into<Box<str>>>(
        fields: impl IntoIterator<Item = (N, AlgebraicType)>,
    ) -> Self {
        AlgebraicType::Product(ProductType::named(fields))
    }

    /// A tuple.
    #[must_use]
    pub fn tuple(types: impl IntoIterator<Item = AlgebraicType>) -> Self {
        AlgebraicType::Product(ProductType::tuple(types))
    }

    /// A sum with named variants.
    #[must_use]
    pub fn sum<N: Into<Box<str>>>(variants: impl IntoIterator<Item = (N, AlgebraicType)>) -> Self {
        AlgebraicType::Sum(SumType::named(variants))
    }

    /// A sum of variants without data.
    #[must_use]
    pub fn plain_enum<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        AlgebraicType::sum(names.into_iter().map(|name| (name, AlgebraicType::unit())))
    }

    /// `{ some: T, none: () }`.
    #[must_use]
    pub fn option(some: AlgebraicType) -> Self {
        AlgebraicType::sum([("some", some), ("none", AlgebraicType::unit())])
    }

    /// `{ ok: T, err: E }`.
    #[must_use]
    pub fn result(ok: AlgebraicType, err: AlgebraicType) -> Self {
        AlgebraicType::sum([("ok", ok), ("err", err)])
    }

    /// Who: an [`Identity`](crate::Identity).
    #[must_use]
    pub fn identity() -> Self {
        AlgebraicType::product([(IDENTITY_FIELD, AlgebraicType::U256)])
    }

    /// A [`ConnectionId`](crate::ConnectionId).
    #[must_use]
    pub fn connection_id() -> Self {
        AlgebraicType::product([(CONNECTION_ID_FIELD, AlgebraicType::U128)])
    }

    /// A [`Timestamp`](crate::Timestamp).
    #[must_use]
    pub fn timestamp() -> Self {
        AlgebraicType::product([(TIMESTAMP_FIELD, AlgebraicType::I64)])
    }

    /// A [`TimeDuration`](crate::TimeDuration).
    #[must_use]
    pub fn time_duration() -> Self {
        AlgebraicType::product([(TIME_DURATION_FIELD, AlgebraicType::I64)])
    }

    /// A [`Uuid`](crate::Uuid).
    #[must_use]
    pub fn uuid() -> Self {
        AlgebraicType::product([(UUID_FIELD, AlgebraicType::U128)])
    }

    /// A [`ScheduleAt`](crate::ScheduleAt).
    #[must_use]
    pub fn schedule_at() -> Self {
        AlgebraicType::sum([
            ("Interval", AlgebraicType::time_duration()),
            ("Time", AlgebraicType::timestamp()),
        ])
    }

    /// The product inside, if this is one.
    #[must_use]
    pub fn as_product(&self) -> Option<&ProductType> {
        match self {
            AlgebraicType::Product(product) => Some(product),
            _ => None,
        }
    }

    /// The sum inside, if this is one.
    #[must_use]
    pub fn as_sum(&self) -> Option<&SumType> {
        match self {
            AlgebraicType::Sum(sum) => Some(sum),
            _ => None,
        }
    }

    /// The element type, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&AlgebraicType> {
        match self {
            AlgebraicType::Array(element) => Some(element),
            _ => None,
        }
    }

    /// The target, if this is a reference.
    #[must_use]
    pub fn as_ref_index(&self) -> Option<TypeRef> {
        match self {
            AlgebraicType::Ref(type_ref) => Some(*type_ref),
            _ => None,
        }
    }

    /// Whether this is the empty product.
    #[must_use]
    pub fn is_unit(&self) -> bool {
        self.as_product()
            .is_some_and(|product| product.elements.is_empty())
    }

    /// Whether this is the empty sum.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.as_sum().is_some_and(|sum| sum.variants.is_empty())
    }

    /// Whether this is `Array<U8>`.
    #[must_use]
    pub fn is_bytes(&self) -> bool {
        self.as_array() == Some(&AlgebraicType::U8)
    }

    /// Whether this is one of the ten integer types.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        use AlgebraicType::{I8, I16, I32, I64, I128, I256, U8, U16, U32, U64, U128, U256};
        matches!(
            self,
            I8 | I16 | I32 | I64 | I128 | I256 | U8 | U16 | U32 | U64 | U128 | U256
        )
    }

    /// Whether this is an identity.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.as_product().is_some_and(ProductType::is_identity)
    }

    /// Whether this is a connection id.
    #[must_use]
    pub fn is_connection_id(&self) -> bool {
        self.as_product().is_some_and(ProductType::is_connection_id)
    }

    /// Whether this is a timestamp.
    #[must_use]
    pub fn is_timestamp(&self) -> bool {
        self.as_product().is_some_and(ProductType::is_timestamp)
    }

    /// Whether this is a time duration.
    #[must_use]
    pub fn is_time_duration(&self) -> bool {
        self.as_product().is_some_and(ProductType::is_time_duration)
    }

    /// Whether this is a uuid.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        self.as_product().is_some_and(ProductType::is_uuid)
    }

    /// Whether this is a schedule time.
    #[must_use]
    pub fn is_schedule_at(&self) -> bool {
        self.as_sum().is_some_and(SumType::is_schedule_at)
    }

    /// The inner type, if this is an option.
    #[must_use]
    pub fn as_option(&self) -> Option<&AlgebraicType> {
        self.as_sum().and_then(SumType::as_option)
    }

    /// The two inner types, if this is a result.
    #[must_use]
    pub fn as_result(&self) -> Option<(&AlgebraicType, &AlgebraicType)> {
        self.as_sum().and_then(SumType::as_result)
    }

    /// Whether this is a special product, an option, a result or a schedule time.
    #[must_use]
    pub fn is_special(&self) -> bool {
        match self {
            AlgebraicType::Product(product) => product.is_special(),
            AlgebraicType::Sum(sum) => {
                sum.as_option().is_some() || sum.as_result().is_some() || sum.is_schedule_at()
            }
            _ => false,
        }
    }
}
