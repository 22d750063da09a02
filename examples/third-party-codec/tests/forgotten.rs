//! A program that depends on `example-pco` and never names it: the linker leaves the crate out, and the error says so. This
//! file must not name it either.
#![allow(clippy::unwrap_used)]

use tsds_traits::{ErrorKind, Registry};

#[test]
fn a_crate_that_nobody_names_is_not_linked_and_the_error_says_what_to_write() {
    let error = Registry::from_inventory().unwrap().get("example.pco").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("id=example.pco") && text.contains("`use that_crate as _;`"), "{text}");
}
