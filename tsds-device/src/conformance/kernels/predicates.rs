//! Predicate programs.

use crate::kernel::{Instruction, Kernel};

use super::model::{Items, Request, SHAPES, bitmap};
use super::{for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("mask_runs_the_program_of_each_part", mask),
        ("mask_of_a_grid_of_two_dimensions_is_whole", two_dimensions),
    ]
}

/// A predicate, as a tree.
enum Term {
    Ranges(usize, Vec<(u64, u64)>),
    Null(usize),
    Valid(usize),
    Constant(bool),
    And(Box<Term>, Box<Term>),
    Or(Box<Term>, Box<Term>),
}

impl Term {
    fn any(numbers: &mut Numbers, request: &Request, part: usize, depth: u32) -> Self {
        let slot = numbers.below(SHAPES.len() as u64) as usize;
        if depth > 0 && !numbers.chance(4) {
            let left = Box::new(Self::any(numbers, request, part, depth - 1));
            // The deeper side may be either: both need another depth of the stack.
            let right = Box::new(Self::any(numbers, request, part, depth - 1));
            return if numbers.chance(2) { Self::And(left, right) } else { Self::Or(left, right) };
        }
        match numbers.below(12) {
            0 => Self::Null(slot),
            1 => Self::Valid(slot),
            2 => Self::Constant(numbers.chance(2)),
            _ => Self::Ranges(slot, ranges(numbers, request, part, slot)),
        }
    }

    fn holds(&self, request: &Request, part: usize, row: usize) -> bool {
        let columns = &request.parts[part].columns;
        match self {
            Self::Ranges(slot, ranges) => {
                let key = columns[*slot].key(row);
                columns[*slot].valid[row] && ranges.iter().any(|(first, last)| (first..=last).contains(&&key))
            }
            Self::Null(slot) => !columns[*slot].valid[row],
            Self::Valid(slot) => columns[*slot].valid[row],
            Self::Constant(bit) => *bit,
            Self::And(a, b) => a.holds(request, part, row) && b.holds(request, part, row),
            Self::Or(a, b) => a.holds(request, part, row) || b.holds(request, part, row),
        }
    }

    fn compile(&self, meta: &mut Vec<u32>, program: &mut Vec<u32>) {
        let instruction = match self {
            Self::Ranges(slot, list) => {
                let ranges = meta.len() as u32;
                for key in list.iter().flat_map(|(first, last)| [first, last]) {
                    meta.extend([*key as u32, (key >> 32) as u32]);
                }
                Instruction::Keys { slot: *slot as u32, ranges, count: list.len() as u32 }
            }
            Self::Null(slot) => Instruction::Null { slot: *slot as u32 },
            Self::Valid(slot) => Instruction::Valid { slot: *slot as u32 },
            Self::Constant(bit) => Instruction::Constant { bit: *bit },
            Self::And(a, b) | Self::Or(a, b) => {
                a.compile(meta, program);
                b.compile(meta, program);
                if matches!(self, Self::And(..)) { Instruction::And } else { Instruction::Or }
            }
        };
        program.extend(instruction.words());
    }
}

/// Disjoint ranges that begin and end at keys that there are.
fn ranges(numbers: &mut Numbers, request: &Request, part: usize, slot: usize) -> Vec<(u64, u64)> {
    let column = &request.parts[part].columns[slot];
    let mut keys: Vec<u64> = (0..numbers.pick(&[0, 2, 2, 2, 4, 10, 40]))
        .map(|_| match column.values.len() {
            0 => numbers.next(),
            rows => column.key(numbers.below(rows as u64) as usize),
        })
        .collect();
    keys.sort_unstable();
    let mut ranges = Vec::new();
    let mut keys = keys.into_iter().peekable();
    while let Some(first) = keys.next() {
        let last = if numbers.chance(3) { first } else { keys.next().unwrap_or(u64::MAX) };
        while keys.next_if(|key| *key <= last).is_some() {}
        ranges.push((first, last));
    }
    ranges
}

fn mask<S: Subject>(bench: &Bench<S>) {
    for_requests(40, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::Rows);
        let depth = numbers.below(6) as u32;
        let terms: Vec<_> =
            (0..sizes.len()).map(|part| Term::any(&mut numbers, &request, part, depth)).collect();
        for (part, term) in terms.iter().enumerate() {
            let mut program = Vec::new();
            term.compile(&mut request.meta, &mut program);
            program.extend(Instruction::End.words());
            request.entries[part].program = request.meta.len() as u32;
            request.meta.extend(program);
        }
        let tables = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let blocks = request.blocks.len();
        let bits = bench.filled(blocks * 64, 0x5555_5555);
        let counts = bench.filled(blocks, 0x5555_5555);
        let all = launches(&mut numbers, blocks)
            .into_iter()
            .map(|(first, count)| {
                let mut params = tables.clone();
                params.extend([(0, count), (5, first)]);
                launch(Kernel::Mask, &[&slab, &meta, &bits, &counts], &params)
            })
            .collect();
        let got = bench.launch(all, &[(&bits, blocks * 64), (&counts, blocks)]);
        let expected = bitmap(&request.blocks, |block, j| {
            terms[block.part as usize].holds(&request, block.part as usize, block.first as usize + j)
        });
        assert_eq!((&got[0], &got[1]), (&expected.0, &expected.1));
    });
}

fn two_dimensions<S: Subject>(bench: &Bench<S>) {
    // One row in a block, so that there are more blocks than one dimension of a grid holds.
    let rows = 70_001;
    let slot = 0;
    let mut request = Request::new(1, &[rows], Items::Rows);
    let middle = 1 << 63;
    request.entries[0].program = request.meta.len() as u32 + 4;
    request.meta.extend([0, 0, middle as u32, (middle >> 32) as u32]);
    let ranges = request.meta.len() as u32 - 4;
    request.meta.extend(Instruction::Keys { slot, ranges, count: 1 }.words());
    request.meta.extend(Instruction::End.words());
    request.blocks = (0..rows as u32)
        .map(|first| crate::kernel::BlockEntry { part: 0, first, items: 1, aux: 0 })
        .collect();
    let mut params = request.finish();
    params.push((0, rows as u32));
    let slab = bench.upload(&request.slab);
    let meta = bench.upload(&request.meta);
    let bits = bench.filled(rows * 64, 0x5555_5555);
    let counts = bench.filled(rows, 0x5555_5555);
    let run = launch(Kernel::Mask, &[&slab, &meta, &bits, &counts], &params);
    let got = bench.launch(vec![run], &[(&counts, rows)]).remove(0);
    let column = &request.parts[0].columns[slot as usize];
    let expected: Vec<u32> =
        (0..rows).map(|row| u32::from(column.valid[row] && column.key(row) <= middle)).collect();
    assert_eq!(got, expected);
}
