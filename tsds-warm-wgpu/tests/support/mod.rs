//! A device for the tests of a binary, trials that say so when there is none, and short ways to run works.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tsds_device::kernel::Kernel;
use tsds_device::{Device, Launch, PARAMS, Step, Work};
use tsds_io::Runtime;
use tsds_traits::{ErrorKind, World};
use tsds_warm_wgpu::{WgpuBuffer, WgpuDevice, WgpuSettings};

pub(crate) type Buffer = Arc<WgpuBuffer>;

/// A name and a test.
pub(crate) type Test = (&'static str, fn(&Bench));

/// A device and a world to run it in.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) device: WgpuDevice,
}

pub(crate) fn settings() -> WgpuSettings {
    let adapter = std::env::var("TSDS_WGPU_ADAPTER").ok();
    WgpuSettings { adapter, allow_software: true, max_memory_mb: None }
}

/// Whether `TSDS_REQUIRE` names the tier: then its absence is a failure.
fn is_required() -> bool {
    let required = std::env::var("TSDS_REQUIRE").unwrap_or_default();
    required.split(',').any(|id| id.trim() == tsds_warm_wgpu::NAME)
}

/// Runs the tests on one device that they share, or reports each of them as ignored if there is no adapter, and as failed if there
/// must be one.
pub(crate) fn run(tests: &[Test]) -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new(Some(2)).unwrap();
    let opened = runtime.block_on(WgpuDevice::open(&settings(), &runtime.world()));
    let bench = match opened {
        Ok(device) => Some(Arc::new(Bench { runtime, device })),
        Err(error) if error.kind() == ErrorKind::Unavailable => None,
        Err(error) => panic!("cannot open the device: {error}"),
    };
    let trials = tests.iter().map(|&(name, test)| match &bench {
        Some(bench) => {
            let bench = Arc::clone(bench);
            Trial::test(name, move || {
                test(&bench);
                Ok(())
            })
        }
        None => Trial::test(name, || Err("absent: no Vulkan adapter".into()))
            .with_kind("absent: no Vulkan adapter")
            .with_ignored_flag(!is_required()),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

pub(crate) fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub(crate) fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap())).collect()
}

impl Bench {
    pub(crate) fn world(&self) -> World {
        self.runtime.world()
    }

    /// A buffer that holds these words.
    pub(crate) fn upload(&self, words: &[u32]) -> Buffer {
        let buffer = self.runtime.block_on(self.device.allocate((words.len() as u64 * 4).max(4))).unwrap();
        self.device.write(&buffer, 0, &bytes_of(words)).unwrap();
        Arc::new(buffer)
    }

    /// A buffer in which every word is this.
    pub(crate) fn filled(&self, words: usize, word: u32) -> Buffer {
        self.upload(&vec![word; words.max(1)])
    }

    /// Runs launches one after the other and returns all words of some buffers.
    pub(crate) fn launch(
        &self,
        launches: Vec<Launch<WgpuBuffer>>,
        reads: &[(&Buffer, usize)],
    ) -> Vec<Vec<u32>> {
        let steps = launches.into_iter().map(Step::Launch).collect();
        let reads = reads.iter().map(|(buffer, words)| (Arc::clone(buffer), 0..*words as u64 * 4)).collect();
        let answer = self.runtime.block_on(self.device.run(Work { steps, reads })).unwrap();
        answer.iter().map(|bytes| words_of(bytes)).collect()
    }
}

/// A launch of a kernel: parameters by number; the number of workgroups is the first.
pub(crate) fn launch(kernel: Kernel, buffers: &[&Buffer], params: &[(usize, u32)]) -> Launch<WgpuBuffer> {
    let mut all = [0; PARAMS];
    for (number, value) in params {
        all[*number] = *value;
    }
    Launch { kernel, buffers: buffers.iter().map(|buffer| Arc::clone(buffer)).collect(), params: all }
}

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Numbers(pub u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.next() as u32
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
