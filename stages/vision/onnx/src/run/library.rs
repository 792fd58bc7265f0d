//! ONNX Runtime itself, loaded when it is first needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::{Environment, EnvironmentBuilder};
use ort::logging::LogLevel;

use super::places::{Place, VARIABLE, place};

/// How to get the library: the end of every message about it.
const HOW: &str = "`pip install onnxruntime` brings it, as \
    site-packages/onnxruntime/capi/libonnxruntime.so.VERSION: name that file by vision.onnxruntime, --onnxruntime or \
    ORT_DYLIB_PATH";

/// ONNX Runtime, loaded into this process.
#[derive(Debug, Clone)]
pub struct Runtime {
    library: PathBuf,
    environment: Environment,
}

/// A library that is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// It lies in none of the places where it might.
    #[error(
        "ONNX Runtime is nowhere: {VARIABLE} is not set, there is no library beside the program or in an active Python \
         environment, and the system has none; {HOW}"
    )]
    NotFound {
        /// What the system's loader says.
        source: ort::LoadDynamicError,
    },
    /// The file that should be it is missing, no library, or too old.
    #[error("ONNX Runtime cannot be loaded; {HOW}")]
    Unusable {
        /// What the loader says; it names the file.
        source: ort::LoadDynamicError,
    },
    /// A process can have one.
    #[error("ONNX Runtime is loaded already, from {}, not {}", loaded.display(), wanted.display())]
    Another {
        /// The library that is loaded.
        loaded: PathBuf,
        /// The one that is asked for.
        wanted: PathBuf,
    },
    /// The library is loaded and does not start.
    #[error("ONNX Runtime does not start")]
    Start(#[source] ort::Error),
}

/// The library of this process. It is never unloaded: its threads may outlive every model.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Finds and loads the library, version 1.17 or newer: the one configured, else that of the environment variable
    /// `ORT_DYLIB_PATH`, else one beside the program, in the active Python environment, or where the system looks.
    ///
    /// # Errors
    /// If there is none, or the first one found is of no use; or this process has loaded another.
    pub fn load(configured: Option<&Path>) -> Result<Self, LibraryError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(configured);
        if let Some(runtime) = &*loaded {
            return match place {
                Place::File(wanted) if wanted != runtime.library => Err(LibraryError::Another {
                    loaded: runtime.library.clone(),
                    wanted,
                }),
                _ => Ok(runtime.clone()),
            };
        }
        let (library, builder) = match place {
            Place::File(path) => open(path).map_err(|source| LibraryError::Unusable { source })?,
            Place::System(names) => first_of(names).map_err(|source| LibraryError::NotFound { source })?,
        };
        let environment = start(builder).map_err(LibraryError::Start)?;
        Ok(loaded.insert(Self { library, environment }).clone())
    }

    /// The file that was loaded, or the name under which the system found it.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// What sessions are made in.
    pub(super) const fn environment(&self) -> &Environment {
        &self.environment
    }
}

type Opened = Result<(PathBuf, EnvironmentBuilder), ort::LoadDynamicError>;

fn open(path: PathBuf) -> Opened {
    let builder = ort::init_from(&path)?;
    Ok((path, builder))
}

/// The first of these names that the system knows; else why it does not know the plain one.
fn first_of([plain, versioned]: [PathBuf; 2]) -> Opened {
    open(plain).or_else(|error| open(versioned).map_err(|_| error))
}

/// What the library has to say goes where all messages go; its errors come back as values besides.
fn start(builder: EnvironmentBuilder) -> Result<Environment, ort::Error> {
    let environment = builder
        .with_name("img2tokens")
        .with_telemetry(false)
        .with_logger(Arc::new(|_level, _category, _id, place, message| {
            tracing::debug!(place, "onnxruntime: {message}");
        }))
        .build()?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}
