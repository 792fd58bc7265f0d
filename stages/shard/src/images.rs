//! Pictures kept beside the tables: a WebDataset `.tar.zst` a unit, a sample for every pair that has sequences.
//!
//! Pictures come as they get decoded, outcomes in row order and later. What came early waits on the disk, not in memory.

mod archive;
mod name;
mod sample;
mod spool;

pub use archive::ImageArchive;
pub(crate) use name::sample_name;
pub use sample::ImageSample;
pub use spool::KeptImage;

use std::collections::HashSet;
use std::fs::File;

use img2tokens_schemas::{Outcome, RowIndex};

use crate::destination::StagedFile;
use crate::hashed_file::{HashedFile, WrittenFile};
use crate::{Destination, ShardError, UnitId};
use spool::Spool;

/// A unit's archive on its way.
pub(crate) struct UnitImages {
    unit: UnitId,
    spool: Spool,
    archive: ImageArchive<HashedFile>,
}

impl UnitImages {
    pub(crate) fn begin(destination: &Destination, unit: UnitId) -> Result<Self, ShardError> {
        let file: StagedFile = destination.stage(unit, "images")?;
        Ok(Self {
            unit,
            spool: Spool::new(destination.scratch()?),
            archive: ImageArchive::new(HashedFile::new(file)).map_err(writing())?,
        })
    }

    /// Keeps a picture until its pair's outcome is known.
    pub(crate) fn keep(&mut self, index: RowIndex, image: &KeptImage<'_>) -> Result<(), ShardError> {
        self.spool
            .put(index, image)
            .map_err(ShardError::io("write to a temporary file of", "images"))
    }

    /// Takes the next outcome: its picture goes into the archive if the pair has sequences, and is forgotten if not.
    pub(crate) fn settle(&mut self, outcome: &Outcome) -> Result<(), ShardError> {
        let reading = ShardError::io("read back a temporary file of", "images");
        let spooled = self.spool.take(outcome.index).map_err(reading)?;
        let Ok(rows) = &outcome.result else {
            return Ok(());
        };
        let row = rows.first().and_then(|row| Some((row, row.pair.sha256?)));
        let Some((spooled, (row, sha256))) = spooled.zip(row) else {
            return Err(ShardError::Image {
                unit: self.unit,
                index: outcome.index,
                problem: "brought no picture to keep",
            });
        };
        let columns = sample::columns_of(&outcome.kept).map_err(|source| ShardError::Batch {
            table: "images",
            source,
        })?;
        let sample = ImageSample {
            key: &outcome.key,
            url: outcome.url.as_deref(),
            image: spooled.as_image(),
            original: (row.pair.width, row.pair.height),
            sha256,
            columns: &columns,
        };
        self.archive.append(&sample).map_err(writing())
    }

    pub(crate) fn finish(self) -> Result<WrittenFile, ShardError> {
        self.archive.finish().map_err(writing())?.finish("images")
    }
}

/// Copies an archive but for the samples of these names. Holds one member in memory. Blocks.
pub(crate) fn copy_without(
    archive: File,
    copy: StagedFile,
    left_out: &HashSet<String>,
) -> Result<WrittenFile, ShardError> {
    let mut copy = ImageArchive::new(HashedFile::new(copy)).map_err(writing())?;
    copy.copy_without(archive, left_out)
        .map_err(ShardError::io("copy", "images"))?;
    copy.finish().map_err(writing())?.finish("images")
}

fn writing() -> impl FnOnce(std::io::Error) -> ShardError {
    ShardError::io("write", "images")
}
