#!/usr/bin/env python3
"""Makes the environment of the trainers' own readers, with torch, and prints its Python.

It is made once, 2 GB; vs_pytorch/environment.py says how, and why no package may bring its own dependencies.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from vs_pytorch.environment import python_of  # noqa: E402

ENVIRONMENT = Path.home() / ".cache/img2tokens/trainers-venv"
PACKAGES = (
    "torch==2.13.0",
    "numpy==2.1.3",
    "filelock==4.2.12",
    "fsspec==2026.9.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.4",
    "mpmath==1.4.1",
    "networkx==3.6.1",
    "sympy==1.14.0",
    "typing-extensions==4.16.0",
    # Megatron-LM's reader of .bin and .idx.
    "megatron-core==0.16.1",
    "packaging==26.3",
    # MDS. Its __init__ imports text and vision, with transformers and torchvision.
    "mosaicml-streaming==0.13.0",
    "brotli==1.2.1",
    "catalogue==2.0.10",
    "cramjam==2.14.0",
    "pillow==12.0.0",
    "python-snappy==0.7.3",
    "torchvision==0.28.0",
    "tqdm==4.70.1",
    "transformers==4.57.6",
    "tokenizers==0.22.2",
    "huggingface-hub==0.36.2",
    "regex==2026.11.19",
    "safetensors==0.8.0",
    "pyyaml==6.0.4",
    "xxhash==3.8.2",
    "zstd==1.5.7.2",
    # nanotron's .ds.
    "datatrove==0.10.1",
    "loguru==0.7.3",
    # Parquet.
    "datasets==4.8.5",
    "pyarrow==26.0.1",
    "anyio==4.16.0",
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.2",
    "dill==0.4.1",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "httpx==0.28.1",
    "idna==3.20",
    "multiprocess==0.70.19",
    "pandas==3.1.1",
    "python-dateutil==4.0.0",
    "pytz==2026.6",
    "requests==2.34.2",
    "six==1.17.0",
    "sniffio==1.3.1",
    "tzdata==2026.6",
    "urllib3==2.8.0",
    # OLMo-core's data sets. They import cached-path, which imports the clients of S3 and Google's store.
    "ai2-olmo-core==3.0.0",
    "bettermap==1.3.1",
    "boto3==1.44.8",
    "botocore==1.44.8",
    "cached-path==1.8.10",
    "cffi==2.1.1",
    "cryptography==50.0.2",
    "dataclass-extensions==0.5.0",
    "google-api-core==2.44.0",
    "google-auth==2.63.0",
    "google-cloud-core==2.8.0",
    "google-cloud-storage==3.17.1",
    "google-crc32c==1.9.0",
    "google-resumable-media==2.11.0",
    "googleapis-common-protos==1.76.0",
    "importlib-resources==7.1.0",
    "jmespath==1.1.0",
    "markdown-it-py==4.3.0",
    "mdurl==0.1.2",
    "opentelemetry-api==1.45.2",
    "proto-plus==1.29.0",
    "protobuf==7.36.2",
    "pyasn1==0.6.5",
    "pyasn1-modules==0.4.2",
    "pycparser==3.12",
    "pygments==2.21.0",
    "rich==13.9.4",
    "s3transfer==0.19.3",
)


def trainers_python(environment: Path = ENVIRONMENT) -> Path:
    return python_of(environment, PACKAGES)


if __name__ == "__main__":
    print(trainers_python())
