//! tsds-engine
