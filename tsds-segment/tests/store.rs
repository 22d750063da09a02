//! The segment files of a database: durable, found again, opened and removed, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use common::*;
use futures::TryStreamExt;
use tsds_io::{Fault, Operation, SimWorld, Survival};
use tsds_segment::{PlainCodec, SegmentStore, Written, rebuild};
use tsds_traits::{
    Codec, CodecCapabilities, EncodeHints, ErrorKind, KeySet, Result, Retry, SchemaVersion, SegmentFiles,
    SegmentId, SegmentMeta, SegmentSource, TableId, TableSchema,
};

fn store(machine: &SimWorld) -> SegmentStore {
    SegmentStore::new(machine.world(), "/db/segments".into(), DATABASE, codecs(), Arc::new(PlainCodec::new()))
}

/// A machine with the directory in which the store makes its own.
fn database(seed: u64) -> SimWorld {
    let machine = SimWorld::new(seed);
    machine.world().vfs.create_dir_all(Path::new("/db")).unwrap();
    machine
}

fn segment(id: u64) -> Segment {
    Segment::new(SegmentId::new(id), &sample_rows(2, 30 + id as usize % 7))
}

async fn write(store: &SegmentStore, segment: &Segment) -> Result<Written> {
    let starts = segment.sorted.run_starts.clone().into();
    store.write(&segment.meta, &segment.schema, vec![segment.rows().clone()], starts).await
}

async fn read(store: &SegmentStore, segment: &Segment) -> Result<Option<Vec<RecordBatch>>> {
    match store.open(&segment.meta, &segment.schema).await? {
        Some(file) => file.batches().try_collect().await.map(Some),
        None => Ok(None),
    }
}

#[test]
fn a_written_segment_survives_a_power_cut() {
    let machine = SimWorld::new(1);
    let segment = segment(5);
    machine.block_on(write(&store(&machine), &segment)).unwrap();
    let machine = machine.crash_with(Survival::Nothing);
    let rows = machine.block_on(read(&store(&machine), &segment)).unwrap().unwrap();
    assert!(same_rows(&rows, segment.rows()));
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_whole_segment_or_none() {
    let segment = segment(5);
    let operations = {
        let machine = SimWorld::new(1);
        machine.block_on(write(&store(&machine), &segment)).unwrap();
        machine.operations()
    };
    let mut survived = 0;
    for operation in 1..=operations {
        for variant in 0..8 {
            let machine = SimWorld::new(100 + variant);
            machine.faults().crash_at_operation(operation);
            let done = machine.run_until_power_cut(write(&store(&machine), &segment));
            assert!(done.is_none(), "the power went");
            let machine = machine.crash();
            let store = store(&machine);
            let listed = machine.block_on(store.list()).unwrap();
            match machine.block_on(read(&store, &segment)).unwrap() {
                Some(rows) => {
                    survived += 1;
                    assert!(same_rows(&rows, segment.rows()));
                    assert_eq!(listed, [segment.meta.id]);
                }
                None => assert!(listed.is_empty()),
            }
            machine.block_on(store.sweep_temporary()).unwrap();
            let left = machine.list_files("/").unwrap();
            assert_eq!(left.len(), listed.len(), "operation {operation}: {left:?}");
            // Whatever was left, the segment can be written.
            machine.block_on(write(&store, &segment)).unwrap();
        }
    }
    assert!(survived > 0, "a cut after the rename may keep the file");
}

#[test]
fn a_failure_of_any_operation_leaves_no_segment_that_was_not_acknowledged() {
    let segment = segment(5);
    let operations = {
        let machine = database(1);
        let before = machine.operations();
        machine.block_on(write(&store(&machine), &segment)).unwrap();
        machine.operations() - before
    };
    for operation in 1..=operations {
        let machine = database(operation);
        machine.faults().inject(Fault::on_any_change(io::ErrorKind::Other).nth(operation));
        let store = store(&machine);
        let error = machine.block_on(write(&store, &segment)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::NotDurable), "{error}");
        if error.kind() == ErrorKind::Io {
            assert_eq!(machine.block_on(store.list()).unwrap(), [], "operation {operation}");
        }
        // Healed: a fresh write succeeds and is durable.
        machine.block_on(write(&store, &segment)).unwrap();
        let machine = machine.crash_with(Survival::Nothing);
        let rows = machine.block_on(read(&self::store(&machine), &segment)).unwrap().unwrap();
        assert!(same_rows(&rows, segment.rows()));
    }
}

#[test]
fn a_full_disk_is_retryable_and_leaves_nothing_behind() {
    let machine = SimWorld::new(1);
    machine.faults().set_capacity(Some(8 << 10));
    let (store, segment) = (store(&machine), segment(5));
    let error = machine.block_on(write(&store, &segment)).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, Retry::Later));
    assert_eq!(machine.list_files("/").unwrap(), Vec::<String>::new());
    machine.faults().set_capacity(None);
    machine.block_on(write(&store, &segment)).unwrap();
}

