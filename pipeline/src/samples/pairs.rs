//! The set's table of pairs, with the columns of LAION-2B-en.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::draws::{draw, unit};
use super::sample::Sample;
use super::set::SampleSet;

/// Rows of a row group: small, so that a first run meets several.
const ROW_GROUP_ROWS: usize = 64;

/// The table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// The file could not be made.
    #[error("could not create {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The columns do not make a table.
    #[error("could not build the table of samples")]
    Table(#[from] ArrowError),
    /// Writing failed.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ParquetError,
    },
}

impl SampleSet {
    /// Writes a Parquet file with a row for each sample: `URL` (under `base_url`, which has no slash at its end), `TEXT`,
    /// `WIDTH`, `HEIGHT`, `similarity`, `hash`, `punsafe`, `pwatermark`, in LAION-2B-en's types. The scores are drawn, not
    /// measured.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn write_pairs(&self, base_url: &str, file: &Path) -> Result<(), PairsError> {
        let write_error = |source| PairsError::Write {
            path: file.to_owned(),
            source,
        };
        let samples: Vec<Sample> = self.samples().collect();
        let table = table(&samples, base_url)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let open = File::create(file).map_err(|source| PairsError::Create {
            path: file.to_owned(),
            source,
        })?;
        let mut writer = ArrowWriter::try_new(open, table.schema(), Some(properties)).map_err(write_error)?;
        writer.write(&table).map_err(write_error)?;
        writer.close().map_err(write_error)?;
        Ok(())
    }
}

fn table(samples: &[Sample], base_url: &str) -> Result<RecordBatch, ArrowError> {
    let side = |side: u32| i32::try_from(side).ok();
    let score = |sample: &Sample, place| unit(draw(sample.hash.cast_unsigned(), u64::MAX - place));
    let urls = samples
        .iter()
        .map(|sample| Some(format!("{base_url}{}", sample.path)));
    let captions = samples.iter().map(|sample| Some(sample.caption.as_str()));
    let similarities = samples
        .iter()
        .map(|sample| 0.28 + 0.12 * f64::from(score(sample, 0)));
    let columns: [(&str, ArrayRef); 8] = [
        ("URL", Arc::new(StringArray::from_iter(urls))),
        ("TEXT", Arc::new(StringArray::from_iter(captions))),
        (
            "WIDTH",
            Arc::new(Int32Array::from_iter(
                samples.iter().map(|sample| side(sample.width)),
            )),
        ),
        (
            "HEIGHT",
            Arc::new(Int32Array::from_iter(
                samples.iter().map(|sample| side(sample.height)),
            )),
        ),
        (
            "similarity",
            Arc::new(Float64Array::from_iter_values(similarities)),
        ),
        (
            "hash",
            Arc::new(Int64Array::from_iter_values(
                samples.iter().map(|sample| sample.hash),
            )),
        ),
        (
            "punsafe",
            Arc::new(Float32Array::from_iter_values(
                samples.iter().map(|sample| 0.1 * score(sample, 1)),
            )),
        ),
        (
            "pwatermark",
            Arc::new(Float32Array::from_iter_values(
                samples.iter().map(|sample| score(sample, 2)),
            )),
        ),
    ];
    let field =
        |(name, column): &(&str, ArrayRef)| Field::new(*name, DataType::clone(column.data_type()), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(
        Arc::new(schema),
        columns.into_iter().map(|(_, column)| column).collect(),
    )
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn the_table_has_laions_columns_and_a_row_for_each_sample() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pairs.parquet");
        let set = SampleSet::new(100);
        set.write_pairs("http://127.0.0.1:1", &file).unwrap();

        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
        let schema = reader.schema().clone();
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type()))
            .collect();
        let laion = [
            ("URL", &DataType::Utf8),
            ("TEXT", &DataType::Utf8),
            ("WIDTH", &DataType::Int32),
            ("HEIGHT", &DataType::Int32),
            ("similarity", &DataType::Float64),
            ("hash", &DataType::Int64),
            ("punsafe", &DataType::Float32),
            ("pwatermark", &DataType::Float32),
        ];
        assert_eq!(columns, laion);
        assert_eq!(reader.metadata().num_row_groups(), 2);

        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let cells = |name: &str| {
            let column = batches
                .iter()
                .flat_map(|batch| batch[name].as_string::<i32>().iter());
            column.map(|cell| cell.unwrap().to_owned()).collect::<Vec<_>>()
        };
        let samples: Vec<Sample> = set.samples().collect();
        assert_eq!(
            cells("TEXT"),
            samples
                .iter()
                .map(|sample| sample.caption.clone())
                .collect::<Vec<_>>()
        );
        let urls: Vec<_> = samples
            .iter()
            .map(|sample| format!("http://127.0.0.1:1{}", sample.path))
            .collect();
        assert_eq!(cells("URL"), urls);
    }
}
