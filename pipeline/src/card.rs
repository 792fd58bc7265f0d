//! The dataset card: `README.md` under the output root, written when the last unit is committed.

use std::fmt::Write;

use bytes::Bytes;
use img2tokens_shard::{Destination, ShardError, committed, read_stats};

use crate::plan::Plan;
use crate::summary::Totals;

/// Writes the card if every unit of the plan is committed; returns whether that is so.
///
/// # Errors
/// If the stats cannot be read or the card not written.
pub async fn write_if_complete(destination: &Destination, plan: &Plan) -> Result<bool, ShardError> {
    let units = committed(destination).await?;
    if (units.len() as u64) < plan.units {
        return Ok(false);
    }
    let mut totals = Totals::default();
    for unit in units {
        if let Some(stats) = read_stats(destination, unit).await? {
            totals.add(&stats);
        }
    }
    destination
        .put_atomic("README.md", Bytes::from(card(plan, &totals)))
        .await?;
    Ok(true)
}

fn card(plan: &Plan, totals: &Totals) -> String {
    let (model, settings) = (&plan.identity.model, &plan.identity.settings);
    let mut failures = String::new();
    for (reason, count) in &totals.failures {
        // Writing to a string cannot fail.
        let _ = writeln!(failures, "| {reason} | {count} |");
    }
    format!(
        r#"---
configs:
- config_name: default
  data_files: data/*.parquet
---

# Token sequences of image-text pairs

Made by {program}: {sequences} sequences from {pairs} pairs; {failed} pairs failed and {filtered} rows were left out by
filters, of {rows} rows in all.

- Visual tokenizer: LaVIT's dynamic tokenizer, digest `{digest}`, {image} px, codebook of {codebook} codes.
- Precision {dtype}, selection {selection} (seed {seed}), merger {merger}, backend {backend}.
- Text tokenizer: digest `{tokenizer}`.
- Order: {order}; BOS {bos}, EOS {eos}.
- Ids: text from 0, then `[IMG]`, `[/IMG]`, then the visual codes; the exact layout stands in every file's metadata
  under `img2tokens.provenance`.
- Visual codes of an image: {least} to {most}, median {median}. Ids of all sequences together: {ids}.

{extras}With the image on the left, LaVIT itself feeds its language model continuous features of the merger, not codes. This
dataset holds codes in both orders.

## What failed

| reason | pairs |
|---|---|
{failures}
## How to load it

```python
from datasets import load_dataset
data = load_dataset("parquet", data_files="data/*.parquet", split="train")
print(data[0]["input_ids"])
```

`failures/` has a row for every pair that gave no sequence, `stats/` the counts and checksums of every shard.
"#,
        program = plan.program,
        sequences = totals.sequences,
        pairs = totals.pairs,
        failed = totals.failed(),
        filtered = totals.filtered,
        rows = totals.rows,
        digest = model.digest,
        image = model.config.image_size,
        codebook = model.config.codebook_size,
        dtype = settings["vision"]["dtype"],
        selection = settings["vision"]["selection"],
        seed = settings["vision"]["seed"],
        merger = settings["vision"]["merger"],
        backend = settings["vision"]["backend"],
        tokenizer = plan.identity.tokenizer,
        order = settings["sequence"]["order"],
        bos = settings["sequence"]["bos"],
        eos = settings["sequence"]["eos"],
        least = totals.image_codes.min().unwrap_or(0),
        most = totals.image_codes.max().unwrap_or(0),
        median = totals.image_codes.median().unwrap_or(0),
        ids = totals.input_ids.sum(),
        extras = optional_columns(plan, totals),
    )
}

/// What the optional columns and files hold.
fn optional_columns(plan: &Plan, totals: &Totals) -> String {
    let (model, output) = (&plan.identity.model, &plan.identity.settings["output"]);
    let mut text = String::new();
    let merger = match output["features"].as_str() {
        Some("merged_f16") => Some("the tokenizer's merger, what the codes are quantised from".to_owned()),
        Some("language_model_f16") => Some(format!(
            "the merger retrained with the language model (digest `{}`)",
            model.feature_merger.as_deref().unwrap_or_default()
        )),
        _ => None,
    };
    if let Some(merger) = merger {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "- `image_features`: a row of {} half-precision numbers for each kept patch, by {merger}.",
            model.config.width
        );
    }
    if let Some(mean) = totals.reconstruction.mean() {
        let _ = writeln!(
            text,
            "- `reconstruction_cosine`: how near the codes lead back to the encoder's features, by the decoder of digest \
             `{}`; mean {mean:.4}, from {:.4} to {:.4}.",
            model.decoder.as_deref().unwrap_or_default(),
            totals.reconstruction.min,
            totals.reconstruction.max
        );
    }
    let settings = &plan.identity.settings;
    if settings["sequence"]["text_dropout"] != 0.0 {
        let _ = writeln!(
            text,
            "- Text dropout {}: {} sequences go without their text (column `text_dropped`).",
            settings["sequence"]["text_dropout"], totals.texts_dropped
        );
    }
    if totals.texts > 0 {
        let _ = writeln!(
            text,
            "- {} sequences are texts alone, of a corpus (order `text`): {} of all, as asked for.",
            totals.texts, settings["text_corpus"]["share"]
        );
    }
    if totals.captions_truncated > 0 {
        let _ = writeln!(
            text,
            "- {} captions had more than {} ids and were cut off there.",
            totals.captions_truncated, settings["text"]["max_tokens"]
        );
    }
    if settings["input"]["caption_columns"] != serde_json::json!([]) {
        let _ = writeln!(
            text,
            "- Captions of the columns {}, chosen by {}; `caption_column` says which.",
            settings["input"]["caption_columns"], settings["text"]["captions"]
        );
    }
    if let Some(fill) = totals.packed.fill_rate() {
        let _ = writeln!(
            text,
            "- `packed/` holds the same sequences packed to contexts of {} ids by {}: {} contexts, {:.2} % full.",
            settings["sequence"]["pack"],
            settings["sequence"]["packing"],
            totals.packed.contexts,
            100.0 * fill
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
