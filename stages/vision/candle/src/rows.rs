//! A tensor's rows, as the kernels read them.

use candle_core::{Layout, Result, Storage, StorageRef, Tensor, bail};

use crate::kernels::View;

/// A matrix on the CPU in float32 whose rows are each in one piece: a tensor, or some columns of one.
pub(crate) struct Rows<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(x: &'a Tensor) -> Self {
        let (storage, layout) = x.storage_and_layout();
        Self { storage, layout }
    }

    /// # Errors
    /// If it is no such matrix.
    pub(crate) fn view(&self) -> Result<View<'_>> {
        let (rows, width) = self.layout.shape().dims2()?;
        let (stride, step) = (self.layout.stride()[0], self.layout.stride()[1]);
        if width > 1 && step != 1 || rows > 1 && stride < width {
            bail!("the rows of {:?} are not in one piece", self.layout);
        }
        let Storage::Cpu(storage) = &*self.storage else {
            bail!("a tensor is not on the CPU");
        };
        let values = &storage.as_slice::<f32>()?[self.layout.start_offset()..];
        Ok(View::new(values, rows, width, stride))
    }
}
