//! The tensors in a pickle: calls of `torch._utils._rebuild_tensor_v2` under the top dictionary's keys.

use super::super::TensorDtype;
use super::super::file::StoredDtype;
use super::pickle::{Heap, Value};

/// A tensor as the pickle describes it.
#[derive(Debug, Clone)]
pub(super) struct StoredTensor {
    pub dtype: StoredDtype,
    /// The archive member that holds its bytes.
    pub storage: String,
    /// Its first element's place in the storage, in elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Every tensor of the top dictionary; none if there is no dictionary. Entries that are no tensors are left out.
pub(super) fn tensors(heap: &Heap<'_>) -> Option<Vec<(String, StoredTensor)>> {
    let Some(Value::Dictionary(top)) = heap.result else {
        return None;
    };
    let named = |(key, value): &(Value<'_>, Value<'_>)| match key {
        Value::Text(key) => Some(((*key).to_owned(), tensor(heap, *value)?)),
        _ => None,
    };
    Some(heap.dictionaries.get(top)?.iter().filter_map(named).collect())
}

fn tensor(heap: &Heap<'_>, value: Value<'_>) -> Option<StoredTensor> {
    let (callee, arguments) = call(heap, value)?;
    match callee {
        Value::Global("torch._utils", "_rebuild_parameter") => {
            let (inner, inner_arguments) = call(heap, *arguments.first()?)?;
            rebuilt(heap, inner, inner_arguments)
        }
        _ => rebuilt(heap, callee, arguments),
    }
}

fn call<'h, 'a>(heap: &'h Heap<'a>, value: Value<'a>) -> Option<(Value<'a>, &'h [Value<'a>])> {
    let Value::Call(place) = value else { return None };
    let (callee, arguments) = heap.calls.get(place)?;
    Some((*callee, sequence(heap, *arguments)?))
}

fn sequence<'h, 'a>(heap: &'h Heap<'a>, value: Value<'a>) -> Option<&'h [Value<'a>]> {
    let Value::Sequence(place) = value else {
        return None;
    };
    heap.sequences.get(place).map(Vec::as_slice)
}

/// `_rebuild_tensor_v2(storage, storage_offset, size, stride, ..)`, whose storage is the persistent id
/// `("storage", type, key, location, elements)`.
fn rebuilt(heap: &Heap<'_>, callee: Value<'_>, arguments: &[Value<'_>]) -> Option<StoredTensor> {
    let (Value::Global("torch._utils", "_rebuild_tensor_v2"), [storage, offset, shape, strides, ..]) =
        (callee, arguments)
    else {
        return None;
    };
    let Value::Persistent(place) = storage else {
        return None;
    };
    let [Value::Text("storage"), kind, Value::Text(key), ..] = sequence(heap, *heap.persistent.get(*place)?)?
    else {
        return None;
    };
    Some(StoredTensor {
        dtype: dtype(*kind),
        storage: (*key).to_owned(),
        offset: size(*offset)?,
        shape: sizes(heap, *shape)?,
        strides: sizes(heap, *strides)?,
    })
}

fn sizes(heap: &Heap<'_>, value: Value<'_>) -> Option<Vec<usize>> {
    sequence(heap, value)?.iter().map(|value| size(*value)).collect()
}

fn size(value: Value<'_>) -> Option<usize> {
    match value {
        Value::Int(size) => usize::try_from(size).ok(),
        _ => None,
    }
}

fn dtype(kind: Value<'_>) -> StoredDtype {
    match kind {
        Value::Global("torch", "DoubleStorage") => StoredDtype::Float(TensorDtype::F64),
        Value::Global("torch", "FloatStorage") => StoredDtype::Float(TensorDtype::F32),
        Value::Global("torch", "HalfStorage") => StoredDtype::Float(TensorDtype::F16),
        Value::Global("torch", "BFloat16Storage") => StoredDtype::Float(TensorDtype::Bf16),
        Value::Global(module, name) => StoredDtype::Other(format!("{module}.{name}")),
        other => StoredDtype::Other(format!("{other:?}")),
    }
}
