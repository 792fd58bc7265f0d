//! What must hold of the columns that a run may ask for.

use arrow_array::cast::AsArray;
use arrow_array::types::Float16Type;

use crate::read::{DataBatch, DataRow};

/// How far beyond 1 rounding may carry a cosine.
const ROUNDING: f32 = 1e-3;

/// Calls `wrong` for everything that is wrong with a row, which stands at `place` in its batch.
pub(super) fn check_optional(
    batch: &DataBatch,
    place: usize,
    row: &DataRow<'_>,
    wrong: &mut impl FnMut(String),
) {
    let features = batch.record_batch().column_by_name("image_features");
    if let Some(features) = features.and_then(|column| column.as_list_opt::<i32>()) {
        let numbers = features.value(place);
        let numbers = numbers
            .as_fixed_size_list_opt()
            .and_then(|rows| rows.values().as_primitive_opt::<Float16Type>().cloned());
        if !numbers.is_some_and(|numbers| numbers.values().iter().all(|number| number.is_finite())) {
            wrong("image_features are not rows of finite numbers".to_owned());
        }
        let found = features.value_length(place);
        let codes = row.image_codes.len();
        if usize::try_from(found) != Ok(codes) {
            wrong(format!(
                "there are {found} rows of image_features for {codes} codes"
            ));
        }
    }
    let cosine = batch.reconstruction_cosine(row);
    if let Some(found) = cosine.filter(|cosine| cosine.is_nan() || cosine.abs() > 1.0 + ROUNDING) {
        wrong(format!("reconstruction_cosine {found} is no cosine"));
    }
}