#[test]
fn a_failed_sync_is_an_error_and_leaves_nothing() {
    let machine = SimWorld::new(1);
    machine.faults().inject(Fault::on(Operation::Sync, io::ErrorKind::Other));
    let (store, segment) = (store(&machine), segment(5));
    let error = machine.block_on(write(&store, &segment)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(machine.list_files("/").unwrap(), Vec::<String>::new());
}

/// A plugin that rounds what it promised to keep.
#[derive(Debug)]
struct LossyCodec(PlainCodec);

impl Codec for LossyCodec {
    fn id(&self) -> &'static str {
        self.0.id()
    }

    fn version(&self) -> u16 {
        self.0.version()
    }

    fn capabilities(&self) -> &CodecCapabilities {
        self.0.capabilities()
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.0.max_encoded_len(array)
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => {
                // Neither null count nor bounds change.
                let round = |value: f64| if value.is_nan() { f64::NAN } else { value };
                self.0.encode(&floats.unary::<_, Float64Type>(round), hints, out)
            }
            None => self.0.encode(array, hints, out),
        }
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        self.0.decode(version, bytes, rows, data_type)
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        self.0.decode_range(version, bytes, rows, range, data_type)
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        self.0.filter(version, bytes, rows, data_type, keys)
    }
}

#[test]
fn a_codec_that_loses_bits_is_found_out_before_the_write_is_acknowledged() {
    let machine = SimWorld::new(1);
    let codec = Arc::new(LossyCodec(PlainCodec::new()));
    let store = SegmentStore::new(machine.world(), "/db/segments".into(), DATABASE, codecs(), codec);
    let error = machine.block_on(write(&store, &segment(5))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("column=3"), "{error}");
    assert_eq!(machine.list_files("/").unwrap(), Vec::<String>::new());
}

#[test]
fn a_segment_that_is_absent_opens_as_none_and_is_removed_at_once() {
    let machine = SimWorld::new(1);
    let (store, segment) = (store(&machine), segment(5));
    assert!(machine.block_on(store.open(&segment.meta, &segment.schema)).unwrap().is_none());
    machine.block_on(store.remove(segment.meta.id)).unwrap();
    assert_eq!(machine.block_on(store.list()).unwrap(), []);
    assert_eq!(machine.block_on(store.sweep_temporary()).unwrap(), 0);
}

#[test]
fn a_removed_segment_stays_removed_after_a_power_cut() {
    let machine = SimWorld::new(1);
    let (store, segment) = (store(&machine), segment(5));
    machine.block_on(async {
        write(&store, &segment).await.unwrap();
        store.open(&segment.meta, &segment.schema).await.unwrap().unwrap();
        store.remove(segment.meta.id).await.unwrap();
        assert!(store.open(&segment.meta, &segment.schema).await.unwrap().is_none());
    });
    let machine = machine.crash_with(Survival::Everything);
    assert_eq!(machine.block_on(self::store(&machine).list()).unwrap(), []);
}

#[test]
fn a_stream_goes_on_after_its_segment_is_removed() {
    let machine = SimWorld::new(1);
    let store = store(&machine);
    let segment = Segment::new(SegmentId::new(5), &sample_rows(2, 16_000));
    machine.block_on(async {
        write(&store, &segment).await.unwrap();
        let file = store.open(&segment.meta, &segment.schema).await.unwrap().unwrap();
        let mut stream = file.batches();
        let mut batches = vec![stream.try_next().await.unwrap().unwrap()];
        store.remove(segment.meta.id).await.unwrap();
        while let Some(batch) = stream.try_next().await.unwrap() {
            batches.push(batch);
        }
        assert_eq!(batches.len(), 2);
        assert!(same_rows(&batches, segment.rows()));
    });
}

#[test]
fn the_list_is_ascending_and_ignores_what_is_no_segment() {
    let machine = SimWorld::new(1);
    let store = store(&machine);
    let ids = [3 << 20, 7, 1_024, 1_023, 5_000_000];
    for id in ids {
        machine.block_on(write(&store, &segment(id))).unwrap();
    }
    for foreign in [
        "0/0/notes.txt",
        "0/0/0000000000000007-00000000.seg.tmp",
        "x/y/z",
        "loose.seg",
        "0/1/0000000000000007-00000000.seg",
    ] {
        machine.write_file(format!("/db/segments/{foreign}"), b"?").unwrap();
    }
    let listed: Vec<u64> = machine.block_on(store.list()).unwrap().iter().map(|id| id.id).collect();
    assert_eq!(listed, [7, 1_023, 1_024, 3 << 20, 5_000_000]);
    assert_eq!(
        store.path(SegmentId { id: 5_000_000, generation: 2 }),
        Path::new("/db/segments/4/786/00000000004c4b40-00000002.seg")
    );
    assert_eq!(machine.block_on(store.sweep_temporary()).unwrap(), 1);
    assert!(machine.list_files("/db/segments").unwrap().contains(&"0/0/notes.txt".to_owned()));
}

