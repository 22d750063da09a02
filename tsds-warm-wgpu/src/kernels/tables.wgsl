// The tables of a request: blocks and parts. Needs `tables`, which the contract calls `meta` (a reserved word here).

const NONE: u32 = 0xffffffffu;
const GROUP_THREADS: u32 = 64u;
const BLOCK_ITEMS: u32 = 2048u;

struct Block {
    number: u32,
    part: u32,
    first: u32,
    items: u32,
    aux: u32,
}

fn block_at(number: u32) -> Block {
    let at = p(1u) + 4u * number;
    return Block(number, tables[at], tables[at + 1u], min(tables[at + 2u], BLOCK_ITEMS), tables[at + 3u]);
}

fn part_word(part: u32, word: u32) -> u32 {
    return tables[p(2u) + 8u * part + word];
}

fn part_program(part: u32) -> u32 { return part_word(part, 1u); }
fn part_stride(part: u32) -> u32 { return part_word(part, 2u); }
fn part_list_start(part: u32) -> u32 { return part_word(part, 3u); }
fn part_list_items(part: u32) -> u32 { return part_word(part, 4u); }
fn part_buckets(part: u32) -> u32 { return part_word(part, 5u); }
fn part_bucket_count(part: u32) -> u32 { return part_word(part, 6u); }
fn part_wanted(part: u32) -> u32 { return part_word(part, 7u); }

// Threads take items `t`, `t + 64`, `t + 128` and so on, so that neighbours read neighbours. This is how many.
fn rounds(items: u32, t: u32) -> u32 {
    return (items + GROUP_THREADS - 1u - t) / GROUP_THREADS;
}
