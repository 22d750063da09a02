//! Distinct texts by dense numbers.

use ahash::RandomState;
use hashbrown::HashTable;
use tsds_traits::{Error, ErrorKind, Result};

/// Gives every distinct text a dense number, in order of first appearance.
pub(crate) struct Interner {
    table: HashTable<u32>,
    hasher: RandomState,
    ends: Vec<usize>,
    bytes: String,
}

/// A hasher that is the same in every run: results never depend on it, and neither should timings.
pub(crate) fn fixed_hasher() -> RandomState {
    RandomState::with_seeds(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98)
}

impl Interner {
    pub(crate) fn new() -> Self {
        Self { table: HashTable::new(), hasher: fixed_hasher(), ends: Vec::new(), bytes: String::new() }
    }

    /// The number of `text`.
    ///
    /// # Errors
    ///
    /// `Exhausted` beyond 2^32 - 1 distinct texts.
    pub(crate) fn intern(&mut self, text: &str) -> Result<u32> {
        let hash = self.hasher.hash_one(text);
        let (ends, bytes) = (&self.ends, &self.bytes);
        if let Some(id) = self.table.find(hash, |id| text_of(ends, bytes, *id) == text) {
            return Ok(*id);
        }
        let id = u32::try_from(self.ends.len())
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| Error::new(ErrorKind::Exhausted, "too many distinct texts"))?;
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let (ends, bytes, hasher) = (&self.ends, &self.bytes, &self.hasher);
        self.table.insert_unique(hash, id, |id| hasher.hash_one(text_of(ends, bytes, *id)));
        Ok(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number that [`Interner::intern`] gave.
    #[inline]
    pub(crate) fn text(&self, id: u32) -> &str {
        text_of(&self.ends, &self.bytes, id)
    }

    /// The numbers in bytewise order of their texts.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.len() as u32).collect();
        ids.sort_unstable_by(|a, b| self.text(*a).as_bytes().cmp(self.text(*b).as_bytes()));
        ids
    }

    /// For each number, the position of its text in bytewise order.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.len()];
        for (rank, id) in self.sorted().into_iter().enumerate() {
            ranks[id as usize] = rank as u32;
        }
        ranks
    }

    /// Bytes of memory held.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.capacity() * 5 + self.ends.capacity() * size_of::<usize>() + self.bytes.capacity()
    }
}

#[inline]
fn text_of<'a>(ends: &[usize], bytes: &'a str, id: u32) -> &'a str {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_a_number_and_ranks_are_bytewise() {
        let mut interner = Interner::new();
        let ids: Vec<u32> = ["b", "", "é", "b", "a"].iter().map(|t| interner.intern(t).unwrap()).collect();
        assert_eq!(ids, [0, 1, 2, 0, 3]);
        assert_eq!(interner.ranks(), [2, 0, 3, 1]);
        assert_eq!(interner.text(2), "é");
    }

    #[test]
    fn many_texts_survive_growth() {
        let mut interner = Interner::new();
        let texts: Vec<String> = (0..10_000).map(|n| format!("host-{n}")).collect();
        for text in &texts {
            interner.intern(text).unwrap();
        }
        for (id, text) in texts.iter().enumerate() {
            assert_eq!(interner.intern(text).unwrap(), id as u32);
        }
    }
}
