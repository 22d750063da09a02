//! The SQL that the command line takes: a filter expression and a list of aggregate calls, and no more.
//!
//! `sqlparser` reads the text; what TSDS cannot answer is refused here, pointing at the place.

mod aggregate;
mod complaint;
mod filter;
mod literal;
mod parse;

pub(crate) use aggregate::{Call, parse_calls};
pub(crate) use complaint::Complaint;
pub(crate) use filter::{Filter, parse_filter};
