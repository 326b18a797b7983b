//! Checked arithmetic on encoded numbers.
//!
//! Both operands and the result have one type. What does not fit into it is an error, never a
//! wrapped number; so is a division by zero, except that of floats.

use crate::ast::Arithmetic;
use crate::column_kind::ColumnKind;

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Ask for smaller numbers, or for those of a wider column.
    #[error("arithmetic overflow: the result does not fit into the type of its operands")]
    Overflow,
    /// Leave out the rows with a zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// With its width in bytes, at most 16.
    Unsigned(usize),
    /// With its width in bytes, at most 16.
    Signed(usize),
    F32,
    F64,
}

/// Encoded numbers: the first bytes of the array.
type Encoded = ([u8; 16], usize);

impl Number {
    /// `None` for types that are no numbers, or too wide.
    pub(crate) fn of(kind: ColumnKind) -> Option<Number> {
        match kind {
            ColumnKind::Unsigned(width) if width <= 16 => Some(Number::Unsigned(width)),
            ColumnKind::Signed(width) if width <= 16 => Some(Number::Signed(width)),
            ColumnKind::F32 => Some(Number::F32),
            ColumnKind::F64 => Some(Number::F64),
            _ => None,
        }
    }

    pub(crate) fn apply(
        self,
        operator: Arithmetic,
        left: &[u8],
        right: &[u8],
    ) -> Result<Encoded, EvalError> {
        match self {
            Number::Unsigned(width) => {
                let value = unsigned_result(operator, unsigned(left), unsigned(right))?;
                encode_unsigned(value, width).ok_or(EvalError::Overflow)
            }
            Number::Signed(width) => {
                let value = signed_result(operator, signed(left), signed(right))?;
                encode_signed(value, width).ok_or(EvalError::Overflow)
            }
            Number::F32 => {
                let value = float_result(operator, f32_of(left), f32_of(right));
                Ok(prefix(&value.to_le_bytes()))
            }
            Number::F64 => {
                let value = float_result(operator, f64_of(left), f64_of(right));
                Ok(prefix(&value.to_le_bytes()))
            }
        }
    }

    /// The number as the nearest float.
    pub(crate) fn to_f64(self, bytes: &[u8]) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is meant")]
            Number::Unsigned(_) => unsigned(bytes) as f64,
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is meant")]
            Number::Signed(_) => signed(bytes) as f64,
            Number::F32 => f64::from(f32_of(bytes)),
            Number::F64 => f64_of(bytes),
        }
    }
}

fn unsigned_result(operator: Arithmetic, left: u128, right: u128) -> Result<u128, EvalError> {
    let value = match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
            return Err(EvalError::DivisionByZero);
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    value.ok_or(EvalError::Overflow)
}

fn signed_result(operator: Arithmetic, left: i128, right: i128) -> Result<i128, EvalError> {
    let value = match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
            return Err(EvalError::DivisionByZero);
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    value.ok_or(EvalError::Overflow)
}

fn float_result<F>(operator: Arithmetic, left: F, right: F) -> F
where
    F: std::ops::Add<Output = F>
        + std::ops::Sub<Output = F>
        + std::ops::Mul<Output = F>
        + std::ops::Div<Output = F>
        + std::ops::Rem<Output = F>,
{
    match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    }
}

/// The value of up to 16 little-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(prefix(bytes).0)
}

/// The value of up to 16 little-endian bytes in two's complement.
pub(crate) fn signed(bytes: &[u8]) -> i128 {
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    let len = bytes.len().min(16);
    wide[..len].copy_from_slice(&bytes[..len]);
    i128::from_le_bytes(wide)
}

/// `None` if the value is too large.
pub(crate) fn encode_unsigned(value: u128, width: usize) -> Option<Encoded> {
    let bytes = value.to_le_bytes();
    let fits = bytes[width..].iter().all(|byte| *byte == 0);
    fits.then_some((bytes, width))
}

/// `None` if the value is too large or too small.
pub(crate) fn encode_signed(value: i128, width: usize) -> Option<Encoded> {
    let bytes = value.to_le_bytes();
    (signed(&bytes[..width]) == value).then_some((bytes, width))
}

fn prefix(bytes: &[u8]) -> Encoded {
    let mut buffer = [0; 16];
    let len = bytes.len().min(16);
    buffer[..len].copy_from_slice(&bytes[..len]);
    (buffer, len)
}

fn f32_of(bytes: &[u8]) -> f32 {
    let (wide, _) = prefix(bytes);
    f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]])
}

fn f64_of(bytes: &[u8]) -> f64 {
    let mut buffer = [0; 8];
    buffer.copy_from_slice(&prefix(bytes).0[..8]);
    f64::from_le_bytes(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_do_not_fit_are_errors() {
        let byte = |operator, left: u8, right: u8| {
            let done = Number::Unsigned(1).apply(operator, &[left], &[right]);
            done.map(|(bytes, len)| (bytes[0], len))
        };
        assert_eq!(byte(Arithmetic::Add, 200, 55), Ok((255, 1)));
        assert_eq!(byte(Arithmetic::Add, 200, 56), Err(EvalError::Overflow));
        assert_eq!(byte(Arithmetic::Subtract, 1, 2), Err(EvalError::Overflow));
        assert_eq!(byte(Arithmetic::Multiply, 16, 16), Err(EvalError::Overflow));
        assert_eq!(byte(Arithmetic::Divide, 7, 2), Ok((3, 1)));
        assert_eq!(
            byte(Arithmetic::Remainder, 7, 0),
            Err(EvalError::DivisionByZero)
        );
        let least = i64::MIN.to_le_bytes();
        let one = (-1_i64).to_le_bytes();
        let divided = Number::Signed(8).apply(Arithmetic::Divide, &least, &one);
        assert_eq!(divided, Err(EvalError::Overflow));
        let widest = u128::MAX.to_le_bytes();
        let grown = Number::Unsigned(16).apply(Arithmetic::Add, &widest, &widest);
        assert_eq!(grown, Err(EvalError::Overflow));
    }

    #[test]
    fn signs_survive() {
        let apply = |operator, left: i16, right: i16| {
            let number = Number::Signed(2);
            let done = number.apply(operator, &left.to_le_bytes(), &right.to_le_bytes());
            done.map(|(bytes, len)| signed(&bytes[..len]))
        };
        assert_eq!(apply(Arithmetic::Divide, -7, 2), Ok(-3));
        assert_eq!(apply(Arithmetic::Remainder, -7, 2), Ok(-1));
        assert_eq!(apply(Arithmetic::Multiply, -300, 100), Ok(-30_000));
        assert_eq!(
            apply(Arithmetic::Multiply, 300, 300),
            Err(EvalError::Overflow)
        );
    }
}
