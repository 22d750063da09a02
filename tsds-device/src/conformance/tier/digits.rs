//! The host half where a device sorts by digits of 8 bits, on devices that may do so or not: what depends on digits is done here.

use std::sync::Arc;

use async_trait::async_trait;

use super::source::Blocks;
use super::{check_order, data, ids, put};
use crate::conformance::bench::{bytes_of, words_of};
use crate::conformance::{Bench, Subject, Test};
use crate::kernel::{BLOCK_WORDS, Kernel, PART_WORDS};
use crate::{Device, DeviceInfo, DeviceTier, Fault, Launch, Step, Work};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![("orders_by_digits_of_eight_bits_are_those_of_the_values", orders)]
}

const BITS: u32 = 8;

/// A device whose passes of a sort are plain Rust.
#[derive(Debug)]
struct EightBits<D: Device> {
    device: Arc<D>,
    info: DeviceInfo,
}

/// Memory, and how much.
#[derive(Debug)]
struct Memory<B> {
    inner: Arc<B>,
    bytes: u64,
}

#[async_trait]
impl<D: Device> Device for EightBits<D> {
    type Buffer = Memory<D::Buffer>;

    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    async fn allocate(&self, bytes: u64) -> Result<Self::Buffer, Fault> {
        Ok(Memory { inner: Arc::new(self.device.allocate(bytes).await?), bytes })
    }

    fn write(&self, buffer: &Self::Buffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.device.write(&buffer.inner, at, bytes)
    }

    async fn run(&self, work: Work<Self::Buffer>) -> Result<Vec<Vec<u8>>, Fault> {
        let mut steps = Vec::new();
        for step in work.steps {
            match step {
                Step::Launch(launch) if matches!(launch.kernel, Kernel::Histogram | Kernel::Scatter) => {
                    self.device.run(Work::new(std::mem::take(&mut steps), Vec::new())).await?;
                    self.pass(launch).await?;
                }
                Step::Launch(Launch { kernel, buffers, params }) => {
                    let buffers = buffers.iter().map(|buffer| Arc::clone(&buffer.inner)).collect();
                    steps.push(Step::Launch(Launch { kernel, buffers, params }));
                }
                Step::Clear(buffer, range) => steps.push(Step::Clear(Arc::clone(&buffer.inner), range)),
                Step::Copy { from, to, bytes } => {
                    let (from, to) = ((Arc::clone(&from.0.inner), from.1), (Arc::clone(&to.0.inner), to.1));
                    steps.push(Step::Copy { from, to, bytes });
                }
            }
        }
        let reads = work.reads.into_iter().map(|(buffer, range)| (Arc::clone(&buffer.inner), range));
        self.device.run(Work::new(steps, reads.collect())).await
    }

    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }
}

impl<D: Device> EightBits<D> {
    async fn words(&self, buffer: &Memory<D::Buffer>) -> Result<Vec<u32>, Fault> {
        let reads = vec![(Arc::clone(&buffer.inner), 0..buffer.bytes)];
        Ok(words_of(&self.device.run(Work::new(Vec::new(), reads)).await?.remove(0)))
    }

    /// What the contract says of histograms and scatters.
    async fn pass(&self, launch: Launch<Memory<D::Buffer>>) -> Result<(), Fault> {
        let Launch { kernel, buffers, params } = launch;
        assert_eq!(params[9], BITS);
        let meta = self.words(&buffers[0]).await?;
        let keys = self.words(&buffers[1]).await?;
        let key =
            |item: u32| u64::from(keys[2 * item as usize]) | u64::from(keys[2 * item as usize + 1]) << 32;
        let digit = |item: u32| (key(item) >> params[6]) as u32 & ((1 << BITS) - 1);
        let blocks = (params[5]..params[5] + params[0]).map(|number| {
            let block = &meta[(params[1] + BLOCK_WORDS * number) as usize..][..BLOCK_WORDS as usize];
            let part = &meta[(params[2] + PART_WORDS * block[0]) as usize..][..PART_WORDS as usize];
            (block[1]..block[1] + block[2], block[3], part[2], part[3])
        });
        if kernel == Kernel::Histogram {
            let mut counts = self.words(&buffers[2]).await?;
            for (items, aux, stride, _) in blocks {
                (0..1 << BITS).for_each(|digit| counts[(aux + digit * stride) as usize] = 0);
                items.for_each(|item| counts[(aux + digit(item) * stride) as usize] += 1);
            }
            return self.device.write(&buffers[2].inner, 0, &bytes_of(&counts));
        }
        let rows = self.words(&buffers[2]).await?;
        let mut offsets = self.words(&buffers[3]).await?;
        let mut keys_out = self.words(&buffers[4]).await?;
        let mut rows_out = self.words(&buffers[5]).await?;
        for (items, aux, stride, start) in blocks {
            for item in items {
                let place = &mut offsets[(aux + digit(item) * stride) as usize];
                let to = *place as usize;
                *place += 1;
                (keys_out[2 * to], keys_out[2 * to + 1]) = (key(item) as u32, (key(item) >> 32) as u32);
                rows_out[to] = if params[8] == 1 { item - start } else { rows[item as usize] };
            }
        }
        self.device.write(&buffers[4].inner, 0, &bytes_of(&keys_out))?;
        self.device.write(&buffers[5].inner, 0, &bytes_of(&rows_out))
    }
}

fn orders<S: Subject>(bench: &Bench<S>) {
    let info = bench.device.info().clone().with_radix_bits(BITS);
    let device = EightBits { device: Arc::clone(&bench.device), info };
    let tier = DeviceTier::new(bench.subject.name(), bench.world(), device, 64 << 20);
    let source = Arc::new(Blocks::new(1, &data::columns(9_000, 3), &[2_048, 700, 5_000]));
    put(bench, &tier, &source);
    let columns = ids(&source);
    for (index, column) in columns.iter().enumerate() {
        let second = columns[(index * 5 + 2) % columns.len()];
        check_order(bench, &tier, &source, [*column, second], index, None);
    }
}
