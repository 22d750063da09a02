//! A world that a seed decides: the same seed, the same order of tasks, the same damage.

mod clock;
mod faults;
mod fs;
mod random;
mod scheduler;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tsds_traits::World;

pub use faults::{DirectoryOrder, Fault, Faults, Operation, Survival, is_power_cut};

use clock::{SimClock, Timeline};
use fs::{DiskState, SharedDisk, SimVfs};
use random::{SimRandom, mix};
use scheduler::{DEFAULT_STEP_LIMIT, Scheduler, SimExecutor};

/// One life of a simulated machine: from its start to a crash, kill or the end of the test.
///
/// Everything that happens in it follows from the seed and from what the program does. [`SimWorld::crash`] and
/// [`SimWorld::kill`] end this life and return the next one, with what survived on the disk.
pub struct SimWorld {
    seed: u64,
    life: u64,
    disk: Arc<SharedDisk>,
    scheduler: Arc<Scheduler>,
    timeline: Arc<Timeline>,
    world: World,
}

impl SimWorld {
    /// A machine with an empty, endless disk. The wall clock says 2024-01-01 00:00 UTC.
    pub fn new(seed: u64) -> Self {
        let timeline = Arc::new(Timeline::new());
        let disk = DiskState::new(mix(seed, 0), Arc::clone(&timeline));
        Self::start(seed, 0, disk, timeline, DEFAULT_STEP_LIMIT)
    }

    fn start(seed: u64, life: u64, disk: DiskState, timeline: Arc<Timeline>, step_limit: u64) -> Self {
        let seed_of = |part: u64| mix(mix(seed, life), part);
        let disk = Arc::new(SharedDisk::new(disk));
        let scheduler = Scheduler::new(seed_of(1), step_limit, Arc::clone(&timeline));
        let world = World {
            vfs: Arc::new(SimVfs::new(Arc::clone(&disk))),
            clock: Arc::new(SimClock(Arc::clone(&timeline))),
            random: Arc::new(SimRandom::new(seed_of(2))),
            executor: Arc::new(SimExecutor(Arc::clone(&scheduler))),
        };
        Self { seed, life, disk, scheduler, timeline, world }
    }

