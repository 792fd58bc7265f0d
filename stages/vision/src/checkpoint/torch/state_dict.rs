//! The tensors in a pickle: calls of `torch._utils._rebuild_tensor_v2` under the top dictionary's keys.
//!
//! A pickle can name one long value any number of times at a few bytes each. So nothing long is copied: texts are
//! borrowed, and shapes are short.

use std::collections::HashMap;

use super::super::TensorDtype;
use super::super::file::StoredDtype;
use super::pickle::{Heap, Value};

/// The most dimensions of a tensor that we read; models have four.
const MAX_DIMENSIONS: usize = 8;
/// The longest name of a type that an error shows, in characters.
const MAX_DTYPE: usize = 80;

/// A tensor as the pickle describes it.
#[derive(Debug, Clone)]
pub(super) struct StoredTensor<'a> {
    pub dtype: StoredDtype,
    /// The archive member that holds its bytes.
    pub storage: &'a str,
    /// Its first element's place in the storage, in elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Every tensor of the top dictionary; none if there is no dictionary. Entries that are no tensors are left out.
pub(super) fn tensors<'a>(heap: &Heap<'a>) -> Option<HashMap<&'a str, StoredTensor<'a>>> {
    let Some(Value::Dictionary(top)) = heap.result else {
        return None;
    };
    let named = |(key, value): &(Value<'a>, Value<'a>)| match key {
        Value::Text(key) => Some((*key, tensor(heap, *value)?)),
        _ => None,
    };
    Some(heap.dictionaries.get(top)?.iter().filter_map(named).collect())
}

fn tensor<'a>(heap: &Heap<'a>, value: Value<'a>) -> Option<StoredTensor<'a>> {
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
fn rebuilt<'a>(heap: &Heap<'a>, callee: Value<'a>, arguments: &[Value<'a>]) -> Option<StoredTensor<'a>> {
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
        storage: key,
        offset: size(*offset)?,
        shape: sizes(heap, *shape)?,
        strides: sizes(heap, *strides)?,
    })
}

fn sizes(heap: &Heap<'_>, value: Value<'_>) -> Option<Vec<usize>> {
    let sizes = sequence(heap, value).filter(|sizes| sizes.len() <= MAX_DIMENSIONS)?;
    sizes.iter().map(|value| size(*value)).collect()
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
        Value::Global(module, name) => {
            let parts = [module, ".", name].into_iter().flat_map(str::chars);
            StoredDtype::Other(parts.take(MAX_DTYPE).collect())
        }
        Value::Text(_) => StoredDtype::Other("a text".to_owned()),
        other => StoredDtype::Other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pickle::load;
    use super::*;

    /// `{"w": rebuild(("storage", KIND, "0", "cpu", 1), 0, SHAPE, SHAPE)}` with a shape of so many ones.
    fn pickle(kind: &str, dimensions: usize) -> Vec<u8> {
        let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let shape = [&b"("[..], &b"K\x01".repeat(dimensions), b"t"].concat();
        [
            &b"\x80\x02}"[..],
            &text("w"),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            &text("storage"),
            format!("ctorch\n{kind}\n").as_bytes(),
            &text("0"),
            b"tQK\x00",
            &shape,
            &shape,
            b"tRs.",
        ]
        .concat()
    }

    #[test]
    fn a_tensor_has_few_dimensions() {
        let count = |dimensions| {
            let pickle = pickle("FloatStorage", dimensions);
            tensors(&load(&pickle).unwrap()).unwrap().len()
        };
        assert_eq!((count(MAX_DIMENSIONS), count(MAX_DIMENSIONS + 1)), (1, 0));
    }

    #[test]
    fn a_long_name_of_a_type_is_cut() {
        let pickle = pickle(&"x".repeat(10_000), 1);
        let heap = load(&pickle).unwrap();
        let StoredDtype::Other(name) = &tensors(&heap).unwrap()["w"].dtype else {
            panic!("no such type is known");
        };
        assert_eq!(name.len(), MAX_DTYPE);
    }
}
