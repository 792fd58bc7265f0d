//! What must hold of the columns that a run may ask for.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};

/// How far beyond 1 rounding may carry a cosine.
const ROUNDING: f32 = 1e-3;

/// Calls `wrong` for everything that is wrong with a row of the batch of which the image has so many codes.
pub(super) fn check_optional(batch: &RecordBatch, row: usize, codes: usize, wrong: &mut impl FnMut(String)) {
    let features = batch.column_by_name("image_features");
    if let Some(features) = features.and_then(|column| column.as_list_opt::<i32>()) {
        let found = features.value_length(row);
        if usize::try_from(found) != Ok(codes) {
            wrong(format!(
                "there are {found} rows of image_features for {codes} codes"
            ));
        }
    }
    let cosines = batch.column_by_name("reconstruction_cosine");
    if let Some(cosines) = cosines.and_then(|column| column.as_primitive_opt::<Float32Type>()) {
        let found = cosines.value(row);
        if cosines.is_null(row) || !(found.abs() <= 1.0 + ROUNDING) {
            wrong(format!("reconstruction_cosine {found} is no cosine"));
        }
    }
}
