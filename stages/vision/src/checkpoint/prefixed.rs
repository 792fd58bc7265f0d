//! A part of a model by the prefix of its tensors' keys.

use super::{CheckpointError, Tensors};

/// The tensors whose keys begin alike.
#[derive(Clone)]
pub struct Prefixed<'a> {
    tensors: &'a dyn Tensors,
    prefix: String,
}

impl<'a> Prefixed<'a> {
    /// All of them.
    #[must_use]
    pub fn new(tensors: &'a dyn Tensors) -> Self {
        Self {
            tensors,
            prefix: String::new(),
        }
    }

    /// Those under `name.`.
    #[must_use]
    pub fn under(&self, name: impl std::fmt::Display) -> Self {
        Self {
            tensors: self.tensors,
            prefix: format!("{}{name}.", self.prefix),
        }
    }

    /// A tensor's numbers in float32, row-major.
    ///
    /// # Errors
    /// If there is no such tensor, or it is not as `shape` says.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let key = format!("{}{name}", self.prefix);
        let values = self.tensors.tensor(&key, shape)?.to_f32();
        self.tensors.release(&key);
        Ok(values)
    }
}
