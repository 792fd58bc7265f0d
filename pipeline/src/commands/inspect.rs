//! `img2tokens inspect`: reads sequences back for a person.

mod document;

use std::io::Write;

use anyhow::anyhow;
use img2tokens_schemas::{KeepMask, Order, shown};
use img2tokens_shard::read::{DataReader, DataRow};
use img2tokens_shard::{Destination, UnitId, committed};

use crate::cli::InspectArgs;
use crate::exit::{Exit, Failed};
use crate::{people, storage};

/// Prints sequences of the committed units; exit 1 if `--key` names none of them.
pub(super) async fn inspect(args: &InspectArgs) -> Result<Exit, Failed> {
    let destination = storage::destination(&args.output).map_err(Failed::usage)?;
    let units = committed(&destination).await.map_err(Failed::run)?;
    if units.is_empty() {
        return Err(Failed::usage(anyhow!(
            "{}: no unit is committed there",
            shown(&args.output)
        )));
    }
    let mut left = args.limit;
    let mut found = 0;
    for unit in units {
        if left == 0 {
            break;
        }
        let printed = inspect_unit(&destination, unit, args.key.as_deref(), left)
            .await
            .map_err(Failed::run)?;
        left -= printed;
        found += printed;
    }
    match (&args.key, found) {
        (Some(key), 0) => Err(Failed::run(anyhow!(
            "{}: no sequence has the key {}",
            shown(&args.output),
            shown(key)
        ))),
        _ => Ok(Exit::Done),
    }
}

/// Prints at most `most` rows of a unit; returns how many.
async fn inspect_unit(
    destination: &Destination,
    unit: UnitId,
    key: Option<&str>,
    most: usize,
) -> anyhow::Result<usize> {
    let Some(reader) = DataReader::open(destination, unit).await? else {
        return Ok(0);
    };
    let mut printed = 0;
    for batch in reader {
        let batch = batch?;
        for row in batch.rows() {
            if printed == most {
                return Ok(printed);
            }
            if key.is_none_or(|key| key == row.sample.key) {
                match batch.document(&row) {
                    Some(parts) => document::print(people::stdout(), &row, &parts)?,
                    None => print_row(people::stdout(), &row)?,
                }
                printed += 1;
            }
        }
    }
    Ok(printed)
}

fn print_row(mut out: impl Write, row: &DataRow<'_>) -> anyhow::Result<()> {
    let sample = &row.sample;
    writeln!(out, "{}  {}", shown(&sample.key).whole(), sample.order)?;
    writeln!(out, "  caption  {}", shown(row.caption).whole())?;
    if sample.order == Order::Text {
        writeln!(
            out,
            "  ids      {} = {} text + specials\n",
            row.num_tokens,
            row.text_ids.len()
        )?;
        return Ok(());
    }
    writeln!(
        out,
        "  picture  {} ({} x {})",
        shown(row.url.unwrap_or("embedded")).whole(),
        row.width,
        row.height
    )?;
    writeln!(
        out,
        "  ids      {} = {} text + {} visual + specials",
        row.num_tokens,
        row.text_ids.len(),
        sample.image_len
    )?;
    writeln!(out, "  codes    {:?}", row.image_codes)?;
    print_mask(&mut out, row.kept_patches)?;
    writeln!(out)?;
    Ok(())
}

fn print_mask(out: &mut impl Write, kept_patches: &[u8]) -> anyhow::Result<()> {
    let mask = KeepMask::from_bytes(kept_patches.len() * 8, kept_patches)?;
    let side = mask.patches().isqrt();
    for line in 0..side {
        let patches = (0..side).map(|column| {
            if mask.is_kept(line * side + column) {
                " #"
            } else {
                " ."
            }
        });
        writeln!(out, "          {}", patches.collect::<String>())?;
    }
    Ok(())
}
