//! The GPU: a card, and the streams of work on it.

mod library;
mod modules;
mod peak;
mod product;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublaslt::result::CublasError;
use cudarc::cublaslt::sys::cublasStatus_t;
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DevicePtrMut,
    DriverError, PinnedHostSlice, result, sys,
};
use cudarc::nvrtc::Ptx;
use img2tokens_vision::VisionError;

use crate::error::Fault;
use crate::launch::{Argument, Grid, Kernel, Launcher};
use crate::machine::{Linear, Machine};
use crate::number::{Element, Number};
use product::{Form, Operands, Products, WORKSPACE};

pub use library::Unavailable;

/// A device that can compute.
#[derive(Clone)]
pub struct Card(Arc<Shared>);

/// What all streams of a card share.
/// Fields are dropped in this order: the context is the last.
struct Shared {
    products: Products,
    modules: Mutex<HashMap<String, Arc<CudaModule>>>,
    number: usize,
    name: String,
    capability: (i32, i32),
    /// Shared memory that a block may have, in bytes.
    most_shared: i32,
    context: Arc<CudaContext>,
}

impl Card {
    /// Opens the device of this number, for the rest of the process.
    ///
    /// # Errors
    /// Why it cannot be used: then nothing but a CPU can.
    pub fn open(number: usize) -> Result<Self, Unavailable> {
        static OPENED: Mutex<BTreeMap<usize, Card>> = Mutex::new(BTreeMap::new());
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(card) = opened.get(&number) {
            return Ok(card.clone());
        }
        let card = Self::open_first(number)?;
        opened.insert(number, card.clone());
        Ok(card)
    }

    fn open_first(number: usize) -> Result<Self, Unavailable> {
        library::load()?;
        let broken = |error: DriverError| Unavailable::Driver(error.to_string());
        result::init().map_err(broken)?;
        let count = CudaContext::device_count().map_err(broken)? as usize;
        if number >= count {
            return Err(Unavailable::NoDevice { number, count });
        }
        let context = CudaContext::new(number).map_err(broken)?;
        // A thread that waits for the device leaves its core to others.
        context.set_blocking_synchronize().map_err(broken)?;
        // SAFETY: arrays are used by their own stream alone, but for weights, which are there before others read them.
        unsafe { context.disable_event_tracking() };
        let name = context.name().map_err(broken)?;
        let capability = context.compute_capability().map_err(broken)?;
        if capability < (8, 0) {
            let (major, minor) = capability;
            return Err(Unavailable::Capability {
                number,
                name,
                major,
                minor,
            });
        }
        let most_shared = context
            .attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
            .map_err(broken)?;
        let products = Products::new().map_err(|error| Unavailable::CublasLt(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            context,
            number,
            name,
            capability,
            most_shared,
            products,
            modules: Mutex::default(),
        })))
    }

    /// What the device is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A stream of work on it.
    pub(crate) fn stream(&self) -> Result<Gpu, Fault> {
        let stream = self.0.context.new_stream().map_err(failed("making a stream"))?;
        let workspace = stream.alloc_zeros(WORKSPACE).map_err(failed("making room"))?;
        Ok(Gpu {
            card: self.0.clone(),
            workspace,
            functions: RefCell::default(),
            staging: RefCell::default(),
            stream,
        })
    }

    /// Waits until all of its streams are done.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        self.0.context.synchronize().map_err(failed("computing"))
    }

    /// Refuses a model whose attention takes more memory than a block of this device has.
    pub(crate) fn expect_shared_memory(&self, bytes: usize) -> Result<(), VisionError> {
        let most = self.0.most_shared;
        if bytes > most as usize {
            return Err(VisionError::Unsupported(format!(
                "the backend cuda: the model's attention needs {bytes} bytes of a block's memory, cuda:{} ({}) has {most}",
                self.0.number, self.0.name
            )));
        }
        Ok(())
    }
}

