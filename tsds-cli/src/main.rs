//! The `tsds` binary.

fn main() {}
