//! `img2tokens takedown`: pairs taken out of an output for good.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_schemas::listed::{Listed, MAX_LIST_BYTES, read_list};
use img2tokens_schemas::{read_regular_text, shown};
use img2tokens_shard::takedown::{EntryHash, Taken, Tombstones, resume, take_down};
use img2tokens_shard::{Destination, Encoding, committed};

use crate::cli::TakedownArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::plan::Plan;
use crate::{card, job, people, storage};

/// Entries without a match that are printed in full.
const LISTED: usize = 100;

/// Records what must go, then takes it out of all committed units that hold any of it, whatever list it stood on.
pub(super) async fn takedown(args: &TakedownArgs) -> Result<Exit, Failed> {
    let destination = storage::destination(&args.output.output).map_err(Failed::usage)?;
    let plan = Plan::of_output(&destination).await.map_err(Failed::usage)?;
    let encoding = job::encoding(&plan.config().map_err(Failed::run)?.output);
    let list = List::read(&args.list).map_err(Failed::usage)?;
    let (record, is_new) = list.tombstones.record(&destination).await.map_err(Failed::run)?;
    let sums = take_down_all(&destination, encoding).await.map_err(Failed::run)?;
    card::write_if_complete(&destination, &plan, true)
        .await
        .map_err(Failed::run)?;
    print(&sums, &list).map_err(Failed::run)?;
    let since = if is_new { "recorded" } else { "recorded before" };
    print_line(format_args!("{} entries {since} in {record}", list.entries.len())).map_err(Failed::run)?;
    Ok(Exit::Done)
}

/// The entries of a list, each with its line.
struct List {
    entries: Vec<(usize, Listed, EntryHash)>,
    tombstones: Tombstones,
}

impl List {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let named = || format!("--list {}", shown(file.display()));
        let text = read_regular_text(file, MAX_LIST_BYTES).with_context(named)?;
        let mut list = Self {
            entries: Vec::new(),
            tombstones: Tombstones::default(),
        };
        for entry in read_list(&text) {
            let (line, listed) = entry.with_context(named)?;
            let Some(hash) = list.tombstones.add(&listed) else {
                bail!(
                    "{}: line {line}: `{}` is an MD5 digest, and shards tell SHA-256 only; if it is a key, write \
                     key: before it",
                    named(),
                    shown(&listed)
                );
            };
            list.entries.push((line, listed, hash));
        }
        if list.entries.is_empty() {
            bail!("{}: it has no entry", named());
        }
        Ok(list)
    }
}

/// What was done.
#[derive(Default)]
struct Sums {
    committed: usize,
    rewritten: u64,
    /// Revisions that an earlier takedown left half in place.
    finished: u64,
    pairs: u64,
    failures: u64,
    /// The entries that named a pair.
    entries: BTreeSet<EntryHash>,
}

impl Sums {
    fn add(&mut self, taken: Taken) {
        let Taken {
            pairs,
            failures,
            entries,
        } = taken;
        self.rewritten += u64::from(pairs + failures > 0);
        self.pairs += pairs;
        self.failures += failures;
        self.entries.extend(entries);
    }
}

async fn take_down_all(destination: &Destination, encoding: Encoding) -> anyhow::Result<Sums> {
    let tombstones = &Tombstones::read(destination).await?;
    let finished = resume(destination).await?;
    let units = committed(destination).await?;
    let mut sums = Sums {
        finished,
        committed: units.len(),
        ..Sums::default()
    };
    let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut taken = stream::iter(units)
        .map(|unit| take_down(destination, unit, tombstones, encoding))
        .buffer_unordered(at_once);
    while let Some(taken) = taken.try_next().await? {
        sums.add(taken);
    }
    Ok(sums)
}

fn print(sums: &Sums, list: &List) -> std::io::Result<()> {
    let mut out = people::stdout();
    if sums.finished > 0 {
        writeln!(
            out,
            "{} shards finished that an earlier takedown left half-way",
            sums.finished
        )?;
    }
    writeln!(
        out,
        "{} pairs taken down, {} of them failed before; {} of {} committed shards rewritten",
        sums.pairs + sums.failures,
        sums.failures,
        sums.rewritten,
        sums.committed
    )?;
    let unmatched = || {
        list.entries
            .iter()
            .filter(|(.., hash)| !sums.entries.contains(hash))
    };
    for (line, entry, _) in unmatched().take(LISTED) {
        writeln!(out, "line {line}: {} names nothing here", shown(entry))?;
    }
    let more = unmatched().count().saturating_sub(LISTED);
    if more > 0 {
        writeln!(out, "and {more} more entries name nothing here")?;
    }
    Ok(())
}
