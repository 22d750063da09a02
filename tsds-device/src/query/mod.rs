//! Requests: how they are cut into waves, and what becomes of what waves find.

mod aggregate;
mod scan;
mod states;

use std::sync::Arc;

use tsds_compute::{CompiledPredicate, Verdict};
use tsds_traits::{ColumnId, Predicate, ReadMeter, Result, TableSchema, World};

use crate::busy::Busy;
use crate::device::Device;
use crate::request::distinct;
use crate::residency::Stop;
use crate::room;
use crate::segment::DeviceSegment;
use crate::wave::{Scratch, Wave, WavePart};

pub(crate) use aggregate::Aggregation;
pub(crate) use scan::Scan;

/// How many parts a wave has at most.
const WAVE_PARTS: usize = 4096;

/// What all requests have in common.
#[derive(Debug)]
pub(crate) struct Context<D: Device> {
    pub(crate) world: World,
    pub(crate) device: Arc<D>,
    pub(crate) busy: Arc<Busy>,
    pub(crate) scratch: Scratch,
    /// How many rows a wave has at most, if it has more than one part.
    pub(crate) wave_rows: u64,
}

/// What scans and aggregates have in common.
#[derive(Debug)]
pub(crate) struct Reading<D: Device> {
    pub(crate) context: Arc<Context<D>>,
    pub(crate) schema: Arc<TableSchema>,
    /// Every column that is read.
    pub(crate) columns: Vec<ColumnId>,
    /// Those of them whose values are returned.
    returned: Vec<ColumnId>,
    pub(crate) predicate: Option<CompiledPredicate>,
    /// In request order, held until the request is answered.
    pub(crate) segments: Vec<Arc<DeviceSegment<D>>>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) meter: ReadMeter,
}

/// A wave before it has memory.
pub(crate) struct PlannedWave<D: Device> {
    parts: Vec<WavePart<D>>,
    bytes: u64,
}

impl<D: Device> Reading<D> {
    /// Checks what scans and aggregates have in common: what is not known is said before what `segments` say is not there.
    ///
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate that is not known.
    pub(crate) fn new(
        context: Arc<Context<D>>,
        schema: &Arc<TableSchema>,
        predicate: Option<&Predicate>,
        (columns, returned): (Vec<ColumnId>, Vec<ColumnId>),
        segments: impl FnOnce() -> Result<Vec<Arc<DeviceSegment<D>>>>,
        stop: Arc<Stop>,
        meter: &ReadMeter,
    ) -> Result<Self> {
        let predicate = predicate.map(|predicate| CompiledPredicate::new(predicate, schema)).transpose()?;
        let tested = predicate.iter().flat_map(|predicate| predicate.columns().to_vec());
        let columns = distinct(columns.into_iter().chain(tested));
        let (schema, meter, segments) = (Arc::clone(schema), meter.clone(), segments()?);
        Ok(Self { context, schema, columns, returned, predicate, segments, stop, meter })
    }

    /// The parts that can have a matching row, cut into waves, in request order.
    pub(crate) fn waves(&self) -> Vec<PlannedWave<D>> {
        let mut waves: Vec<PlannedWave<D>> = Vec::new();
        let mut rows = 0;
        for (position, segment) in self.segments.iter().enumerate() {
            let mut worked_on = 0;
            for (index, part) in segment.parts.iter().enumerate() {
                let stats = |column| part.stats(column);
                let predicate = self.predicate.as_ref();
                let verdict = predicate
                    .map_or(Verdict::All, |predicate| predicate.verdict(&stats, u64::from(part.rows)));
                if verdict == Verdict::None {
                    continue;
                }
                worked_on += 1;
                let (more, bytes) = (u64::from(part.rows), self.bytes_for(segment, u64::from(part.rows)));
                let found = WavePart { position, segment: Arc::clone(segment), index, verdict };
                // What a wave computes lies in a few buffers, the largest of which has most of it.
                let room = room::of_wave(self.context.scratch.bytes())
                    .min(self.context.device.info().max_buffer_bytes / 2);
                match waves.last_mut() {
                    Some(wave)
                        if rows + more <= self.context.wave_rows
                            && wave.bytes + bytes <= room
                            && wave.parts.len() < WAVE_PARTS =>
                    {
                        rows += more;
                        wave.bytes += bytes;
                        wave.parts.push(found);
                    }
                    _ => {
                        rows = more;
                        waves.push(PlannedWave { parts: vec![found], bytes });
                    }
                }
            }
            self.count(segment, worked_on);
        }
        waves
    }

    /// Counts a segment, of which so many parts are worked on. A part counts as a block of each column that is read.
    fn count(&self, segment: &DeviceSegment<D>, worked_on: usize) {
        let columns = self.columns.len() as u64;
        match worked_on {
            0 => self.meter.segments_skipped(1),
            _ => self.meter.segments_opened(1),
        }
        self.meter.blocks_read(worked_on as u64 * columns);
        self.meter.blocks_skipped((segment.parts.len() - worked_on) as u64 * columns);
    }

    /// What a wave takes for so many rows of a segment, with what is looked up for them on the host.
    fn bytes_for(&self, segment: &DeviceSegment<D>, rows: u64) -> u64 {
        let read = segment.columns.iter().filter(|column| self.columns.contains(&column.id));
        let row_bits: u64 = read.map(|column| column.form.bytes(8) + 1).sum();
        let returned = segment.columns.iter().filter(|column| self.returned.contains(&column.id));
        let host_bits: u64 = returned.map(|column| column.meaning.host_row_bits()).sum();
        room::taken(rows, row_bits, self.columns.len() as u64) + rows.saturating_mul(host_bits) / 8
    }

    /// Gives a wave memory.
    ///
    /// # Errors
    ///
    /// `Closed` if nobody wants the answer any more; `DeviceLost`.
    pub(crate) async fn begin(&self, planned: PlannedWave<D>) -> Result<Wave<D>> {
        let permit = self.context.scratch.reserve(planned.bytes).await?;
        self.stop.check()?;
        let mut parts = planned.parts;
        // Kernels are launched once for all parts in a slab.
        parts.sort_by_key(|part| part.part().map_or(usize::MAX, |part| part.extent.slab()));
        Ok(Wave {
            world: self.context.world.clone(),
            device: Arc::clone(&self.context.device),
            busy: Arc::clone(&self.context.busy),
            slots: self.columns.clone(),
            parts,
            bytes: planned.bytes.min(self.context.scratch.bytes()),
            permit: Arc::new(permit),
            meter: self.meter.clone(),
        })
    }
}
