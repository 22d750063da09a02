//! An evictor that misbehaves.

use std::sync::Arc;

use tsds_engine::traits::{Action, Evictor, Factory, Registry, Result, SegmentId, TierView};

use super::{EVICTOR, block, build_functions, registry};

/// How an evictor misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EvictorFault {
    BuildPanics,
    Panics,
    NamesUnknownSegments,
    NamesSegmentsTwice,
    FreesNothing,
    Blocks,
}

impl EvictorFault {
    /// A registry with an evictor that misbehaves so.
    pub fn registry(self) -> Registry {
        registry(
            EVICTOR,
            Factory::Evictor(build_functions!(
                self,
                EvictorFault {
                    BuildPanics,
                    Panics,
                    NamesUnknownSegments,
                    NamesSegmentsTwice,
                    FreesNothing,
                    Blocks
                },
                build
            )),
        )
    }
}

fn build<const FAULT: u8>(_: &serde_json::Value) -> Result<Arc<dyn Evictor>> {
    if FAULT == EvictorFault::BuildPanics as u8 {
        panic!("cannot be built");
    }
    Ok(Arc::new(Saboteur(FAULT)))
}

#[derive(Debug)]
struct Saboteur(u8);

impl Saboteur {
    fn is(&self, fault: EvictorFault) -> bool {
        self.0 == fault as u8
    }
}

impl Evictor for Saboteur {
    fn name(&self) -> &'static str {
        EVICTOR
    }

    fn plan(&self, view: &TierView<'_>) -> Vec<Action> {
        if self.is(EvictorFault::Panics) {
            panic!("cannot plan");
        }
        if self.is(EvictorFault::Blocks) {
            block();
        }
        if self.is(EvictorFault::FreesNothing) || view.bytes <= view.high_mark {
            return Vec::new();
        }
        let everything = view.segments.iter().map(|segment| Action::Evict(segment.meta.id));
        if self.is(EvictorFault::NamesUnknownSegments) {
            return [Action::Evict(SegmentId::new(u64::MAX))].into_iter().chain(everything).collect();
        }
        everything.clone().chain(everything).collect()
    }
}
