//! Types as clients write them.

use std::collections::HashMap;

use spacetime_types::{AlgebraicType, TypeRef, Typespace};

use super::{Module, Shape};
use crate::GenerateError;

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub is_signed: bool,
    pub bits: u16,
}

/// A type in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    Unit,
    Never,
    Bool,
    Integer(Integer),
    F32,
    F64,
    String,
    /// An array of `u8`.
    Bytes,
    Array(Box<Ty>),
    Option(Box<Ty>),
    Result(Box<Ty>, Box<Ty>),
    Identity,
    ConnectionId,
    Timestamp,
    TimeDuration,
    Uuid,
    ScheduleAt,
    /// Position in the module's types.
    Named(usize),
}

impl Ty {
    /// Calls `visit` with the positions of all named types in this one.
    pub fn each_named(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Ty::Named(position) => visit(*position),
            Ty::Array(inner) | Ty::Option(inner) => inner.each_named(visit),
            Ty::Result(ok, err) => {
                ok.each_named(visit);
                err.each_named(visit);
            }
            _ => {}
        }
    }

    /// Whether any named type is in this one.
    pub fn mentions_named(&self) -> bool {
        let mut found = false;
        self.each_named(&mut |_| found = true);
        found
    }

    /// Whether values are keys in themselves: no list, option or type of the module.
    pub fn is_plain_key(&self) -> bool {
        matches!(
            self,
            Ty::Bool
                | Ty::Integer(_)
                | Ty::String
                | Ty::Identity
                | Ty::ConnectionId
                | Ty::Timestamp
                | Ty::TimeDuration
                | Ty::Uuid
        )
    }

    /// Whether values can be keys: compared for equality and hashed by every client.
    pub fn is_key(&self, module: &Module) -> bool {
        match self {
            Ty::Bool
            | Ty::Integer(_)
            | Ty::String
            | Ty::Bytes
            | Ty::Identity
            | Ty::ConnectionId
            | Ty::Timestamp
            | Ty::TimeDuration
            | Ty::Uuid => true,
            Ty::Array(inner) | Ty::Option(inner) => inner.is_key(module),
            Ty::Named(position) => {
                matches!(module.named(*position).shape, Shape::PlainEnum(_))
            }
            _ => false,
        }
    }
}

/// Turns types of one typespace into [`Ty`]s.
#[derive(Debug)]
pub(super) struct Types<'a> {
    pub typespace: &'a Typespace,
    /// Positions of the named types in the module's list.
    pub named: HashMap<TypeRef, usize>,
}

impl Types<'_> {
    /// `place` is where the type is used, for errors.
    pub fn convert(&self, ty: &AlgebraicType, place: &str) -> Result<Ty, GenerateError> {
        self.convert_at(ty, place, self.typespace.types.len())
    }

    fn convert_at(
        &self,
        ty: &AlgebraicType,
        place: &str,
        refs_left: usize,
    ) -> Result<Ty, GenerateError> {
        if let Some(special) = special(ty) {
            return Ok(special);
        }
        if let Some(some) = ty.as_option() {
            let some = self.convert_at(some, place, refs_left)?;
            return Ok(Ty::Option(Box::new(some)));
        }
        if let Some((ok, err)) = ty.as_result() {
            let ok = self.convert_at(ok, place, refs_left)?;
            let err = self.convert_at(err, place, refs_left)?;
            return Ok(Ty::Result(Box::new(ok), Box::new(err)));
        }
        match ty {
            AlgebraicType::Ref(target) => self.convert_ref(*target, place, refs_left),
            AlgebraicType::Array(element) => match self.convert_at(element, place, refs_left)? {
                Ty::Integer(Integer {
                    is_signed: false,
                    bits: 8,
                }) => Ok(Ty::Bytes),
                element => Ok(Ty::Array(Box::new(element))),
            },
            AlgebraicType::Product(_) | AlgebraicType::Sum(_) => {
                let place = place.to_owned();
                Err(GenerateError::UnnamedType { place })
            }
            primitive => Ok(self::primitive(primitive)),
        }
    }

    fn convert_ref(
        &self,
        target: TypeRef,
        place: &str,
        refs_left: usize,
    ) -> Result<Ty, GenerateError> {
        if let Some(position) = self.named.get(&target) {
            return Ok(Ty::Named(*position));
        }
        let dangling = || GenerateError::DanglingType {
            place: place.to_owned(),
        };
        let ty = self.typespace.get(target).ok_or_else(dangling)?;
        let refs_left = refs_left.checked_sub(1).ok_or_else(dangling)?;
        self.convert_at(ty, place, refs_left)
    }
}

fn special(ty: &AlgebraicType) -> Option<Ty> {
    let special = if ty.is_unit() {
        Ty::Unit
    } else if ty.is_never() {
        Ty::Never
    } else if ty.is_identity() {
        Ty::Identity
    } else if ty.is_connection_id() {
        Ty::ConnectionId
    } else if ty.is_timestamp() {
        Ty::Timestamp
    } else if ty.is_time_duration() {
        Ty::TimeDuration
    } else if ty.is_uuid() {
        Ty::Uuid
    } else if ty.is_schedule_at() {
        Ty::ScheduleAt
    } else {
        return None;
    };
    Some(special)
}

fn primitive(ty: &AlgebraicType) -> Ty {
    let integer = |is_signed, bits| Ty::Integer(Integer { is_signed, bits });
    match ty {
        AlgebraicType::String => Ty::String,
        AlgebraicType::Bool => Ty::Bool,
        AlgebraicType::F32 => Ty::F32,
        AlgebraicType::F64 => Ty::F64,
        AlgebraicType::I8 => integer(true, 8),
        AlgebraicType::U8 => integer(false, 8),
        AlgebraicType::I16 => integer(true, 16),
        AlgebraicType::U16 => integer(false, 16),
        AlgebraicType::I32 => integer(true, 32),
        AlgebraicType::U32 => integer(false, 32),
        AlgebraicType::I64 => integer(true, 64),
        AlgebraicType::U64 => integer(false, 64),
        AlgebraicType::I128 => integer(true, 128),
        AlgebraicType::U128 => integer(false, 128),
        AlgebraicType::I256 => integer(true, 256),
        AlgebraicType::U256 => integer(false, 256),
        AlgebraicType::Ref(_)
        | AlgebraicType::Array(_)
        | AlgebraicType::Product(_)
        | AlgebraicType::Sum(_) => unreachable!("the caller has dealt with compound types"),
    }
}
