//! The dataset card: `README.md` under the output root, written when the last unit is committed.
//!
//! All that is not ours to say (names of inputs, settings, what a plan holds) goes through `markdown`.

mod markdown;

use std::fmt::Write;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_schemas::FailureReason;
use img2tokens_shard::{Destination, ShardError, ShardStats, committed, read_stats};
use serde_json::Value;

use self::markdown::{code, json_block, setting};
use crate::plan::Plan;
use crate::summary::Totals;

/// The card's name under the output root.
pub const CARD_FILE: &str = "README.md";

/// Stats files that are read at one time: of a store, each costs a round trip.
const AT_ONCE: usize = 64;
/// The most inputs that the card names one by one.
const NAMED_INPUTS: usize = 20;

/// Whether every unit of the plan is committed, by one listing; if so, writes the card. Of a run that committed nothing
/// itself (`changed` is false) only if there is none yet: it takes reading every unit's stats.
///
/// # Errors
/// If the stats cannot be read or the card not written; or if a unit was committed under another plan.
pub async fn write_if_complete(
    destination: &Destination,
    plan: &Plan,
    changed: bool,
) -> Result<bool, ShardError> {
    let units = committed(destination).await?;
    if (units.len() as u64) < plan.units {
        return Ok(false);
    }
    if changed || !destination.exists(CARD_FILE).await? {
        let stats = units
            .into_iter()
            .map(|unit| async move { read_stats(destination, unit).await });
        let mut stats = stream::iter(stats).buffered(AT_ONCE);
        let mut totals = Totals::default();
        while let Some(stats) = stats.try_next().await?.flatten() {
            refuse_other_plan(plan, &stats)?;
            totals.add(&stats);
        }
        destination
            .put_atomic(CARD_FILE, Bytes::from(card(plan, &totals)))
            .await?;
    }
    Ok(true)
}

/// A run that was at work under a plan that another replaced may have committed a unit after the replacement.
fn refuse_other_plan(plan: &Plan, stats: &ShardStats) -> Result<(), ShardError> {
    if stats.plan == plan.hash {
        return Ok(());
    }
    Err(ShardError::OtherPlan {
        unit: stats.unit,
        expected: plan.hash.clone(),
        found: stats.plan.clone(),
    })
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

# Token sequences of {content}

Made by {program}: {sequences} sequences from {pairs} {kind}; {failed} {kind} failed and {filtered} rows were left out by
filters, of {rows} rows in all.{taken_down}

- Visual tokenizer: LaVIT's dynamic tokenizer, digest {digest}, {image} px, codebook of {codebook} codes.
- Patches kept of an image: {selection}. Their codes follow patch by patch, row by row.
- Precision {dtype}, merger {merger}, backend {backend}.
- Text tokenizer: digest {tokenizer}.
- Order: {order}; BOS {bos}, EOS {eos}.
- Ids: text from 0, then `[IMG]`, `[/IMG]`, then the visual codes; the exact layout stands in every file's metadata
  under `img2tokens.provenance`.
- Visual codes of an image: {least} to {most}, median {median}. Ids of all sequences together: {ids}.

{extras}{left}

## What failed

| reason | {kind} |
|---|---|
{failures}
## Where it comes from

{origin}
## How to load it

```python
from datasets import load_dataset
data = load_dataset("parquet", data_files="data/*.parquet", split="train")
print(data[0]["input_ids"])
```

`failures/` has a row for each of the {kind} that gave no sequence, `stats/` the counts and checksums of every shard.
"#,
        content = content(plan),
        kind = kind(plan),
        program = code(&plan.program),
        sequences = totals.sequences,
        pairs = totals.pairs,
        failed = totals.failed(),
        filtered = totals.filtered,
        rows = totals.rows,
        taken_down = taken_down(totals),
        digest = code(&model.digest),
        image = model.config.image_size,
        codebook = model.config.codebook_size,
        dtype = setting(&settings["vision"]["dtype"]),
        selection = selection(settings),
        merger = setting(&settings["vision"]["merger"]),
        backend = setting(&settings["vision"]["backend"]),
        tokenizer = code(&plan.identity.tokenizer),
        order = order_of_rows(plan),
        bos = setting(&settings["sequence"]["bos"]),
        eos = setting(&settings["sequence"]["eos"]),
        least = totals.image_codes.min().unwrap_or(0),
        most = totals.image_codes.max().unwrap_or(0),
        median = totals.image_codes.median().unwrap_or(0),
        ids = totals.input_ids.sum(),
        extras = optional_columns(plan, totals),
        origin = origin(plan),
        left = image_on_the_left(settings),
    )
}

/// What rows are called.
fn kind(plan: &Plan) -> &'static str {
    match plan.has_documents() {
        true => "documents",
        false => "pairs",
    }
}

/// What the dataset is made of.
fn content(plan: &Plan) -> &'static str {
    match plan.has_documents() {
        true => "documents, of texts and images in their order",
        false => "image-text pairs",
    }
}

/// What comes first in a sequence.
fn order_of_rows(plan: &Plan) -> String {
    match plan.has_documents() {
        true => "`document`, texts and images as they stand in the document".to_owned(),
        false => order(&plan.identity.settings),
    }
}

