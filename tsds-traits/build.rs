//! Exists so that `links` in Cargo.toml takes effect: two versions of this crate in one graph are then an error from
//! Cargo instead of two silent plugin registries.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
