//! A bounded memory of what was used lately.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// Values by name, of which the least recently used are forgotten, but never one that is in use.
///
/// Two generations: what is used moves to the young one, and when that is full the old one is forgotten, except for
/// values that somebody holds. So there are at most twice `generation` values beside those in use.
#[derive(Debug)]
pub(crate) struct RecentMap<V> {
    generation: usize,
    maps: Mutex<Generations<V>>,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Box<str>, Arc<V>>,
    old: HashMap<Box<str>, Arc<V>>,
}

impl<V> RecentMap<V> {
    /// Remembers at least half of `capacity` values and at most `capacity`, beside those in use.
    pub(crate) fn new(capacity: usize) -> Self {
        let maps = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        };
        Self {
            generation: (capacity / 2).max(1),
            maps: Mutex::new(maps),
        }
    }

    /// The value of that name, made if there is none.
    pub(crate) fn get_or_insert_with(&self, name: &str, make: impl FnOnce() -> V) -> Arc<V> {
        let mut guard = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *guard;
        if let Some(value) = young.get(name) {
            return Arc::clone(value);
        }
        let value = old.remove(name).unwrap_or_else(|| Arc::new(make()));
        if young.len() >= self.generation {
            let forgotten = mem::replace(old, mem::take(young));
            young.extend(
                forgotten
                    .into_iter()
                    .filter(|(_, value)| Arc::strong_count(value) > 1),
            );
        }
        young.insert(name.into(), Arc::clone(&value));
        value
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let maps = self.maps.lock().unwrap();
        maps.young.len() + maps.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn memory_is_bounded_and_what_is_in_use_is_never_forgotten(
            names in proptest::collection::vec(0_u8..100, 1..400),
            held in proptest::collection::hash_set(0_u8..100, 0..4),
        ) {
            let map = RecentMap::new(16);
            let made = |name: u8| map.get_or_insert_with(&name.to_string(), || name);
            let holders: Vec<_> = held.iter().map(|name| (*name, made(*name))).collect();
            for name in names {
                prop_assert_eq!(*made(name), name);
                prop_assert!(map.len() <= 16 + held.len());
            }
            for (name, value) in holders {
                prop_assert!(Arc::ptr_eq(&value, &made(name)));
            }
        }

        #[test]
        fn the_last_half_of_the_capacity_is_remembered(names in proptest::collection::vec(0_u8..100, 1..400)) {
            let map = RecentMap::new(16);
            let values: Vec<_> = names.iter().map(|name| {
                let value = map.get_or_insert_with(&name.to_string(), || *name);
                Arc::downgrade(&value)
            }).collect();
            let mut seen = HashSet::new();
            for (name, value) in names.iter().zip(&values).rev() {
                if seen.len() == 8 && !seen.contains(name) {
                    break;
                }
                seen.insert(*name);
                prop_assert!(value.upgrade().is_some(), "{}", name);
            }
        }
    }
}