    /// The world to hand to the program under test.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// Runs `future` to its end, and with it all tasks and jobs that have been spawned, one at a time in an order that the
    /// seed decides. When none can run, time jumps to the next timer. Tasks that are left wait for the next `block_on`.
    ///
    /// # Panics
    ///
    /// "simulated deadlock" when nothing can run and no timer is set; "simulated livelock" after too many steps; and with
    /// the panic of any task or job: nothing that TSDS spawns may panic.
    #[expect(clippy::panic, reason = "cannot happen: only a power cut that was asked for stops a run")]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.scheduler.run(future, || false) {
            Some(output) => output,
            None => panic!("the simulated world stopped by itself"),
        }
    }

    /// As [`block_on`](Self::block_on), but stops at once, with `None`, when the power goes at the operation that
    /// [`Faults::crash_at_operation`] named, whether or not the future could have ended without the disk.
    ///
    /// # Panics
    ///
    /// As [`block_on`](Self::block_on).
    pub fn run_until_power_cut<F: Future>(&self, future: F) -> Option<F::Output> {
        self.scheduler.run(future, || self.disk.state().dead)
    }

    /// Cuts the power: all tasks vanish, what was not synced survives or not as the seed says. Returns the machine after
    /// its reboot. Whatever still holds a part of this life gets errors that [`is_power_cut`] knows.
    #[must_use]
    pub fn crash(self) -> Self {
        self.crash_with(Survival::Random)
    }

    /// As [`crash`](Self::crash), with a say in what survives.
    #[must_use]
    pub fn crash_with(self, survival: Survival) -> Self {
        let next = self.possible_crash(survival, 0);
        self.end();
        next
    }

    /// One of the machines that a power cut at this very moment could leave; another `variant`, another outcome. This life
    /// goes on. Costs little: files are shared until written to.
    #[must_use]
    pub fn possible_crash(&self, survival: Survival, variant: u64) -> Self {
        let timeline = Arc::new(self.timeline.after_reboot());
        let disk = self.disk.state().after_power_cut(survival, variant, Arc::clone(&timeline));
        self.next_life(disk, timeline, mix(variant, 1))
    }

    /// Kills the process (`kill -9`): all tasks vanish and locks are free, but what was written stays readable, and stays
    /// unsynced. Returns the machine for the next process.
    #[must_use]
    pub fn kill(self) -> Self {
        let next = self.possible_kill(0);
        self.end();
        next
    }

    /// The machine after a kill at this very moment, while this life goes on; another `variant`, another future.
    #[must_use]
    pub fn possible_kill(&self, variant: u64) -> Self {
        let timeline = Arc::new(self.timeline.after_kill());
        let disk = self.disk.state().after_kill(variant, Arc::clone(&timeline));
        self.next_life(disk, timeline, mix(variant, 2))
    }

    fn next_life(&self, disk: DiskState, timeline: Arc<Timeline>, end: u64) -> Self {
        let life = mix(self.life, end);
        Self::start(self.seed, life, disk, timeline, self.scheduler.step_limit())
    }

    fn end(&self) {
        self.disk.state().dead = true;
        self.scheduler.end();
    }

    /// Makes things go wrong in this life.
    pub fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.disk))
    }

    /// How many operations have changed the disk in this life, or tried to: creating opens, writes, length changes,
    /// allocations, syncs of files and directories, renames, removals, created directories. Each is a moment at which
    /// [`Faults::crash_at_operation`] can cut the power.
    pub fn operations(&self) -> u64 {
        self.disk.state().operations
    }

    /// A number that depends on every step of every task and on every operation on the disk so far in this life. Two runs
    /// from the same seed that differ in it are not deterministic.
    pub fn trace(&self) -> u64 {
        mix(self.scheduler.trace(), self.disk.state().trace)
    }

    /// Makes the wall clock jump, in either direction. The monotonic clock and timers do not notice.
    pub fn set_wall_nanos(&self, nanos: i64) {
        self.timeline.set_wall_nanos(nanos);
    }

    /// Time since the machine started, as [`Clock::monotonic`](tsds_traits::Clock::monotonic).
    pub fn now(&self) -> Duration {
        self.timeline.now()
    }

    /// After how many steps one `block_on` counts as a livelock; 50 million unless set.
    pub fn set_step_limit(&self, steps: u64) {
        self.scheduler.set_step_limit(steps);
    }

    /// The contents of a file as a reader sees them. As all that follow: no counted operation, no fault.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`.
    pub fn read_file(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.disk.read_file(path.as_ref())
    }

    /// Puts a file with these contents on the disk, durably, replacing what was there; creates missing directories.
    ///
    /// # Errors
    ///
    /// `NotADirectory`, `IsADirectory`.
    pub fn write_file(&self, path: impl AsRef<Path>, contents: &[u8]) -> io::Result<()> {
        self.disk.write_file(path.as_ref(), contents)
    }

    /// Changes one byte of a file, in the cache and on the disk: bit rot.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidInput` beyond the end.
    pub fn corrupt(&self, path: impl AsRef<Path>, offset: u64, xor: u8) -> io::Result<()> {
        self.disk.corrupt(path.as_ref(), offset, xor)
    }

    /// Cuts or extends a file durably.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`.
    pub fn truncate(&self, path: impl AsRef<Path>, len: u64) -> io::Result<()> {
        self.disk.truncate(path.as_ref(), len)
    }

    /// Removes a file durably.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.disk.remove_file(path.as_ref())
    }

    /// The files in and below a directory, as sorted paths relative to it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub fn list_files(&self, directory: impl AsRef<Path>) -> io::Result<Vec<String>> {
        self.disk.list_files(directory.as_ref())
    }
}

impl Drop for SimWorld {
    /// Tasks hold the world that holds them: only this breaks the circle. The disk stays usable.
    fn drop(&mut self) {
        self.scheduler.end();
    }
}

impl fmt::Debug for SimWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimWorld").field("seed", &self.seed).field("now", &self.now()).finish_non_exhaustive()
    }
}