/// Whether a device says that it lacks memory.
pub(crate) fn is_out_of_memory(error: &(dyn Error + 'static)) -> bool {
    let (driver, cublas) = (
        error.downcast_ref::<DriverError>(),
        error.downcast_ref::<CublasError>(),
    );
    driver.is_some_and(|error| error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)
        || cublas.is_some_and(|error| error.0 == cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED)
}

/// A stream of work on a card.
pub(crate) struct Gpu {
    workspace: CudaSlice<u8>,
    functions: RefCell<HashMap<String, CudaFunction>>,
    /// Memory that the device reads while this thread does something else.
    staging: RefCell<Option<PinnedHostSlice<u8>>>,
    stream: Arc<CudaStream>,
    card: Arc<Shared>,
}

impl Drop for Gpu {
    /// Waits: what is queued here may still read weights that go with the last of a device's streams.
    fn drop(&mut self) {
        // A device that is lost has nothing queued any more.
        let _ = self.finish();
    }
}

impl Gpu {
    /// Makes the device that of the running thread: before anything else on a thread.
    pub(crate) fn enter(&self) -> Result<(), Fault> {
        self.card.context.bind_to_thread().map_err(failed("entering"))
    }

    /// Waits until all is done.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        self.stream.synchronize().map_err(failed("computing"))
    }

    /// A kernel, compiled for the device the first time it is asked for.
    fn function(&self, kernel: &Kernel, with_shared_memory: bool) -> Result<CudaFunction, Fault> {
        if let Some(known) = self.functions.borrow().get(&kernel.name) {
            return Ok(known.clone());
        }
        let module = self.card.module(&kernel.module)?;
        let function = module
            .load_function(&kernel.name)
            .map_err(failed(format!("loading the kernel {}", kernel.name)))?;
        if with_shared_memory {
            // Without it no launch gets more than 48 KiB.
            use sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as MOST;
            use sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT as SHARE;
            const ALL: i32 = 100;
            function
                .set_attribute(MOST, self.card.most_shared)
                .and_then(|()| function.set_attribute(SHARE, ALL))
                .map_err(failed(format!("giving {} its memory", kernel.name)))?;
        }
        self.functions
            .borrow_mut()
            .insert(kernel.name.clone(), function.clone());
        Ok(function)
    }
}

impl Shared {
    fn module(&self, name: &str) -> Result<Arc<CudaModule>, Fault> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.get(name) {
            return Ok(known.clone());
        }
        let ptx = modules::ptx(name, self.capability)
            .map_err(|error| Fault::new(format!("loading the module {name}"), error))?;
        let module = self
            .context
            .load_module(Ptx::from_src(ptx))
            .map_err(failed(format!("compiling the kernels of {name}")))?;
        modules.insert(name.to_owned(), module.clone());
        Ok(module)
    }
}

impl Machine for Gpu {
    type Array<T: Number> = CudaSlice<T>;
    type Mark = CudaEvent;

    fn upload<T: Number>(&self, values: &[T]) -> Result<CudaSlice<T>, Fault> {
        self.stream.clone_htod(values).map_err(failed("copying to it"))
    }

    fn room<T: Number>(&self, count: usize) -> Result<CudaSlice<T>, Fault> {
        self.stream.alloc_zeros(count).map_err(failed("making room"))
    }

    fn write<T: Number>(&self, values: &[T], to: &mut CudaSlice<T>) -> Result<(), Fault> {
        if values.is_empty() {
            return Ok(());
        }
        self.stream
            .memcpy_htod(values, to)
            .map_err(failed("copying to it"))
    }

