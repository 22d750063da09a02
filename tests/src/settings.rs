//! What a run is asked for, by the environment.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Failure;

/// The seed of a run that asks for none: the same data every time.
pub const DEFAULT_SEED: u64 = 0x7473_6473;

/// How many inputs a property is tried with in a run that asks for no number.
pub const DEFAULT_INPUTS: u32 = 24;

/// What a run is asked for.
///
/// | variable | meaning |
/// |---|---|
/// | `TSDS_SEED` | the seed of everything that is generated: a number, or `random` |
/// | `TSDS_CASES` | how many generated inputs every property is tried with |
/// | `TSDS_REQUIRE` | ids, separated by commas, whose absence is a failure |
/// | `TSDS_FAIL_FAST` | `1` ends the run at the first failure, and does not look for the smallest input that fails |
/// | `TSDS_CONFORMANCE_REPORT` | where the JSON report goes, instead of `target/tsds-conformance.json`, or `target/tsds-conformance.<package>.json` for a test binary of another package |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The seed of everything that is generated. The same seed gives the same inputs to every backend.
    pub seed: u64,
    /// How many inputs a property is tried with.
    pub inputs: u32,
    /// Backends that must be there.
    pub required: BTreeSet<String>,
    /// Whether cases after the first failure are not run, and failing inputs not made smaller: for whoever wants to know
    /// only whether there is a failure.
    pub fail_fast: bool,
    /// Where the report goes; `None` for nowhere.
    pub report: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: DEFAULT_SEED,
            inputs: DEFAULT_INPUTS,
            required: BTreeSet::new(),
            fail_fast: false,
            report: None,
        }
    }
}

impl Settings {
    /// Reads the environment through `variable`; `random` provides the seed where a random one is asked for.
    ///
    /// # Errors
    ///
    /// A failure for a variable that does not parse. A typing error must not run something else than what was asked for.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        random: impl FnOnce() -> u64,
    ) -> Result<Self, Failure> {
        let mut settings = Self::default();
        match variable("TSDS_SEED").as_deref().map(str::trim) {
            None | Some("") => {}
            Some("random") => settings.seed = random(),
            Some(text) => {
                settings.seed = parse_number(text).map_err(|error| error.during("reading TSDS_SEED"))?
            }
        }
        if let Some(text) = variable("TSDS_CASES").filter(|text| !text.trim().is_empty()) {
            let inputs = parse_number(text.trim()).map_err(|error| error.during("reading TSDS_CASES"))?;
            settings.inputs = u32::try_from(inputs)
                .ok()
                .filter(|inputs| *inputs > 0)
                .ok_or_else(|| Failure::new(format!("TSDS_CASES must be between 1 and 2^32: {text}")))?;
        }
        if let Some(text) = variable("TSDS_REQUIRE") {
            let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
            settings.required = ids.map(ToString::to_string).collect();
        }
        settings.fail_fast = match variable("TSDS_FAIL_FAST").as_deref().map(str::trim) {
            None | Some("" | "0") => false,
            Some("1") => true,
            Some(text) => return Err(Failure::new(format!("TSDS_FAIL_FAST must be 0 or 1: {text}"))),
        };
        settings.report =
            variable("TSDS_CONFORMANCE_REPORT").filter(|text| !text.is_empty()).map(PathBuf::from);
        Ok(settings)
    }

    /// The seed of one case: it depends on the case and not on the backend, so that all backends get the same inputs.
    pub fn seed_of(&self, case: &str) -> u64 {
        // FNV-1a: stable for ever, unlike the standard library's hashers.
        case.bytes().fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// Reads a seed or a count as it is printed: decimal, or hexadecimal after `0x`.
///
/// # Errors
///
/// A failure that shows the text, if it is neither or does not fit into 64 bits.
pub fn parse_number(text: &str) -> Result<u64, Failure> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| Failure::new(format!("not a number: {text} ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Failure> {
        let find =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Settings::read(find, || 99)
    }

    #[test]
    fn an_empty_environment_gives_the_same_seed_every_time() {
        assert_eq!(read(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn seeds_are_decimal_hexadecimal_or_random() {
        for (text, seed) in [("17", 17), ("0x11", 17), ("random", 99)] {
            assert_eq!(read(&[("TSDS_SEED", text)]).unwrap().seed, seed);
        }
    }

    #[test]
    fn what_does_not_parse_is_a_failure() {
        assert!(read(&[("TSDS_SEED", "seven")]).is_err());
        assert!(read(&[("TSDS_CASES", "0")]).is_err());
        assert!(read(&[("TSDS_FAIL_FAST", "perhaps")]).is_err());
    }

    #[test]
    fn a_run_ends_at_the_first_failure_only_if_asked_to() {
        for (text, fail_fast) in [("", false), ("0", false), ("1", true)] {
            assert_eq!(read(&[("TSDS_FAIL_FAST", text)]).unwrap().fail_fast, fail_fast);
        }
    }

    #[test]
    fn required_ids_are_separated_by_commas() {
        let settings = read(&[("TSDS_REQUIRE", "a.b, c.d,")]).unwrap();
        assert_eq!(settings.required.into_iter().collect::<Vec<_>>(), ["a.b", "c.d"]);
    }

    #[test]
    fn cases_have_different_seeds() {
        let settings = Settings::default();
        assert_ne!(settings.seed_of("a"), settings.seed_of("b"));
    }
}
