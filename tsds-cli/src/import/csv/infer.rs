//! Which type a column of text has.

use arrow_schema::DataType;

/// The types that every value seen so far would fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidates {
    seen: bool,
    boolean: bool,
    integer: bool,
    float: bool,
}

impl Default for Candidates {
    fn default() -> Self {
        Self { seen: false, boolean: true, integer: true, float: true }
    }
}

impl Candidates {
    /// Takes a value that is not null into account. Blanks alone say nothing.
    pub(super) fn observe(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.seen = true;
        self.boolean = self.boolean && parse_bool(text).is_some();
        if self.integer && text.parse::<i64>().is_ok() {
            return;
        }
        self.integer = false;
        self.float = self.float && text.parse::<f64>().is_ok();
    }

    /// Takes what another file showed into account.
    pub(crate) fn merge(&mut self, other: Self) {
        self.seen |= other.seen;
        self.boolean &= other.boolean;
        self.integer &= other.integer;
        self.float &= other.float;
    }

    /// The narrowest type; text for a column without values.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self { seen: false, .. } => DataType::Utf8,
            Self { boolean: true, .. } => DataType::Boolean,
            Self { integer: true, .. } => DataType::Int64,
            Self { float: true, .. } => DataType::Float64,
            _ => DataType::Utf8,
        }
    }
}

/// `true` or `false` in any case.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inferred(values: &[&str]) -> DataType {
        let mut candidates = Candidates::default();
        values.iter().for_each(|value| candidates.observe(value));
        candidates.data_type()
    }

    #[test]
    fn the_narrowest_type_that_fits_all_values_wins() {
        let cases: [(&[&str], DataType); 12] = [
            (&["true", "FALSE", "True"], DataType::Boolean),
            (&["1", "-2", "+3", " 4 "], DataType::Int64),
            (&["007"], DataType::Int64),
            (&["1", "2.5"], DataType::Float64),
            (&["1e3", "NaN", "-inf", ".5"], DataType::Float64),
            (&["9223372036854775807", "9223372036854775808"], DataType::Float64),
            (&["1", "x"], DataType::Utf8),
            (&["x", "1"], DataType::Utf8),
            (&["true", "1"], DataType::Utf8),
            (&["2.5", "true"], DataType::Utf8),
            (&[], DataType::Utf8),
            (&[" ", "7"], DataType::Int64),
        ];
        for (values, expected) in cases {
            assert_eq!(inferred(values), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_a_cut_into_files_matters(
            mut values in proptest::collection::vec(prop_oneof!["[0-9]{1,3}", "[0-9]\\.[0-9]", "true", "[a-z]{1,2}", " "], 0..12),
            cut in 0usize..12,
        ) {
            let whole = inferred(&values.iter().map(String::as_str).collect::<Vec<_>>());
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut halves = [Candidates::default(), Candidates::default()];
            left.iter().for_each(|value| halves[0].observe(value));
            right.iter().for_each(|value| halves[1].observe(value));
            let [mut merged, other] = halves;
            merged.merge(other);
            prop_assert_eq!(merged.data_type(), whole.clone());
            values.reverse();
            prop_assert_eq!(inferred(&values.iter().map(String::as_str).collect::<Vec<_>>()), whole);
        }
    }
}
