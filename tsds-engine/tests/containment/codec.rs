//! A codec that misbehaves: what it cannot write is written plain; what only it can read gives an error that names it.

use tsds_engine::config::Settings;
use tsds_engine::traits::ErrorKind;
use tsds_io::SimWorld;

use super::saboteurs::{CODEC, CodecFault};
use super::{assert_names, assert_whole, filled, found, open, plugin, settings};

const ROWS: i64 = 240;

fn with_codec() -> Settings {
    let mut settings = settings();
    settings.warm_tier.file_codec = CODEC.into();
    settings
}

/// Rows are sealed in the plain codec, and are there, also without the codec.
fn written_plain(fault: CodecFault) {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = filled(&machine, fault.registry(), with_codec(), 0..ROWS).await;
        assert_eq!(database.tier_counts().warm, ROWS as u64, "{fault:?}: not sealed");
        assert_whole(&database, 0..ROWS).await;
        let stats = plugin(&database, CODEC).await;
        assert!(stats.panics + stats.broken_promises > 0, "{fault:?}: {stats:?}");
        database.close().await.unwrap();
        let database = open(&machine, crate::support::registry(), settings()).await.unwrap();
        assert_whole(&database, 0..ROWS).await;
        assert!(database.verify(|_, _| ()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn rows_that_a_codec_cannot_encode_are_written_plain() {
    written_plain(CodecFault::EncodePanics);
    written_plain(CodecFault::EncodesTooLong);
}

#[test]
fn rows_that_a_codec_cannot_decode_again_are_written_plain() {
    written_plain(CodecFault::DecodePanics);
    written_plain(CodecFault::DecodesTooFewRows);
    written_plain(CodecFault::DecodesAnotherType);
}

#[test]
fn a_codec_that_encodes_something_else_is_found_out_before_the_log_forgets() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = open(&machine, CodecFault::EncodeLies.registry(), with_codec()).await.unwrap();
        database.create_table(crate::support::spec()).await.unwrap();
        super::write(&database, 0..50).await;
        // What it decodes to is sound in form: the comparison with the rows finds it.
        let sealed = database.flush().await;
        assert_whole(&database, 0..50).await;
        assert!(sealed.is_ok() || database.tier_counts().hot == 50, "{sealed:?}");
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = open(&machine, CodecFault::None.registry(), with_codec()).await.unwrap();
        assert_whole(&database, 0..50).await;
        database.flush().await.unwrap();
        assert_whole(&database, 0..50).await;
    });
}

/// Rows that a good codec wrote are there again when it is back.
fn reading_fails_by_name(fault: CodecFault) {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = filled(&machine, CodecFault::None.registry(), with_codec(), 0..ROWS).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
        let database = open(&machine, fault.registry(), with_codec()).await.unwrap();
        let error = found(&database).await.unwrap_err();
        assert_names(&error, CODEC, "decode");
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        super::write(&database, ROWS..ROWS + 10).await;
        database.close().await.unwrap();
        let database = open(&machine, CodecFault::None.registry(), with_codec()).await.unwrap();
        assert_whole(&database, 0..ROWS + 10).await;
    });
}

#[test]
fn a_codec_that_panics_on_decode_fails_the_query_by_name() {
    reading_fails_by_name(CodecFault::DecodePanics);
}

#[test]
fn a_codec_that_decodes_too_few_rows_fails_the_query_by_name() {
    reading_fails_by_name(CodecFault::DecodesTooFewRows);
}

#[test]
fn a_codec_that_decodes_to_another_type_fails_the_query_by_name() {
    reading_fails_by_name(CodecFault::DecodesAnotherType);
}

#[test]
fn a_codec_that_cannot_be_built_fails_the_opening_by_name() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let error = open(&machine, CodecFault::BuildPanics.registry(), with_codec()).await.unwrap_err();
        assert_names(&error, CODEC, "build");
        open(&machine, CodecFault::None.registry(), with_codec()).await.unwrap();
    });
}
