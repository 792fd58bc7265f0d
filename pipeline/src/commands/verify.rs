//! `img2tokens verify`: every checksum, count, id range and schema of a finished or partial output.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::anyhow;
use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_shard::verify::{Expected, Findings, KeyLedger, verify_unit};
use img2tokens_shard::{Destination, ShardError, UnitId, committed};

use crate::card::CARD_FILE;
use crate::cli::OutputArgs;
use crate::exit::{Exit, Failed};
use crate::plan::{PLAN_FILE, Plan};
use crate::storage;
use crate::summary::Totals;

/// Lists what is wrong, one line each; exit 1 if anything is.
pub(super) async fn verify(args: &OutputArgs) -> Result<Exit, Failed> {
    let destination = storage::destination(&args.output).map_err(Failed::usage)?;
    let plan = Plan::read(&destination)
        .await
        .map_err(Failed::run)?
        .ok_or_else(|| {
            Failed::usage(anyhow!(
                "{}: there is no {PLAN_FILE}; name the output.path of a run",
                args.output
            ))
        })?;
    let (totals, findings) = verify_units(&destination, &plan).await.map_err(Failed::run)?;
    print(plan.units, &totals, &findings).map_err(Failed::run)?;
    Ok(if findings.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn print(planned: u64, totals: &Totals, findings: &Findings) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in &findings.listed {
        writeln!(out, "{finding}")?;
    }
    if findings.total > findings.listed.len() as u64 {
        writeln!(out, "and {} more", findings.total - findings.listed.len() as u64)?;
    }
    writeln!(
        out,
        "{} of {planned} units committed: {} sequences from {} pairs, {} failures; {} found wrong",
        totals.units,
        totals.sequences,
        totals.pairs,
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
        let keys = &keys;
        async move { verify_unit(destination, unit, Some(&expected), keys).await }
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
