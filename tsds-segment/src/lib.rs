//! tsds-segment
