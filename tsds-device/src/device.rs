//! [`Device`]: what a backend has to be able to do. Everything else of a device tier is in this crate.

use std::any::Any;
use std::fmt::{self, Debug, Display};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tsds_traits::{Error, ErrorKind};

use crate::kernel::Kernel;

/// A device with memory of its own that runs [kernels](Kernel).
///
/// # Contract
///
/// - Steps of one [`Work`], and works of one caller that wait for each other, see each other's effects in order. Works that
///   are submitted at the same time may run in any order or at once; they share no buffer that one of them writes.
/// - Memory is zero when it is allocated.
/// - No call blocks the thread of an async runtime for longer than it takes to copy its arguments.
/// - After [`Fault::Lost`] every call gives `Lost`.
/// - A kernel that is given buffers and tables as [`Kernel`] says never reads or writes outside of them. What it does with
///   others is not defined, but it does not harm the host.
#[async_trait]
pub trait Device: Debug + Send + Sync + 'static {
    /// Memory on the device; given back when dropped, and when no work that names it runs any more.
    type Buffer: Debug + Send + Sync + 'static;

    /// What the device is.
    fn info(&self) -> &DeviceInfo;

    /// Allocates memory.
    ///
    /// # Errors
    ///
    /// [`Fault::OutOfMemory`], after which the device goes on working; `Lost`.
    async fn allocate(&self, bytes: u64) -> Result<Self::Buffer, Fault>;

    /// Copies bytes to the device, before any work that is submitted later. Both `at` and the length are multiples of 4.
    ///
    /// # Errors
    ///
    /// `Lost`; `Rejected` beyond the end of the buffer.
    fn write(&self, buffer: &Self::Buffer, at: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Runs steps in order, and returns what [`Work::reads`] names. Dropping the future abandons the result.
    ///
    /// # Errors
    ///
    /// `Lost`; `Rejected` for work that the device does not accept; `OutOfMemory`.
    async fn run(&self, work: Work<Self::Buffer>) -> Result<Vec<Vec<u8>>, Fault>;

    /// Whether the device is lost for good.
    fn is_lost(&self) -> bool;
}

/// One device for several users.
#[async_trait]
impl<D: Device> Device for Arc<D> {
    type Buffer = D::Buffer;

    fn info(&self) -> &DeviceInfo {
        (**self).info()
    }

    async fn allocate(&self, bytes: u64) -> Result<D::Buffer, Fault> {
        (**self).allocate(bytes).await
    }

    fn write(&self, buffer: &D::Buffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        (**self).write(buffer, at, bytes)
    }

    async fn run(&self, work: Work<D::Buffer>) -> Result<Vec<Vec<u8>>, Fault> {
        (**self).run(work).await
    }

    fn is_lost(&self) -> bool {
        (**self).is_lost()
    }
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The name for people, such as `NVIDIA H100`.
    pub name: String,
    /// What stands between TSDS and the device, such as `Vulkan, Mesa 22.3.6`.
    pub driver: String,
    /// Whether the host's processor plays the device.
    pub software: bool,
    /// The largest buffer that a kernel can be given, in bytes; a multiple of 256.
    pub max_buffer_bytes: u64,
    /// How many bits its passes of a sort take at once: what it does with the fewest bytes moved and the least waiting.
    pub radix_bits: u32,
}

/// Where a device does not say otherwise: the counts of a digit are one for every four threads of a workgroup.
const RADIX_BITS: u32 = 4;

impl DeviceInfo {
    /// A device that sorts by digits of 4 bits.
    pub fn new(
        name: impl Into<String>,
        driver: impl Into<String>,
        software: bool,
        max_buffer_bytes: u64,
    ) -> Self {
        let max_buffer_bytes = max_buffer_bytes & !255;
        let (name, driver) = (name.into(), driver.into());
        Self { name, driver, software, max_buffer_bytes, radix_bits: RADIX_BITS }
    }

    /// A device whose passes of a sort take `bits` bits, 4 or 8, at once.
    pub fn with_radix_bits(mut self, bits: u32) -> Self {
        self.radix_bits = bits;
        self
    }
}

/// Steps that run in order, and what is read when they are through.
#[derive(Debug)]
pub struct Work<B> {
    /// What is done.
    pub steps: Vec<Step<B>>,
    /// What is returned, in this order. Offsets and lengths are multiples of 4.
    pub reads: Vec<(Arc<B>, Range<u64>)>,
    /// What the device lets go of when the work has ended, however it ends, and not before: also if its future is dropped.
    pub holds: Option<Hold>,
}

/// Whatever somebody wants to know held.
pub type Hold = Arc<dyn Any + Send + Sync>;

impl<B> Work<B> {
    /// A work that holds nothing.
    pub fn new(steps: Vec<Step<B>>, reads: Vec<(Arc<B>, Range<u64>)>) -> Self {
        Self { steps, reads, holds: None }
    }

    /// The same work, which holds this.
    pub fn holding(mut self, hold: Hold) -> Self {
        self.holds = Some(hold);
        self
    }
}

impl<B> Default for Work<B> {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// One thing to do.
#[derive(Debug)]
pub enum Step<B> {
    /// Runs a kernel.
    Launch(Launch<B>),
    /// Sets bytes to zero; offset and length are multiples of 4.
    Clear(Arc<B>, Range<u64>),
    /// Copies bytes between two buffers; offsets and length are multiples of 4.
    Copy {
        /// From where.
        from: (Arc<B>, u64),
        /// To where.
        to: (Arc<B>, u64),
        /// How many bytes.
        bytes: u64,
    },
}

/// How many parameters every kernel has.
pub const PARAMS: usize = 16;

/// A kernel with what it is given.
#[derive(Debug)]
pub struct Launch<B> {
    /// Which kernel.
    pub kernel: Kernel,
    /// One buffer for each of [`Kernel::bindings`], all of it. A buffer that is written is bound once.
    pub buffers: Vec<Arc<B>>,
    /// The parameters. The first one is the number of workgroups.
    pub params: [u32; PARAMS],
}

/// Why a device did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no memory of this size at present.
    OutOfMemory,
    /// The device is gone, with all that it held.
    Lost(String),
    /// The device did not accept what was asked of it, and did nothing.
    Rejected(String),
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("the device is out of memory"),
            Self::Lost(reason) => write!(f, "the device is lost: {reason}"),
            Self::Rejected(reason) => write!(f, "the device refused: {reason}"),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match &fault {
            Fault::OutOfMemory => ErrorKind::NoSpace,
            Fault::Lost(_) => ErrorKind::DeviceLost,
            Fault::Rejected(_) => ErrorKind::Internal,
        };
        Self::new(kind, fault.to_string())
    }
}
