//! The compiled kernels, as they stand beside their sources.

/// The PTX of a module for each architecture: 8.0 and newer, and 9.0 with all that it alone has.
struct Compiled {
    name: &'static str,
    compute_80: &'static str,
    compute_90a: &'static str,
}

macro_rules! compiled {
    ($($name:literal),+ $(,)?) => {
        &[$(Compiled {
            name: $name,
            compute_80: include_str!(concat!("../../kernels/ptx/", $name, ".compute_80.ptx")),
            compute_90a: include_str!(concat!("../../kernels/ptx/", $name, ".compute_90a.ptx")),
        }),+]
    };
}

const MODULES: &[Compiled] = compiled![
    "pixels",
    "norm",
    "elementwise",
    "selector",
    "nearest",
    "attention",
    "attention_16",
    "attention_32",
    "attention_64",
    "attention_96",
    "attention_128",
];

/// The PTX of a module for a device of this compute capability.
pub(super) fn ptx(module: &str, capability: (i32, i32)) -> Option<&'static str> {
    let compiled = MODULES.iter().find(|compiled| compiled.name == module)?;
    Some(match capability {
        (9, 0) => compiled.compute_90a,
        _ => compiled.compute_80,
    })
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
        for module in MODULES {
            assert!(module.compute_80.contains("\n.target sm_80\n"), "{}", module.name);
            assert!(
                module.compute_90a.contains("\n.target sm_90a\n"),
                "{}",
                module.name
            );
            for ptx in [module.compute_80, module.compute_90a] {
                assert!(ptx.contains("\n.version 8.0\n"), "{}", module.name);
            }
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
