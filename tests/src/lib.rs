//! tsds-conformance
