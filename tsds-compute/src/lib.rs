//! tsds-compute
