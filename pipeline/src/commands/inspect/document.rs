//! A document for a person to read: its parts in their order.

use std::io::Write;

use img2tokens_schemas::shown;
use img2tokens_shard::read::{DataRow, DocumentParts, ImageItem, TextItem};

use super::print_mask;

/// A part of a document.
enum Part<'a> {
    Text(&'a TextItem<'a>),
    Image(&'a ImageItem<'a>),
}

impl Part<'_> {
    const fn start(&self) -> i32 {
        match self {
            Self::Text(text) => text.start,
            Self::Image(image) => image.start,
        }
    }
}

/// Prints a document.
pub(super) fn print(mut out: impl Write, row: &DataRow<'_>, parts: &DocumentParts<'_>) -> anyhow::Result<()> {
    let sample = &row.sample;
    writeln!(out, "{}  {}", shown(&sample.key).whole(), sample.order)?;
    writeln!(
        out,
        "  ids      {} = {} text + {} visual of {} pictures + specials",
        row.num_tokens,
        row.text_ids.len(),
        row.image_codes.len(),
        parts.images.len()
    )?;
    let texts = parts.texts.iter().map(Part::Text);
    let mut all: Vec<Part<'_>> = texts.chain(parts.images.iter().map(Part::Image)).collect();
    all.sort_by_key(Part::start);
    // As many codes as the pictures before have.
    let codes_before = |image: &ImageItem<'_>| {
        let before = parts.images.iter().filter(|other| other.start < image.start);
        before
            .map(|other| usize::try_from(other.len).unwrap_or(0))
            .sum::<usize>()
    };
    for part in &all {
        match part {
            Part::Text(text) => writeln!(
                out,
                "  text     {} ids at {}: {}",
                text.len,
                text.start,
                shown(text.text).whole()
            )?,
            Part::Image(image) => {
                let len = usize::try_from(image.len).unwrap_or(0);
                let codes = row.image_codes.iter().skip(codes_before(image)).take(len);
                print_image(&mut out, image, &codes.copied().collect::<Vec<u16>>())?;
            }
        }
    }
    for image in &parts.dropped {
        writeln!(out, "  dropped  picture {}: {}", image.place, image.reason)?;
    }
    writeln!(out)?;
    Ok(())
}

fn print_image(out: &mut impl Write, image: &ImageItem<'_>, codes: &[u16]) -> anyhow::Result<()> {
    writeln!(
        out,
        "  picture  {}: {} ({} x {}), {} codes at {}",
        image.place,
        shown(image.url.unwrap_or("embedded")).whole(),
        image.width,
        image.height,
        image.len,
        image.start
    )?;
    writeln!(out, "  codes    {codes:?}")?;
    print_mask(out, image.kept_patches)
}
