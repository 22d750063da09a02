//! Small tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle, Width};

use crate::failure::printable;

/// Texts longer than this are cut: a table is for reading.
const MAX_CELL_CHARS: usize = 60;

const STYLE: TableStyle = NOTHING.header_separator(LineStyle::none().fill('─'));

/// On which side the values of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table of texts.
#[derive(Debug)]
pub(crate) struct TextTable {
    table: Table,
    aligns: Vec<Align>,
    least_widths: Vec<u16>,
    max_chars: usize,
}

impl TextTable {
    /// A table with these column headings.
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let (names, aligns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let mut table =
            Self { table: Table::new(), aligns, least_widths: Vec::new(), max_chars: MAX_CELL_CHARS };
        table.table.load_style(STYLE);
        let heading = table.cells(names);
        table.table.set_header(heading);
        table
    }

    /// Cuts no text, however long.
    pub(crate) fn unlimited(self) -> Self {
        Self { max_chars: usize::MAX, ..self }
    }

    /// An empty table without headings that stands below this one, with columns at least as wide.
    pub(crate) fn continued(&self) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let widths = self.table.column_max_content_widths();
        let least = widths.iter().enumerate().map(|(index, width)| {
            let before = self.least_widths.get(index).copied().unwrap_or_default();
            // A column is one blank wider on each side than what it holds.
            before.max(width.saturating_add(2))
        });
        Self { table, aligns: self.aligns.clone(), least_widths: least.collect(), max_chars: self.max_chars }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, values: impl IntoIterator<Item = impl AsRef<str>>) {
        let cells = self.cells(values);
        self.table.add_row(cells);
    }

    /// How many rows there are below the headings.
    pub(crate) fn rows(&self) -> usize {
        self.table.row_count()
    }

    /// The table as text, each line ended.
    pub(crate) fn text(&mut self) -> String {
        let constraints =
            self.least_widths.iter().map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
        self.table.set_constraints(constraints);
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn cells(&self, values: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Cell> {
        let aligned = values.into_iter().zip(&self.aligns).map(|(value, align)| {
            let cell = Cell::new(shown(value.as_ref(), self.max_chars));
            match align {
                Align::Left => cell,
                Align::Right => cell.set_alignment(CellAlignment::Right),
            }
        });
        aligned.collect()
    }
}

/// A value on one line of limited length, without control characters.
fn shown(value: &str, max_chars: usize) -> String {
    let text = if value.chars().any(char::is_control) { printable(value) } else { value.to_owned() };
    if text.chars().nth(max_chars).is_none() {
        return text;
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_on_the_right() {
        let mut table = TextTable::new([("name", Align::Left), ("rows", Align::Right)]);
        table.row(["a", "1"]);
        table.row(["bcdef", "1,234"]);
        assert_eq!(table.text(), " name    rows\n──────────────\n a          1\n bcdef  1,234\n");
    }

    #[test]
    fn a_continued_table_keeps_its_columns() {
        let mut table = TextTable::new([("name", Align::Left), ("n", Align::Right)]);
        table.row(["abcdefgh", "1"]);
        let first = table.text();
        let mut rest = table.continued();
        rest.row(["x", "2"]);
        assert_eq!(first, " name      n\n─────────────\n abcdefgh  1\n");
        assert_eq!(rest.text(), " x         2\n");
        let mut wider = rest.continued();
        wider.row(["x", "333"]);
        assert_eq!(wider.text(), " x         333\n");
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_escaped() {
        assert_eq!(shown(&"x".repeat(60), 60), "x".repeat(60));
        assert_eq!(shown(&"x".repeat(61), 60), format!("{}…", "x".repeat(59)));
        assert_eq!(shown("a\n\u{1b}[2J", 60), "a\\n\\u{1b}[2J");
    }

    #[test]
    fn a_table_without_rows_shows_its_headings() {
        let mut table = TextTable::new([("a", Align::Left)]);
        assert_eq!((table.rows(), table.text().as_str()), (0, " a\n───\n"));
    }
}
