//! The kernels' own sources on the CPU: compiled by the C++ compiler at hand with a header that stands for nvcc and the
//! GPU (emulation.h), and launched with the grids and arguments that a GPU would get. Products are the twin's.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use libloading::Library;

use crate::error::Fault;
use crate::launch::{Argument, Grid, Kernel, Launcher};
use crate::machine::{Linear, Machine};
use crate::number::{Element, Number};
use crate::twin::{Twin, multiply};

/// The emulation, which runs the threads of a block from the first to the last, or from the last to the first.
pub(crate) struct Emulated {
    pub reversed: bool,
}

type Launch =
    unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, c_uint, c_int, *mut *mut c_void) -> c_int;

/// The compiled sources. One launch at a time: their state is global.
fn library() -> &'static Mutex<Library> {
    static LIBRARY: OnceLock<Mutex<Library>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kernels.so");
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let status = Command::new(&compiler)
            .args(["-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-I"])
            .arg(crate_folder.join("kernels"))
            .arg("-I")
            .arg(crate_folder.join("src/emulated"))
            .arg("-o")
            .arg(&file)
            .args(["-x", "c++"])
            .arg(crate_folder.join("src/emulated/emulation.cpp"))
            .status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{} does not compile the kernels: {status:?}",
            compiler.display()
        );
        // SAFETY: it was compiled above.
        Mutex::new(unsafe { Library::new(&file) }.unwrap())
    })
}

impl Machine for Emulated {
    type Array<T: Number> = Vec<T>;
    type Mark = Instant;

    fn upload<T: Number>(&self, values: &[T]) -> Result<Vec<T>, Fault> {
        Twin.upload(values)
    }

    fn room<T: Number>(&self, count: usize) -> Result<Vec<T>, Fault> {
        Twin.room(count)
    }

    fn write<T: Number>(&self, values: &[T], to: &mut Vec<T>) -> Result<(), Fault> {
        Twin.write(values, to)
    }

    fn read<T: Number>(&self, from: &Vec<T>, count: usize) -> Result<Vec<T>, Fault> {
        Twin.read(from, count)
    }

    fn product<E: Element>(
        &self,
        layer: &Linear<Self, E>,
        x: &Vec<E>,
        rows: usize,
        out: &mut Vec<E>,
    ) -> Result<(), Fault> {
        multiply(
            &layer.weight,
            &layer.bias,
            layer.inputs,
            &x[..rows * layer.inputs],
            out,
        );
        Ok(())
    }

    fn mark(&self) -> Result<Instant, Fault> {
        Twin.mark()
    }

    fn seconds(&self, from: &Instant, to: &Instant) -> Result<f64, Fault> {
        Twin.seconds(from, to)
    }
}

impl Launcher for Emulated {
    fn address<T: Number>(&self, array: &Vec<T>) -> u64 {
        array.as_ptr() as u64
    }

    fn address_mut<T: Number>(&self, array: &mut Vec<T>) -> u64 {
        array.as_mut_ptr() as u64
    }

    fn launch(&self, kernel: &Kernel, grid: Grid, arguments: &mut [Argument]) -> Result<(), Fault> {
        let library = library().lock().unwrap_or_else(PoisonError::into_inner);
        let name = CString::new(kernel.name.as_str()).unwrap();
        let mut pointers: Vec<_> = arguments.iter_mut().map(Argument::pointer).collect();
        // SAFETY: emulation.cpp has this function; arguments are the kernel's, and arrays live in the caller.
        let status = unsafe {
            let launch = library.get::<Launch>(b"emulated_launch").unwrap();
            launch(
                name.as_ptr(),
                grid.blocks.as_ptr(),
                grid.threads,
                grid.shared,
                c_int::from(self.reversed),
                pointers.as_mut_ptr(),
            )
        };
        match status {
            0 => Ok(()),
            1 => Err(Fault::new(&kernel.name, "there is no such kernel")),
            _ => Err(Fault::new(
                &kernel.name,
                "its threads wait for each other for ever",
            )),
        }
    }
}