/// The images of documents: how many, and which are missing.
fn images_of_documents(totals: &Totals) -> String {
    let mut text = format!(
        "- {} images in documents (column `images`)",
        totals.document_images
    );
    for (place, (reason, count)) in totals.dropped_images.iter().enumerate() {
        let lead = if place == 0 {
            "; left out of them, as `dropped_images` says:"
        } else {
            ","
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{lead} {count} {reason}");
    }
    text.push_str(".\n");
    text
}

/// Inputs, of many only the first ones; program, plan and settings.
fn origin(plan: &Plan) -> String {
    let mut text = String::new();
    for input in plan.inputs.iter().take(NAMED_INPUTS) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {}, {} bytes", code(&input.name), input.survey.size);
    }
    if let Some(more) = plan
        .inputs
        .len()
        .checked_sub(NAMED_INPUTS)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(text, "- and {more} more");
    }
    let _ = writeln!(
        text,
        "\nProgram {}, plan {}: `plan.json` has the inputs with their sizes and entity tags, and the units. Every \
         setting\nthat changes what is written:\n\n{}",
        code(&plan.program),
        code(&plan.hash),
        json_block(&plan.identity.settings),
    );
    text
}

/// How many pairs were taken down, if any.
fn taken_down(totals: &Totals) -> String {
    match totals.failures.get(&FailureReason::TakenDown) {
        None => String::new(),
        Some(pairs) => format!(
            " Of those that failed, {pairs} were taken down: `takedowns/` holds\nhashes of what must not be in this dataset."
        ),
    }
}

/// What the optional columns and files hold.
fn optional_columns(plan: &Plan, totals: &Totals) -> String {
    let (model, output) = (&plan.identity.model, &plan.identity.settings["output"]);
    let mut text = String::new();
    let merger = match output["features"].as_str() {
        Some("merged_f16") => Some("the tokenizer's merger, what the codes are quantised from".to_owned()),
        Some("language_model_f16") => Some(format!(
            "the merger retrained with the language model (digest {})",
            code(model.feature_merger.as_deref().unwrap_or_default())
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
    if plan.has_documents() {
        text.push_str(&images_of_documents(totals));
    }
    if let Some(mean) = totals.reconstruction.mean() {
        let _ = writeln!(
            text,
            "- `reconstruction_cosine`: how near the codes lead back to the encoder's features, by the decoder of digest \
             {}; mean {mean:.4}, from {:.4} to {:.4}.",
            code(model.decoder.as_deref().unwrap_or_default()),
            totals.reconstruction.min,
            totals.reconstruction.max
        );
    }
    let settings = &plan.identity.settings;
    if settings["sequence"]["text_dropout"] != 0.0 {
        let _ = writeln!(
            text,
            "- Text dropout {}: {} sequences go without their text (column `text_dropped`).",
            setting(&settings["sequence"]["text_dropout"]),
            totals.texts_dropped
        );
    }
    if totals.texts > 0 {
        let _ = writeln!(
            text,
            "- {} sequences are texts alone, of a corpus (order `text`): {} of all, as asked for.",
            totals.texts,
            setting(&settings["text_corpus"]["share"])
        );
    }
    if totals.captions_truncated > 0 {
        let _ = writeln!(
            text,
            "- {} captions had more than {} ids and were cut off there.",
            totals.captions_truncated,
            setting(&settings["text"]["max_tokens"])
        );
    }
    if settings["input"]["caption_columns"] != serde_json::json!([]) {
        let _ = writeln!(
            text,
            "- Captions of the columns {}, chosen by {}; `caption_column` says which.",
            setting(&settings["input"]["caption_columns"]),
            setting(&settings["text"]["captions"])
        );
    }
    if let Some(fill) = totals.packed.fill_rate() {
        let _ = writeln!(
            text,
            "- `packed/` holds the same sequences packed to contexts of {} ids by {}: {} contexts, {:.2} % full.",
            setting(&settings["sequence"]["pack"]),
            setting(&settings["sequence"]["packing"]),
            totals.packed.contexts,
            100.0 * fill
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// How patches are selected, and how many at least and at most.
fn selection(settings: &Value) -> String {
    let vision = &settings["vision"];
    let mut text = match vision["selection"].as_str() {
        Some("gumbel") => format!(
            "drawn by the selector's probabilities (`gumbel`, seed {})",
            setting(&vision["seed"])
        ),
        _ => "those that the selector would rather keep than drop (`argmax`)".to_owned(),
    };
    for (key, bound) in [("min_tokens", "at least"), ("max_tokens", "at most")] {
        if let Some(patches) = vision[key].as_u64() {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {bound} {patches}");
        }
    }
    text
}

/// Which half of a pair comes first.
fn order(settings: &Value) -> String {
    let order = &settings["sequence"]["order"];
    match order.as_str() {
        Some("alternate") => {
            "`alternate`, the image or the text first by a hash of the pair's key".to_owned()
        }
        Some("both") => "`both`, each pair once with the image and once with the text first".to_owned(),
        Some(fixed) => code(fixed),
        None => format!(
            "the image first with probability {}, by a hash of the pair's key",
            setting(order)
        ),
    }
}

/// What LaVIT itself does with an image on the left, and what stands there here.
fn image_on_the_left(settings: &Value) -> String {
    let lavit = "With the image on the left, LaVIT itself feeds its language model continuous features of the merger, \
                 not codes.";
    let here = match (
        settings["sequence"]["order"].as_str(),
        settings["output"]["features"].as_str(),
    ) {
        (Some("text_image"), _) => "In this dataset no image stands on the left.",
        (_, Some("language_model_f16")) => {
            "This dataset holds codes there as well; `image_features` are what LaVIT projects and feeds."
        }
        _ => "This dataset holds codes there as well.",
    };
    format!("{lavit}\n{here}")
}

#[cfg(test)]
mod tests;
