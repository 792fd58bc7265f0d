//! A unit's packed file without the sequences that are taken down.
//!
//! What remains of a context stays where it is: whoever trains on the unit finds all other contexts as they were, and no
//! packer is asked to repeat what another version of it did.

use std::collections::HashSet;
use std::fs::File;

use img2tokens_schemas::{PackedRow, PackedSegment};

use crate::hashed_file::WrittenFile;
use crate::packed::UnitPacked;
use crate::read::{Context, ContextReader};
use crate::{Destination, Encoding, PackedSummary, ShardError, UnitId};

/// Copies contexts without the sequences of these keys. A context that was made of nothing else goes.
pub(super) fn copy_without(
    destination: &Destination,
    unit: UnitId,
    packed: File,
    keys: &HashSet<String>,
    encoding: Encoding,
) -> Result<(WrittenFile, PackedSummary), ShardError> {
    let name = unit.packed_file();
    let foreign = |problem| ShardError::Foreign {
        name: name.clone(),
        problem,
    };
    let before = ContextReader::of_file(name.clone(), packed)?;
    let packing = before.metadata().packing.as_ref();
    let length = packing.map(|packing| packing.length);
    let length = length.ok_or_else(|| foreign("it does not say how it was packed".to_owned()))?;
    let schema = before.schema().clone().into();
    let mut after = UnitPacked::like(destination, unit, schema, encoding.compression, length)?;
    for batch in before {
        for context in batch?.rows() {
            let remaining = remaining(&context, keys)
                .map_err(|problem| foreign(format!("row {}: {problem}", context.row)))?;
            if !remaining.input_ids.is_empty() {
                after.push(&remaining)?;
            }
        }
    }
    let summary = after.summary();
    Ok((after.finish()?, summary))
}

fn remaining(context: &Context<'_>, keys: &HashSet<String>) -> Result<PackedRow, String> {
    let mut remaining = PackedRow::default();
    for segment in context.segments()? {
        if keys.contains(segment.key) {
            continue;
        }
        remaining.segments.push(PackedSegment {
            // Both were `i32` in the file.
            start: remaining.input_ids.len() as u32,
            offset: segment.offset as u32,
            key: segment.key.to_owned(),
            order: segment.order,
        });
        for id in segment.ids {
            let id = u32::try_from(*id).map_err(|_| format!("{id} is no id"))?;
            remaining.input_ids.push(id);
        }
    }
    Ok(remaining)
}
