//! `plan`, `run` and `unit`: what is planned, and which of it is run by whom.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::config::Override;

/// A config and what is laid over it.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The config file (TOML): local, or in a store (s3://, gs://, az://, http(s)://)
    pub config: PathBuf,
    /// Lay a value over the config's, for example --set output.path=tokens
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<Override>,
    /// Plan only the first N rows of the input
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The config
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where another plan stands, make a new one; what was done under the old one moves to replaced/ under the output
    #[arg(long)]
    pub new_plan: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The plan
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Run only the units N of which N mod M is K, from 0: one of M processes that share a plan
    #[arg(long, value_name = "K/M", conflicts_with = "new_plan")]
    pub shard_of: Option<ShardOf>,
    /// How it ends
    #[command(flatten)]
    pub stop: StopArgs,
}

/// `unit`
#[derive(Debug, Args)]
pub struct UnitArgs {
    /// The config
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The unit's number in the plan
    #[arg(long, value_name = "N")]
    pub unit: u64,
    /// How it ends
    #[command(flatten)]
    pub stop: StopArgs,
}

/// What happens on Ctrl-C and SIGTERM.
#[derive(Debug, Clone, Copy, Args)]
pub struct StopArgs {
    /// Seconds that units in flight may take to end after Ctrl-C or SIGTERM; then they are given up
    #[arg(long, value_name = "SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub grace: u32,
}

impl StopArgs {
    /// As a duration.
    #[must_use]
    pub fn grace(self) -> Duration {
        Duration::from_secs(self.grace.into())
    }
}

/// `K/M`: one of M parts of the units, K from 0 as `SLURM_ARRAY_TASK_ID` and `JOB_COMPLETION_INDEX` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardOf {
    part: u64,
    parts: u64,
}

impl ShardOf {
    /// Whether a unit is in this part.
    #[must_use]
    pub const fn holds(self, unit: u64) -> bool {
        unit % self.parts == self.part
    }
}

impl FromStr for ShardOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, parts)| {
            let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
            (part < parts).then_some(Self { part, parts })
        });
        numbers.ok_or_else(|| "write it as K/M with K from 0 to M - 1, for example 0/4".to_owned())
    }
}

impl std::fmt::Display for ShardOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.part, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_unit_once() {
        let parts: Vec<ShardOf> = ["0/3", "1/3", "2/3"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        for unit in 0..100 {
            assert_eq!(parts.iter().filter(|part| part.holds(unit)).count(), 1, "{unit}");
        }
    }

    #[test]
    fn a_part_that_there_is_not_is_refused() {
        for text in ["3/3", "0/0", "1", "/", "-1/3", "1/3/5", "a/b", ""] {
            assert!(text.parse::<ShardOf>().is_err(), "{text}");
        }
    }
}
