//! The compiled kernels: an archive of PTX for each architecture, `NAME.ptx` a module, which scripts/build_kernels.sh makes.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use tar::Archive;

/// For compute capability 8.0 and newer.
const COMPUTE_80: &[u8] = include_bytes!("../../kernels/ptx/compute_80.tar.gz");
/// For 9.0, with all that it alone has.
const COMPUTE_90A: &[u8] = include_bytes!("../../kernels/ptx/compute_90a.tar.gz");

/// The PTX of a module for a device of this compute capability.
///
/// # Errors
/// If there is no such module, or the archive is broken.
pub(super) fn ptx(module: &str, capability: (i32, i32)) -> io::Result<String> {
    let archive = match capability {
        (9, 0) => COMPUTE_90A,
        _ => COMPUTE_80,
    };
    let name = format!("{module}.ptx");
    for entry in Archive::new(GzDecoder::new(archive)).entries()? {
        let mut entry = entry?;
        if *entry.path_bytes() == *name.as_bytes() {
            let mut ptx = String::new();
            entry.read_to_string(&mut ptx)?;
            return Ok(ptx);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "there is no such module"))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::launch::HEADS;

    fn kernels() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
    }

    /// The file lists every source by its digest: scripts/build_kernels.sh writes it with the PTX.
    #[test]
    fn the_ptx_was_made_from_the_sources_beside_it() {
        let listed = std::fs::read_to_string(kernels().join("ptx/sources.sha256")).unwrap();
        let mut listed: Vec<(String, String)> = listed
            .lines()
            .map(|line| line.split_once("  ./").unwrap())
            .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
            .collect();
        let sources = std::fs::read_dir(kernels())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut found: Vec<(String, String)> = sources
            .filter(|path| path.extension().is_some_and(|end| end == "cu" || end == "cuh"))
            .map(|path| {
                let digest = Sha256::digest(std::fs::read(&path).unwrap());
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                (name, hex)
            })
            .collect();
        listed.sort();
        found.sort();
        assert_eq!(listed, found, "run scripts/build_kernels.sh");
    }

    #[test]
    fn every_module_is_for_its_architecture_and_for_drivers_of_cuda_12() {
        for (archive, target) in [
            (COMPUTE_80, "\n.target sm_80\n"),
            (COMPUTE_90A, "\n.target sm_90a\n"),
        ] {
            let mut modules = 0;
            for entry in Archive::new(GzDecoder::new(archive)).entries().unwrap() {
                let mut ptx = String::new();
                let mut entry = entry.unwrap();
                entry.read_to_string(&mut ptx).unwrap();
                assert!(ptx.contains(target), "{:?}", entry.path());
                assert!(ptx.contains("\n.version 8.0\n"), "{:?}", entry.path());
                modules += 1;
            }
            assert_eq!(modules, 6 + HEADS.len());
        }
    }

    #[test]
    fn heads_of_every_width_have_their_kernels() {
        for head in HEADS {
            let ptx = ptx(&format!("attention_{head}"), (9, 0)).unwrap();
            for name in ["attend", "attend_smoothed"] {
                for dtype in ["bf16", "f16"] {
                    assert!(
                        ptx.contains(&format!(".entry {name}_{head}_{dtype}(")),
                        "{name} {head}"
                    );
                }
            }
        }
    }
}
