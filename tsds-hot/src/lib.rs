//! tsds-hot
