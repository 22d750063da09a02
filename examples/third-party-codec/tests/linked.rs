//! Two ways into a registry: the crate named once so that the linker keeps it, and a call.
#![allow(clippy::unwrap_used)]

use example_pco as _;
use tsds_traits::{CodecLookup, Registry};

#[test]
fn a_crate_that_is_named_once_is_in_the_inventory() {
    let registry = Registry::from_inventory().unwrap();
    assert_eq!(registry.get("example.pco").unwrap().factory.role(), "codec");
    assert_eq!(registry.codecs().unwrap().codec("example.pco").unwrap().id(), "example.pco");
}

#[test]
fn the_inventory_joins_what_ships_with_tsds() {
    let mut registry = tsds_engine::builtin_registry().unwrap();
    registry.extend(&Registry::from_inventory().unwrap()).unwrap();
    assert!(registry.get("example.pco").is_ok() && registry.get("tsds.plain").is_ok());
}

#[test]
fn a_call_registers_it_anywhere() {
    let mut registry = Registry::new();
    registry.register(example_pco::PLUGIN).unwrap();
    assert!(registry.get("example.pco").is_ok());
    // Once: a second one of the same id is a mistake.
    assert!(registry.register(example_pco::PLUGIN).is_err());
}
