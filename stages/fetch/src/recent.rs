//! A bounded memory of what was used lately.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Values by name, of which the least recently used are forgotten, but never one that is in use.
///
/// Two generations: what is used moves to the young one, and when that is full the old one is forgotten, except for
/// values that somebody holds and for those worth keeping, which may fill half of the next. So there are at most twice
/// `generation` values beside those in use.
#[derive(Debug)]
pub(crate) struct RecentMap<V> {
    generation: usize,
    is_worth_keeping: fn(&V) -> bool,
    maps: Mutex<Generations<V>>,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Box<str>, Arc<V>>,
    old: HashMap<Box<str>, Arc<V>>,
}

impl<V> RecentMap<V> {
    /// Remembers at most `capacity` values beside those in use, and surely the last quarter of it, or half if none is
    /// worth keeping longer.
    pub(crate) fn new(capacity: usize, is_worth_keeping: fn(&V) -> bool) -> Self {
        let maps = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        };
        Self {
            generation: (capacity / 2).max(1),
            is_worth_keeping,
            maps: Mutex::new(maps),
        }
    }

    /// The value of that name, made if there is none.
    pub(crate) fn get_or_insert_with(&self, name: &str, make: impl FnOnce() -> V) -> Arc<V> {
        let mut maps = self.lock();
        if let Some(value) = maps.young.get(name) {
            return Arc::clone(value);
        }
        let value = maps.old.remove(name).unwrap_or_else(|| Arc::new(make()));
        if maps.young.len() >= self.generation {
            self.turn(&mut maps);
        }
        maps.young.insert(name.into(), Arc::clone(&value));
        value
    }

    /// Forgets the old generation before the young one is full.
    pub(crate) fn age(&self) {
        self.turn(&mut self.lock());
    }

    fn turn(&self, Generations { young, old }: &mut Generations<V>) {
        let mut room = self.generation / 2;
        let mut stays = |value: &Arc<V>| {
            let is_kept = room > 0 && (self.is_worth_keeping)(value);
            room -= usize::from(is_kept);
            is_kept || Arc::strong_count(value) > 1
        };
        let forgotten = mem::replace(old, mem::take(young));
        young.extend(forgotten.into_iter().filter(|(_, value)| stays(value)));
    }

    fn lock(&self) -> MutexGuard<'_, Generations<V>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let maps = self.lock();
        maps.young.len() + maps.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Weak};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn memory_is_bounded_and_what_is_in_use_is_never_forgotten(
            names in proptest::collection::vec(0_u8..100, 1..400),
            held in proptest::collection::hash_set(0_u8..100, 0..4),
        ) {
            let map = RecentMap::new(16, |_| false);
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
            let map = RecentMap::new(16, |_| false);
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

    #[test]
    fn what_is_worth_keeping_outlives_the_rest_and_is_bounded_too() {
        let map = RecentMap::new(16, |value: &u32| *value < 6);
        let made = |name: u32| map.get_or_insert_with(&name.to_string(), || name);
        let kept: Vec<_> = (0..6).map(|name| Arc::downgrade(&made(name))).collect();
        let others: Vec<_> = (6..1000).map(|name| Arc::downgrade(&made(name))).collect();
        let alive = |values: &[Weak<u32>]| values.iter().filter(|value| value.strong_count() > 0).count();
        assert!(map.len() <= 16 && alive(&others) >= 4);
        assert_eq!(alive(&kept), 4, "half of a generation");
    }

    #[test]
    fn two_generations_old_is_forgotten() {
        let map = RecentMap::new(16, |_| false);
        let held = map.get_or_insert_with("held", || ());
        map.get_or_insert_with("not held", || ());
        map.age();
        assert_eq!(map.len(), 2);
        map.age();
        assert_eq!(map.len(), 1);
        assert!(Arc::ptr_eq(&held, &map.get_or_insert_with("held", || ())));
    }
}
