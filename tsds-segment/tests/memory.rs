//! A segment in memory is a source like any other, without blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::*;
use futures::TryStreamExt;
use tsds_io::SimWorld;
use tsds_segment::MemorySource;
use tsds_traits::{ColumnId, ErrorKind, SegmentId, SegmentSource};

#[test]
fn rows_stream_in_order_as_often_as_asked() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let pieces = segment.pieces(&[50]);
    let source = MemorySource::new(segment.meta.clone(), segment.schema.clone(), pieces.clone()).unwrap();
    let first = source.batches();
    for stream in [source.batches(), first] {
        let batches: Vec<_> = SimWorld::new(1).block_on(stream.try_collect()).unwrap();
        assert_eq!(batches, pieces);
    }
}

#[test]
fn there_are_no_blocks_but_columns_must_exist() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let rows = vec![segment.rows().clone()];
    let source = MemorySource::new(segment.meta.clone(), segment.schema.clone(), rows).unwrap();
    assert!(source.layout(VALUE).unwrap().is_none());
    assert!(SimWorld::new(1).block_on(source.blocks(VALUE, 0..120)).unwrap().is_none());
    assert_eq!(source.layout(ColumnId(99)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(
        SimWorld::new(1).block_on(source.blocks(ColumnId(99), 0..1)).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn other_rows_than_the_metadata_say_are_refused() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let too_few = vec![segment.rows().slice(0, 119)];
    let other_schema = vec![segment.rows().project(&[0]).unwrap()];
    for rows in [Vec::new(), too_few, other_schema] {
        let error = MemorySource::new(segment.meta.clone(), segment.schema.clone(), rows).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