#[test]
fn a_file_that_says_something_else_than_the_catalog_is_corrupt() {
    let machine = SimWorld::new(1);
    let (store, segment) = (store(&machine), segment(5));
    machine.block_on(write(&store, &segment)).unwrap();
    let other_meta = Arc::new(SegmentMeta { plain_bytes: 1, ..(*segment.meta).clone() });
    let columns = segment.schema.columns().to_vec();
    let other_schema = TableSchema::new(TableId(3), SchemaVersion(2), columns, TIME, &[]).unwrap();
    for (meta, schema) in [(&other_meta, &segment.schema), (&segment.meta, &Arc::new(other_schema))] {
        let error = machine.block_on(store.open(meta, schema)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("catalog"), "{error}");
    }
}

#[test]
fn a_file_under_the_name_of_another_segment_is_corrupt() {
    let machine = SimWorld::new(1);
    let (store, one, two) = (store(&machine), segment(5), segment(12));
    machine.block_on(write(&store, &one)).unwrap();
    let bytes = machine.read_file(store.path(one.meta.id)).unwrap();
    machine.write_file(store.path(two.meta.id), &bytes).unwrap();
    let error = machine.block_on(store.open(&two.meta, &two.schema)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn the_trait_gives_the_same_files() {
    let machine = SimWorld::new(1);
    let (store, segment) = (store(&machine), segment(5));
    machine.block_on(write(&store, &segment)).unwrap();
    let files: Arc<dyn SegmentFiles> = Arc::new(store);
    let source = machine.block_on(files.open(&segment.meta, &segment.schema)).unwrap().unwrap();
    assert_eq!(source.meta(), &segment.meta);
    assert_eq!(source.layout(VALUE).unwrap().unwrap().len(), 1);
}

#[test]
fn many_segments_need_few_file_descriptors() {
    let machine = SimWorld::new(1);
    let store = store(&machine);
    let segments: Vec<_> = (0..300).map(segment).collect();
    machine.block_on(async {
        let mut open = Vec::new();
        for segment in &segments {
            write(&store, segment).await.unwrap();
            open.push(store.open(&segment.meta, &segment.schema).await.unwrap().unwrap());
        }
        // The first files were closed long ago and come back when they are read.
        for (file, segment) in open.iter().zip(&segments) {
            let rows: Vec<_> = file.batches().try_collect().await.unwrap();
            assert!(same_rows(&rows, segment.rows()));
        }
    });
}

#[test]
fn the_same_segment_is_not_written_twice_at_once() {
    let machine = SimWorld::new(1);
    let (store, segment) = (store(&machine), segment(5));
    let (one, two) =
        machine.block_on(futures::future::join(write(&store, &segment), write(&store, &segment)));
    for error in [one, two].into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(machine.block_on(store.list()).unwrap(), [segment.meta.id]);
}

#[test]
fn a_catalog_can_be_rebuilt_from_the_files() {
    let machine = SimWorld::new(1);
    let store = store(&machine);
    let segments: Vec<_> = [12, 5, 3 << 20].map(segment).into();
    for segment in &segments {
        machine.block_on(write(&store, segment)).unwrap();
    }
    let damaged = segment(6);
    machine.block_on(write(&store, &damaged)).unwrap();
    let len = machine.read_file(store.path(damaged.meta.id)).unwrap().len() as u64;
    machine.truncate(store.path(damaged.meta.id), len - 1).unwrap();
    let bytes = machine.read_file(store.path(segments[0].meta.id)).unwrap();
    machine.write_file(store.path(SegmentId::new(7)), &bytes).unwrap();
    machine.write_file("/db/segments/0/0/0000000000000008-00000000.seg.tmp", &bytes).unwrap();

    let world = machine.world();
    let rebuilt = rebuild(&*world.vfs, Path::new("/db/segments"), DATABASE).unwrap();
    let found: Vec<_> = rebuilt.segments.iter().map(|found| (&found.meta, &found.schema)).collect();
    let expected: Vec<_> = [1, 0, 2].map(|at: usize| (&segments[at].meta, &segments[at].schema)).into();
    assert_eq!(found, expected);
    let damaged: Vec<_> = rebuilt.damaged.iter().map(|(path, error)| (path.clone(), error.kind())).collect();
    let expected = [6, 7].map(|id| (store.path(SegmentId::new(id)), ErrorKind::Corrupt));
    assert_eq!(damaged, expected);
}
