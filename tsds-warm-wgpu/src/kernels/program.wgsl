// Runs the program of a block's part on 32 rows of a thread at once, a bit for each. Needs `LAST_CODE`, and `leaf`, which says
// what a condition (code 1, 2, 3 or 7) is of them; bits beyond the block's rows can be anything.

fn run(block: Block, t: u32) -> u32 {
    var below_top: array<u32, 16>;
    var depth = 0u;
    var top = 0u;
    var at = part_program(block.part);
    // A program ends long before the tables do.
    let end = arrayLength(&tables);
    while (at + 3u < end) {
        let code = tables[at];
        let slot = tables[at + 1u];
        let second = tables[at + 2u];
        let third = tables[at + 3u];
        at += 4u;
        if (code == 0u || code > LAST_CODE) {
            break;
        }
        if (code == 4u || code == 5u) {
            depth = max(depth, 1u) - 1u;
            let other = below_top[min(depth, 15u)];
            top = select(top | other, top & other, code == 4u);
            continue;
        }
        below_top[min(depth, 15u)] = top;
        depth += 1u;
        if (code == 6u) {
            top = select(0u, 0xffffffffu, second != 0u);
        } else {
            top = leaf(code, slot, second, third, block, t);
        }
    }
    return top;
}
