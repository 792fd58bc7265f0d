//! `img2tokens verify`: every checksum, count, id range and schema of a finished or partial output.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_shard::takedown::Tombstones;
use img2tokens_shard::verify::{Expected, Findings, KeyLedger, verify_tombstones, verify_unit};
use img2tokens_shard::{Destination, ShardError, UnitId, committed};

use crate::card::CARD_FILE;
use crate::cli::{AgainArgs, VerifyArgs};
use crate::config::Config;
use crate::deep::{self, Report};
use crate::exit::{Exit, Failed};
use crate::plan::Plan;
use crate::summary::Totals;
use crate::{people, storage};

/// Lists what is wrong, one line each; exit 1 if anything is.
pub(super) async fn verify(args: &VerifyArgs) -> Result<Exit, Failed> {
    let output_path = &args.output.output;
    let destination = storage::destination(output_path).map_err(Failed::usage)?;
    let plan = Plan::of_output(&destination).await.map_err(Failed::usage)?;
    let (totals, mut findings) = verify_units(&destination, &plan).await.map_err(Failed::run)?;
    let again = match args.deep {
        Some(pairs) => {
            let config = again(&plan, output_path, &args.again).map_err(Failed::run)?;
            let again = deep::verify(&destination, &plan, &config, pairs as usize, args.again.seed);
            Some(again.await.map_err(Failed::run)?)
        }
        None => None,
    };
    if let Some(again) = &again {
        findings.merge(again.findings.clone());
    }
    // What was found holds, whether or not anybody reads to the end.
    match print(plan.units, &totals, &findings, again.as_ref()).map_err(Failed::run) {
        Err(failed) if !failed.is_closed_pipe() => return Err(failed),
        _ => {}
    }
    Ok(if findings.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The plan's settings, and what it does not know: where the model is and what computes it.
fn again(plan: &Plan, output: &str, args: &AgainArgs) -> anyhow::Result<Config> {
    let mut config = plan.config()?;
    config.output.path = output.to_owned();
    config.vision.model.clone_from(&args.model);
    config.vision.device = args.device;
    config.vision.threads = args.threads.map(|threads| threads as usize);
    config.vision.onnxruntime.clone_from(&args.onnx.onnxruntime);
    config.vision.onnx_provider = args.onnx.onnx_provider;
    Ok(config)
}

fn print(planned: u64, totals: &Totals, findings: &Findings, again: Option<&Report>) -> std::io::Result<()> {
    let mut out = people::stdout();
    for finding in &findings.listed {
        writeln!(out, "{finding}")?;
    }
    if findings.total > findings.listed.len() as u64 {
        writeln!(out, "and {} more", findings.total - findings.listed.len() as u64)?;
    }
    if let Some(again) = again {
        writeln!(
            out,
            "{} pairs tokenized again: {} differ; {} more whose picture is gone, {} whose picture has changed",
            again.compared, again.findings.total, again.gone, again.changed
        )?;
    }
    writeln!(
        out,
        "{} of {planned} units committed: {} sequences from {} {}, {} failures; {} found wrong",
        totals.units,
        totals.sequences,
        totals.pairs,
        totals.rows_are(),
        totals.failed(),
        findings.total,
    )
}

/// The units that were committed once, since the card says that all were, and are so no more.
async fn gone(
    destination: &Destination,
    plan: &Plan,
    units: &BTreeSet<UnitId>,
) -> Result<Findings, ShardError> {
    let mut findings = Findings::default();
    if units.len() as u64 >= plan.units || !destination.exists(CARD_FILE).await? {
        return Ok(findings);
    }
    for unit in (0..plan.units).map(UnitId).filter(|unit| !units.contains(unit)) {
        let what = format!("it is missing, and {CARD_FILE} says that all units are done");
        findings.add(&unit.stats_file(), None, what);
    }
    Ok(findings)
}

async fn verify_units(destination: &Destination, plan: &Plan) -> anyhow::Result<(Totals, Findings)> {
    let hash = plan.hash()?;
    let rows: Vec<Option<u64>> = plan
        .inputs
        .iter()
        .flat_map(|input| &input.survey.extents)
        .map(|extent| extent.rows)
        .collect();
    let keys = Arc::new(tokio::task::spawn_blocking(KeyLedger::new).await??);
    let mut findings = Findings::default();
    let tombstones = Tombstones::read(destination).await?;
    let units = committed(destination).await?;
    findings.merge(gone(destination, plan, &units).await?);
    let reports = stream::iter(units).map(|unit| {
        let planned = usize::try_from(unit.0)
            .ok()
            .and_then(|unit| rows.get(unit))
            .copied();
        let expected = Expected {
            plan: hash.clone(),
            rows: planned.unwrap_or(Some(0)),
        };
        let (keys, tombstones) = (&keys, &tombstones);
        async move {
            let mut report = verify_unit(destination, unit, Some(&expected), keys).await?;
            let forbidden = verify_tombstones(destination, unit, tombstones).await?;
            report.findings.merge(forbidden);
            Ok::<_, ShardError>(report)
        }
    });
    let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut reports = reports.buffered(at_once);
    let mut totals = Totals::default();
    while let Some(report) = reports.try_next().await? {
        if let Some(stats) = &report.stats {
            totals.add(stats);
        }
        findings.merge(report.findings);
    }
    drop(reports);
    if let Some(keys) = Arc::into_inner(keys) {
        findings.merge(tokio::task::spawn_blocking(move || keys.duplicates()).await??);
    }
    Ok((totals, findings))
}
