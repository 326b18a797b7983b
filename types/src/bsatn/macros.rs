//! Two macros that define a type together with its BSATN form.

/// Defines a struct and its `Encode` and `Decode`: the product of its fields in order.
///
/// The struct may have one lifetime, which is then the lifetime of the decoded bytes.
///
/// ```
/// spacetime_types::bsatn_struct! {
///     /// A greeting.
///     #[derive(Clone, Debug, PartialEq)]
///     pub struct Greeting<'a> {
///         pub id: u32,
///         pub text: &'a str,
///     }
/// }
/// let bytes = spacetime_types::bsatn::to_vec(&Greeting { id: 7, text: "hi" });
/// assert_eq!(bytes, [7, 0, 0, 0, 2, 0, 0, 0, b'h', b'i']);
/// ```
#[macro_export]
macro_rules! bsatn_struct {
    (
        $(#[$attr:meta])*
        $vis:vis struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_attr:meta])* $field_vis:vis $field:ident : $field_type:ty),* $(,)?
        }
    ) => {
        $(#[$attr])*
        $vis struct $name $(<$life>)? {
            $($(#[$field_attr])* $field_vis $field: $field_type,)*
        }

        impl $(<$life>)? $crate::bsatn::Encode for $name $(<$life>)? {
            #[allow(unused_variables)]
            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::bsatn::Encode::encode(&self.$field, out);)*
            }
        }

        $crate::bsatn_decode_impl! { $name $(<$life>)? (reader) {
            Ok($name { $($field: $crate::bsatn::Decode::decode(reader)?,)* })
        } }
    };
}

/// Defines an enum and its `Encode` and `Decode`: a sum whose tags count the variants from 0.
///
/// A variant is `Unit`, `Newtype(T)`, or `Fields { a: A, b: B }` (a product payload).
///
/// ```
/// spacetime_types::bsatn_enum! {
///     #[derive(Debug, PartialEq)]
///     pub enum Shape {
///         Nothing,
///         Circle(f32),
///         Rectangle { width: u8, height: u8 },
///     }
/// }
/// let bytes = spacetime_types::bsatn::to_vec(&Shape::Rectangle { width: 3, height: 4 });
/// assert_eq!(bytes, [2, 3, 4]);
/// assert_eq!(spacetime_types::bsatn::from_slice(&[0]), Ok(Shape::Nothing));
/// ```
#[macro_export]
macro_rules! bsatn_enum {
    (
        $(#[$attr:meta])*
        $vis:vis enum $name:ident $(<$life:lifetime>)? {
            $(
                $(#[$variant_attr:meta])*
                $variant:ident
                    $(($newtype:ty))?
                    $({ $($(#[$field_attr:meta])* $field:ident : $field_type:ty),* $(,)? })?
            ),* $(,)?
        }
    ) => {
        $(#[$attr])*
        $vis enum $name $(<$life>)? {
            $(
                $(#[$variant_attr])*
                $variant
                    $(($newtype))?
                    $({ $($(#[$field_attr])* $field: $field_type),* })?
            ,)*
        }

        const _: () = {
            #[allow(clippy::enum_variant_names)]
            #[repr(u8)]
            enum Tag {
                $($variant,)*
            }

            impl $(<$life>)? $crate::bsatn::Encode for $name $(<$life>)? {
                fn encode(&self, out: &mut Vec<u8>) {
                    match self {
                        $(
                            $crate::bsatn_variant_pattern!(
                                $variant payload $(($newtype))? $({ $($field),* })?
                            ) => {
                                out.push(Tag::$variant as u8);
                                $crate::bsatn_variant_encode!(
                                    out payload $(($newtype))? $({ $($field),* })?
                                );
                            }
                        )*
                    }
                }
            }

            $crate::bsatn_decode_impl! { $name $(<$life>)? (reader) {
                let offset = reader.offset();
                let tag = reader.u8()?;
                match tag {
                    $(
                        tag if tag == Tag::$variant as u8 => {
                            $crate::bsatn_variant_decode!(
                                reader $variant $(($newtype))? $({ $($field),* })?
                            )
                        }
                    )*
                    _ => Err($crate::bsatn::DecodeError::InvalidTag {
                        offset,
                        tag,
                        type_name: stringify!($name),
                    }),
                }
            } }
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! bsatn_decode_impl {
    ($name:ident ($reader:ident) $body:block) => {
        impl<'de> $crate::bsatn::Decode<'de> for $name {
            #[allow(unused_variables)]
            fn decode(
                $reader: &mut $crate::bsatn::Reader<'de>,
            ) -> Result<Self, $crate::bsatn::DecodeError> {
                $body
            }
        }
    };
    ($name:ident<$life:lifetime> ($reader:ident) $body:block) => {
        impl<$life> $crate::bsatn::Decode<$life> for $name<$life> {
            #[allow(unused_variables)]
            fn decode(
                $reader: &mut $crate::bsatn::Reader<$life>,
            ) -> Result<Self, $crate::bsatn::DecodeError> {
                $body
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! bsatn_variant_pattern {
    ($variant:ident $payload:ident) => {
        Self::$variant
    };
    ($variant:ident $payload:ident ($newtype:ty)) => {
        Self::$variant($payload)
    };
    ($variant:ident $payload:ident { $($field:ident),* }) => {
        Self::$variant { $($field),* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! bsatn_variant_encode {
    ($out:ident $payload:ident) => {};
    ($out:ident $payload:ident ($newtype:ty)) => {
        $crate::bsatn::Encode::encode($payload, $out)
    };
    ($out:ident $payload:ident { $($field:ident),* }) => {
        $($crate::bsatn::Encode::encode($field, $out);)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! bsatn_variant_decode {
    ($reader:ident $variant:ident) => {
        Ok(Self::$variant)
    };
    ($reader:ident $variant:ident ($newtype:ty)) => {
        $crate::bsatn::Decode::decode($reader).map(Self::$variant)
    };
    ($reader:ident $variant:ident { $($field:ident),* }) => {
        Ok(Self::$variant { $($field: $crate::bsatn::Decode::decode($reader)?),* })
    };
}