    fn write_pictures(&self, pictures: &[&[u8]], to: &mut CudaSlice<u8>) -> Result<(), Fault> {
        let mut staging = self.staging.borrow_mut();
        let staging = match &mut *staging {
            Some(staging) => staging,
            none => {
                // SAFETY: bytes may be anything, and what is copied from them is written first.
                let pinned = unsafe { self.card.context.alloc_pinned(to.len()) };
                none.insert(pinned.map_err(failed("pinning memory"))?)
            }
        };
        // Waits for the copy before.
        let bytes = staging.as_mut_slice().map_err(failed("copying to it"))?;
        let mut filled = 0;
        for picture in pictures {
            bytes[filled..filled + picture.len()].copy_from_slice(picture);
            filled += picture.len();
        }
        // What a batch lacks is black, not another batch's.
        bytes[filled..].fill(0);
        self.stream
            .memcpy_htod(&*staging, to)
            .map_err(failed("copying to it"))
    }

    fn read<T: Number>(&self, from: &CudaSlice<T>, count: usize) -> Result<Vec<T>, Fault> {
        let mut values = vec![T::default(); count];
        // A copy to memory like this would wait inside the driver.
        let computed = self.mark()?;
        computed.synchronize().map_err(failed("computing"))?;
        self.stream
            .memcpy_dtoh(&from.slice(..count), &mut values)
            .and_then(|()| self.stream.synchronize())
            .map_err(failed("computing"))?;
        Ok(values)
    }

    fn product<E: Element>(
        &self,
        layer: &Linear<Self, E>,
        x: &CudaSlice<E>,
        rows: usize,
        out: &mut CudaSlice<E>,
    ) -> Result<(), Fault> {
        if rows * layer.inputs > x.len() || rows * layer.outputs > out.len() {
            return Err(Fault::new("multiplying matrices", "a matrix is too small"));
        }
        let form = Form {
            dtype: E::DTYPE,
            inputs: layer.inputs,
            outputs: layer.outputs,
        };
        let operands = Operands {
            weight: self.address(&layer.weight),
            bias: self.address(&layer.bias),
            x: self.address(x),
            out: self.address_mut(out),
            workspace: self.address(&self.workspace),
        };
        // SAFETY: lengths are checked above, the layer's by its making; all arrays are this device's, and work on the
        // workspace and `out` is in the order of this stream.
        unsafe {
            self.card
                .products
                .multiply(form, rows, operands, self.stream.cu_stream().cast())
        }
    }

    fn mark(&self) -> Result<CudaEvent, Fault> {
        let flags = sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC;
        self.stream
            .record_event(Some(flags))
            .map_err(failed("marking time"))
    }

    fn seconds(&self, from: &CudaEvent, to: &CudaEvent) -> Result<f64, Fault> {
        let milliseconds = from.elapsed_ms(to).map_err(failed("computing"))?;
        Ok(f64::from(milliseconds) / 1000.0)
    }
}

impl Launcher for Gpu {
    fn address<T: Number>(&self, array: &CudaSlice<T>) -> u64 {
        array.device_ptr(&self.stream).0
    }

    fn address_mut<T: Number>(&self, array: &mut CudaSlice<T>) -> u64 {
        array.device_ptr_mut(&self.stream).0
    }

    fn launch(&self, kernel: &Kernel, grid: Grid, arguments: &mut [Argument]) -> Result<(), Fault> {
        let function = self.function(kernel, grid.shared > 0)?;
        let mut pointers: Vec<_> = arguments.iter_mut().map(Argument::pointer).collect();
        let [x, y, z] = grid.blocks;
        // SAFETY: the arguments are the kernel's, in order and type, as the emulated tests show for every kind of kernel,
        // and the arrays they point to are kept by the caller in this stream's order.
        let launched = unsafe {
            result::launch_kernel(
                function.cu_function(),
                (x, y, z),
                (grid.threads, 1, 1),
                grid.shared,
                self.stream.cu_stream(),
                &mut pointers,
            )
        };
        launched.map_err(failed(format!("launching {}", kernel.name)))
    }
}

fn failed(doing: impl Into<String>) -> impl FnOnce(DriverError) -> Fault {
    |error| Fault::new(doing, error)
}
