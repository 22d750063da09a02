//! A device that remembers what it was asked to do, so that the kernels of a request can be timed without the request.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::kernel::Kernel;
use crate::{Device, DeviceInfo, Fault, Launch, Step, Work};

/// What works did, and the memory that they did it in.
pub(super) type Steps<B> = Vec<Step<B>>;

#[derive(Debug)]
pub(super) struct Recorder<D: Device> {
    device: Arc<D>,
    works: Mutex<Vec<Steps<D::Buffer>>>,
}

impl<D: Device> Recorder<D> {
    pub(super) fn new(device: &Arc<D>) -> Arc<Self> {
        Arc::new(Self { device: Arc::clone(device), works: Mutex::default() })
    }

    /// The steps of the works since the last time.
    pub(super) fn take(&self) -> Vec<Steps<D::Buffer>> {
        std::mem::take(&mut *self.works.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The launches of a kernel since the last time.
    pub(super) fn take_launches(&self, of: Kernel) -> Steps<D::Buffer> {
        let is_of = |step: &Step<D::Buffer>| matches!(step, Step::Launch(launch) if launch.kernel == of);
        self.take().into_iter().flatten().filter(is_of).collect()
    }
}

/// The same step, once more.
pub(super) fn again<B>(step: &Step<B>) -> Step<B> {
    match step {
        Step::Launch(Launch { kernel, buffers, params }) => {
            Step::Launch(Launch { kernel: *kernel, buffers: buffers.clone(), params: *params })
        }
        Step::Clear(buffer, range) => Step::Clear(Arc::clone(buffer), range.clone()),
        Step::Copy { from, to, bytes } => {
            Step::Copy { from: (Arc::clone(&from.0), from.1), to: (Arc::clone(&to.0), to.1), bytes: *bytes }
        }
    }
}

#[async_trait]
impl<D: Device> Device for Recorder<D> {
    type Buffer = D::Buffer;

    fn info(&self) -> &DeviceInfo {
        self.device.info()
    }

    async fn allocate(&self, bytes: u64) -> Result<D::Buffer, Fault> {
        self.device.allocate(bytes).await
    }

    fn write(&self, buffer: &D::Buffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.device.write(buffer, at, bytes)
    }

    async fn run(&self, work: Work<D::Buffer>) -> Result<Vec<Vec<u8>>, Fault> {
        let steps = work.steps.iter().map(again).collect();
        self.works.lock().unwrap_or_else(PoisonError::into_inner).push(steps);
        self.device.run(work).await
    }

    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }
}
