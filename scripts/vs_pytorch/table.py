"""What was measured, as Markdown: speed and memory, and how far the codes agree.

A measurement is a dict with `kind` (gemm, speed or codes), `side` (pytorch or ours), `dtype` and `merger`.
"""

PYTORCH, OURS = "pytorch", "ours"
MERGERS = ("full", "packed")
HEAD = (
    "| | dtype | merger | batch | tokens/image | images/s | x PyTorch | GFLOP/s | of PyTorch's GEMM | of our peak "
    "| peak memory, GiB | beyond weights, GiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def chosen(measured: list, **wanted: str) -> list:
    return [one for one in measured if all(one.get(key) == value for key, value in wanted.items())]


def fastest(measured: list, **wanted: str) -> dict | None:
    speeds = chosen(measured, kind="speed", **wanted)
    return max(speeds, key=lambda one: one["images_per_s"], default=None)


def flops_per_image(measured: list, merger: str) -> float | None:
    """What `bench vision` counted with this merger: operations of matrix products, a multiply-add as two. They go with the
    tokens that a picture keeps: on average as many on both sides."""
    counted = fastest(measured, side=OURS, merger=merger)
    return counted and ratio(counted.get("flops_per_s"), counted["images_per_s"])


def shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def ratio(value: float | None, of: float | None) -> float | None:
    return value / of if value and of else None


def speeds(measured: list, parameters: int) -> str:
    """A row for each side, dtype and merger: the fastest round's speed and the largest memory of any."""
    lines = [HEAD]
    for dtype in ("f32", "bf16"):
        gemm = max((one["flops_per_s"] for one in chosen(measured, kind="gemm", dtype=dtype)), default=None)
        rival = fastest(measured, side=PYTORCH, dtype=dtype)
        for side, merger in ((PYTORCH, "full"), *((OURS, merger) for merger in MERGERS)):
            rounds = chosen(measured, kind="speed", side=side, dtype=dtype, merger=merger)
            if not rounds:
                continue
            best = fastest(rounds)
            done = flops_per_image(measured, merger)
            done = done and done * best["images_per_s"]
            peak = max(one["peak_flops_per_s"] or 0 for one in rounds)
            memory = max(one["peak_bytes"] for one in rounds)
            weights = parameters * {"f32": 4, "bf16": 2}[dtype]
            cells = [
                {PYTORCH: "PyTorch", OURS: "img2tokens"}[side],
                dtype,
                merger,
                str(best["batch_size"]),
                f"{best['tokens_per_image']:.1f}",
                f"{best['images_per_s']:.3f}",
                shown(rival and best["images_per_s"] / rival["images_per_s"], ".2f"),
                shown(done and done / 1e9, ".0f"),
                shown(ratio(done, gemm), ".0%"),
                shown(ratio(done, peak), ".0%"),
                f"{memory / 2**30:.2f}",
                f"{(memory - weights) / 2**30:.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *peaks(measured)])


def peaks(measured: list) -> list:
    lines = []
    for dtype in ("f32", "bf16"):
        gemm = max(chosen(measured, kind="gemm", dtype=dtype), key=lambda one: one["flops_per_s"], default=None)
        rounds = chosen(measured, kind="speed", side=OURS, dtype=dtype)
        ours = max((one["peak_flops_per_s"] or 0 for one in rounds), default=0)
        found = [f"PyTorch's GEMM {gemm['flops_per_s'] / 1e9:.0f} GFLOP/s at {gemm['shape']}"] if gemm else []
        found += [f"our peak {ours / 1e9:.0f} GFLOP/s"] if ours else []
        if found:
            lines.append(f"- {dtype}: {', '.join(found)}")
    return lines


def agreement(measured: list) -> str:
    """Every set of codes against PyTorch's in the same dtype and against PyTorch's in float32."""
    lines = ["| | dtype | merger | against | mask bits equal | codes equal |", "|---|---|---|---|---|---|"]
    codes = {(one["side"], one["dtype"], one["merger"]): one for one in chosen(measured, kind="codes")}
    for (side, dtype, merger), one in codes.items():
        for against in dict.fromkeys((dtype, "f32")):
            other = codes.get((PYTORCH, against, "full"))
            if other is None or other is one:
                continue
            masks, equal = compared(one, other)
            name = {PYTORCH: "PyTorch", OURS: "img2tokens"}[side]
            lines.append(f"| {name} | {dtype} | {merger} | PyTorch {against} | {masks} | {equal} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def compared(one: dict, other: dict) -> tuple[str, str]:
    """Mask bits alike; and of the patches that both keep, those with the same code."""
    bits = same_bits = patches = same_codes = 0
    for a, b in zip(pictures_of(one), pictures_of(other), strict=True):
        bits += len(a[0])
        same_bits += sum(mine == theirs for mine, theirs in zip(a[0], b[0], strict=True))
        patches += len(a[1].keys() & b[1].keys())
        same_codes += len(a[1].items() & b[1].items())
    codes = f"{same_codes} of {patches} ({same_codes / max(patches, 1):.2%})"
    return f"{same_bits} of {bits} ({same_bits / bits:.2%})", codes


def pictures_of(measurement: dict) -> list:
    """Each picture's mask, and its codes by patch."""
    pictures = zip(measurement["kept"], measurement["codes"], strict=True)
    return [(mask, dict(zip((at for at, bit in enumerate(mask) if bit), ids, strict=True))) for mask, ids in pictures]


def bits_of(mask: str) -> list:
    """`tokenize` prints a mask in hexadecimal, patch 0 in the first byte's lowest bit."""
    return [byte >> bit & 1 for byte in bytes.fromhex(mask) for bit in range(8)]
