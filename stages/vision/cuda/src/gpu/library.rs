//! Finding the driver and cuBLASLt at run time, before anything calls into them: a library that is absent would panic
//! there.
//!
//! cuBLASLt is sought in this order: the path in `IMG2TOKENS_CUBLASLT`; where the loader looks; a toolkit at
//! `CUDA_HOME`, `CUDA_PATH` or /usr/local/cuda; and NVIDIA's Python wheels in the active environment (`VIRTUAL_ENV`,
//! `CONDA_PREFIX`) and the system's. Version 13 goes before 12 where the driver is for CUDA 13, else it is left out.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::cublaslt::sys as cublaslt;
use cudarc::driver::sys as driver;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The variable that names cuBLASLt's file.
const VARIABLE: &str = "IMG2TOKENS_CUBLASLT";
/// The names of its files, the best first; those of version 13 need a driver of that version.
const NAMES: [&str; 3] = ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"];
const NAMES_12: [&str; 2] = ["libcublasLt.so.12", "libcublasLt.so"];
/// The first version of the driver, and of cuBLASLt, of CUDA 13.
const DRIVER_13: i32 = 13_000;
const CUBLASLT_13: usize = 130_000;
/// As the driver states versions: 1000 for each major one, 10 for each minor one.
const LEAST_DRIVER: i32 = 12_080;
/// As cuBLASLt states its own.
const LEAST_CUBLASLT: usize = 120_000;

/// Why CUDA cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No driver.
    #[error("NVIDIA's driver (libcuda.so.1) is not installed")]
    NoDriver,
    /// One that is too old for what the program calls.
    #[error("NVIDIA's driver is for CUDA {found}; 12.8 or newer is needed: update the driver")]
    OldDriver {
        /// The version of CUDA that it is for.
        found: String,
    },
    /// The driver refuses to start.
    #[error("NVIDIA's driver does not start: {0}")]
    Driver(String),
    /// No cuBLASLt.
    #[error(
        "cuBLASLt ({name}) is not found: install it ({install}, or a CUDA toolkit), or name its file in {VARIABLE}"
    )]
    NoCublasLt {
        /// Its file's name.
        name: &'static str,
        /// A command that gets it.
        install: &'static str,
    },
    /// It refuses to start.
    #[error("cuBLASLt does not start: {0}")]
    CublasLt(String),
    /// One that the driver is too old for.
    #[error(
        "cuBLASLt is of version {found}, which a driver for CUDA 13 runs and this one, for CUDA {driver}, does not: \
             install nvidia-cublas-cu12, or update the driver"
    )]
    NewCublasLt {
        /// As it states it.
        found: usize,
        /// The version of CUDA that the driver is for.
        driver: String,
    },
    /// The file that is named is none.
    #[error("{VARIABLE} = {path:?}: {why}")]
    NamedCublasLt {
        /// The file.
        path: PathBuf,
        /// Why it cannot be loaded.
        why: String,
    },
    /// One that is too old.
    #[error("cuBLASLt is of version {found}; 12.0 or newer is needed")]
    OldCublasLt {
        /// As it states it.
        found: usize,
    },
    /// No such device.
    #[error("there is no device cuda:{number}; the driver has {count}")]
    NoDevice {
        /// Its number.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// A device that lacks tensor cores for bfloat16.
    #[error("cuda:{number} ({name}) has compute capability {major}.{minor}; 8.0 or newer is needed")]
    Capability {
        /// Its number.
        number: usize,
        /// What it is called.
        name: String,
        /// Its major capability.
        major: i32,
        /// Its minor one.
        minor: i32,
    },
}

/// Loads both, once.
pub(super) fn load() -> Result<(), Unavailable> {
    static LOADED: OnceLock<Result<(), Unavailable>> = OnceLock::new();
    LOADED
        .get_or_init(|| load_driver().and_then(load_cublaslt))
        .clone()
}

/// Gives its version.
fn load_driver() -> Result<i32, Unavailable> {
    // SAFETY: it only tries to load the driver's library, whose initialisers are NVIDIA's.
    if !unsafe { driver::is_culib_present() } {
        return Err(Unavailable::NoDriver);
    }
    let mut version = 0;
    // SAFETY: the library is there, every version of it has this function, and the number outlives the call.
    let status = unsafe { driver::cuDriverGetVersion(&raw mut version) };
    if status != driver::CUresult::CUDA_SUCCESS {
        return Err(Unavailable::Driver(format!("{status:?}")));
    }
    if version < LEAST_DRIVER {
        let found = shown(version);
        return Err(Unavailable::OldDriver { found });
    }
    Ok(version)
}

/// A driver's version as CUDA's is written.
fn shown(driver: i32) -> String {
    format!("{}.{}", driver / 1000, driver % 1000 / 10)
}

