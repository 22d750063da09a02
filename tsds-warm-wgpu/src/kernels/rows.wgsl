// The rows of items: of a list, or of none. Needs `list`.

struct Rows {
    none: bool,
    start: u32,
}

fn rows_of(part: u32, none: u32) -> Rows {
    return Rows(none == 1u, part_list_start(part));
}

fn row_of(rows: Rows, item: u32) -> u32 {
    if (rows.none) {
        return item - rows.start;
    }
    return list[item];
}
