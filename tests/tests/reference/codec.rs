//! The suite's own codec, which is as plain as a codec can be.

use std::sync::Arc;

use tsds_conformance::fixture::CodecFixture;
use tsds_traits::{Codec, Presence, Result, TypeSet};

pub use tsds_conformance::data::CellCodec as ReferenceCodec;

/// Builds a reference codec for these types.
pub struct ReferenceCodecFixture {
    pub id: &'static str,
    pub types: TypeSet,
}

impl CodecFixture for ReferenceCodecFixture {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    fn open(&self) -> Result<Arc<dyn Codec>> {
        Ok(Arc::new(ReferenceCodec::new(self.types)))
    }
}

pub fn every_type() -> ReferenceCodecFixture {
    ReferenceCodecFixture { id: "conformance.cells", types: TypeSet::ALL }
}

pub fn floats_only() -> ReferenceCodecFixture {
    ReferenceCodecFixture { id: "conformance.cells+floats", types: TypeSet::NONE.with_floats() }
}
