//! Tiers of a size that lets all three of them fill.

use tsds_engine::config::Layers;
use tsds_traits::Result;

use super::generate::Mode;

/// The codec of which [`Mode::packed_bytes_per_row`] speaks.
const PACKED: &str = "tsds.gorilla";

/// Settings that size the hot tier for a tenth of the rows and the warm tier for a third, as far as they are not configured.
///
/// # Errors
///
/// What is wrong with the configuration.
pub(crate) fn size_tiers(layers: &Layers, rows: u64, mode: Mode) -> Result<Vec<(&'static str, u64)>> {
    let hot_rows = (rows / 10).max(1);
    let held = match layers.settings()?.warm_tier.file_codec == PACKED {
        true => mode.packed_bytes_per_row(),
        false => mode.bytes_per_row(),
    };
    let hot_mb = mebibytes(hot_rows.saturating_mul(mode.bytes_per_row()).saturating_mul(2)).max(256);
    let warm_mb = mebibytes((rows / 3).saturating_mul(held));
    let sizes = [
        ("hot_tier.max_records", hot_rows),
        ("hot_tier.max_memory_mb", hot_mb),
        ("warm_tier.max_memory_mb", warm_mb),
    ];
    Ok(sizes.into_iter().filter(|(key, _)| layers.origin(key).is_none()).collect())
}

fn mebibytes(bytes: u64) -> u64 {
    (bytes >> 20).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(layers: &mut Layers, rows: u64) {
        for (key, value) in size_tiers(layers, rows, Mode::Simple).unwrap() {
            layers.code(key, value).unwrap();
        }
    }

    #[test]
    fn tiers_are_sized_by_the_rows_to_come() {
        for (codec, warm_mb) in [("tsds.plain", 890), ("tsds.gorilla", 190)] {
            let mut layers = Layers::new();
            layers.code("warm_tier.file_codec", codec).unwrap();
            size(&mut layers, 100_000_000);
            let settings = layers.settings().unwrap();
            assert_eq!(settings.hot_tier.max_records, 10_000_000);
            assert_eq!(settings.hot_tier.max_memory_mb, 534);
            assert_eq!(settings.warm_tier.max_memory_mb, warm_mb);
        }
    }

    #[test]
    fn few_rows_still_make_valid_tiers() {
        for rows in [0, 1, 9, 1_000] {
            let mut layers = Layers::new();
            size(&mut layers, rows);
            let settings = layers.settings().unwrap();
            assert_eq!(settings.warm_tier.max_memory_mb, 1);
            assert_eq!(settings.hot_tier.max_records, (rows / 10).max(1));
        }
    }

    #[test]
    fn what_is_configured_stays() {
        let mut layers = Layers::new();
        layers
            .json("a.json", r#"{"hot_tier": {"max_records": 77}, "warm_tier": {"file_codec": "tsds.plain"}}"#)
            .unwrap();
        size(&mut layers, 1_000_000);
        let settings = layers.settings().unwrap();
        assert_eq!((settings.hot_tier.max_records, settings.warm_tier.max_memory_mb), (77, 8));
    }
}
