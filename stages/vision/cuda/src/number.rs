//! What arrays on a device hold.

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use half::{bf16, f16};
use img2tokens_vision::Dtype;

/// A number that an array may hold.
pub(crate) trait Number:
    Copy + Default + Send + Sync + std::fmt::Debug + DeviceRepr + ValidAsZeroBits + 'static
{
}

impl Number for u8 {}
impl Number for i32 {}
impl Number for f32 {}
impl Number for bf16 {}
impl Number for f16 {}

/// The type of weights, of the operands of products and of what they give: a model has one.
pub(crate) trait Element: Number {
    /// It, as a setting.
    const DTYPE: Dtype;

    /// Rounds to the nearest, ties to even.
    fn of(value: f32) -> Self;

    /// As float32, exactly.
    fn wide(self) -> f32;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;

    fn of(value: f32) -> Self {
        value
    }

    fn wide(self) -> f32 {
        self
    }
}

impl Element for bf16 {
    const DTYPE: Dtype = Dtype::Bf16;

    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn wide(self) -> f32 {
        self.to_f32()
    }
}

impl Element for f16 {
    const DTYPE: Dtype = Dtype::F16;

    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn wide(self) -> f32 {
        self.to_f32()
    }
}
