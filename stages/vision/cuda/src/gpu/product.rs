//! Matrix products by cuBLASLt.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Mutex;

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;
use img2tokens_vision::Dtype;

use crate::error::Fault;

/// Memory that products of one stream may use beside their operands, in bytes: what NVIDIA advises for Hopper.
pub(super) const WORKSPACE: usize = 32 << 20;

/// Rows that algorithms are chosen for, 256 pictures of 257 tokens: the same whatever the batch.
const ROWS: usize = 65_792;
/// `CUBLAS_OP_T`.
const TRANSPOSED: i32 = 1;

/// A layer as cuBLASLt sees it: for the same one, the same algorithm, whatever the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub dtype: Dtype,
    pub inputs: usize,
    pub outputs: usize,
}

/// Where a product's operands lie on the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    pub weight: u64,
    pub bias: u64,
    pub x: u64,
    pub out: u64,
    pub workspace: u64,
}

/// cuBLASLt on one device, for all its streams.
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    algorithms: Mutex<HashMap<Form, sys::cublasLtMatmulAlgo_t>>,
}

// SAFETY: NVIDIA documents that threads may share a cuBLASLt handle.
unsafe impl Send for Products {}
// SAFETY: likewise.
unsafe impl Sync for Products {}

impl Products {
    pub(super) fn new() -> Result<Self, CublasError> {
        Ok(Self {
            handle: result::create_handle()?,
            algorithms: Mutex::default(),
        })
    }

    /// `x W^T + b`, `[rows, outputs]`, on a stream.
    ///
    /// # Safety
    /// The operands lie on the stream's device and are as long as form and rows say; `out` is no other's.
    pub(super) unsafe fn multiply(
        &self,
        form: Form,
        rows: usize,
        operands: Operands,
        stream: sys::cudaStream_t,
    ) -> Result<(), Fault> {
        let algorithm = self.algorithm(form, operands.bias)?;
        let shape = Descriptors::new(form, rows, operands.bias).map_err(failed("describing a product"))?;
        let (alpha, beta) = (1.0_f32, 0.0_f32);
        // SAFETY: the descriptors live until the call returns, and the caller vouches for the memory.
        let done = unsafe {
            result::matmul(
                self.handle,
                shape.product,
                std::ptr::from_ref(&alpha).cast(),
                std::ptr::from_ref(&beta).cast(),
                operands.weight as *const c_void,
                shape.weight,
                operands.x as *const c_void,
                shape.x,
                operands.out as *const c_void,
                shape.out,
                operands.out as *mut c_void,
                shape.out,
                &raw const algorithm,
                operands.workspace as *mut c_void,
                WORKSPACE,
                stream,
            )
        };
        done.map_err(failed("multiplying matrices"))
    }

    /// The algorithm for a layer: the first that cuBLASLt proposes for many rows, none that splits sums over blocks. It
    /// is not timed against others, nor chosen anew for fewer rows: what a row gives must depend neither on how busy a
    /// device was nor on the rows beside it.
    fn algorithm(&self, form: Form, bias: u64) -> Result<sys::cublasLtMatmulAlgo_t, Fault> {
        let mut algorithms = self
            .algorithms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = algorithms.get(&form) {
            return Ok(*known);
        }
        let shape = Descriptors::new(form, ROWS, bias).map_err(failed("describing a product"))?;
        let found = propose(self.handle, &shape).map_err(failed(format!(
            "choosing an algorithm for {} x {} x {} in {}",
            ROWS,
            form.inputs,
            form.outputs,
            form.dtype.name()
        )))?;
        algorithms.insert(form, found);
        Ok(found)
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // SAFETY: the handle is this one's alone. That it cannot be given back concerns nobody any more.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

fn propose(
    handle: sys::cublasLtHandle_t,
    shape: &Descriptors,
) -> Result<sys::cublasLtMatmulAlgo_t, CublasError> {
    let preference = result::create_matmul_pref()?;
    let scheme = sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_NONE as u32;
    use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
    // SAFETY: the preference lives until the end of this function; each attribute is of the type that cuBLASLt states.
    let found = unsafe {
        result::set_matmul_pref_attribute(
            preference,
            Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            std::ptr::from_ref(&WORKSPACE).cast(),
            size_of::<usize>(),
        )
        .and_then(|()| {
            result::set_matmul_pref_attribute(
                preference,
                Attribute::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                std::ptr::from_ref(&scheme).cast(),
                size_of::<u32>(),
            )
        })
        .and_then(|()| {
            result::get_matmul_algo_heuristic(
                handle,
                shape.product,
                shape.weight,
                shape.x,
                shape.out,
                shape.out,
                preference,
            )
        })
    };
    // SAFETY: it was made above and is used no more.
    unsafe { result::destroy_matmul_pref(preference)? };
    found.map(|found| found.algo)
}

/// A product and its operands, described to cuBLASLt. It reads matrices column by column, so that rows of ours are its
/// columns, and `x W^T` is its `W x`, W transposed.
struct Descriptors {
    product: sys::cublasLtMatmulDesc_t,
    weight: sys::cublasLtMatrixLayout_t,
    x: sys::cublasLtMatrixLayout_t,
    out: sys::cublasLtMatrixLayout_t,
}

impl Descriptors {
    fn new(form: Form, rows: usize, bias: u64) -> Result<Self, CublasError> {
        let dtype = match form.dtype {
            Dtype::F32 => sys::cudaDataType_t::CUDA_R_32F,
            Dtype::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
            Dtype::F16 => sys::cudaDataType_t::CUDA_R_16F,
        };
        let layout = |rows: usize, columns: usize| {
            result::create_matrix_layout(dtype, rows as u64, columns as u64, rows as i64)
        };
        // Sums are float32; in float32 the operands are not rounded either.
        let sums = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let described = Self {
            product: result::create_matmul_desc(sums, sys::cudaDataType_t::CUDA_R_32F)?,
            weight: layout(form.inputs, form.outputs)?,
            x: layout(form.inputs, rows)?,
            out: layout(form.outputs, rows)?,
        };
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        described.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &TRANSPOSED)?;
        let with_bias = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS as i32;
        described.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &with_bias)?;
        described.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        Ok(described)
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), CublasError> {
        // SAFETY: the description is alive, and the value is of the attribute's type at every call above.
        unsafe {
            result::set_matmul_desc_attribute(
                self.product,
                attribute,
                std::ptr::from_ref(value).cast(),
                size_of::<T>(),
            )
        }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: each was made by `new` and is given back once.
        unsafe {
            let _ = result::destroy_matmul_desc(self.product);
            for layout in [self.weight, self.x, self.out] {
                let _ = result::destroy_matrix_layout(layout);
            }
        }
    }
}

fn failed(doing: impl Into<String>) -> impl FnOnce(CublasError) -> Fault {
    |error| Fault::new(doing, error)
}
