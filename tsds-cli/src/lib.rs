//! tsds-cli
