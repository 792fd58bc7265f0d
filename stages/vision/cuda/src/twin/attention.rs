//! kernels/attention.cuh: for one query of one head, what it makes of its keys and values.

use super::{LANES, Twin, warp_sum};
use crate::device::{Attention, Sight};
use crate::number::Element;

/// One query, and all that its picture and head hold.
pub(super) struct Query<'a> {
    /// Its scores, scaled.
    scores: Vec<f32>,
    /// Which keys it sees.
    seen: Vec<bool>,
    /// A row of values for each key.
    values: Vec<&'a [f32]>,
    smoothing: f32,
    head_dim: usize,
}

/// Goes through pictures, heads and queries.
pub(super) fn attend<E: Element>(
    attention: &Attention<'_, Twin, E>,
    out: &mut [E],
    see: impl Fn(&Query<'_>) -> Vec<f32>,
) {
    let (head_dim, width) = (attention.head_dim, attention.heads * attention.head_dim);
    let wide = |columns: &crate::device::Columns<'_, Twin, E>, row: usize, head: usize| -> Vec<f32> {
        let start = columns.first + row * columns.stride + head * head_dim;
        let row = &columns.array[start..start + head_dim];
        row.iter().map(|value| value.wide()).collect()
    };
    for (picture, head) in
        (0..attention.pictures).flat_map(|picture| (0..attention.heads).map(move |head| (picture, head)))
    {
        let range = |starts: &[i32]| starts[picture] as usize..starts[picture + 1] as usize;
        let (queries, keys) = (range(attention.query_starts), range(attention.key_starts));
        let k: Vec<Vec<f32>> = keys.clone().map(|row| wide(&attention.k, row, head)).collect();
        let v: Vec<Vec<f32>> = keys.clone().map(|row| wide(&attention.v, row, head)).collect();
        for (number, row) in queries.enumerate() {
            let q = wide(&attention.q, row, head);
            let dot = |k: &Vec<f32>| q.iter().zip(k).fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum));
            let kept = |key: usize| attention.kept.is_none_or(|kept| kept[keys.start + key] == 1);
            let sees = |key: usize| match attention.sight {
                Sight::Everything => true,
                Sight::Earlier => key == number || (key < number && kept(key)),
                Sight::Dropped => !kept(key),
            };
            let seen = see(&Query {
                scores: k.iter().map(|k| dot(k) * attention.scale()).collect(),
                seen: (0..k.len()).map(sees).collect(),
                values: v.iter().map(Vec::as_slice).collect(),
                smoothing: attention.smoothing(),
                head_dim,
            });
            let start = row * width + head * head_dim;
            for (out, seen) in out[start..].iter_mut().zip(seen) {
                *out = E::of(seen);
            }
        }
    }
}

impl Query<'_> {
    fn largest(&self) -> f32 {
        self.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    fn shift(&self) -> f32 {
        self.smoothing / self.scores.len() as f32
    }

    /// Values by their weights, from the first key to the last.
    fn mix(&self, weight: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut mixed = vec![0.0; self.head_dim];
        for (key, values) in self.values.iter().enumerate() {
            let weight = weight(key);
            for (mixed, value) in mixed.iter_mut().zip(*values) {
                *mixed = weight.mul_add(*value, *mixed);
            }
        }
        mixed
    }
}

/// In float32: lanes share the keys for the sum.
pub(super) fn plainly(query: &Query<'_>) -> Vec<f32> {
    let largest = query.largest();
    let exps: Vec<f32> = query
        .scores
        .iter()
        .zip(&query.seen)
        .map(|(score, seen)| if *seen { (score - largest).exp() } else { 0.0 })
        .collect();
    let mut lanes = [0.0; LANES];
    for (key, exp) in exps.iter().enumerate() {
        lanes[key % LANES] += exp;
    }
    let sum = warp_sum(lanes) + query.smoothing;
    query.mix(|key| (exps[key] + query.shift()) / sum)
}

/// On tensor cores: four lanes share the keys of a query, two of every eight each, and weights are rounded.
pub(super) fn on_tensor_cores<E: Element>(query: &Query<'_>) -> Vec<f32> {
    let largest = query.largest();
    let over_lanes = |each: &dyn Fn(usize) -> Vec<usize>, sum: &dyn Fn(&[usize]) -> f32| -> f32 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane| sum(&each(lane)));
        (a + b) + (c + d)
    };
    let of_lane = |lane: usize| -> Vec<usize> {
        let keys = 0..query.scores.len();
        keys.filter(|key| key % 8 / 2 == lane).collect()
    };
    let exp = |key: usize| (query.scores[key] - largest).exp();
    let rounded = |weight: f32| E::of(weight).wide();
    if query.smoothing == 0.0 {
        let sum = over_lanes(&of_lane, &|keys| {
            keys.iter().fold(0.0, |sum, key| sum + exp(*key))
        });
        let inverse = 1.0 / sum;
        let mixed = query.mix(|key| rounded(exp(key)));
        return mixed.into_iter().map(|value| value * inverse).collect();
    }
    // A lane's sum follows its own maximum as it grows.
    let lane_sum = |keys: &[usize]| {
        let (mut most, mut sum) = (f32::NEG_INFINITY, 0.0_f32);
        for key in keys {
            let score = query.scores[*key];
            let grown = most.max(score);
            sum *= (most - grown).exp();
            if query.seen[*key] {
                sum += (score - grown).exp();
            }
            most = grown;
        }
        if most == largest {
            sum
        } else {
            sum * (most - largest).exp()
        }
    };
    let inverse = 1.0 / (over_lanes(&of_lane, &lane_sum) + query.smoothing);
    query.mix(|key| {
        let exp = if query.seen[key] { exp(key) } else { 0.0 };
        rounded((exp + query.shift()) * inverse)
    })
}
