//! Puts records back into their order after hops that finish them out of it.

use std::collections::BTreeMap;

/// Holds records back until all before them have come.
///
/// It holds at most as many records as there are places between the slowest one and the newest: in the pipeline that is
/// bounded by the unit's rows.
#[derive(Debug)]
pub struct Reorder<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

/// A place was given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two records claim place {0}")]
pub struct OutOfOrder(pub u64);

impl<T> Default for Reorder<T> {
    fn default() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
        }
    }
}

impl<T> Reorder<T> {
    /// Takes the record of `place` (from 0); returns all records that are now in order, maybe none.
    ///
    /// # Errors
    /// If the place has had its record already.
    pub fn push(&mut self, place: u64, record: T) -> Result<impl Iterator<Item = T> + '_, OutOfOrder> {
        if place < self.next || self.waiting.contains_key(&place) {
            return Err(OutOfOrder(place));
        }
        self.waiting.insert(place, record);
        Ok(std::iter::from_fn(|| {
            let record = self.waiting.remove(&self.next)?;
            self.next += 1;
            Some(record)
        }))
    }

    /// How many records wait for one before them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_arrival_order_comes_out_in_place_order(
            arrivals in (1..200_u64).prop_flat_map(|length| Just((0..length).collect::<Vec<_>>()).prop_shuffle())
        ) {
            let mut reorder = Reorder::default();
            let mut out = Vec::new();
            for place in &arrivals {
                out.extend(reorder.push(*place, *place).unwrap());
            }
            prop_assert_eq!(out, (0..arrivals.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(reorder.waiting(), 0);
        }
    }

    #[test]
    fn a_place_given_twice_is_refused_whether_passed_or_waiting() {
        let mut reorder = Reorder::default();
        assert_eq!(reorder.push(0, 'a').unwrap().count(), 1);
        assert_eq!(reorder.push(2, 'c').unwrap().count(), 0);
        assert_eq!(reorder.push(0, 'a').err(), Some(OutOfOrder(0)));
        assert_eq!(reorder.push(2, 'c').err(), Some(OutOfOrder(2)));
    }
}
