//! Where ONNX Runtime's library may lie.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

/// What `ort` itself reads, and so what users know.
pub(super) const VARIABLE: &str = "ORT_DYLIB_PATH";

/// A library, and who says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This file and no other.
    File(PathBuf),
    /// Whatever the system's loader finds under one of these names.
    System([PathBuf; 2]),
}

/// The first place that is named or holds a library: what is configured, the environment variable, the program's own
/// folder, the wheel in the active Python environment, the system.
pub(super) fn place(configured: Option<&Path>) -> Place {
    let variable = || {
        env::var_os(VARIABLE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    let beside = || library_in(env::current_exe().ok()?.parent()?);
    let wheel = || library_in_wheel(Path::new(&env::var_os("VIRTUAL_ENV")?));
    // A bare name in the variable is the system's to find, as `ort` has it; what is configured is a file.
    configured
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        .or_else(variable)
        .or_else(beside)
        .or_else(wheel)
        .map_or_else(|| Place::System(system_names()), Place::File)
}

/// The names under which distributions install it: with and without the version of its interface.
fn system_names() -> [PathBuf; 2] {
    let plain = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
    let versioned = format!("{plain}.1");
    [plain.into(), versioned.into()]
}

/// The library in a folder: the name may carry a version, and the last in order is taken.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let start = format!("{DLL_PREFIX}onnxruntime.");
    let is_library = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(&start) && name.contains(DLL_SUFFIX))
    };
    let entries = folder.read_dir().ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_library)
        .max()
}

/// The library in the wheel `onnxruntime` (or `onnxruntime-gpu`) of a virtual environment.
fn library_in_wheel(environment: &Path) -> Option<PathBuf> {
    const CAPI: &str = "site-packages/onnxruntime/capi";
    let versions = environment.join("lib").read_dir().into_iter().flatten();
    versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .chain([environment.join("Lib")])
        .find_map(|python| library_in(&python.join(CAPI)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn what_is_configured_comes_first() {
        let path = Path::new("/opt/onnxruntime/lib.so");
        assert_eq!(place(Some(path)), Place::File(path.to_owned()));
    }

    #[test]
    fn the_library_is_told_from_its_providers_and_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let name = |stem: &str| folder.path().join(format!("{DLL_PREFIX}{stem}{DLL_SUFFIX}"));
        touch(&name("onnxruntime_providers_shared"));
        touch(&folder.path().join("img2tokens"));
        assert_eq!(library_in(folder.path()), None);
        touch(&name("onnxruntime"));
        assert_eq!(library_in(folder.path()), Some(name("onnxruntime")));
    }

    #[test]
    fn the_wheel_of_a_virtual_environment_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(library_in_wheel(folder.path()), None);
        let capi = folder
            .path()
            .join("lib/python3.12/site-packages/onnxruntime/capi");
        let library = capi.join(format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}"));
        touch(&library);
        touch(&folder.path().join("lib/python3.11/nothing"));
        assert_eq!(library_in_wheel(folder.path()), Some(library));
    }
}
