//! What must hold of the columns that a run may ask for.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type};
use arrow_array::{Array, RecordBatch};

/// How far beyond 1 rounding may carry a cosine.
const ROUNDING: f32 = 1e-3;

/// Calls `wrong` for everything that is wrong with a row of the batch of which the image has so many codes.
pub(super) fn check_optional(batch: &RecordBatch, row: usize, codes: usize, wrong: &mut impl FnMut(String)) {
    let features = batch.column_by_name("image_features");
    if let Some(features) = features.and_then(|column| column.as_list_opt::<i32>()) {
        let numbers = features.value(row);
        let numbers = numbers
            .as_fixed_size_list_opt()
            .and_then(|rows| rows.values().as_primitive_opt::<Float16Type>().cloned());
        if !numbers.is_some_and(|numbers| numbers.values().iter().all(|number| number.is_finite())) {
            wrong("image_features are not rows of finite numbers".to_owned());
        }
        let found = features.value_length(row);
        if usize::try_from(found) != Ok(codes) {
            wrong(format!(
                "there are {found} rows of image_features for {codes} codes"
            ));
        }
    }
    let cosine = reconstruction_cosine(batch, row);
    if let Some(found) = cosine.filter(|cosine| cosine.is_nan() || cosine.abs() > 1.0 + ROUNDING) {
        wrong(format!("reconstruction_cosine {found} is no cosine"));
    }
}

/// Whether the row says that its text was dropped, if there is such a column.
pub(super) fn text_dropped(batch: &RecordBatch, row: usize) -> Option<bool> {
    let column = batch.column_by_name("text_dropped")?;
    Some(column.as_boolean_opt()?.value(row))
}

/// The row's cosine, if there is such a column.
pub(super) fn reconstruction_cosine(batch: &RecordBatch, row: usize) -> Option<f32> {
    let column = batch.column_by_name("reconstruction_cosine")?;
    column
        .is_valid(row)
        .then(|| {
            column
                .as_primitive_opt::<Float32Type>()
                .map(|column| column.value(row))
        })
        .flatten()
}
