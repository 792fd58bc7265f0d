//! File descriptors: how many a run wants, and what becomes of it where the system allows fewer.
//!
//! ```text
//! wanted = 64                                    what is always open: the runtime, the log, DNS, model, inputs, devices
//!        + 3 (4 with builtin:samples) a download its connection, a second while it connects, one kept idle; the server's end
//!        + 8 (16 with a store) a unit in flight  its files, its texts' input; connections of its upload
//! ```
//!
//! The soft limit (`ulimit -n`) is raised to the hard one first. Connections to many hosts that are kept idle for ten
//! seconds can be more: where the system refuses a connection all the same, the run ends for now, and no pair is blamed.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::embedded::SAMPLES;
use crate::run::units_in_flight;
use crate::storage;

/// Open whatever a run does.
const ALWAYS: u64 = 64;
/// A download's connection, the one beside it that may be faster or is DNS's, and one that is kept idle.
const OF_DOWNLOAD: u64 = 3;
/// The data, failures, pictures, packed contexts and scratch files of a unit, a text's input, and two to spare.
const OF_UNIT: u64 = 8;
/// The connections of a unit's upload.
const OF_UPLOAD: u64 = 8;
/// More than any run wants: a soft limit beyond it would be of no use.
const MOST: u64 = 1 << 20;

/// The system allows fewer files than the smallest run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {allowed} files at once (`ulimit -n`), and the smallest run needs {needed}; \
     the run as configured wants {wanted}: raise the limit to that"
)]
pub struct TooFew {
    allowed: u64,
    needed: u64,
    wanted: u64,
}

/// How many descriptors a run by this config takes, if it has so many downloads at once.
fn wanted(config: &Config, downloads: usize) -> u64 {
    let serves_samples = config.input.paths.iter().any(|path| path == SAMPLES);
    let of_unit = match storage::local(&config.output.path) {
        Some(_) => OF_UNIT,
        None => OF_UNIT + OF_UPLOAD,
    };
    let units = units_in_flight(downloads, config.input.unit_rows) as u64;
    let of_download = OF_DOWNLOAD + u64::from(serves_samples);
    (downloads as u64)
        .saturating_mul(of_download)
        .saturating_add(ALWAYS + units * of_unit)
}

/// Makes sure that a run finds the descriptors it wants: raises the soft limit, and lowers `fetch.concurrency` to what
/// it then suffices for, with a warning.
///
/// # Errors
/// If it does not suffice for one download.
pub fn secure(config: &mut Config) -> Result<(), TooFew> {
    fit(config, raised_limit())
}

fn fit(config: &mut Config, allowed: u64) -> Result<(), TooFew> {
    let downloads = config.fetch.concurrency;
    let all = wanted(config, downloads);
    if all <= allowed {
        return Ok(());
    }
    let needed = wanted(config, 1);
    if needed > allowed {
        return Err(TooFew {
            allowed,
            needed,
            wanted: all,
        });
    }
    // The most that fit: `fits` do, and `too_many` do not.
    let (mut fits, mut too_many) = (1, downloads);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if wanted(config, middle) <= allowed {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    config.fetch.concurrency = fits;
    tracing::warn!(
        "this process may open {allowed} files at once (`ulimit -n`), and the run wants {all}: \
         {fits} downloads at once instead of {downloads}"
    );
    Ok(())
}

/// The soft limit, raised as far as the hard one allows.
fn raised_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|current| current < highest) {
        // Where the system refuses that, what it allowed before holds.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(highest),
                maximum: limit.maximum,
            },
        );
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(downloads: usize) -> Config {
        let mut config = Config::default();
        config.output.path = "out".to_owned();
        config.fetch.concurrency = downloads;
        config
    }

    fn fitted(downloads: usize, allowed: u64) -> Result<usize, TooFew> {
        let mut config = config(downloads);
        fit(&mut config, allowed)?;
        Ok(config.fetch.concurrency)
    }

    #[test]
    fn the_default_config_fits_the_usual_limit() {
        assert_eq!(fitted(256, 1024), Ok(256));
    }

    #[test]
    fn fewer_descriptors_are_fewer_downloads_and_too_few_are_refused_with_the_numbers() {
        let (units, one) = (3 * OF_UNIT, ALWAYS + 3 * OF_UNIT + OF_DOWNLOAD);
        assert_eq!(wanted(&config(1), 1), one);
        assert_eq!(fitted(256, ALWAYS + units + OF_DOWNLOAD * 100), Ok(100));
        assert_eq!(fitted(256, one), Ok(1));
        let refused = fitted(256, one - 1).unwrap_err();
        assert_eq!((refused.allowed, refused.needed), (one - 1, one));
        assert_eq!(refused.wanted, wanted(&config(256), 256));
    }

    #[test]
    fn what_is_lowered_fits_and_one_more_would_not() {
        for (downloads, unit_rows) in [(256, 10_000), (4096, 10), (4096, 1)] {
            for allowed in [91, 150, 600, 1000, 5000] {
                let mut config = config(downloads);
                config.input.unit_rows = unit_rows;
                if fit(&mut config, allowed).is_ok() && config.fetch.concurrency < downloads {
                    let fits = config.fetch.concurrency;
                    assert!(wanted(&config, fits) <= allowed && wanted(&config, fits + 1) > allowed);
                }
            }
        }
    }

    #[test]
    fn a_store_and_the_samples_take_more() {
        let mut further = config(1);
        further.output.path = "s3://bucket/out".to_owned();
        further.input.paths = vec![SAMPLES.to_owned()];
        assert!(wanted(&further, 1) > wanted(&config(1), 1));
    }
}
