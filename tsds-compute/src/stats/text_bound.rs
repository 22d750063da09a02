//! Bounds of long text by short text.

/// The longest prefix of at most `limit` bytes that ends between characters: no text is smaller than its prefix.
pub(super) fn lower(text: &str, limit: usize) -> &str {
    let cut = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..cut.unwrap_or(0)]
}

/// A text of at most `limit` bytes that is larger than every text with the same prefix of `limit` bytes, or `None` where
/// there is none, as before a run of U+10FFFF.
pub(super) fn upper(text: &str, limit: usize) -> Option<String> {
    let mut prefix = lower(text, limit).to_owned();
    while let Some(last) = prefix.pop() {
        if let Some(next) = next_char(last)
            && prefix.len() + next.len_utf8() <= limit
        {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

/// The next character; surrogates are no characters. The order of UTF-8 bytes is the order of characters.
fn next_char(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_upper_bound_skips_what_cannot_grow() {
        assert_eq!(upper("abc", 2).as_deref(), Some("ac"));
        assert_eq!(upper("a\u{10ffff}x", 5).as_deref(), Some("b"));
        assert_eq!(upper("\u{10ffff}\u{10ffff}", 4), None);
        assert_eq!(upper("\u{d7ff}x", 3).as_deref(), Some("\u{e000}"));
        // The next character is longer and would not fit.
        assert_eq!(upper("a\u{7f}x", 2).as_deref(), Some("b"));
    }

    proptest! {
        #[test]
        fn bounds_enclose_the_text(text in "[a\u{7f}\u{80}é\u{d7ff}\u{ffff}\u{10ffff}]{0,12}", limit in 0usize..20) {
            prop_assert!(lower(&text, limit) <= text.as_str());
            prop_assert!(lower(&text, limit).len() <= limit);
            if text.len() > limit && let Some(bound) = upper(&text, limit) {
                prop_assert!(bound.as_str() > text.as_str() && bound.len() <= limit);
            }
        }
    }
}
