//! Finds keys that more than one pair of the output has, in memory that does not grow with their number.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::sync::{Mutex, PoisonError};

use super::Findings;
use crate::{ShardError, UnitId};

/// Files that the keys are spread over by their digest. Of 400 million keys each gets 3 million, 100 MB.
const PARTITIONS: usize = 128;
const BUFFER_BYTES: usize = 32 << 10;
const DIGEST_BYTES: usize = 16;
const RECORD_BYTES: usize = DIGEST_BYTES + 16;
/// The bit of a record's row that says that it is one of the failures file.
const FAILURES: u64 = 1 << 63;

/// Where a pair's key stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPlace {
    pub(super) unit: UnitId,
    pub(super) in_failures: bool,
    pub(super) row: u64,
}

/// The keys of all pairs that were verified, as digests in nameless temporary files: 32 bytes a pair on the disk, 4 MiB
/// in memory while it fills, one partition while it is asked.
pub struct KeyLedger {
    partitions: Vec<Mutex<BufWriter<File>>>,
}

impl KeyLedger {
    /// An empty one, in the system's temporary folder. Blocks.
    ///
    /// # Errors
    /// If the files cannot be created.
    pub fn new() -> Result<Self, ShardError> {
        let new_file = || Ok(BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?));
        let partitions: std::io::Result<_> = (0..PARTITIONS).map(|_| new_file().map(Mutex::new)).collect();
        Ok(Self {
            partitions: partitions.map_err(in_temporary_folder("create files"))?,
        })
    }

    pub(super) fn add(&self, key: &str, place: KeyPlace) -> Result<(), ShardError> {
        let digest = blake3::hash(key.as_bytes());
        let row = place.row | if place.in_failures { FAILURES } else { 0 };
        let mut record = [0; RECORD_BYTES];
        record[..DIGEST_BYTES].copy_from_slice(&digest.as_bytes()[..DIGEST_BYTES]);
        record[DIGEST_BYTES..DIGEST_BYTES + 8].copy_from_slice(&place.unit.0.to_be_bytes());
        record[DIGEST_BYTES + 8..].copy_from_slice(&row.to_be_bytes());
        let partition = usize::from(digest.as_bytes()[0]) % PARTITIONS;
        let mut file = self.partitions[partition]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        file.write_all(&record).map_err(in_temporary_folder("write"))
    }

    /// Every place at which a key stands that stands in an earlier unit or row, too. Blocks.
    ///
    /// # Errors
    /// If the temporary files cannot be read back.
    pub fn duplicates(self) -> Result<Findings, ShardError> {
        let mut findings = Findings::default();
        for partition in self.partitions {
            let file = partition.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = read_back(file).map_err(in_temporary_folder("read back files"))?;
            let (records, _) = bytes.as_chunks_mut();
            // By digest, then by place: unit and row are big-endian.
            records.sort_unstable();
            for pair in records.windows(2) {
                if let [first, second] = pair
                    && first[..DIGEST_BYTES] == second[..DIGEST_BYTES]
                {
                    let ((earlier, earlier_row), (file, row)) = (place_of(first), place_of(second));
                    findings.add(
                        &file,
                        Some(row),
                        format!("its key stands in {earlier}, row {earlier_row}, too"),
                    );
                }
            }
        }
        Ok(findings)
    }
}

fn read_back(file: BufWriter<File>) -> std::io::Result<Vec<u8>> {
    let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn place_of(record: &[u8; RECORD_BYTES]) -> (String, u64) {
    let number = |at: usize| {
        record
            .iter()
            .skip(at)
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let (unit, row) = (UnitId(number(DIGEST_BYTES)), number(DIGEST_BYTES + 8));
    let file = if row & FAILURES == 0 {
        unit.data_file()
    } else {
        unit.failures_file()
    };
    (file, row & !FAILURES)
}

fn in_temporary_folder(action: &'static str) -> impl Fn(std::io::Error) -> ShardError {
    move |error| ShardError::io(action, std::env::temp_dir())(error)
}
