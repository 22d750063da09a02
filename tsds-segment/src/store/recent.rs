//! Keeps the most recently used values within a weight.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Values by key. Beyond `most` in total weight, those unused for longest go; the newest always stays.
pub(super) struct Recent<K, V> {
    most: u64,
    weight: u64,
    uses: u64,
    entries: HashMap<K, Entry<V>>,
}

struct Entry<V> {
    value: V,
    weight: u64,
    last_use: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    pub(super) fn new(most: u64) -> Self {
        Self { most, weight: 0, uses: 0, entries: HashMap::new() }
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.last_use = self.uses;
        Some(entry.value.clone())
    }

    pub(super) fn insert(&mut self, key: K, value: V, weight: u64) {
        self.remove(&key);
        self.uses += 1;
        self.weight = self.weight.saturating_add(weight);
        self.entries.insert(key, Entry { value, weight, last_use: self.uses });
        while self.weight > self.most && self.entries.len() > 1 {
            // A pass over some hundred entries costs less than opening the file that made it necessary.
            let oldest =
                self.entries.iter().min_by_key(|(_, entry)| entry.last_use).map(|(key, _)| key.clone());
            match oldest {
                Some(key) => self.remove(&key),
                None => break,
            }
        }
    }

    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.remove(key) {
            self.weight -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unused_for_longest_goes_first() {
        let mut recent = Recent::new(3);
        for key in ["a", "b", "c"] {
            recent.insert(key, key, 1);
        }
        assert_eq!(recent.get("a"), Some("a"));
        recent.insert("d", "d", 1);
        assert_eq!([recent.get("a"), recent.get("b"), recent.get("d")], [Some("a"), None, Some("d")]);
        recent.insert("heavy", "heavy", 9);
        assert_eq!(recent.entries.len(), 1);
        recent.remove("heavy");
        assert_eq!((recent.weight, recent.get("heavy")), (0, None));
    }

    #[test]
    fn a_replaced_value_counts_once() {
        let mut recent = Recent::new(2);
        recent.insert("a", 1, 1);
        recent.insert("a", 2, 2);
        assert_eq!((recent.weight, recent.get("a")), (2, Some(2)));
    }
}
