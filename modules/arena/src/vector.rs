//! Places and directions in the plane.

use std::ops::{Add, Mul, Sub};

use spacetimedb::SpacetimeType;

/// Two numbers.
#[derive(SpacetimeType, Clone, Copy, Debug, Default, PartialEq)]
pub struct Vector {
    pub x: f32,
    pub y: f32,
}

impl Vector {
    pub fn length(self) -> f32 {
        self.x.hypot(self.y)
    }

    /// With the length one, or zero as it is.
    pub fn normalized(self) -> Self {
        match self.length() {
            0.0 => self,
            length => self * (1.0 / length),
        }
    }

    /// None if it is not a place.
    pub fn finite(self) -> Option<Self> {
        (self.x.is_finite() && self.y.is_finite()).then_some(self)
    }
}

impl Add for Vector {
    type Output = Vector;

    fn add(self, other: Vector) -> Vector {
        Vector {
            x: self.x + other.x,
            y: self.y + other.y,
        }
    }
}

impl Sub for Vector {
    type Output = Vector;

    fn sub(self, other: Vector) -> Vector {
        Vector {
            x: self.x - other.x,
            y: self.y - other.y,
        }
    }
}

impl Mul<f32> for Vector {
    type Output = Vector;

    fn mul(self, factor: f32) -> Vector {
        Vector {
            x: self.x * factor,
            y: self.y * factor,
        }
    }
}