fn load_cublaslt(driver: i32) -> Result<(), Unavailable> {
    let names = if driver < DRIVER_13 {
        &NAMES_12[..]
    } else {
        &NAMES[..]
    };
    if let Some(named) = std::env::var_os(VARIABLE) {
        let path = PathBuf::from(named);
        keep(&path).map_err(|why| Unavailable::NamedCublasLt { path, why })?;
    } else {
        // A library that is loaded answers from then on to the name that it gives itself, wherever it lies. Another that
        // the loader finds by an earlier name goes before it: so the version is asked for below.
        let _ = names.iter().any(|name| keep(Path::new(name)).is_ok())
            || folders(&Surroundings::of_process())
                .iter()
                .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
                .any(|file| file.is_file() && keep(&file).is_ok());
    }
    // SAFETY: as above.
    if !unsafe { cublaslt::is_culib_present() } {
        return Err(if driver < DRIVER_13 {
            Unavailable::NoCublasLt {
                name: "libcublasLt.so.12",
                install: "pip install nvidia-cublas-cu12",
            }
        } else {
            Unavailable::NoCublasLt {
                name: "libcublasLt.so.13 or .12",
                install: "pip install nvidia-cublas",
            }
        });
    }
    // SAFETY: the library is there, and every version of it has this function.
    let found = unsafe { cublaslt::cublasLtGetVersion() };
    if found < LEAST_CUBLASLT {
        return Err(Unavailable::OldCublasLt { found });
    }
    if found >= CUBLASLT_13 && driver < DRIVER_13 {
        let driver = shown(driver);
        return Err(Unavailable::NewCublasLt { found, driver });
    }
    Ok(())
}

/// Loads a library for the rest of the process.
fn keep(file: &Path) -> Result<(), String> {
    // SAFETY: the files are NVIDIA's by name, or the user's word for it; their initialisers run.
    match unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        // The loader's own words are behind the library's.
        Err(error) => Err(error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

/// Where libraries may lie.
struct Surroundings {
    /// Roots of toolkits.
    toolkits: Vec<PathBuf>,
    /// Roots of Python environments.
    pythons: Vec<PathBuf>,
}

impl Surroundings {
    fn of_process() -> Self {
        let named = |names: &[&str]| -> Vec<PathBuf> {
            let values = names.iter().filter_map(std::env::var_os);
            values.map(PathBuf::from).collect()
        };
        let mut toolkits = named(&["CUDA_HOME", "CUDA_PATH"]);
        toolkits.push("/usr/local/cuda".into());
        let mut pythons = named(&["VIRTUAL_ENV", "CONDA_PREFIX"]);
        pythons.extend(["/usr/local".into(), "/usr".into()]);
        Self { toolkits, pythons }
    }
}

/// Folders that may hold cuBLASLt, in the order they are tried.
fn folders(surroundings: &Surroundings) -> Vec<PathBuf> {
    let of_toolkits = surroundings
        .toolkits
        .iter()
        .flat_map(|root| [root.join("lib64"), root.join("targets/x86_64-linux/lib")]);
    let packages = surroundings.pythons.iter().flat_map(|root| packages(root));
    let of_wheels = packages.flat_map(|packages| {
        [
            packages.join("nvidia/cu13/lib"),
            packages.join("nvidia/cublas/lib"),
        ]
    });
    of_toolkits.chain(of_wheels).collect()
}

/// The folders of packages of the Pythons under a root, the newest first.
fn packages(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join("lib")) else {
        return Vec::new();
    };
    let mut pythons: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .map(|entry| entry.path())
        .collect();
    pythons.sort_by_key(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let minor = name.and_then(|name| name.strip_prefix("python3.")?.parse::<u32>().ok());
        std::cmp::Reverse(minor)
    });
    pythons
        .iter()
        .flat_map(|python| [python.join("site-packages"), python.join("dist-packages")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolkits_go_before_wheels_and_newer_pythons_before_older() {
        let root = tempfile::tempdir().unwrap();
        for python in ["python3.9", "python3.12", "perl5"] {
            std::fs::create_dir_all(root.path().join("lib").join(python)).unwrap();
        }
        let found = folders(&Surroundings {
            toolkits: vec!["/toolkit".into()],
            pythons: vec![root.path().to_owned()],
        });
        assert_eq!(found[0], Path::new("/toolkit/lib64"));
        let wheel = |python: &str| {
            let packages = root.path().join("lib").join(python).join("site-packages");
            packages.join("nvidia/cublas/lib")
        };
        let place = |folder: PathBuf| found.iter().position(|found| *found == folder).unwrap();
        assert!(place(wheel("python3.12")) < place(wheel("python3.9")));
        assert!(
            !found
                .iter()
                .any(|folder| folder.starts_with(root.path().join("lib/perl5")))
        );
    }

    #[test]
    fn a_file_that_is_no_library_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libcublasLt.so.13");
        std::fs::write(&file, "no library").unwrap();
        let why = keep(&file).unwrap_err();
        assert!(why.contains("libcublasLt.so.13"), "{why}");
    }
}
