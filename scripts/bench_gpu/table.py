"""What scripts/bench_gpu.sh measured, as Markdown: speed beside the goals, parts of a batch, agreement of ids.

A measurement is a dict with `kind` (about, speed or codes), `side`, of PyTorch `form`, `dtype` and `merger`.
Again from what was written: PYTHONPATH=scripts python3 -m bench_gpu.table < OUT/measured.jsonl
"""

import json
import sys

from vs_pytorch.table import OURS, PYTORCH, agreement, chosen, fastest, flops_per_image, ratio, shown

# Dtype and merger of each of PyTorch's forms are one; ours are many.
FORMS = {"eager": "PyTorch, eager, as published", "compiled": "PyTorch, compiled", "tuned": "PyTorch, compiled, tuned"}
BEST_EFFORT = ("compiled", "tuned")
# Issue 7's goals, for bf16 on a GPU: of the matmul peak, of eager PyTorch, of PyTorch's best effort.
GOALS = (0.65, 2.0, 1.2)
PARTS = ("copy_s", "encoder_s", "selector_s", "merger_s", "quantiser_s")


def fastest_of_each(measured: list) -> list:
    """PyTorch's forms first, then ours by dtype and merger, each at its best batch size."""
    kinds = {(one["side"], one.get("form"), one["dtype"], one["merger"]): None for one in chosen(measured, kind="speed")}
    found = [
        fastest([one for one in measured if one.get("form") == form], side=side, dtype=dtype, merger=merger)
        for side, form, dtype, merger in kinds
    ]
    return sorted(found, key=lambda one: one["side"] == OURS)


def best_effort(measured: list) -> dict | None:
    return fastest([one for one in measured if one.get("form") in BEST_EFFORT])


def useful_flops_per_s(measured: list, one: dict) -> float | None:
    if one["side"] == OURS:
        return one.get("flops_per_s")
    an_image = flops_per_image(measured, one["merger"])
    return an_image and an_image * one["images_per_s"]


def peak(one: dict) -> float | None:
    """Operations a second of the matmul measured in the same process; on a CPU, of the product's inner loop."""
    return one.get("matmul_peak_flops_per_s") or one.get("peak_flops_per_s")


def times(one: dict | None, other: dict | None) -> float | None:
    return ratio(one and one["images_per_s"], other and other["images_per_s"])


def row(cells: list) -> str:
    return f"| {' | '.join(cells)} |"


def speeds(measured: list) -> str:
    lines = [
        "| | dtype | merger | batch | tokens/image | images/s | useful TFLOP/s | matmul peak, TFLOP/s | of peak "
        "| x eager | x best effort |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    eager, best = fastest(measured, side=PYTORCH, form="eager"), best_effort(measured)
    for one in fastest_of_each(measured):
        useful = useful_flops_per_s(measured, one)
        cells = [
            FORMS.get(one.get("form"), "img2tokens"),
            one["dtype"],
            one["merger"],
            str(one["batch_size"]),
            shown(one.get("tokens_per_image"), ".1f"),
            shown(one["images_per_s"], ".1f"),
            shown(useful and useful / 1e12, ".3g"),
            shown(peak(one) and peak(one) / 1e12, ".3g"),
            shown(ratio(useful, peak(one)), ".1%"),
            shown(times(one, eager), ".2f"),
            shown(times(one, best), ".2f"),
        ]
        lines.append(row(cells))
    return "\n".join(lines)


def goals(measured: list) -> str:
    """Our fastest in bf16, with either merger, against the goals."""
    ours = fastest(measured, side=OURS, dtype="bf16")
    eager, best = fastest(measured, side=PYTORCH, form="eager"), best_effort(measured)
    of_peak, of_eager, of_best = GOALS
    reached = (
        (f"useful operations of the matmul peak, at least {of_peak:.0%}", of_peak, ours_of_peak(measured, ours), ".1%"),
        (f"images/s of eager PyTorch, at least {of_eager} x", of_eager, times(ours, eager), ".2f"),
        (f"images/s of PyTorch's best effort, at least {of_best} x", of_best, times(ours, best), ".2f"),
    )
    lines = ["| goal, in bf16 on a GPU | measured | |", "|---|---|---|"]
    on_gpu = chosen(measured, kind="about")[0]["device"] != "cpu"
    for what, wanted, found, form in reached:
        verdict = "not measured" if found is None or not on_gpu else "reached" if found >= wanted else "missed"
        lines.append(row([what, shown(found, form), verdict]))
    return "\n".join(lines)


def ours_of_peak(measured: list, ours: dict | None) -> float | None:
    return ours and ratio(useful_flops_per_s(measured, ours), peak(ours))


def parts(measured: list) -> str:
    """How the time of our batches divides among the parts, where the device tells."""
    lines = [
        "| img2tokens | batch | copy | encoder | selector | merger | quantiser |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in fastest_of_each(chosen(measured, side=OURS)):
        if not one.get("parts"):
            continue
        seconds = [one["parts"].get(part) for part in PARTS]
        known = sum(each for each in seconds if each is not None)
        cells = [shown(ratio(each, known), ".1%") for each in seconds]
        lines.append(row([f"{one['dtype']}, {one['merger']}", str(one["batch_size"]), *cells]))
    return "\n".join(lines) if len(lines) > 2 else ""


def about(measured: list) -> str:
    (found,) = chosen(measured, kind="about")
    return "\n".join(f"- {name}: {value}" for name, value in found.items() if name != "kind")


def tables(measured: list) -> str:
    each = (about(measured), speeds(measured), goals(measured), parts(measured), agreement(measured))
    return "\n\n".join(filter(None, each))


if __name__ == "__main__":
    print(tables([json.loads(line) for line in sys.stdin]))
