//! Text columns read as bytes, so that a cell that is no text costs its row and not the file.
//!
//! The decoder checks a column that is marked as text page by page, and one bad byte ends its stream. It leaves alone a
//! column without the mark: here the mark is taken off in the schema, and a row's own text is checked when it is used.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::views::viewed;
use crate::columns::Kind;

/// The metadata with the named columns unmarked where they are text at the top of the schema, and all text and bytes read as
/// views; the rest is as it was.
pub(super) fn unmark(
    metadata: &ArrowReaderMetadata,
    names: &[&str],
) -> Result<ArrowReaderMetadata, ParquetError> {
    let file = metadata.metadata().file_metadata();
    let is_text = |field: &arrow_schema::Field| {
        names.contains(&field.name().as_str()) && Kind::of(field.data_type()) == Kind::Text
    };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    let root = file.schema_descr().root_schema();
    for (field, column) in metadata.schema().fields().iter().zip(root.get_fields()) {
        match unmarked(column).filter(|_| is_text(field)) {
            Some(plain) => {
                fields.push(Arc::new(
                    field.as_ref().clone().with_data_type(DataType::BinaryView),
                ));
                columns.push(Arc::new(plain?));
            }
            None => {
                let data_type = viewed(field.data_type());
                fields.push(Arc::new(field.as_ref().clone().with_data_type(data_type)));
                columns.push(column.clone());
            }
        }
    }
    let root = Type::group_type_builder(root.name())
        .with_fields(columns)
        .build()?;
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        file.column_orders().cloned(),
    );
    let groups = metadata.metadata().row_groups().to_vec();
    let unmarked = ParquetMetaDataBuilder::new(file).set_row_groups(groups).build();
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::new(unmarked), options)
}

/// The column without its mark; none if it is no column of bytes.
fn unmarked(column: &TypePtr) -> Option<Result<Type, ParquetError>> {
    if !column.is_primitive() || column.get_physical_type() != PhysicalType::BYTE_ARRAY {
        return None;
    }
    let info = column.get_basic_info();
    let plain = Type::primitive_type_builder(column.name(), PhysicalType::BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_id(info.has_id().then(|| info.id()));
    Some(plain.build())
}
