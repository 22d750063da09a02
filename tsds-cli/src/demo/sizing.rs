//! Tiers of a size that lets all three of them fill.

use tsds_engine::config::Layers;
use tsds_traits::Result;

/// Sizes the hot tier for a tenth of the rows and the warm tier for a third, unless they are configured.
///
/// # Errors
///
/// None but a bug: the keys exist.
pub(crate) fn size_tiers(layers: &mut Layers, rows: u64, bytes_per_row: u64) -> Result<()> {
    let hot_rows = (rows / 10).max(1);
    let hot_mb = mebibytes(hot_rows.saturating_mul(bytes_per_row).saturating_mul(2)).max(256);
    let warm_mb = mebibytes((rows / 3).saturating_mul(bytes_per_row));
    let sizes = [
        ("hot_tier.max_records", hot_rows),
        ("hot_tier.max_memory_mb", hot_mb),
        ("warm_tier.max_memory_mb", warm_mb),
    ];
    for (key, value) in sizes {
        if layers.origin(key).is_none() {
            layers.code(key, value)?;
        }
    }
    Ok(())
}

fn mebibytes(bytes: u64) -> u64 {
    (bytes >> 20).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_sized_by_the_rows_to_come() {
        let mut layers = Layers::new();
        size_tiers(&mut layers, 100_000_000, 28).unwrap();
        let settings = layers.settings().unwrap();
        assert_eq!(settings.hot_tier.max_records, 10_000_000);
        assert_eq!(settings.hot_tier.max_memory_mb, 534);
        assert_eq!(settings.warm_tier.max_memory_mb, 890);
    }

    #[test]
    fn few_rows_still_make_valid_tiers() {
        for rows in [0, 1, 9, 1_000] {
            let mut layers = Layers::new();
            size_tiers(&mut layers, rows, 28).unwrap();
            let settings = layers.settings().unwrap();
            assert_eq!(settings.warm_tier.max_memory_mb, 1);
            assert_eq!(settings.hot_tier.max_records, (rows / 10).max(1));
        }
    }

    #[test]
    fn what_is_configured_stays() {
        let mut layers = Layers::new();
        layers.json("a.json", r#"{"hot_tier": {"max_records": 77}}"#).unwrap();
        size_tiers(&mut layers, 1_000_000, 28).unwrap();
        let settings = layers.settings().unwrap();
        assert_eq!((settings.hot_tier.max_records, settings.warm_tier.max_memory_mb), (77, 8));
    }
}
