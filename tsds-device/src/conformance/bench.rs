//! A device for the tests of a binary, trials that say so when there is none, and short ways to run works.

use std::fmt::Debug;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tsds_io::Runtime;
use tsds_traits::{ErrorKind, Result, World};

use crate::kernel::Kernel;
use crate::{Device, Launch, PARAMS, Step, Work};

/// What is tested: where its devices come from, and how they are lost.
pub trait Subject: Debug + Send + Sync + 'static {
    /// The devices.
    type Device: Device;

    /// The id of the tier on such devices: if `TSDS_REQUIRE` names it, the absence of devices is a failure.
    fn name(&self) -> &'static str;

    /// Opens a device.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is none on this machine.
    fn open(&self, world: &World) -> impl Future<Output = Result<Self::Device>> + Send;

    /// Makes the device lost for that reason, as if it were pulled out.
    fn lose(&self, device: &Self::Device, reason: &str);

    /// How many bytes a second come to the device at best, however they are brought there; `None` where nobody knows.
    fn link_bandwidth(&self, _: &Self::Device) -> impl Future<Output = Option<f64>> + Send {
        async { None }
    }
}

/// Memory of a subject's devices.
pub type BufferOf<S> = <<S as Subject>::Device as Device>::Buffer;

/// Memory that several launches use.
pub type Buffer<S> = Arc<BufferOf<S>>;

/// A name and a test.
pub type Test<S> = (&'static str, fn(&Bench<S>));

/// A device and a world to run it in.
#[derive(Debug)]
pub struct Bench<S: Subject> {
    /// Where the device came from.
    pub subject: S,
    /// What runs futures.
    pub runtime: Runtime,
    /// The device.
    pub device: Arc<S::Device>,
}

/// So many times what a trial does over and over: `TSDS_REPEAT` times as often, where that is set.
///
/// # Panics
///
/// If `TSDS_REPEAT` is no number.
pub(crate) fn repeats(times: u64) -> u64 {
    let factor = std::env::var("TSDS_REPEAT").map_or(1, |text| text.parse().unwrap());
    times * factor
}

/// Runs the tests on one device that they share, or reports each of them as ignored if there is no device, and as failed if there
/// must be one.
pub fn run<S: Subject>(subject: S, tests: Vec<Test<S>>) -> ExitCode {
    let arguments = Arguments::from_args();
    let required = std::env::var("TSDS_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|id| id.trim() == subject.name());
    let bench = match Bench::open(subject) {
        Ok(bench) => Ok(Arc::new(bench)),
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(format!("absent: {error}")),
        Err(error) => panic!("cannot open the device: {error}"),
    };
    let trials = tests.into_iter().map(|(name, test)| match bench.clone() {
        Ok(bench) => Trial::test(name, move || {
            test(&bench);
            Ok(())
        }),
        Err(absent) => {
            let why = absent.clone();
            Trial::test(name, || Err(why.into())).with_kind(absent).with_ignored_flag(!is_required)
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

pub(super) fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub(super) fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

impl<S: Subject> Bench<S> {
    /// A device of the subject.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is none on this machine.
    pub fn open(subject: S) -> Result<Self> {
        let runtime = Runtime::new(Some(2))?;
        let device = Arc::new(runtime.block_on(subject.open(&runtime.world()))?);
        Ok(Self { subject, runtime, device })
    }

    /// The world of the device.
    pub fn world(&self) -> World {
        self.runtime.world()
    }

    /// A buffer that holds these words.
    pub fn upload(&self, words: &[u32]) -> Buffer<S> {
        let buffer = self.runtime.block_on(self.device.allocate((words.len() as u64 * 4).max(4))).unwrap();
        self.device.write(&buffer, 0, &bytes_of(words)).unwrap();
        Arc::new(buffer)
    }

    /// A buffer in which every word is this.
    pub fn filled(&self, words: usize, word: u32) -> Buffer<S> {
        self.upload(&vec![word; words.max(1)])
    }

    /// Runs launches one after the other and returns all words of some buffers.
    pub fn launch(&self, launches: Vec<Launch<BufferOf<S>>>, reads: &[(&Buffer<S>, usize)]) -> Vec<Vec<u32>> {
        let steps = launches.into_iter().map(Step::Launch).collect();
        let reads = reads.iter().map(|(buffer, words)| (Arc::clone(buffer), 0..*words as u64 * 4)).collect();
        let answer = self.runtime.block_on(self.device.run(Work::new(steps, reads))).unwrap();
        answer.iter().map(|bytes| words_of(bytes)).collect()
    }
}

/// A launch of a kernel: parameters by number; the number of workgroups is the first.
pub fn launch<B>(kernel: Kernel, buffers: &[&Arc<B>], params: &[(usize, u32)]) -> Launch<B> {
    let mut all = [0; PARAMS];
    for (number, value) in params {
        all[*number] = *value;
    }
    Launch { kernel, buffers: buffers.iter().map(|buffer| Arc::clone(buffer)).collect(), params: all }
}

/// Numbers that follow from a seed (splitmix64).
#[derive(Clone, Copy, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "they never end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number of 32 bits.
    pub fn word(&mut self) -> u32 {
        self.next() as u32
    }

    /// True once in so many times.
    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// One of some values.
    ///
    /// # Panics
    ///
    /// Where there are none.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
