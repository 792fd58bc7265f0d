//! `img2tokens verify`: every checksum, count, id range and schema of a finished or partial output.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::anyhow;
use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_shard::verify::{Expected, Findings, KeyLedger, verify_unit};
use img2tokens_shard::{Destination, committed};

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
