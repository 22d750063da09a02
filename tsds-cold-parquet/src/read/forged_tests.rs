//! Files whose checksums are right and whose contents are not: what a decoder makes of any bytes must be rows or `Corrupt`.

use std::sync::Arc;

use super::VerifiedFile;
use super::decode::{Part, decode};
use super::footer::{Detail, Footer, TextForm};
use crate::checksum::FileHasher;
use crate::common::{COLD, MemorySource, put, sim, tier};
use crate::record::FileRecord;
use tsds_traits::{ErrorKind, Result, World};

/// Decodes every row group of the file that the store holds.
async fn decode_all(file: &VerifiedFile, source: &MemorySource, world: &World) -> Result<usize> {
    let footer = Footer::load(file, &source.schema, Detail::Index, &world.executor).await?;
    let columns: Vec<usize> = (0..source.schema.columns().len()).collect();
    let mut rows = 0;
    for (group, known) in file.record().row_groups.iter().enumerate() {
        for text in [TextForm::Own, TextForm::Coded] {
            let pages = footer.page_ranges(group, &columns, None);
            let Some(pages) = pages else { return Err(tsds_traits::Error::corrupt("no such column")) };
            let verified = file.fetch(&pages.ranges).await?.verify()?;
            let (selection, skips_pages, rows_of_group) = (None, false, known.rows as usize);
            let columns = &columns;
            let part =
                Part { group, columns, text, selection, skips_pages, rows: rows_of_group, batch_rows: 512 };
            decode(&footer, &verified, file.record(), &source.schema, &part, |batch| {
                rows += batch.num_rows();
                Ok(())
            })?;
        }
    }
    Ok(rows)
}

#[test]
fn forged_bytes_never_panic() {
    let (machine, world) = sim(1);
    let tier = tier(&world);
    let source = MemorySource::sample(1, 1_500);
    let record = machine.block_on(async { put(&tier, &source).await.unwrap().record });
    let record = FileRecord::decode(&record).unwrap();
    let path = format!("{COLD}/{}", record.path);
    let bytes = machine.read_file(&path).unwrap();
    let store = Arc::new(crate::VfsObjectStore::new(world.clone(), COLD));
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let (mut refused, mut read) = (0, 0);
    for case in 0..1_200 {
        let mut forged = bytes.clone();
        // Half of the changes hit the footer, which is where lengths and counts are.
        let footer = record.footer_range().start as usize;
        for _ in 0..1 + next(3) {
            let at = if case % 2 == 0 { footer + next(bytes.len() - footer) } else { next(bytes.len()) };
            forged[at] ^= 1 << next(8);
        }
        let mut hasher = FileHasher::default();
        hasher.update(&forged);
        let record = FileRecord { checksums: hasher.finish(), ..record.clone() };
        machine.write_file(&path, &forged).unwrap();
        let file = VerifiedFile::new(store.clone(), Arc::new(record));
        match machine.block_on(decode_all(&file, &source, &world)) {
            Ok(_) => read += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && read > 100, "refused {refused}, read {read}");
}
