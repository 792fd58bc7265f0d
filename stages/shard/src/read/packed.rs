//! The rows of a packed file.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, Int32Array, ListArray, RecordBatch, StringArray};
use arrow_schema::Fields;
use img2tokens_schemas::Order;
use img2tokens_schemas::columns::packed_fields;

use super::cells::{Lists, Problem, column, numbers};
use super::data::order_named;
use super::reader::Table;
use crate::UnitId;

/// A context, as it stands in the file; only its types are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context<'a> {
    /// The row in the file, from 0.
    pub row: u64,
    /// The ids.
    pub input_ids: &'a [i32],
    /// Their number, as stated.
    pub num_tokens: i32,
    /// Where each segment begins.
    pub segment_starts: &'a [i32],
    /// The index in its sequence of each segment's first id.
    pub segment_offsets: &'a [i32],
    /// The key of each segment's sequence.
    pub keys: Vec<&'a str>,
    /// The order of each segment's sequence.
    pub orders: Vec<Order>,
}

/// A stretch of a context that is of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) key: &'a str,
    pub(crate) order: Order,
    /// The index in its sequence of the first id.
    pub(crate) offset: usize,
    /// At least one.
    pub(crate) ids: &'a [i32],
}

impl<'a> Context<'a> {
    /// What it is made of, in its order; or what is wrong with it.
    pub(crate) fn segments(&self) -> Result<Vec<Segment<'a>>, Problem> {
        let (ids, stated) = (self.input_ids, self.num_tokens);
        if usize::try_from(stated) != Ok(ids.len()) {
            let found = ids.len();
            return Err(format!("num_tokens is {stated}, and there are {found} input_ids"));
        }
        let (starts, offsets) = (self.segment_starts, self.segment_offsets);
        if [offsets.len(), self.keys.len(), self.orders.len()] != [starts.len(); 3] {
            return Err("its lists of segments are not of one length".to_owned());
        }
        let ends = starts.iter().skip(1).map(|end| *end as usize).chain([ids.len()]);
        let names = self.keys.iter().zip(&self.orders);
        let cut = starts.iter().zip(ends).zip(offsets).zip(names);
        let segments = cut.map(|(((start, end), offset), (key, order))| {
            let start = usize::try_from(*start).ok()?;
            Some(Segment {
                key,
                order: *order,
                offset: usize::try_from(*offset).ok()?,
                ids: ids.get(start..end).filter(|ids| !ids.is_empty())?,
            })
        });
        let segments: Option<Vec<_>> = segments.collect();
        segments
            .filter(|_| starts.first() == Some(&0))
            .ok_or_else(|| "its segments do not begin one after the other, the first at 0".to_owned())
    }
}

/// Rows of a packed file.
#[derive(Debug)]
pub struct ContextBatch {
    first_row: u64,
    input_ids: Lists<Int32Type>,
    num_tokens: Int32Array,
    segment_starts: Lists<Int32Type>,
    segment_offsets: Lists<Int32Type>,
    keys: Texts,
    orders: Vec<Vec<Order>>,
}

impl ContextBatch {
    /// The rows, in the file's order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Context<'_>> {
        (0..self.orders.len()).map(|row| Context {
            row: self.first_row + row as u64,
            input_ids: self.input_ids.get(row),
            num_tokens: self.num_tokens.value(row),
            segment_starts: self.segment_starts.get(row),
            segment_offsets: self.segment_offsets.get(row),
            keys: self.keys.get(row).collect(),
            orders: self.orders[row].clone(),
        })
    }
}

impl Table for ContextBatch {
    const PROJECTION: Option<&'static [&'static str]> = None;

    fn file(unit: UnitId) -> String {
        unit.packed_file()
    }

    fn fields() -> Fields {
        packed_fields()
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        let orders = Texts::new(&batch, "orders")?;
        let orders = (0..batch.num_rows())
            .map(|row| orders.get(row).map(order_named).collect())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first_row,
            input_ids: Lists::new(&batch, "input_ids")?,
            num_tokens: numbers(&batch, "num_tokens")?,
            segment_starts: Lists::new(&batch, "segment_starts")?,
            segment_offsets: Lists::new(&batch, "segment_offsets")?,
            keys: Texts::new(&batch, "keys")?,
            orders,
        })
    }
}

/// A column of lists of text, none of which is null.
#[derive(Debug)]
struct Texts {
    lists: ListArray,
    items: StringArray,
}

impl Texts {
    fn new(batch: &RecordBatch, name: &'static str) -> Result<Self, Problem> {
        let lists = column(batch, name, |array| array.as_list_opt::<i32>())?.clone();
        let items = lists.values().as_string_opt::<i32>().cloned();
        let items = items.ok_or_else(|| format!("column `{name}` is {}", lists.data_type()))?;
        if items.null_count() > 0 {
            return Err(format!("a list in column `{name}` has a null"));
        }
        Ok(Self { lists, items })
    }

    fn get(&self, row: usize) -> impl Iterator<Item = &str> {
        let offset = |at: usize| {
            let offset = self.lists.value_offsets().get(at);
            offset.map_or(0, |offset| *offset as usize)
        };
        (offset(row)..offset(row + 1)).map(|item| self.items.value(item))
    }
}
