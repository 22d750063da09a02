//! Decimals: values of 128 bits, which have no keys of 64.

use ahash::RandomState;
use hashbrown::HashTable;
use tsds_traits::{Error, ErrorKind, Result};

use super::interner::fixed_hasher;

/// Gives every distinct decimal a dense number, in order of first appearance.
pub(crate) struct Decimals {
    table: HashTable<u32>,
    hasher: RandomState,
    values: Vec<i128>,
}

impl Decimals {
    pub(crate) fn new() -> Self {
        Self { table: HashTable::new(), hasher: fixed_hasher(), values: Vec::new() }
    }

    /// The number of a decimal.
    ///
    /// # Errors
    ///
    /// `Exhausted` beyond 2^32 - 1 distinct decimals.
    pub(crate) fn intern(&mut self, value: i128) -> Result<u32> {
        let (values, hasher) = (&mut self.values, &self.hasher);
        let hash = hasher.hash_one(value);
        if let Some(id) = self.table.find(hash, |id| values.get(*id as usize) == Some(&value)) {
            return Ok(*id);
        }
        let id = u32::try_from(values.len())
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| Error::new(ErrorKind::Exhausted, "too many distinct decimals"))?;
        values.push(value);
        self.table.insert_unique(hash, id, |id| {
            hasher.hash_one(values.get(*id as usize).copied().unwrap_or_default())
        });
        Ok(id)
    }

    /// The decimal of a number that [`Decimals::intern`] gave.
    pub(crate) fn value(&self, id: u32) -> i128 {
        self.values.get(id as usize).copied().unwrap_or_default()
    }

    /// For each number, the position of its decimal in order.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        ranks(&self.values)
    }

    /// Bytes of memory held.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.capacity() * 5 + self.values.capacity() * size_of::<i128>()
    }
}

/// For each value the position of its like among the distinct ones.
pub(crate) fn ranks(values: &[i128]) -> Vec<u32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    values.iter().map(|value| sorted.partition_point(|other| other < value) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_decimals_share_a_number_and_ranks_are_in_order() {
        let mut decimals = Decimals::new();
        let values = [5, -7, i128::MAX, 5, i128::MIN];
        let ids: Vec<u32> = values.iter().map(|value| decimals.intern(*value).unwrap()).collect();
        assert_eq!(ids, [0, 1, 2, 0, 3]);
        assert_eq!(decimals.ranks(), [2, 1, 3, 0]);
        assert_eq!(decimals.value(2), i128::MAX);
        assert_eq!(ranks(&values), [2, 1, 3, 2, 0]);
    }

    #[test]
    fn many_decimals_survive_growth() {
        let mut decimals = Decimals::new();
        for pass in 0..2 {
            for value in 0..10_000 {
                assert_eq!(decimals.intern(i128::from(value) << 70).unwrap(), value as u32, "pass {pass}");
            }
        }
    }
}
