//! The buffer `meta`: the tables that the kernels of one work look things up in.

use std::collections::HashMap;

use tsds_traits::{Error, Result};

use crate::kernel::{BLOCK_ITEMS, BlockEntry, PartEntry};

/// Words that are uploaded together; each table is known by its word offset.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    words: Vec<u32>,
    /// Where what was pushed with [`Tables::push_once`] begins.
    shared: HashMap<Vec<u32>, u32>,
}

impl Tables {
    /// Appends words and says where they begin.
    ///
    /// # Errors
    ///
    /// `Internal` beyond what 32 bits can address.
    pub(crate) fn push(&mut self, words: &[u32]) -> Result<u32> {
        let at = u32::try_from(self.words.len()).map_err(|_| Error::internal("tables are too large"))?;
        self.words.extend_from_slice(words);
        Ok(at)
    }

    /// Appends words unless the same ones were pushed like this before, and says where they begin.
    ///
    /// # Errors
    ///
    /// As [`Tables::push`].
    pub(crate) fn push_once(&mut self, words: Vec<u32>) -> Result<u32> {
        if let Some(at) = self.shared.get(&words) {
            return Ok(*at);
        }
        let at = self.push(&words)?;
        self.shared.insert(words, at);
        Ok(at)
    }

    /// Appends a block table.
    ///
    /// # Errors
    ///
    /// As [`Tables::push`].
    pub(crate) fn push_blocks(&mut self, blocks: &[BlockEntry]) -> Result<u32> {
        let words: Vec<u32> = blocks.iter().flat_map(|block| block.words()).collect();
        self.push(&words)
    }

    /// Appends a part table.
    ///
    /// # Errors
    ///
    /// As [`Tables::push`].
    pub(crate) fn push_parts(&mut self, parts: &[PartEntry]) -> Result<u32> {
        let words: Vec<u32> = parts.iter().flat_map(|part| part.words()).collect();
        self.push(&words)
    }

    /// What is uploaded; never empty.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self.words.is_empty() {
            true => vec![0; 4],
            false => bytes_of(&self.words),
        }
    }
}

/// Numbers as a device has them.
pub(crate) fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The blocks of `items` items from `first` on.
pub(crate) fn blocks_of(part: u32, first: u32, items: u32, size: u32) -> impl Iterator<Item = BlockEntry> {
    let size = size.clamp(1, BLOCK_ITEMS);
    (0..items.div_ceil(size)).map(move |index| BlockEntry {
        part,
        first: first + index * size,
        items: size.min(items - index * size),
        aux: 0,
    })
}
