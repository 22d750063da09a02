//! Rows as the payload of a record: Arrow IPC messages, the dictionaries first, then one record batch, uncompressed and
//! without the schema, which the catalog has. Frozen: `docs/formats/wal.md`.
//!
//! Arrow IPC has no checksums; the log has checked the bytes before they get here. Decoding still trusts nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamEncoder};
use arrow_schema::{ArrowError, Schema};
use bytes::{Bytes, BytesMut};
use tsds_traits::{Error, Result, TableSchema, panic_text};

use crate::dictionary::used_values;

/// Messages and buffers begin at multiples of this in the payload.
const ALIGNMENT: usize = 8;
/// Slices shorter than this are put together.
const SMALL: usize = 4 << 10;

/// The payload of `batch`, as slices that mostly share the batch's memory.
///
/// # Errors
///
/// `Internal` if Arrow cannot encode the batch, which is of stored types only.
pub fn encode_rows(batch: &RecordBatch) -> Result<Vec<Bytes>> {
    let batch = with_used_values(batch)?;
    let mut encoder = StreamEncoder::try_new_with_options(batch.schema_ref(), options()?)?;
    let messages = encoder.encode(&batch)?;
    Ok(joined(without_schema(messages)?))
}

/// The `rows` rows of a payload. Shares the payload's memory where it is aligned to 8 bytes, as replay gives it.
///
/// # Errors
///
/// `Corrupt` if the payload is not what [`encode_rows`] made of a batch of this schema with this many rows.
pub fn decode_rows(schema: &TableSchema, payload: &Bytes, rows: u32) -> Result<RecordBatch> {
    let corrupt = |cause: String| {
        Error::corrupt("rows in the write-ahead log cannot be decoded")
            .with("table", schema.table())
            .with("schema_version", schema.version())
            .with("cause", cause)
    };
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(schema.arrow(), payload)));
    let batch =
        decoded.map_err(|panic| corrupt(panic_text(&*panic)))?.map_err(|error| corrupt(error.to_string()))?;
    if batch.num_rows() != rows as usize {
        return Err(corrupt(format!("{} rows instead of {rows}", batch.num_rows())));
    }
    Ok(batch)
}

fn options() -> Result<IpcWriteOptions> {
    Ok(IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?)
}

/// Replaces dictionaries that are much larger than the batch needs: a small slice of a large batch comes with all values.
fn with_used_values(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(used_values).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Takes the first message, the schema, off the front.
fn without_schema(messages: Vec<Buffer>) -> Result<Vec<Buffer>> {
    let begin: [u8; 8] = first_bytes(&messages)?;
    let [.., a, b, c, d] = begin;
    let mut schema = 8 + u32::from_le_bytes([a, b, c, d]) as usize;
    let mut rest = Vec::with_capacity(messages.len());
    for buffer in messages {
        let skipped = schema.min(buffer.len());
        schema -= skipped;
        if skipped < buffer.len() {
            rest.push(buffer.slice(skipped));
        }
    }
    Ok(rest)
}

fn first_bytes(messages: &[Buffer]) -> Result<[u8; 8]> {
    let mut bytes = messages.iter().flat_map(|buffer| buffer.as_slice().iter().copied());
    let mut begin = [0; 8];
    for byte in &mut begin {
        *byte = bytes.next().ok_or_else(|| Error::internal("arrow encoded no schema message"))?;
    }
    Ok(begin)
}

fn joined(buffers: Vec<Buffer>) -> Vec<Bytes> {
    let mut slices = Vec::new();
    let mut small = BytesMut::new();
    for buffer in buffers {
        if buffer.len() < SMALL {
            small.extend_from_slice(&buffer);
            continue;
        }
        if !small.is_empty() {
            slices.push(small.split().freeze());
        }
        slices.push(Bytes::from_owner(Shared(buffer)));
    }
    if !small.is_empty() {
        slices.push(small.freeze());
    }
    slices
}

struct Shared(Buffer);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn decode(schema: &Schema, payload: &Bytes) -> Result<RecordBatch, ArrowError> {
    let bad = |what: &str| ArrowError::IpcError(what.to_string());
    let mut decoder = StreamDecoder::new();
    for mut message in schema_message(schema)? {
        decoder.decode(&mut message)?;
    }
    let mut rest = aligned(payload);
    let batch = decoder.decode(&mut rest)?.ok_or_else(|| bad("no record batch"))?;
    if !rest.is_empty() {
        return Err(bad("bytes after the record batch"));
    }
    Ok(batch)
}

fn schema_message(schema: &Schema) -> Result<Vec<Buffer>, ArrowError> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
    let mut messages = StreamEncoder::try_new_with_options(schema, options)?.finish()?;
    // The end-of-stream marker.
    messages.pop();
    Ok(messages)
}

fn aligned(payload: &Bytes) -> Buffer {
    if payload.as_ptr().align_offset(ALIGNMENT) == 0 {
        Buffer::from(payload.clone())
    } else {
        Buffer::from_slice_ref(payload)
    }
}
