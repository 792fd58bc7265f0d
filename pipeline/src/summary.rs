//! What a run says at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use img2tokens_schemas::FailureReason;
use img2tokens_shard::{CosineSummary, Distribution, PackedSummary, ShardStats};

/// The sums over units.
#[derive(Debug, Default, Clone)]
pub struct Totals {
    /// Units.
    pub units: u64,
    /// Input rows.
    pub rows: u64,
    /// Rows that filters left out.
    pub filtered: u64,
    /// Pairs with sequences.
    pub pairs: u64,
    /// Sequences.
    pub sequences: u64,
    /// Failed pairs by reason.
    pub failures: BTreeMap<FailureReason, u64>,
    /// Images in the sequences of documents.
    pub document_images: u64,
    /// Images that documents go without, by reason.
    pub dropped_images: BTreeMap<FailureReason, u64>,
    /// Codes of an image.
    pub image_codes: Distribution,
    /// Ids of a sequence.
    pub input_ids: Distribution,
    /// Texts of the corpus that have a sequence.
    pub texts: u64,
    /// Captions and texts that were cut off.
    pub captions_truncated: u64,
    /// Sequences that go without their text.
    pub texts_dropped: u64,
    /// The contexts that sequences were packed to.
    pub packed: PackedSummary,
    /// How near codes lead back to the encoder's features, where that was asked for.
    pub reconstruction: CosineSummary,
}

impl Totals {
    /// Adds one unit.
    pub fn add(&mut self, stats: &ShardStats) {
        self.units += 1;
        self.rows += stats.rows_read;
        self.filtered += stats.filtered;
        self.pairs += stats.pairs;
        self.sequences += stats.sequences;
        for (reason, count) in &stats.failures {
            *self.failures.entry(*reason).or_default() += count;
        }
        self.document_images += stats.document_images;
        for (reason, count) in &stats.dropped_images {
            *self.dropped_images.entry(*reason).or_default() += count;
        }
        self.image_codes.merge(&stats.image_codes);
        self.input_ids.merge(&stats.input_ids);
        self.texts += stats.texts;
        self.captions_truncated += stats.captions_truncated;
        self.texts_dropped += stats.texts_dropped;
        if let Some(packed) = &stats.packed {
            self.packed.merge(packed);
        }
        if let Some(cosine) = &stats.reconstruction_cosine {
            self.reconstruction.merge(cosine);
        }
    }

    /// Adds other units.
    pub fn merge(&mut self, other: &Self) {
        // All fields by name: none is forgotten.
        let Self {
            units,
            rows,
            filtered,
            pairs,
            sequences,
            failures,
            document_images,
            dropped_images,
            image_codes,
            input_ids,
            texts,
            captions_truncated,
            texts_dropped,
            packed,
            reconstruction,
        } = other;
        self.units += units;
        self.rows += rows;
        self.filtered += filtered;
        self.pairs += pairs;
        self.sequences += sequences;
        for (reason, count) in failures {
            *self.failures.entry(*reason).or_default() += count;
        }
        self.document_images += document_images;
        for (reason, count) in dropped_images {
            *self.dropped_images.entry(*reason).or_default() += count;
        }
        self.image_codes.merge(image_codes);
        self.input_ids.merge(input_ids);
        self.texts += texts;
        self.captions_truncated += captions_truncated;
        self.texts_dropped += texts_dropped;
        self.packed.merge(packed);
        self.reconstruction.merge(reconstruction);
    }

    /// Images that documents go without, whatever the reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_images.values().sum()
    }

    /// What rows are called: a run has documents or pairs.
    #[must_use]
    pub const fn rows_are(&self) -> &'static str {
        if self.document_images > 0 {
            "documents"
        } else {
            "pairs"
        }
    }

    /// Failed pairs, whatever the reason.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// A run's summary.
#[derive(Debug)]
pub struct Summary {
    totals: Totals,
    part: String,
    skipped: u64,
    output: String,
    started: Instant,
    took: Duration,
}

impl Summary {
    /// Before the run: of which units it is (`7 planned`), and how many of them are committed.
    #[must_use]
    pub fn new(part: String, committed: u64, output: String) -> Self {
        Self {
            totals: Totals::default(),
            part,
            skipped: committed,
            output,
            started: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// After it: the units it committed.
    pub fn add(&mut self, committed: &Totals) {
        self.took = self.started.elapsed();
        self.totals.merge(committed);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let seconds = self.took.as_secs_f64().max(1e-9);
        writeln!(
            f,
            "units         {} committed now, {} before, {}",
            totals.units, self.skipped, self.part
        )?;
        if totals.units > 0 {
            let pairs_in = totals.rows - totals.filtered;
            let rows = totals.rows_are();
            let label = format!("{rows} in");
            writeln!(f, "{label:<14}{pairs_in}{}", filtered(totals.filtered))?;
            writeln!(
                f,
                "sequences out {} from {} {rows}{}",
                totals.sequences,
                totals.pairs,
                mixed_in(totals.texts)
            )?;
            write_images(f, totals)?;
            writeln!(f, "failed        {}", totals.failed())?;
            for (reason, count) in &totals.failures {
                writeln!(f, "  {count:>7}     {reason}")?;
            }
            if let (Some(min), Some(median), Some(max)) = (
                totals.image_codes.min(),
                totals.image_codes.median(),
                totals.image_codes.max(),
            ) {
                writeln!(f, "tokens/image  min {min}, median {median}, max {max}")?;
            }
            if totals.captions_truncated > 0 {
                writeln!(f, "captions cut  {}", totals.captions_truncated)?;
            }
            if totals.texts_dropped > 0 {
                writeln!(f, "texts dropped {}", totals.texts_dropped)?;
            }
            if let Some(fill) = totals.packed.fill_rate() {
                let PackedSummary {
                    contexts, capacity, ..
                } = totals.packed;
                let length = capacity / contexts.max(1);
                writeln!(
                    f,
                    "packed        {contexts} contexts of {length} ids, {:.2} % full",
                    100.0 * fill
                )?;
            }
            if let Some(mean) = totals.reconstruction.mean() {
                let CosineSummary { min, max, .. } = totals.reconstruction;
                writeln!(
                    f,
                    "reconstruction min {min:.3}, mean {mean:.3}, max {max:.3} (cosine)"
                )?;
            }
            writeln!(
                f,
                "speed         {:.1} {rows}/s over {seconds:.1} s",
                pairs_in as f64 / seconds
            )?;
        }
        writeln!(f, "files         {0}/data, {0}/failures, {0}/stats", self.output)?;
        writeln!(
            f,
            "next          img2tokens inspect {0}    or in Python: pyarrow.parquet.read_table(\"{0}/data\")",
            self.output
        )
    }
}

/// The images of documents, and of those that were dropped why.
fn write_images(f: &mut fmt::Formatter<'_>, totals: &Totals) -> fmt::Result {
    if totals.document_images > 0 {
        let (images, dropped) = (totals.document_images, totals.dropped());
        writeln!(f, "images        {images}, {dropped} more were dropped")?;
    }
    for (reason, count) in &totals.dropped_images {
        writeln!(f, "  {count:>7}     {reason}")?;
    }
    Ok(())
}

fn mixed_in(texts: u64) -> String {
    if texts == 0 {
        String::new()
    } else {
        format!(" and {texts} texts")
    }
}

fn filtered(rows: u64) -> String {
    if rows == 0 {
        String::new()
    } else {
        format!(" ({rows} more were left out by filters)")
    }
}
