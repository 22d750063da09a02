//! What is wrong with an expression, and where.

use sqlparser::tokenizer::Span;

/// What is wrong with an expression, and the characters that are to blame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Complaint {
    /// What is wrong, in one lower-case sentence.
    pub(crate) message: String,
    /// Where: an empty span points nowhere.
    pub(crate) span: Span,
    /// What to write instead.
    pub(crate) hint: Option<String>,
}

impl Complaint {
    /// A complaint about the characters in `span`.
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, hint: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line of `text` that is to blame, with carets below the place.
    pub(crate) fn excerpt(&self, text: &str) -> Option<String> {
        let line_number = usize::try_from(self.span.start.line).ok()?.checked_sub(1)?;
        let first = usize::try_from(self.span.start.column).ok()?.checked_sub(1)?;
        let line: Vec<char> = text.lines().nth(line_number).unwrap_or_default().chars().collect();
        let end_of_line = self.span.end.line != self.span.start.line;
        let last = if end_of_line {
            line.len()
        } else {
            usize::try_from(self.span.end.column).ok()?.saturating_sub(1)
        };
        let carets = last.saturating_sub(first).clamp(1, line.len().saturating_sub(first).max(1));
        let shown: String = line.iter().map(|c| if c.is_control() { ' ' } else { *c }).collect();
        Some(format!("{shown}\n{}{}", " ".repeat(first.min(line.len())), "^".repeat(carets)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::tokenizer::Location;

    fn span(from: (u64, u64), to: (u64, u64)) -> Span {
        Span::new(Location::new(from.0, from.1), Location::new(to.0, to.1))
    }

    #[test]
    fn carets_stand_below_the_place() {
        let complaint = Complaint::new("odd", span((1, 5), (1, 8)));
        assert_eq!(complaint.excerpt("one two three").unwrap(), "one two three\n    ^^^");
    }

    #[test]
    fn only_the_line_to_blame_is_shown() {
        let complaint = Complaint::new("odd", span((2, 3), (3, 1)));
        assert_eq!(complaint.excerpt("first\na\tb cd\nlast").unwrap(), "a b cd\n  ^^^^");
    }

    #[test]
    fn a_place_at_the_end_gets_one_caret() {
        assert_eq!(Complaint::new("odd", span((1, 4), (1, 4))).excerpt("a >").unwrap(), "a >\n   ^");
        assert_eq!(Complaint::new("odd", span((1, 40), (1, 44))).excerpt("a >").unwrap(), "a >\n   ^");
    }

    #[test]
    fn no_place_gives_no_excerpt() {
        assert_eq!(Complaint::new("odd", Span::empty()).excerpt("a > 3"), None);
    }
}
