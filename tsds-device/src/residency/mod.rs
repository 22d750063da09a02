//! What a volatile tier holds, how much memory that takes, and when the work for a request ends.

mod answer;
mod budget;
mod shelf;
mod source;

pub use answer::{Answer, Stop};
pub use budget::Charge;
pub use shelf::{Begin, Held, Putting, Shelf};
pub use source::{check_nulls, read_rows};
