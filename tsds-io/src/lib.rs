//! tsds-io
