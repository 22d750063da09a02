//! tsds-warm-cpu
