"""A virtual environment with PyTorch from PyPI, for the CPU, without CUDA's libraries.

PyPI's Linux wheel of torch is the CUDA build (0.5 to 0.9 GB, and 3 GB of NVIDIA packages). Its CPU half, libtorch_cpu.so with
MKL and oneDNN, is that of the CPU build; the NVIDIA libraries are only linked. So torch is installed without its
dependencies, and each missing NVIDIA library is a stub of a few KB whose every function answers "no device" (100):
enough for the kernels' registration at load time, and `torch.cuda.is_available()` is false, as it should be.
"""

import fcntl
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TORCH = "2.9.1"
# Of the comparison: what `import torch` needs, and what reads models and pictures. --no-deps: NVIDIA's packages and triton stay away.
PACKAGES = (
    f"torch=={TORCH}",
    "numpy==2.3.5",
    "pillow==12.0.0",
    "filelock==3.20.0",
    "fsspec==2025.10.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.3",
    "mpmath==1.3.0",
    "networkx==3.5",
    "sympy==1.14.0",
    "typing-extensions==4.15.0",
)
NVIDIA_LIBRARY = re.compile(r"NEEDED.*\[(lib(?:cu|nccl|nv)\w*\.so[.\d]*)\]")
# An undefined symbol as `nm` prints it; without a version it may be any library's.
NVIDIA_SYMBOL = re.compile(
    r" [Uw] ((?:cu[A-Z]|cu(?:blas|da|dnn|fft|pti|solver|sparse)|nccl|nvrtc|nvshmem|__cuda)\w*)(?:@(\S+))?$", re.M
)


def python_of(environment: Path, packages: tuple[str, ...] = PACKAGES) -> Path:
    """The environment's interpreter; the environment is made when it is not there, half made, or of other packages."""
    python, made = environment / "bin" / "python", environment / "packages.txt"
    environment.parent.mkdir(parents=True, exist_ok=True)
    with open(environment.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text() != "\n".join(packages):
            make(environment, packages)
            made.write_text("\n".join(packages))
    return python


def make(environment: Path, packages: tuple[str, ...]) -> None:
    (torch,) = (package for package in packages if package.startswith("torch=="))
    print(f"making {environment}: {torch} is 0.5 to 0.9 GB", file=sys.stderr)
    venv.create(environment, with_pip=True, clear=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*install, "--only-binary", ":all:", *packages], check=True)
    (libraries,) = environment.glob("lib/python*/site-packages/torch/lib")
    write_stubs(libraries)
    subprocess.run([python, "-c", "import torch; assert not torch.cuda.is_available()"], check=True)


def write_stubs(libraries: Path) -> None:
    """Puts a stub beside torch's libraries for every NVIDIA library that they are linked to (needs cc and binutils)."""
    torch = [str(path) for path in libraries.glob("*.so")]
    needed = set(NVIDIA_LIBRARY.findall(output("readelf", "-d", *torch)))
    symbols = sorted(set(NVIDIA_SYMBOL.findall(output("nm", "-D", "-u", *torch))))
    for library in needed - {path.name for path in libraries.iterdir()}:
        # A symbol's version is its library's name, but for NVSHMEM.
        own = "NVSHMEM" if "nvshmem" in library else library
        versioned = [name for name, version in symbols if version == own]
        lines = ["int no_device(void) { return 100; }"]
        lines += [
            f'__asm__(".globl {name}\\n.type {name}, @function\\n.set {name}, no_device");'
            for name, version in symbols
            if version in ("", own)
        ]
        # A library without versions has the anonymous node.
        nodes = f"{own} {{ global: {'; '.join(versioned)}; }};" if versioned else "{ global: *; };"
        with tempfile.NamedTemporaryFile("w", suffix=".map") as script:
            script.write(nodes)
            script.flush()
            build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", libraries / library]
            build += [f"-Wl,-soname,{library}", f"-Wl,--version-script,{script.name}"]
            subprocess.run(build, input="\n".join(lines), text=True, check=True)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
