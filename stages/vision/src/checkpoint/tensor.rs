//! A tensor as it lies in its file.

use half::{bf16, f16};

use super::CheckpointError;

/// The float types that checkpoints hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorDtype {
    /// float64.
    F64,
    /// float32.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

impl TensorDtype {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F64, Self::F32, Self::F16, Self::Bf16];

    /// Bytes of one number.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// As safetensors writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// Tensors by key.
pub trait Tensors {
    /// The tensor of this key.
    ///
    /// # Errors
    /// If there is no such tensor, or it is not as `shape` says.
    fn tensor(&self, key: &str, shape: &[usize]) -> Result<Tensor<'_>, CheckpointError>;

    /// Says that a tensor was read for now: its part of the file leaves this process's memory until it is read again.
    fn release(&self, key: &str);
}

/// A view of a tensor in its file: row-major, little-endian.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    dtype: TensorDtype,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// `bytes` are those of `shape` and `dtype`: the caller has counted them.
    pub(super) const fn new(dtype: TensorDtype, shape: &'a [usize], bytes: &'a [u8]) -> Self {
        Self { dtype, shape, bytes }
    }

    /// The type it is stored in.
    #[must_use]
    pub const fn dtype(&self) -> TensorDtype {
        self.dtype
    }

    /// Its shape.
    #[must_use]
    pub const fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Its bytes as stored.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its numbers in float32, row-major. Rounds float64; exact for the other types.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            TensorDtype::F64 => self.numbers(|bytes| f64::from_le_bytes(bytes) as f32),
            TensorDtype::F32 => self.numbers(f32::from_le_bytes),
            TensorDtype::F16 => self.numbers(|bytes| f16::from_le_bytes(bytes).to_f32()),
            TensorDtype::Bf16 => self.numbers(|bytes| bf16::from_le_bytes(bytes).to_f32()),
        }
    }

    fn numbers<const SIZE: usize>(&self, read: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
        self.bytes
            .as_chunks::<SIZE>()
            .0
            .iter()
            .map(|bytes| read(*bytes))
            .collect()
    }
}
