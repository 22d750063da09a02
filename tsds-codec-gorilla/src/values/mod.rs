//! What values are before they are integers: 64-bit lanes, and how floats, few distinct values and outliers become
//! integers.
//!
//! A **lane** holds one value: an integer with its sign (or zeros, if it has none) extended, or the bits of a float.

mod bitmap;
mod decimal;
mod dictionary;
mod exceptions;
mod kind;
mod order;

pub(crate) use bitmap::is_set;
pub(crate) use decimal::{DecimalFit, Decimals, fits, quantize};
pub(crate) use dictionary::{MAX_DISTINCT, distinct};
pub(crate) use exceptions::Exceptions;
pub use kind::Kind;
pub use order::ordered_of_lane as place;
pub(crate) use order::{lane_of_ordered, ordered_of_lane};
