//! A machine whose driver or cuBLASLt is missing, too old or broken: exit code 2 and one line for a named device, the
//! CPU with a warning for `auto`, never a panic. The libraries are stand-ins that say which version they are of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// All that the program says on standard error.
fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Libraries in a folder that the loader looks into first.
struct Libraries(tempfile::TempDir);

impl Libraries {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A library of this C source, by the name that is looked for.
    fn with(self, name: &str, source: &str) -> Self {
        let file = self.path("library.c");
        std::fs::write(&file, source).unwrap();
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let made = Command::new(compiler)
            .args(["-shared", "-fPIC", "-o"])
            .args([self.path(name), file])
            .status();
        assert!(made.unwrap().success());
        self
    }

    /// A driver for this version of CUDA, without a device.
    fn with_driver(self, version: u32) -> Self {
        let source = format!(
            "int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}
             int cuInit(unsigned flags) {{ return 0; }}
             int cuDeviceGetCount(int *count) {{ *count = 0; return 0; }}"
        );
        self.with("libcuda.so.1", &source)
    }

    fn with_cublaslt(self, version: usize) -> Self {
        let source = format!("unsigned long cublasLtGetVersion(void) {{ return {version}; }}");
        self.with("libcublasLt.so.12", &source)
    }

    /// `img2tokens tokenize` of a picture with the tiny model.
    fn tokenize(&self, device: &str) -> Output {
        let picture = self.path("picture.png");
        image::RgbImage::new(8, 8).save(&picture).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_img2tokens"));
        program.args(["tokenize", "--device", device]).arg(picture);
        program.env("LD_LIBRARY_PATH", self.0.path());
        for name in [
            "IMG2TOKENS_CUBLASLT",
            "CUDA_HOME",
            "CUDA_PATH",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
        ] {
            program.env_remove(name);
        }
        program.output().unwrap()
    }

    fn expect(&self, why: &str) {
        for device in ["cuda:0", "cuda:all"] {
            let refused = self.tokenize(device);
            let line = messages(&refused);
            assert_eq!(refused.status.code(), Some(2), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(
                line.contains(&format!("vision.device = \"{device}\": ")),
                "{line}"
            );
            assert!(line.contains(why), "{line}");
        }
        let on_cpu = self.tokenize("auto");
        let line = messages(&on_cpu);
        assert_eq!(on_cpu.status.code(), Some(0), "{line}");
        assert!(
            line.contains("WARN") && line.contains(why) && line.contains("the CPU computes"),
            "{line}"
        );
        assert!(String::from_utf8_lossy(&on_cpu.stdout).contains("\"codes\""));
    }
}

#[test]
fn without_a_driver() {
    if Path::new("/proc/driver/nvidia").exists() {
        return;
    }
    Libraries::new().expect("NVIDIA's driver (libcuda.so.1) is not installed");
}

#[test]
fn with_a_driver_that_is_too_old() {
    let libraries = Libraries::new().with_driver(11_040);
    libraries.expect("NVIDIA's driver is for CUDA 11.4; 12.8 or newer is needed");
}

#[test]
fn with_a_driver_that_is_no_library() {
    let libraries = Libraries::new();
    std::fs::write(libraries.path("libcuda.so.1"), "no library").unwrap();
    libraries.expect("NVIDIA's driver (libcuda.so.1) is not installed");
}

#[test]
fn without_cublaslt() {
    let libraries = Libraries::new().with_driver(13_000);
    libraries.expect("cuBLASLt (libcublasLt.so.13 or .12) is not found");
    let libraries = Libraries::new().with_driver(12_080);
    libraries.expect("cuBLASLt (libcublasLt.so.12) is not found");
}

#[test]
fn with_a_cublaslt_that_the_driver_is_too_old_for() {
    let libraries = Libraries::new().with_driver(12_080).with_cublaslt(130_000);
    libraries.expect("cuBLASLt is of version 130000, which a driver for CUDA 13 runs and this one, for CUDA 12.8, does not");
}

#[test]
fn with_a_cublaslt_that_is_too_old() {
    let libraries = Libraries::new().with_driver(12_080).with_cublaslt(11_100);
    libraries.expect("cuBLASLt is of version 11100; 12.0 or newer is needed");
}

#[test]
fn with_libraries_and_no_device() {
    let libraries = Libraries::new().with_driver(13_000).with_cublaslt(120_800);
    let refused = libraries.tokenize("cuda:0");
    assert_eq!(refused.status.code(), Some(2));
    let line = messages(&refused);
    assert!(
        line.contains("there is no device cuda:0; the driver has 0"),
        "{line}"
    );
}
